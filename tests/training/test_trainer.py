"""The Trainer, on a model small enough to check by hand."""

import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from cases import examples, same_bits, small_trainer
from toy_runs import checkpoints, data, run, toy

from zoo import errors


def few(epoch=0):
    """The first 2 of the 4 batches."""
    return data(epoch).take(2)


# Numbers.


def test_micro_batches_give_the_step_of_the_whole_batch():
    """Without noise: same weights to rounding, and the exact mean."""

    def trained(micro_batches):
        model = toy(kl_estimator="analytic")
        model.posterior = lambda x, training=False: certain(model.encoder(x, training=training))
        trainer = run(
            eager=micro_batches == 1,
            model=model,
            optimizers=keras.optimizers.SGD(0.01),
            micro_batches=micro_batches,
        )
        history = trainer.fit(data, epochs=2).history
        ragged = tf.data.Dataset.from_tensor_slices(examples(model, 31)).batch(7)
        return history["loss"], trainer.evaluate(ragged)["nll"], trainer.state.arrays()

    def certain(outputs):
        loc = outputs[..., :2]
        return tfp.distributions.MultivariateNormalDiag(loc, 1e-7 * tf.ones_like(loc))

    whole, divided = trained(1), trained(4)
    np.testing.assert_allclose(whole[0], divided[0], rtol=1e-4)
    np.testing.assert_allclose(whole[1], divided[1], rtol=1e-4)
    for key, value in whole[2].items():
        if key.startswith("model") and value.dtype == np.float32:  # not the seed's counter
            np.testing.assert_allclose(value, divided[2][key], rtol=1e-4, atol=1e-5, err_msg=key)


def test_micro_batches_must_divide_every_batch():
    with pytest.raises(errors.UsageError, match="micro_batches=3 must divide .* got 8"):
        run(micro_batches=3).fit(data, epochs=1)
    ragged = tf.data.Dataset.from_tensor_slices(examples(toy(), 31)).batch(8)
    with pytest.raises(errors.UsageError, match="drop_remainder=True"):
        run(micro_batches=2).fit(ragged, epochs=1)


def test_adapt_is_called_once_before_the_first_step(tmp_path):
    batch_sizes = []
    for epochs in (1, 2):
        trainer = run(tmp_path)
        trainer.model.adapt = lambda batches: batch_sizes.append(len(next(iter(batches))["image"]))
        trainer.fit(data, epochs=epochs)
    assert batch_sizes == [8]


def test_epoch_numbers_are_means_over_the_steps():
    step_logs = []
    log = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda b, logs: step_logs.append(dict(logs))
    )
    history = run(callbacks=[log]).fit(data, epochs=2).history
    assert len(step_logs) == 8
    for name, values in history.items():
        np.testing.assert_allclose(
            values[0], np.mean([logs[name] for logs in step_logs[:4]]), rtol=1e-12
        )


def test_evaluation_is_exact_per_example_and_repeats_itself():
    trainer = run(eager=False)
    trainer.fit(data, epochs=1)
    kept = trainer.state.arrays()
    whole = trainer.evaluate(tf.data.Dataset.from_tensors(examples(trainer.model, 32)))
    assert whole == trainer.evaluate(tf.data.Dataset.from_tensors(examples(trainer.model, 32)))
    assert same_bits(kept, trainer.state.arrays()) == []  # nor is training disturbed
    # The encoder's posterior needs no random numbers: its mean over ragged batches is exact.
    encode = trainer.model.encode
    trainer.model.eval_step = lambda batch: {"m": tf.reduce_sum(encode(batch["image"]), -1)}
    images = examples(trainer.model, 31)["image"]
    want = float(np.mean(trainer.model.eval_step({"image": images})["m"], dtype="float64"))
    ragged = tf.data.Dataset.from_tensor_slices({"image": images}).batch(7)
    assert trainer.evaluate(ragged)["m"] == pytest.approx(want, rel=1e-6)


def test_validation_does_not_change_training():
    a, b = run(), run()
    a.fit(few, epochs=2)
    b.fit(few, epochs=2, validation=few())
    assert same_bits(a.state.arrays(), b.state.arrays()) == []


