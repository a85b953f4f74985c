"""A long evaluation resumes where it was interrupted, and gives the same bits."""

import numpy as np
import pytest
from metric_models import Linear, batches

from zoo import metrics
from zoo.metrics import likelihood, partial_values, progress


@pytest.fixture
def calls(monkeypatch):
    """The calls of compiled bounds; the call that `calls.stop` names is interrupted."""

    class Calls(list):
        stop = None

    made = Calls()
    compile_method = likelihood.compile_method

    def counted(*args, **options):
        run = compile_method(*args, **options)

        def call(*inputs):
            made.append(inputs)
            if len(made) == made.stop:
                raise KeyboardInterrupt
            return run(*inputs)

        return call

    monkeypatch.setattr(likelihood, "compile_method", counted)
    return made


def test_an_interrupted_evaluation_goes_on_with_the_same_bits(tmp_path, calls, capsys):
    model = Linear()
    data = batches(model.images(9))
    options = {"samples": 4, "chunk": 3}  # two calls for each image
    whole = metrics.log_likelihood(model, data, **options).values
    calls.clear()
    calls.stop = 12  # the second call for the sixth image
    file = tmp_path / "folder" / "values.npz"
    with pytest.raises(KeyboardInterrupt):
        metrics.log_likelihood(model, data, checkpoint=file, **options)
    calls.clear()
    calls.stop = None
    resumed = metrics.log_likelihood(model, data, checkpoint=file, **options).values
    assert len(calls) == 2 * (9 - 5) and "resuming from example 5 of 9" in capsys.readouterr().err
    np.testing.assert_array_equal(resumed, whole)
    calls.clear()
    again = metrics.log_likelihood(model, data, checkpoint=file, **options).values
    assert not calls
    np.testing.assert_array_equal(again, whole)


def test_values_of_another_evaluation_are_not_taken_over(tmp_path, calls, capsys):
    model = Linear()
    file = tmp_path / "values.npz"
    images = model.images(4)
    metrics.log_likelihood(model, batches(images), 2, checkpoint=file)
    for data, options in (
        (batches(images), {"samples": 2, "seed": 1}),
        (batches(images), {"samples": 3}),
        (batches(images[::-1]), {"samples": 2}),
    ):
        calls.clear()
        metrics.log_likelihood(model, data, checkpoint=file, **options)
        assert calls and "of another evaluation or damaged" in capsys.readouterr().err
    file.write_bytes(b"damaged")
    metrics.log_likelihood(model, batches(images), 2, checkpoint=file)
    assert "of another evaluation or damaged" in capsys.readouterr().err
    ones = [np.ones(3), np.zeros(2)]
    assert partial_values.weights_digest(ones) != partial_values.weights_digest(ones[::-1])


def test_values_are_written_now_and_then(tmp_path, monkeypatch):
    monkeypatch.setattr(partial_values, "SAVE_SECONDS", 0)
    partial = partial_values.PartialValues(tmp_path / "values.npz", (1, 5), "same")
    partial.values[:] = 7
    partial.fill(3)  # and the process is killed
    again = partial_values.PartialValues(tmp_path / "values.npz", (1, 5), "same")
    assert again.done == 3 and again.values[0, :3].tolist() == [7, 7, 7]


def test_progress_without_a_terminal_is_a_line_every_minute(monkeypatch, capsys):
    clock = iter([0, 30, 60, 90, 120])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    assert list(progress.track_examples(range(20, 100, 20), "bound", True)) == [20, 40, 60, 80]
    assert capsys.readouterr().err == (
        "bound: 40 of 100 done, 3 minutes left\nbound: 80 of 100 done, 1 minutes left\n"
    )
