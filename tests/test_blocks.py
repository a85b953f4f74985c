"""Properties x blocks: Keras' own layer harness and ours, over every public layer of `blocks`."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

import blocks
from blocks.priors import Prior

try:  # Keras ships its harness, under a private path
    from keras.src.testing import TestCase
except ImportError:
    TestCase = None

IMAGE, VECTOR = (2, 7, 6, 3), (2, 5)


def encoder(dtype=None):
    head = blocks.GaussianHead(5, dtype=dtype)
    return blocks.Stack([keras.layers.Flatten(dtype=dtype), head], dtype=dtype)


VAMP = {"latent_dim": 5, "encoder": encoder, "image_shape": (4, 4, 1), "components": 3}
# Class name -> [(arguments, input shape, output shape)]. Every public layer must be here.
CASES = {
    "BernoulliHead": [
        ({"channels": 3}, IMAGE, (2, 7, 6, 3)),
        ({"channels": 3, "kernel_size": None}, IMAGE, (2, 7, 6, 3)),
    ],
    "Downsample": [
        ({"filters": 4}, IMAGE, (2, 4, 3, 4)),
        ({"filters": 4, "strides": 3, "kernel_size": 5, "activation": None}, IMAGE, (2, 3, 2, 4)),
        ({"filters": 4, "repeats": 2, "norm": "batch", "dropout": 0.5}, IMAGE, (2, 4, 3, 4)),
        ({"filters": 4, "norm": "instance", "activation": "leaky_relu"}, IMAGE, (2, 4, 3, 4)),
        ({"filters": 4, "norm": "layer"}, IMAGE, (2, 4, 3, 4)),
    ],
    "FlowPrior": [({"latent_dim": 5, "couplings": 2, "units": 4}, VECTOR, (2,))],
    "GatedDense": [({"units": 3}, VECTOR, (2, 3))],
    "GaussianHead": [({"latent_dim": 3}, VECTOR, (2, 6))],
    "GaussianMixture": [({"latent_dim": 5, "components": 4}, VECTOR, (2,))],
    "NormalHead": [({"channels": 3}, IMAGE, (2, 7, 6, 3))],
    "Stack": [({"layers": []}, IMAGE, IMAGE)],
    "StandardNormal": [({"latent_dim": 5}, VECTOR, (2,))],
    "ThinConv2DTranspose": [
        ({"filters": 1}, IMAGE, (2, 7, 6, 1)),
        ({"filters": 3, "kernel_size": 5}, IMAGE, (2, 7, 6, 3)),
    ],
    "Upsample": [
        ({"filters": 4}, IMAGE, (2, 14, 12, 4)),
        ({"filters": 4, "strides": 1}, IMAGE, (2, 7, 6, 4)),
        ({"filters": 4, "output_size": (13, 11), "repeats": 2}, IMAGE, (2, 13, 11, 4)),
        ({"filters": 4, "method": "resize", "norm": "batch"}, IMAGE, (2, 14, 12, 4)),
        ({"filters": 4, "method": "subpixel", "dropout": 0.5}, IMAGE, (2, 14, 12, 4)),
        ({"filters": 4, "method": "subpixel", "output_size": (13, 12)}, IMAGE, (2, 13, 12, 4)),
    ],
    "VampPrior": [(VAMP, VECTOR, (2,))],
}
TABLE = [(name, *case) for name, cases in CASES.items() for case in cases]
every_block = pytest.mark.parametrize("name, config, shape, output", TABLE)


def fresh(config, **more):
    """Arguments of a layer; a layer among them is made anew, with the same dtype."""
    return {k: v(**more) if inspect.isfunction(v) else v for k, v in config.items()}


def make(name, config, **more):
    return getattr(blocks, name)(**fresh(config, **more), **more)


def random(shape):
    return np.random.default_rng(0).random(shape).astype("float32")


def test_every_public_layer_is_in_the_table():
    layers = {
        name
        for name in blocks.__all__
        if inspect.isclass(value := getattr(blocks, name)) and issubclass(value, keras.layers.Layer)
    }
    assert layers == set(CASES)


@every_block
@pytest.mark.skipif(TestCase is None, reason="this Keras keeps its layer harness elsewhere")
@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")
@pytest.mark.filterwarnings("ignore:Gradients do not exist")  # a head's scale is no output
def test_keras_own_layer_test_passes(name, config, shape, output):
    class Harness(TestCase):
        runTest = lambda self: None  # noqa: E731, N815

    layer = make(name, config)
    layer.build(shape)
    Harness().run_layer_test(
        getattr(blocks, name),
        fresh(config),
        input_shape=shape,
        expected_output_shape=output,
        expected_num_trainable_weights=len(layer.trainable_weights),
        expected_num_losses=0,
        run_training_check=bool(layer.trainable_weights),
        assert_built_after_instantiation=False,
    )


@every_block
def test_build_makes_everything_and_call_nothing(name, config, shape, output):
    layer = make(name, config)
    layer.build(shape)
    before = [v.path for v in layer.variables]
    result = layer(random(shape))
    assert [v.path for v in layer.variables] == before
    assert tuple(result.shape) == output == tuple(layer.compute_output_shape(shape))
    assert tuple(layer.compute_output_shape((None, *shape[1:]))) == (None, *output[1:])


@every_block
def test_eager_and_graph_give_the_same_numbers(name, config, shape, output):
    layer, x = make(name, config), random(shape)
    np.testing.assert_allclose(layer(x), tf.function(layer)(x), atol=1e-5)


@every_block
def test_every_weight_is_watched_and_gets_a_gradient(name, config, shape, output):
    layer, x = make(name, config), tf.constant(random(shape))
    layer.build(shape)
    with tf.GradientTape() as tape:
        outputs = (
            layer(x, training=True) if "training" in layer.call_signature_parameters else layer(x)
        )
        loss = tf.reduce_sum(outputs * random(output))
        if isinstance(layer, blocks.NormalHead):
            loss = tf.reduce_sum(layer.distribution(outputs).log_prob(random(output)))
    watched = {id(v) for v in tape.watched_variables()}
    assert watched == {id(v.value) for v in layer.trainable_variables}
    gradients = tape.gradient(loss, [v.value for v in layer.trainable_variables])
    assert all(g is not None and np.isfinite(g).all() for g in gradients)


@every_block
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_the_dtype_policy_reaches_every_child(name, config, shape, output, policy):
    layer = make(name, config, dtype=policy)
    result = layer(random(shape))
    assert result.dtype.name == policy.removeprefix("mixed_")
    assert {child.dtype_policy.name for child in layer._flatten_layers()} == {policy}
    if name.endswith("Head"):
        assert layer.distribution(result).dtype == tf.float32
    elif isinstance(layer, Prior):
        assert layer.distribution().dtype == tf.float32


@every_block
def test_one_example_does_not_depend_on_the_rest_of_its_batch(name, config, shape, output):
    layer, x = make(name, config), random(shape)
    np.testing.assert_allclose(layer(x)[:1], layer(x[:1]), atol=1e-6)


@pytest.mark.parametrize("method", ["transpose", "resize", "subpixel"])
@pytest.mark.parametrize("size", [(8, 8), (7, 7), (5, 8), (1, 2), (28, 27)])
@pytest.mark.parametrize("strides", [2, 3])
def test_up_inverts_the_shape_of_down(method, size, strides):
    x = random((2, *size, 3))
    down = blocks.Downsample(4, strides=strides)
    up = blocks.Upsample(3, strides=strides, method=method, output_size=size)
    assert up(down(x)).shape == x.shape


def test_a_stack_of_blocks_is_down_and_up_again():
    x = random((2, 13, 10, 1))
    net = blocks.Stack(
        [
            blocks.Downsample(8, repeats=2, norm="batch", dropout=0.1),
            blocks.Downsample(16, repeats=2, norm="batch", dropout=0.1),
            blocks.Upsample(8, output_size=(7, 5), repeats=2, norm="batch", dropout=0.1),
            blocks.Upsample(1, output_size=(13, 10), activation="sigmoid"),
        ]
    )
    assert net(x).shape == x.shape
    kinds = [type(layer).__name__ for layer in net.layers[0].layers]
    assert kinds == ["Conv2D", "BatchNormalization", "Activation", "Dropout"] * 2


def test_training_reaches_dropout_and_batch_norm_inside_a_stack():
    x = random((4, 8, 8, 1))
    net = blocks.Stack([blocks.Downsample(8, norm="batch", dropout=0.5)])
    net.build(x.shape)
    moving = net.layers[0].layers[1].moving_mean
    assert np.allclose(net(x), net(x)) and not np.any(moving)
    assert not np.allclose(net(x, training=True), net(x, training=True)) and np.any(moving)


def test_subpixel_rearranges_channels_into_space():
    from blocks.resample import PixelShuffle

    x = np.arange(8.0).reshape(1, 1, 1, 8)
    want = [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    np.testing.assert_array_equal(PixelShuffle(2)(x)[0], want)


@pytest.mark.parametrize("filters, size", [(1, 3), (3, 3), (2, 5), (1, 1)])
def test_the_thin_convolution_gives_the_numbers_of_the_plain_one(filters, size):
    plain = keras.layers.Conv2DTranspose(filters, size, padding="same")
    thin = blocks.ThinConv2DTranspose(filters, size)
    x = tf.constant(random((3, 9, 6, 8)) - 0.5)
    results = []
    for layer in (plain, thin):
        layer.build(x.shape)
    plain.bias.assign(random(filters))
    thin.set_weights(plain.get_weights())
    for layer in (plain, thin):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            loss = tf.reduce_sum(y * random((3, 9, 6, filters)))
        results.append([y, *tape.gradient(loss, [x, layer.kernel.value, layer.bias.value])])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize(
    "make_it, message",
    [
        (lambda: blocks.Downsample(0), "filters must be an integer >= 1, got 0"),
        (lambda: blocks.Downsample(4, strides=1.5), "strides must be an integer >= 1, got 1.5"),
        (lambda: blocks.Downsample(4, norm="bach"), "norm must be one of.*got 'bach'"),
        (lambda: blocks.Downsample(4, dropout=1), r"dropout must be a share in \[0, 1\), got 1"),
        (lambda: blocks.Upsample(4, method="up"), "method must be one of.*got 'up'"),
        (lambda: blocks.Upsample(4, output_size=(9, 9))(random((1, 4, 4, 1))), "cannot crop"),
        (lambda: blocks.Downsample(4)(random((4, 4))), "ndim=4, found ndim=2"),
        (lambda: blocks.GaussianMixture(2, components=0), "components must be.*got 0"),
        (lambda: blocks.ThinConv2DTranspose(1, 2), "kernel_size must be odd, got 2"),
        (lambda: blocks.GaussianHead(0), "latent_dim must be an integer >= 1, got 0"),
        (lambda: blocks.StandardNormal(-1), "latent_dim must be an integer >= 1, got -1"),
        (lambda: blocks.FlowPrior(1), "latent_dim >= 2, got 1"),
        (lambda: blocks.IWAE(0), "samples must be an integer >= 1, got 0"),
        (lambda: blocks.mmd(tf.zeros((1, 2)), tf.zeros((1, 2))), "two samples of one size >= 2"),
        (lambda: blocks.BernoulliHead(1, None)(random(IMAGE)), "expected 1 channels, got 3"),
        (lambda: make("VampPrior", VAMP).adapt(random((2, 4, 4, 1))), "3 images"),
        (lambda: blocks.FreeBits(1, "exact")(None, None, None), "kl must be one of.*'exact'"),
    ],
)
def test_wrong_arguments_say_what_was_expected(make_it, message):
    with pytest.raises(ValueError, match=message):
        make_it()