def test_steps_may_end_in_mid_epoch_and_training_continues(tmp_path, capsys):
    whole = run()
    whole.fit(data, steps=7)
    first = run(tmp_path)
    first.verbose = True
    history = first.fit(data, steps=5)
    assert len(history.history["loss"]) == 2  # the second epoch so far
    lines = capsys.readouterr().err
    assert "epoch 1: " in lines and "epoch 2, 1 of 4 steps, not complete: " in lines
    first.fit(data, steps=7)
    assert same_bits(whole.state.arrays(), first.state.arrays()) == []
    assert first.state.position == whole.state.position


def test_a_finished_run_is_not_changed(tmp_path):
    run(tmp_path).fit(data, epochs=2)
    again = run(tmp_path)
    before = (tmp_path / "checkpoints").stat().st_mtime_ns
    assert len(again.fit(data, epochs=2).history["loss"]) == 2
    assert again.state.position["step"] == 8
    assert (tmp_path / "checkpoints").stat().st_mtime_ns == before


# Optimizers.


def test_accumulated_gradients_are_those_of_the_large_batch():
    """Four batches of 8, accumulated, take the step of one batch of 32."""
    plain, accumulated = toy(kl_estimator="analytic"), toy(kl_estimator="analytic")
    for model in (plain, accumulated):
        model.posterior = quiet(model)
    run(model=plain, optimizers=keras.optimizers.SGD(0.01)).fit(
        tf.data.Dataset.from_tensors(examples(plain, 32)), steps=1
    )
    sgd = keras.optimizers.SGD(0.01, gradient_accumulation_steps=4)
    parts = tf.data.Dataset.from_tensor_slices(examples(plain, 32)).batch(8)
    trainer = run(eager=False, model=accumulated, optimizers=sgd)
    trainer.fit(parts, steps=3)
    start = [np.array(keras.ops.convert_to_numpy(v)) for v in toy().trainable_variables]
    for a, b in zip(start, accumulated.trainable_variables, strict=True):
        np.testing.assert_array_equal(a, keras.ops.convert_to_numpy(b))  # nothing moved yet
    trainer.fit(parts, steps=4)
    for a, b in zip(plain.trainable_variables, accumulated.trainable_variables, strict=True):
        np.testing.assert_allclose(a.value, b.value, atol=1e-5)


def quiet(model):
    """A posterior without noise, so that the gradient is a plain function of the batch."""
    import tensorflow_probability as tfp

    def posterior(x, training=False):
        q = type(model).posterior(model, x, training)
        return tfp.distributions.MultivariateNormalDiag(q.mean(), 1e-6 * tf.ones_like(q.mean()))

    return posterior


def test_clipping_bounds_the_step():
    trainer = run(optimizers=keras.optimizers.SGD(1.0, global_clipnorm=0.01))
    before = trainer.state.arrays()
    trainer.fit(data, steps=1)
    moved = [
        np.sum((value.astype("f8") - before[key]) ** 2)
        for key, value in trainer.state.arrays().items()
        if key.startswith("model") and value.dtype == np.float32
    ]
    assert math.sqrt(sum(moved)) == pytest.approx(0.01, rel=1e-3)


def test_schedules_set_the_learning_rate():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([3], [0.01, 0.0])
    trainer = run(optimizers=keras.optimizers.SGD(schedule))
    trainer.fit(data, steps=4)
    at_four = [keras.ops.convert_to_numpy(v).copy() for v in trainer.model.weights]
    trainer.fit(data, steps=6)
    assert all(
        (a == keras.ops.convert_to_numpy(b)).all()
        for a, b in zip(at_four, trainer.model.weights, strict=True)
    )


