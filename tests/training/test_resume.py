"""A resumed run gives the same numbers as one that never stopped, in any process."""

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import same_bits
from denoiser import Denoiser, OtherDenoiser, data, run

from zoo import errors
from zoo.training.checkpoint import Checkpoints, read
from zoo.training.workdir import differences


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


# Budgets.


@pytest.mark.parametrize("budget", [{"epochs": 0}, {"steps": 0}])
def test_a_budget_of_zero_trains_nothing_and_writes_nothing(tmp_path, budget):
    fresh = run(tmp_path / "new")
    before = fresh.state.arrays()
    assert fresh.fit(data, **budget).history == {}
    assert same_bits(before, fresh.state.arrays()) == [] and not (tmp_path / "new").exists()
    run(tmp_path / "old").fit(data, epochs=1)
    before = files(tmp_path / "old")
    again = run(tmp_path / "old")
    assert len(again.fit(data, **budget).history["loss"]) == 1
    assert again.state.position["step"] == 4 and files(tmp_path / "old") == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_to_keep": 0},
        {"max_to_keep": -1},
        {"save_every": 0},
        {"micro_batches": 0},
        {"seed": None},
        {"seed": -1},
        {"seed": 2**32},
        {"figures_every": -1},
        {"monitor": 3},
        {"verbose": "no"},
        {"eager": 1},
    ],
)
def test_numbers_of_the_trainer_are_checked_by_name(wrong):
    with pytest.raises(errors.UsageError, match=f"^{next(iter(wrong))} must be"):
        run(**wrong)


def test_a_workdir_is_a_folder_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run("~/runs/mine").workdir.path == tmp_path / "runs" / "mine"
    with pytest.raises(errors.UsageError, match="must be a folder, or None to save nothing, got"):
        run("")


def test_a_damaged_description_does_not_lose_the_run(tmp_path, capsys):
    run(tmp_path).fit(data, epochs=1)
    before = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(before[:50])
    assert len(run(tmp_path).fit(data, epochs=2).epoch) == 2
    assert "config.json is damaged and is written again" in capsys.readouterr().err
    assert (tmp_path / "config.json").read_text().count("\n") == before.count("\n")


def test_a_model_that_is_frozen_as_a_whole_is_not_trained():
    trainer = run()
    trainer.model.trainable = False
    with pytest.raises(errors.UsageError, match="are frozen, so there is nothing to train"):
        trainer.fit(data, epochs=1)


@pytest.mark.parametrize("budget", [1.5, -1, float("nan"), True, "2"])
@pytest.mark.parametrize("name", ["epochs", "steps"])
def test_budgets_are_whole_numbers(name, budget):
    with pytest.raises(errors.UsageError, match=f"{name} must be an integer >= 0"):
        run().fit(data, **{name: budget})


def test_callbacks_and_monitor_may_be_none(tmp_path):
    trainer = run(tmp_path, callbacks=None, monitor=None)
    trainer.fit(data, epochs=1, validation=data())
    assert not (tmp_path / "checkpoints" / "best.npz").exists()


# The identity of a run.


def test_only_settings_that_differ_are_listed():
    old = {"equal": 1, "tuple": (1, 2), "changed": 3, "gone": 4}
    new = {"equal": 1, "tuple": [1, 2], "changed": 5, "new": 6}
    assert differences(old, new) == [("changed=3", "changed=5")]


