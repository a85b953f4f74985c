"""The optimizers give the numbers of those of Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import examples, small_model

import zoo
from zoo.optimizers import MultiOptimizer, has_schedule

SCHEDULE = keras.optimizers.schedules.InverseTimeDecay(0.01, 2, 0.5)
OPTIONS = {
    "plain": {},
    "betas": {"beta_1": 0.5, "beta_2": 0.98, "epsilon": 1e-9},
    "schedule": {"learning_rate": SCHEDULE},
    "clipped": {"global_clipnorm": 0.1},
    "averaged": {"use_ema": True, "ema_momentum": 0.5},
    "decayed": {"weight_decay": 0.1},
    "accumulated": {"gradient_accumulation_steps": 2},
    "amsgrad": {"amsgrad": True},
}


def learned(optimizer, compiled=True, sparse=False):
    """Every variable of the optimizer, and the weights, after five steps."""
    random = np.random.default_rng(0)
    start, gradients = random.normal(size=(4, 3)), random.normal(size=(5, 4, 3))
    weights = [keras.Variable(start, dtype="float32"), keras.Variable(1.0)]
    optimizer = optimizer()
    optimizer.build(weights)

    def step(gradient):
        first = tf.IndexedSlices(gradient, tf.range(4), (4, 3)) if sparse else gradient
        optimizer.apply([first, tf.reduce_sum(gradient)], weights)

    run = tf.function(step) if compiled else step
    for gradient in gradients:
        run(tf.constant(gradient, tf.float32))
    return [np.asarray(each) for each in (*weights, *optimizer.variables)]


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("compiled", [True, False])
def test_adam_is_keras_adam(options, compiled):
    actual = learned(lambda: zoo.optimizers.Adam(**options), compiled)
    expected = learned(lambda: keras.optimizers.Adam(**options), compiled)
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=3e-5, atol=1e-6)


def test_adam_takes_slices():
    for a, b in zip(
        learned(zoo.optimizers.Adam, sparse=True), learned(zoo.optimizers.Adam), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=3e-5, atol=1e-6)


def test_adam_is_restored_from_its_configuration():
    adam = zoo.optimizers.Adam(learning_rate=SCHEDULE, beta_1=0.5, global_clipnorm=2.0)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(adam))
    assert type(again) is zoo.optimizers.Adam
    assert again.get_config() == adam.get_config()


def test_adamw_decays_kernels_only_also_when_restored():
    names = ("kernel", "bias", "embeddings", "recurrent_kernel")
    for optimizer in (
        zoo.optimizers.AdamW(0.1, weight_decay=0.5),
        keras.optimizers.deserialize(keras.optimizers.serialize(zoo.optimizers.AdamW(0.1, 0.5))),
    ):
        weights = [keras.Variable(np.ones((2, 2)), name=name) for name in names]
        optimizer.build(weights)
        optimizer.apply([tf.zeros((2, 2))] * 4, weights)
        assert [float(w[0, 0]) for w in weights] == pytest.approx([0.95, 1, 1, 0.95])


def test_the_rate_rises_and_falls_along_a_cosine():
    cosine = keras.optimizers.schedules.CosineDecay(2.0, 100, 0.1)
    rate = zoo.optimizers.WarmUp(cosine, 10)
    found = [float(rate(step)) for step in (0, 4, 9, 60, 110, 5000)]
    assert found == pytest.approx([0.2, 1.0, 2.0, 1.1, 0.2, 0.2])
    assert type(rate).from_config(rate.get_config()).get_config() == rate.get_config()


# Several optimizers as one.


def two():
    return {"one": keras.optimizers.SGD(0.1), "other": zoo.optimizers.Adam(0.01)}


def test_several_optimizers_have_one_rate_and_a_configuration():
    both = MultiOptimizer(two())
    both.learning_rate = 0.2
    assert [float(optimizer.learning_rate) for optimizer in both.optimizers] == pytest.approx(
        [0.2, 0.02]
    )
    again = keras.optimizers.deserialize(keras.optimizers.serialize(both))
    assert again.get_config() == both.get_config()
    assert {part: type(value) for part, value in again.parts.items()} == {
        "one": keras.optimizers.SGD,
        "other": zoo.optimizers.Adam,
    }
    both.learning_rate = 0.0
    both.learning_rate = 0.5
    assert [float(optimizer.learning_rate) for optimizer in both.optimizers] == [0.5, 0.5]


def test_loss_scaling_is_unwrapped():
    scaled = {part: keras.optimizers.LossScaleOptimizer(value) for part, value in two().items()}
    assert [optimizer.name for optimizer in MultiOptimizer(scaled).optimizers] == ["one", "other"]
    assert not has_schedule(scaled["one"])
    assert has_schedule(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(SCHEDULE)))


def test_a_step_that_overflows_in_float16_changes_no_weight_and_halves_the_loss_scale():
    model = small_model("dcgan", dtype="mixed_float16")
    model.prepare()
    before = model.get_weights()
    for optimizer in model.optimizers.values():
        optimizer.dynamic_scale.assign(2.0**30)
    model.train_step(examples(model, 8))
    trainable = {v.path for v in model.trainable_variables}
    for variable, old in zip(model.weights, before, strict=True):
        assert variable.path not in trainable or np.array_equal(variable, old)
    assert [float(o.dynamic_scale) for o in model.optimizers.values()] == [2.0**29] * 2