def test_evaluation_uses_moving_averages_and_training_continues_without_them():
    adam = keras.optimizers.Adam(0.05, use_ema=True, ema_momentum=0.9)
    trainer, plain = (
        run(optimizers=adam),
        run(optimizers=keras.optimizers.Adam(0.05)),
    )
    trainer.fit(few, epochs=3, validation=few())
    plain.fit(few, epochs=3)
    kernel = trainer.model.trainable_variables[0]
    raw = keras.ops.convert_to_numpy(kernel).copy()
    np.testing.assert_array_equal(
        raw, keras.ops.convert_to_numpy(plain.model.trainable_variables[0])
    )
    with trainer.averaged_weights():
        assert np.abs(keras.ops.convert_to_numpy(kernel) - raw).max() > 1e-4
    np.testing.assert_array_equal(raw, keras.ops.convert_to_numpy(kernel))
    with trainer.averaged_weights() as model:
        expected = model.encode(examples(model)["image"])
    trainer.model.eval_step = lambda batch: {"m": trainer.model.encode(batch["image"])[:, 0]}
    got = trainer.evaluate(tf.data.Dataset.from_tensors(examples(trainer.model)))
    assert got["m"] == pytest.approx(float(tf.reduce_mean(expected[:, 0])), rel=1e-4)


def test_a_layer_frozen_between_two_fits_stays_frozen():
    trainer = run(eager=False)
    trainer.fit(data, epochs=1)
    kernel = trainer.model.encoder.layers[0].layers[0].kernel
    before = keras.ops.convert_to_numpy(kernel).copy()
    trainer.model.encoder.trainable = False
    trainer.fit(data, epochs=2)
    np.testing.assert_array_equal(before, keras.ops.convert_to_numpy(kernel))
    trainer.model.encoder.trainable = True
    trainer.fit(data, epochs=3)
    assert np.abs(before - keras.ops.convert_to_numpy(kernel)).max() > 0


def test_a_layer_frozen_before_the_trainer_is_created_may_be_unfrozen_later():
    model = toy()
    model.encoder.trainable = False
    model.decoder.layers[0].trainable = False
    trainer = run(model=model)
    assert not model.encoder.layers[0].layers[0].trainable and model.decoder.layers[2].trainable
    kernel = model.encoder.layers[0].layers[0].kernel
    before = keras.ops.convert_to_numpy(kernel).copy()
    trainer.fit(data, epochs=1)
    np.testing.assert_array_equal(before, keras.ops.convert_to_numpy(kernel))
    model.encoder.trainable = True
    trainer.fit(data, epochs=2)
    assert np.abs(before - keras.ops.convert_to_numpy(kernel)).max() > 0


def test_free_bits_and_warm_up_are_callables():
    from blocks import FreeBits

    warm = keras.optimizers.schedules.PolynomialDecay(0.0, 8, 1.0)
    trainer = run(eager=False, model=toy(kl_estimator=FreeBits(1e6), kl_weight=warm))
    logs = trainer.fit(data, steps=1).history
    assert logs["kl"][0] == 1e6  # all of it is free
    assert logs["loss"][0] == pytest.approx(logs["nll"][0])  # and has no weight yet
    trainer.fit(data, steps=8)
    assert float(trainer.model.beta()) == 1.0
    config = json.loads(json.dumps(trainer.model.get_config()))
    again = type(trainer.model).from_config(config)
    assert again.kl_estimator.nats == 1e6 and float(again.kl_weight(4.0)) == 0.5


# Callbacks.


def test_keras_callbacks_work_and_keep_their_state_after_a_resume(tmp_path):
    def stopping():
        return keras.callbacks.EarlyStopping("loss", patience=2, min_delta=1e9, mode="min")

    csv = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    rate = keras.callbacks.LearningRateScheduler(lambda epoch: 1e-3 / (1 + epoch))
    plateau = keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=1e9, mode="min")
    trainer = run(tmp_path / "a", callbacks=[stopping(), csv, rate, plateau])
    assert len(trainer.fit(few, epochs=9).epoch) == 3
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 4
    run(tmp_path / "b", callbacks=[stopping()]).fit(few, epochs=2)
    resumed = run(tmp_path / "b", callbacks=[stopping()])
    assert len(resumed.fit(few, epochs=9).epoch) == 3