@pytest.mark.parametrize(
    ("options", "saved", "expected"),
    [
        ({"optimizers": keras.optimizers.Adam(0.5)}, "learning_rate=0.001", "learning_rate=0.5"),
        ({"optimizers": keras.optimizers.Adam(1e-3, beta_1=0.5)}, "beta_1=0.9", "beta_1=0.5"),
        ({"optimizers": keras.optimizers.AdamW(1e-3)}, 'optimizer="Adam"', 'optimizer="AdamW"'),
        ({"seed": 7}, "seed=0", "seed=7"),
        ({"weight": 50.0}, "weight=1", "weight=50"),
        ({"image_shape": (4, 1, 1)}, "image_shape=[2, 2, 1]", "image_shape=[4, 1, 1]"),
        ({"cls": OtherDenoiser}, 'model="Denoiser"', 'model="OtherDenoiser"'),
        ({"micro_batches": 2}, "micro_batches=1", "micro_batches=2"),
    ],
)
def test_a_run_of_other_settings_is_rejected_with_both_values(tmp_path, options, saved, expected):
    def new_run(cls=Denoiser, optimizers=None, seed=0, micro_batches=1, **config):
        rates = keras.optimizers.Adam(1e-3) if optimizers is None else optimizers
        settings = {"optimizers": rates, "seed": seed, "micro_batches": micro_batches}
        return run(tmp_path, model=cls(**config), **settings)

    new_run().fit(data, steps=1)
    before = files(tmp_path)
    with pytest.raises(errors.ZooError) as refused:
        new_run(**options).fit(data, steps=2)
    if not isinstance(refused.value, errors.CheckpointError):  # other slots are detected earlier
        assert saved in str(refused.value) and expected in str(refused.value)
        assert "another workdir" in str(refused.value)
    # All files but the lock are unchanged.
    assert {k: v for k, v in files(tmp_path).items() if k.name != ".lock"} == {
        k: v for k, v in before.items() if k.name != ".lock"
    }
    new_run().fit(data, steps=2)


def test_a_rate_that_a_callback_has_changed_is_still_that_of_the_run(tmp_path):
    plateau = keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=1e9, mode="min")
    model = Denoiser()
    run(tmp_path, model=model, callbacks=[plateau]).fit(data, epochs=3)
    assert float(next(iter(model.optimizers.values())).learning_rate) < 1e-3
    run(tmp_path, model=model, callbacks=[plateau]).fit(data, epochs=4)


def test_other_data_in_mid_epoch_are_rejected(tmp_path):
    run(tmp_path).fit(data, steps=2)
    with pytest.raises(errors.UsageError, match="in the middle of epoch 1, which began"):
        run(tmp_path).fit(lambda epoch: data(epoch + 7), epochs=1)
    run(tmp_path).fit(data, epochs=1)


# State on disk and in memory.


def test_fit_resumes_from_a_checkpoint_of_another_trainer(tmp_path):
    first, second = run(tmp_path), run(tmp_path)
    first.fit(data, epochs=1)
    second.restore()
    first.fit(data, epochs=2)
    second.fit(data, epochs=3)
    assert second.state.history["loss"][:2] == first.state.history["loss"]
    whole = run()
    whole.fit(data, epochs=3)
    assert same_bits(whole.state.arrays(), second.state.arrays()) == []


def test_the_history_is_the_same_file_after_a_stop(tmp_path):
    whole = run(tmp_path / "whole", eager=False)
    whole.fit(data, epochs=2, validation=data())
    for steps in (3, 6):
        run(tmp_path / "stopped", eager=False).fit(data, steps=steps, validation=data())
    run(tmp_path / "stopped", eager=False).fit(data, epochs=2, validation=data())
    files = [(tmp_path / name / "history.json").read_bytes() for name in ("whole", "stopped")]
    assert files[0] == files[1]


def test_a_folder_that_is_removed_while_training_is_not_created_again(tmp_path):
    remove = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: batch == 1 and shutil.rmtree(tmp_path / "run")
    )
    with pytest.raises(errors.WriteError, match="was removed or replaced while training"):
        run(tmp_path / "run", callbacks=[remove], save_every=3).fit(data, epochs=1)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_files_of_killed_writes_are_removed_by_the_next_trainer(tmp_path):
    run(tmp_path).fit(data, steps=1)
    left = tmp_path / "checkpoints" / ".step-000000002.npz.17.tmp"
    left.write_bytes(b"half")
    run(tmp_path).fit(data, steps=2)
    assert not left.exists()


def test_a_reader_finds_a_checkpoint_while_another_trainer_writes(tmp_path, monkeypatch):
    trainer = run(tmp_path, max_to_keep=1)
    trainer.fit(data, steps=1)
    paths = Checkpoints.paths
    calls = []

    def replaced(checkpoints):
        listed = paths(checkpoints)
        if not calls:  # the writer replaces the file after it was listed
            calls.append(listed)
            trainer.fit(data, steps=2)
        return listed

    reader = Checkpoints(tmp_path / "checkpoints")
    monkeypatch.setattr(Checkpoints, "paths", replaced)
    _, _, record, reasons = reader.load_latest(trainer.state.arrays())
    assert record["position"]["step"] == 2 and reasons == []


