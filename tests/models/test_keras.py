"""Keras' methods on the zoo's models: saving and resuming, callbacks, no option is ignored."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import examples, shuffled, small_model, small_trainer
from toy_runs import TOY

import zoo
from zoo import finetuning
from zoo.errors import BatchError, UsageError

CALLBACKS = keras.callbacks


def state(model):
    """Every variable of the optimizers: iterations, rates, slots."""
    every = [v for one in model.optimizers.values() for v in one.variables]
    return [keras.ops.convert_to_numpy(v).copy() for v in every]


def rates(model):
    return [float(one.learning_rate) for one in model.optimizers.values()]


def compiled(name, rate=0.01, kind=keras.optimizers.Adam, **config):
    model = small_model(name, **config)
    parts = enumerate(model.configure_optimizers())
    model.compile({part: kind(rate / 2**i) for i, part in parts}, run_eagerly=True)
    return model


# Saving.


@pytest.mark.parametrize("name", ["vae", "dcgan"])
def test_a_loaded_model_resumes_with_optimizers_other_than_its_own(name, tmp_path):
    """That each model resumes with its own, the conformance suite shows."""
    model = compiled(name)
    for i, variable in enumerate(v for one in model.optimizers.values() for v in one.variables):
        variable.assign(keras.ops.full_like(variable, i + 1))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert [*map(type, again.optimizers.values())] == [*map(type, model.optimizers.values())]
    for had, has in zip(state(model), state(again), strict=True):
        np.testing.assert_array_equal(had, has)


@pytest.mark.parametrize("name", ["simple_dot", "seq2seq"])
def test_two_epochs_equal_one_and_after_save_and_load_another(name, tmp_path):
    still = {} if name == "simple_dot" else {"dropout": 0.0}
    batches = shuffled(name, 16)(0)
    whole, half = compiled(name, **still), compiled(name, **still)
    whole.fit(batches, epochs=2, verbose=0)
    half.fit(batches, verbose=0)
    half.save(tmp_path / "half.keras")
    rest = keras.models.load_model(tmp_path / "half.keras")
    rest.fit(batches, verbose=0)
    for a, b in zip([*whole.weights, *state(whole)], [*rest.weights, *state(rest)], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_layer_wise_learning_rates_are_saved(tmp_path):
    model = small_model("simple_dot")
    slower = finetuning.layerwise_learning_rates(
        keras.optimizers.SGD(0.1), model, {"user_embedding": 0.5}
    )
    model.compile(slower)
    model.fit(shuffled("simple_dot")(0), verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.optimizer.multipliers == slower.multipliers == (0.5, 1.0)
    assert isinstance(again.optimizer, keras.optimizers.SGD) and rates(again) == rates(model)
    batch = examples(model, 8)
    for each in (model, again):
        each.train_on_batch(batch)
    np.testing.assert_array_equal(*(each.weights[0] for each in (model, again)))


def test_presets_of_compiled_models_contain_weights_only(tmp_path):
    model, plain = compiled("vae"), small_model("vae")
    for name, one in (("compiled", model), ("plain", plain)):
        zoo.save(one, tmp_path / name, {"license": "apache-2.0"}, name="same")
    files = [tmp_path / name / "model.weights.h5" for name in ("compiled", "plain")]
    assert files[0].read_bytes() == files[1].read_bytes()


# Callbacks.


def halving(epoch, rate):
    return rate / 2


PLATEAU = {"monitor": "generator_loss", "mode": "min", "min_delta": 1e6, "patience": 1}
WORKING = {
    "plateau": (lambda d: CALLBACKS.ReduceLROnPlateau(factor=0.5, **PLATEAU), 0.5),
    "rates": (lambda d: CALLBACKS.LearningRateScheduler(halving), 0.25),
    "stop": (lambda d: CALLBACKS.EarlyStopping(restore_best_weights=True, **PLATEAU), 1.0),
    "weights": (
        lambda d: CALLBACKS.ModelCheckpoint(d / "{epoch}.weights.h5", save_weights_only=True),
        1.0,
    ),
    "model": (lambda d: CALLBACKS.ModelCheckpoint(d / "{epoch}.keras"), 1.0),
    "csv": (lambda d: CALLBACKS.CSVLogger(d / "log.csv"), 1.0),
    "board": (lambda d: CALLBACKS.TensorBoard(d / "board"), 1.0),
    "nan": (lambda d: CALLBACKS.TerminateOnNaN(), 1.0),
    "backup": (lambda d: CALLBACKS.BackupAndRestore(d / "backup"), 1.0),
    "average": (lambda d: CALLBACKS.SwapEMAWeights(swap_on_epoch=True), 1.0),
}
ONLY_KERAS = {"backup": "workdir", "average": "use_ema"}


@pytest.mark.parametrize("kind", WORKING)
def test_callbacks_work_on_all_optimizers_of_a_model(kind, tmp_path):
    make, factor = WORKING[kind]
    parts = {"generator": 1e-3, "discriminator": 1e-2}
    model = small_model("dcgan")
    optimizers = {k: keras.optimizers.SGD(r, use_ema=kind == "average") for k, r in parts.items()}
    model.compile(optimizers, run_eagerly=True)
    data = shuffled("dcgan", 16)
    history = model.fit(data(0), epochs=2, callbacks=[make(tmp_path)], verbose=0).history
    np.testing.assert_allclose(rates(model), [1e-3 * factor, 1e-2 * factor], rtol=1e-5)
    changing = {f"learning_rate_{part}" for part in parts} if factor < 1 else set()
    assert {name for name in history if "rate" in name} == changing


@pytest.mark.parametrize("kind", ["plateau", "rates", "backup", "average"])
def test_callbacks_work_the_same_in_the_trainer_or_are_errors(kind, tmp_path):
    make, factor = WORKING[kind]
    optimizers = {
        "generator": keras.optimizers.SGD(1e-3),
        "discriminator": keras.optimizers.SGD(0.01),
    }
    run = small_trainer("dcgan", optimizers=optimizers, callbacks=[make(tmp_path)], eager=True)
    if kind in ONLY_KERAS:
        with pytest.raises(UsageError, match=f"does not work in the Trainer: .*{ONLY_KERAS[kind]}"):
            run.fit(shuffled("dcgan", 16), epochs=1)
        return
    run.fit(shuffled("dcgan", 16), epochs=2)
    np.testing.assert_allclose(rates(run.model), [1e-3 * factor, 1e-2 * factor], rtol=1e-5)


def test_a_callback_cannot_set_a_schedule():
    scheduled = keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10))
    model, data = small_model("simple_dot"), shuffled("simple_dot")
    model.compile(scheduled)
    callbacks = [CALLBACKS.LearningRateScheduler(halving)]
    refused = pytest.raises(UsageError, match="Scheduler sets the learning rate, but the")
    with refused:
        model.fit(data(0), callbacks=callbacks, verbose=0)
    with refused:
        small_trainer("simple_dot", optimizers=scheduled, callbacks=callbacks).fit(data, epochs=1)


def test_setting_one_learning_rate_scales_all():
    model = compiled("dcgan", kind=keras.optimizers.SGD)
    model.optimizer.learning_rate = 0.02
    np.testing.assert_allclose(rates(model), [0.02, 0.01])


def test_fit_ends_with_the_moving_averages_of_the_weights():
    model, settled = small_model("dcgan"), []
    model.on_weights_averaged = lambda: settled.append(True)
    averaging = keras.optimizers.SGD(0.1, use_ema=True)
    model.compile({"generator": averaging, "discriminator": keras.optimizers.SGD(0.1)})
    model.fit(shuffled("dcgan", 16)(0), verbose=0)
    averages = [v for v in averaging.variables if "average" in v.name]
    for weight, average in zip(model.generator.trainable_variables, averages, strict=True):
        np.testing.assert_array_equal(weight, average)
    assert settled == [True]
    finetuning.freeze(model, "generator/0")
    with pytest.raises(UsageError, match="without use_ema, or use zoo.Trainer"):
        model.fit(shuffled("dcgan", 16)(0), verbose=0)


# Arguments.

IMAGES = np.random.default_rng(0).random((12, 8, 8, 1)).astype("float32")


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda m: m.compile(loss="mse"), "compile of vae takes no loss: the model computes its"),
        (lambda m: m.compile("adam", metrics=["mae"]), "takes no metrics"),
        (lambda m: m.compile(loss_weights=[1], weighted_metrics=[]), "loss_weights"),
        (lambda m: m.compile({"encoder": "adam"}), r"needs optimizers for \[''\]"),
        (lambda m: m.fit({"image": IMAGES}, IMAGES), "fit of vae takes no y: a batch is a dict"),
        (lambda m: m.fit({"image": IMAGES}, sample_weight=IMAGES[:, 0]), "no sample_weight"),
        (lambda m: m.fit({"image": IMAGES}, class_weight={0: 1.0}), "no class_weight"),
        (lambda m: m.evaluate({"image": IMAGES}, IMAGES), "evaluate of vae takes no y"),
        (lambda m: m.train_on_batch({"image": IMAGES}, IMAGES), "train_on_batch of vae takes no y"),
        (lambda m: m.fit(dataset(IMAGES), batch_size=3), "batch_size: a .* has batches already"),
        (lambda m: m.evaluate({"image": IMAGES}, steps=0), "steps must be an integer >= 1, got 0"),
        (lambda m: m.fit(zoo.data.load(IMAGES)), r"pass data\(0\), whose order is fixed"),
        (lambda m: m.fit({"image": IMAGES, "x": ["a"] * 12}), "arrays .* of numbers, got .'a'"),
        (lambda m: m.fit({"image": [IMAGES[0], IMAGES[0, :4]]}), "examples must have one shape"),
        (lambda m: m.fit({"image": 5}), "of numbers, got 5"),
        (lambda m: m.fit(iter([{"image": IMAGES}])), "got list_iterator; tf.data.Dataset.from_gen"),
        (lambda m: m.fit(), "got NoneType"),
        (lambda m: m.fit({"image": IMAGES}, epochs=1.5), "epochs must be an integer >= 0, got 1.5"),
        (lambda m: m.fit({"image": IMAGES}, steps_per_epoch=0), "steps_per_epoch must be an int"),
        (lambda m: m.fit({"image": IMAGES}, initial_epoch=-1), "initial_epoch must be an integer"),
        (lambda m: m.fit({"image": IMAGES}, validation_split=1.5), "validation_split must be a"),
        (lambda m: m.fit({"image": IMAGES}, validation_freq=0), "validation_freq must be an int"),
        (lambda m: m.evaluate({"image": IMAGES}, batch_size=0), "batch_size must be an integer"),
        (lambda m: m.predict(IMAGES, batch_size=-1), "batch_size must be an integer >= 1"),
        (lambda m: m.fit(dataset(IMAGES[:0])), "the data hold zero batches"),
        (
            lambda m: m.fit(
                {"image": IMAGES}, validation_split=0.5, validation_data={"image": IMAGES}
            ),
            "either validation_data or validation_split",
        ),
        (lambda m: m.fit({"image": IMAGES}, validation_data=(IMAGES, IMAGES)), "got tuple"),
        (lambda m: m.as_seed(-1), "seed must be an integer >= 0, got -1"),
        (lambda m: m.as_seed(2**32), "seed must be"),
        (lambda m: m.as_seed(0.5), r"seed must be .* or an int32\[2\], got 0.5"),
        (lambda m: m.as_seed([1, 2, 3]), "seed must be"),
        (lambda m: m.as_seed("one"), "seed must be"),
    ],
)
def test_options_that_would_be_ignored_are_errors(call, message):
    model = vae()
    with pytest.raises(UsageError, match=message):
        call(model)


def vae(**how):
    model = small_model("vae", **TOY)
    model.compile(**how)
    return model


def dataset(images, batch_size=4):
    return tf.data.Dataset.from_tensor_slices({"image": images}).batch(batch_size)


@pytest.mark.parametrize(
    "how", [{"run_eagerly": True}, {"steps_per_execution": 2}, {"jit_compile": True}], ids=str
)
def test_every_keras_method_trains_and_checks(how):
    model = vae(optimizer="sgd", **how)
    history = model.fit(dataset(IMAGES), epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all() and int(model.optimizer.iterations) == 6
    with pytest.raises(BatchError, match=r"in \[0, 1\], got .* to 255"):
        model.fit(dataset(np.concatenate([IMAGES, 255 * np.ones_like(IMAGES)])), verbose=0)


def test_zero_epochs_train_nothing():
    model = vae()
    before = model.get_weights()
    assert model.fit({"image": IMAGES}, epochs=0, verbose=0).history == {}
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_arrays_are_split_and_a_batch_is_trained_and_tested():
    model = vae(run_eagerly=True)
    how = {"validation_split": 0.25, "epochs": 3, "initial_epoch": 2, "steps_per_epoch": 1}
    split = model.fit({"image": list(IMAGES.astype("float64"))}, verbose=0, **how)
    assert {"loss", "val_loss"} <= set(split.history) and split.epoch == [2]
    assert len(model.evaluate({"image": IMAGES}, verbose=0)) == 3  # the loss counts once
    logs = model.train_on_batch({"image": IMAGES}, return_dict=True)
    assert model.test_on_batch({"image": IMAGES}, return_dict=True).keys() == logs.keys()
    assert len(model.train_on_batch({"image": IMAGES})) == len(logs)
    np.testing.assert_allclose(
        model.predict_on_batch(IMAGES), model.predict(IMAGES, verbose=0), atol=1e-6
    )