def test_a_run_writes_figures_history_and_tensorboard(tmp_path):
    trainer = run(tmp_path, figures_every=1)
    history = trainer.fit(few, epochs=2, validation=few()).history
    kept = json.loads((tmp_path / "history.json").read_text())
    assert kept == {"epoch": [0, 1], **history}
    figure_files = {path.name for path in (tmp_path / "figures").glob("*.png")}
    assert {"samples.png", "reconstructions.png", "latent_grid.png", "loss.png"} <= figure_files
    series = list((tmp_path / "figures" / "samples").glob("*.png"))
    assert len(series) == 2
    events = list((tmp_path / "tensorboard").rglob("events*"))
    assert sum(path.stat().st_size for path in events) > 10_000


# Non-finite numbers.


def test_a_non_finite_loss_names_the_step_and_the_first_non_finite_layer(tmp_path):
    model = toy()
    layer = model.decoder.layers[2]  # an Upsample
    trainer = run(tmp_path, model=model, save_every=2)
    call = layer.layers[0].call

    def breaks(x):  # from the sixth step on
        return call(x) / tf.where(model.iterations < 5, 1.0, 0.0)

    layer.layers[0].call = breaks
    good = run(save_every=2)
    good.fit(data, steps=5)
    with pytest.raises(errors.NonFiniteError, match=r"step 6, epoch 2.*decoder/2/0 \(FastConv2DTr"):
        trainer.fit(data, epochs=3)
    # The model is as it was before the bad step, and a checkpoint from before is there.
    assert same_bits(good.state.arrays(), trainer.state.arrays()) == []
    assert checkpoints(tmp_path)[-1] == "step-000000004.npz"


# Wrong use.


@pytest.mark.parametrize(
    "batch, message",
    [
        ({"image": np.zeros((4, 8, 8, 1), "uint8")}, "as float32, got uint8.*divide"),
        ({"image": np.zeros((4, 9, 8, 1), "float32")}, r"shape \(None, 8, 8, 1\), got \(4, 9, 8"),
        ({"image": np.zeros((4, 8, 8), "float32")}, "shape"),
        ({"image": np.full((4, 8, 8, 1), 255.0, "float32")}, r"in \[0, 1\], got 255"),
        ({"image": np.full((4, 8, 8, 1), np.nan, "float32")}, r"in \[0, 1\], got nan"),
        ({"label": np.zeros(4, "int64")}, "needs the feature 'image', got"),
    ],
)
def test_the_error_for_an_invalid_batch_names_both_the_value_and_the_expectation(batch, message):
    trainer = run()
    dataset = tf.data.Dataset.from_tensors(batch)
    with pytest.raises(errors.BatchError, match=message):
        trainer.fit(dataset, epochs=1)
    with pytest.raises(errors.BatchError, match=message):
        trainer.evaluate(dataset)
    with pytest.raises(errors.BatchError, match=message):
        trainer.inspect(batch)


def test_batches_must_be_dicts_and_data_must_be_datasets():
    trainer = run()
    with pytest.raises(errors.BatchError, match="a batch must be a dict"):
        trainer.fit(tf.data.Dataset.from_tensors(np.zeros((4, 8, 8, 1), "float32")), epochs=1)
    with pytest.raises(errors.UsageError, match="zoo.data.load"):
        trainer.fit(np.zeros((4, 8, 8, 1), "float32"), epochs=1)


def test_data_without_batches_are_rejected():
    empty = data().take(0)
    with pytest.raises(errors.UsageError, match="zero batches"):
        run().fit(empty, epochs=1)
    with pytest.raises(errors.UsageError, match="zero batches"):
        run().evaluate(empty)


def test_epochs_or_steps_not_both_not_none():
    for wrong in ({}, {"epochs": 1, "steps": 1}):
        with pytest.raises(errors.UsageError, match="either epochs or steps"):
            run().fit(data, **wrong)


def test_optimizers_must_be_those_of_the_parts():
    with pytest.raises(errors.UsageError, match=r"\['generator', 'discriminator'\], got \[''\]"):
        small_trainer("dcgan", optimizers=keras.optimizers.Adam())