@pytest.mark.parametrize("error", [NotImplementedError, RuntimeError, RecursionError, MemoryError])
def test_whatever_a_damaged_checkpoint_raises_the_one_before_is_used(tmp_path, monkeypatch, error):
    run(tmp_path).fit(data, epochs=2)
    load, newest = np.load, Checkpoints(tmp_path / "checkpoints").paths()[-1]

    def broken(file, **options):
        if file.name == str(newest):
            raise error("that compression method is not supported")
        return load(file, **options)

    monkeypatch.setattr(np, "load", broken)
    trainer = run(tmp_path)
    trainer.restore()
    assert trainer.state.position["step"] == 4


# Steps that fail.


def test_an_interrupted_step_is_repeated(tmp_path):
    trainer = run(tmp_path, save_every=2)
    minimize, count = trainer.model.minimize, []

    def interrupted(*args):
        pairs = minimize(*args)
        count.append(1)
        if len(count) == 4:  # the weights have moved, the step is not counted yet
            raise KeyboardInterrupt
        return pairs

    trainer.model.minimize = interrupted
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(data, epochs=2)
    trainer.fit(data, epochs=2)
    whole = run()
    whole.fit(data, epochs=2)
    assert same_bits(whole.state.arrays(), trainer.state.arrays()) == []


@pytest.mark.parametrize("save_every", [1, 3, 200])
def test_a_gradient_that_is_not_finite_is_reported_with_its_step(tmp_path, save_every):
    """The loss of step 3 is finite, its gradient is not: the weights are NaN before the next."""
    trainer = run(tmp_path, save_every=save_every)
    apply_gradients = trainer.model.apply_gradients

    def with_nan(part, gradients):
        if float(trainer.model.iterations) == 2:
            gradients = [g if i else g * np.nan for i, g in enumerate(gradients)]
        apply_gradients(part, gradients)

    trainer.model.apply_gradients = with_nan
    with pytest.raises(errors.NonFiniteError, match="the gradient not finite at step 3, epoch 1"):
        trainer.fit(data, epochs=2)
    assert trainer.state.is_finite() and trainer.state.position["step"] == 2
    for path in Checkpoints(tmp_path / "checkpoints").paths():
        assert all(np.isfinite(v).all() for k, v in read(path)[0].items() if "seed" not in k)
    del trainer.model.apply_gradients
    trainer.fit(data, epochs=2)
    whole = run()
    whole.fit(data, epochs=2)
    assert same_bits(whole.state.arrays(), trainer.state.arrays()) == []


def test_an_evaluation_that_is_not_finite_is_an_error_with_all_values(tmp_path):
    trainer = run(tmp_path)
    step = trainer.model.eval_step

    def with_nan(batch):
        return step(batch) | {"mmd": tf.fill(len(batch["image"]), np.nan)}

    trainer.model.eval_step = with_nan
    with pytest.raises(errors.NonFiniteError, match=r"loss=[\d.]+, .*mmd=nan; the weights are fin"):
        trainer.evaluate(data())
    with pytest.raises(errors.NonFiniteError, match="mmd=nan"):
        trainer.fit(data, epochs=2, validation=data())
    assert trainer.state.position["step"] == 4  # nothing is lost
    assert Checkpoints(tmp_path / "checkpoints").paths()[-1].name == "step-000000004.npz"
    trainer.model.eval_step = step
    trainer.fit(data, epochs=2, validation=data())
    whole = run()
    whole.fit(data, epochs=2)
    assert same_bits(whole.state.arrays(), trainer.state.arrays()) == []


def test_evaluation_is_traced_once():
    trainer = run(eager=False)
    for _ in range(3):
        trainer.evaluate(data())
    step = trainer.evaluator.step_for(trainer.state.trainable_ids(), None)
    assert step.experimental_get_tracing_count() == 1
