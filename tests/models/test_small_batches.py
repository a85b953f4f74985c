"""Batches of one example, alone or left over at the end of the data: finite, or refused at once."""

import numpy as np
import pytest
import tensorflow as tf
from cases import examples, small_model, small_trainer

import zoo
from zoo.errors import UsageError


def batches(model, n, batch_size):
    return tf.data.Dataset.from_tensor_slices(examples(model, n)).batch(batch_size)


def finite(values):
    return all(np.isfinite(value).all() for value in values)


@pytest.mark.parametrize("name", zoo.names())
def test_a_short_batch_is_trained_and_evaluated_or_an_error_before_the_first_step(name):
    model = small_model(name)
    run = small_trainer(name, model=model, eager=True)
    data = batches(model, 1, 1)
    one_left_over = batches(model, 3, 2)
    if model.min_batch_size > 1:
        weights = model.get_weights()
        with pytest.raises(UsageError, match="needs a batch size of 2 or more, got 1"):
            run.fit(data, epochs=1)
        with pytest.raises(UsageError, match="loss, mmd cannot be evaluated.*batches of 2 or more"):
            run.evaluate(data)
        for x, how in ((data, {}), ({"image": np.zeros((4, 8, 8, 1))}, {"batch_size": 1})):
            with pytest.raises(UsageError, match="needs a batch size of 2 or more, got 1"):
                model.fit(x, verbose=0, **how)
        assert all(map(np.array_equal, weights, model.get_weights()))
        data = one_left_over
    logs = run.fit(data, epochs=1).history
    assert finite(logs.values()) and finite(run.evaluate(one_left_over).values())
    assert finite(model.get_weights())


def test_a_last_batch_of_one_has_no_mmd():
    model = small_model("mmd_vae", mmd_weight=7.0)
    data, evaluated, eval_step = batches(model, 9, 4), [], model.eval_step
    model.eval_step = lambda batch: evaluated.append(eval_step(batch)) or evaluated[-1]
    metrics = small_trainer("mmd_vae", model=model, eager=True).evaluate(data)
    assert [len(values["mmd"]) for values in evaluated] == [4, 4, 0]
    for name, count in {"loss": 8, "nll": 9, "kl": 9, "mmd": 8}.items():
        values = np.concatenate([values[name] for values in evaluated])
        assert len(values) == count
        np.testing.assert_allclose(metrics[name], values.mean(), rtol=1e-6)
    # A graph is traced once for all sizes, which are unknown then.
    model.eval_step = eval_step
    run = small_trainer("mmd_vae", model=model)
    assert run.evaluate(data) == pytest.approx(metrics, rel=1e-4)
    assert finite(run.fit(data, epochs=1).history.values()) and finite(model.get_weights())


def test_a_micro_batch_that_is_too_small_is_an_error():
    run = small_trainer("mmd_vae", micro_batches=4)
    with pytest.raises(UsageError, match="batch size of 8 or more, got 4 in 4 micro-batches"):
        run.fit(batches(run.model, 4, 4), steps=1)


@pytest.mark.parametrize("alpha", [0.0, 0.25, 1.0])
def test_the_loss_of_mmd_vae_is_that_of_equation_6(alpha):
    model = small_model("mmd_vae", alpha=alpha, mmd_weight=7.0, kl_weight=0.5)
    model.prepare()
    batch = examples(model, 6)
    logs = {name: float(value) for name, value in model.train_step(batch).items()}
    expected = logs["nll"] + (1 - alpha) * 0.5 * logs["kl"] + 7.0 * logs["mmd"]
    np.testing.assert_allclose(logs["loss"], expected, rtol=1e-5)
    metrics = model.eval_step(batch)
    expected = metrics["nll"] + (1 - alpha) * metrics["kl"] + 7.0 * metrics["mmd"]
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-5)
    assert abs(logs["kl"]) > 0.01 and abs(logs["mmd"]) > 0.01
