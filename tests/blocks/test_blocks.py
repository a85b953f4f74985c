"""Keras' own layer tests and further properties, for every public layer of `blocks`."""

import functools
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

import blocks
from blocks.bounds import get_bound
from blocks.priors import Prior

try:  # Keras ships its harness, under a private path
    from keras.src.testing import TestCase
except ImportError:
    TestCase = None

IMAGE, VECTOR, SEQUENCE = (2, 7, 6, 3), (2, 5), (2, 5, 6)
STEP = {"query_shape": (2, 4), "values_shape": SEQUENCE}  # a layer of several inputs, by name
STEPS = {"query_shape": (2, 3, 6), "values_shape": SEQUENCE}
DECODED = {"inputs_shape": (2, 3, 4), "values_shape": SEQUENCE}


def encoder(dtype=None):
    head = blocks.GaussianHead(5, dtype=dtype)
    return blocks.Stack([keras.layers.Flatten(dtype=dtype), head], dtype=dtype)


def lstm(dtype=None):
    return keras.layers.LSTMCell(4, dtype=dtype)


def additive(dtype=None):
    return blocks.AdditiveAttention(5, dtype=dtype)


def heads(dtype=None):
    return blocks.MultiHeadAttention(6, 2, dtype=dtype)


def feeding(dtype=None):
    return blocks.InputFeedingCell(
        keras.layers.GRUCell(4, dtype=dtype), general(dtype), 3, dtype=dtype
    )


def general(dtype=None):
    return blocks.MultiplicativeAttention("general", dtype=dtype)


EMBEDDED = {"inputs_shape": (2, 7, 6, 8), "embedding_shape": (2, 5)}
CODES = {"inputs_shape": VECTOR, "embedding_shape": (2, 4)}
LAYER = {"hidden_dim": 6, "num_heads": 2, "intermediate_dim": 8, "dropout": 0.5}
VAMP = {"latent_dim": 5, "encoder": encoder, "image_shape": (4, 4, 1), "num_pseudo_inputs": 3}
# Class name -> [(arguments, input shape, output shape)]. Every public layer must be here.
CASES = {
    "AdditiveAttention": [({"units": 4}, STEP, (2, 6)), ({"units": 4}, STEPS, (2, 3, 6))],
    "AttentionCell": [({"cell": lstm, "attention": additive}, DECODED, (2, 3, 10))],
    "AttentionDecoder": [({"cell": feeding}, DECODED, (2, 3, 3))],
    "BernoulliHead": [
        ({"channels": 3}, IMAGE, (2, 7, 6, 3)),
        ({"channels": 3, "kernel_size": None}, IMAGE, (2, 7, 6, 3)),
    ],
    "DiffusionMLP": [({"units": 4, "repeats": 2}, CODES, VECTOR)],
    "DiffusionUNet": [
        ({"filters": (8, 8), "num_heads": 2}, EMBEDDED, EMBEDDED["inputs_shape"]),
    ],
    "CausalTransformerLayer": [(LAYER, SEQUENCE, SEQUENCE)],
    "Downsample": [
        ({"filters": 4}, IMAGE, (2, 4, 3, 4)),
        ({"filters": 4, "strides": 3, "kernel_size": 5, "activation": None}, IMAGE, (2, 3, 2, 4)),
        ({"filters": 4, "repeats": 2, "norm": "batch", "dropout": 0.5}, IMAGE, (2, 4, 3, 4)),
        ({"filters": 4, "norm": "instance", "activation": "leaky_relu"}, IMAGE, (2, 4, 3, 4)),
        ({"filters": 4, "norm": "layer"}, IMAGE, (2, 4, 3, 4)),
    ],
    "FastConv2DTranspose": [
        ({"filters": 3, "kernel_size": 2, "strides": 2}, IMAGE, (2, 14, 12, 3)),
        ({"filters": 32, "kernel_size": 5, "padding": "same"}, (2, 7, 6, 64), (2, 7, 6, 32)),
        ({"filters": 1, "kernel_size": 3, "padding": "same"}, IMAGE, (2, 7, 6, 1)),
        ({"filters": 3, "kernel_size": 5, "padding": "same"}, IMAGE, (2, 7, 6, 3)),
    ],
    "FlowPrior": [({"latent_dim": 5, "num_couplings": 2, "units": 4}, VECTOR, (2,))],
    "GatedDense": [({"units": 3}, VECTOR, (2, 3))],
    "GaussianHead": [({"latent_dim": 3}, VECTOR, (2, 6))],
    "GaussianMixture": [({"latent_dim": 5, "num_components": 4}, VECTOR, (2,))],
    "GatedAttentionCell": [({"cell": lstm, "attention": additive}, DECODED, (2, 3, 10))],
    "GroupNormalization": [({}, IMAGE, IMAGE), ({"groups": 3}, IMAGE, IMAGE)],
    "InputFeedingCell": [({"cell": lstm, "attention": general, "units": 5}, DECODED, (2, 3, 5))],
    "LearnedPositions": [({"length": 7}, SEQUENCE, SEQUENCE)],
    "MapAttention": [({"num_heads": 3}, IMAGE, IMAGE)],
    "MultiHeadAttention": [
        ({"units": 6, "num_heads": 3}, STEP, (2, 6)),
        ({"units": 6, "num_heads": 2}, STEPS, (2, 3, 6)),
    ],
    "MultiplicativeAttention": [
        ({}, STEP, (2, 6)),
        ({"kind": "dot"}, STEPS, (2, 3, 6)),
        ({"scaled": True}, STEPS, (2, 3, 6)),
    ],
    "NormalHead": [({"channels": 3}, IMAGE, (2, 7, 6, 3))],
    "PatchDiscriminator": [
        ({"filters": (4, 8)}, IMAGE, (2, 4, 3, 1)),
        ({"filters": (4, 8, 8), "norm": "instance"}, (2, 8, 12, 3), (2, 2, 3, 1)),
    ],
    "ResidualBlock": [
        ({"filters": 8}, EMBEDDED, (2, 7, 6, 8)),
        ({"filters": 4, "dropout": 0.5}, EMBEDDED, (2, 7, 6, 4)),
    ],
    "SequenceEncoder": [
        ({"units": 4}, SEQUENCE, ((2, 5, 8), (2, 8))),
        ({"units": 4, "cell": "lstm"}, SEQUENCE, ((2, 5, 8), (2, 8), (2, 8))),
        ({"units": 4, "bidirectional": False}, SEQUENCE, ((2, 5, 4), (2, 4))),
    ],
    "SinusoidalPositions": [({}, SEQUENCE, SEQUENCE)],
    "Stack": [({"layers": []}, IMAGE, IMAGE)],
    "StandardNormal": [({"latent_dim": 5}, VECTOR, (2,))],
    "TimeEmbedding": [({"units": 4}, (2,), (2, 4))],
    "TokenEmbedding": [
        ({"input_dim": 9, "output_dim": 4}, VECTOR, (*VECTOR, 4)),
        ({"input_dim": 9, "output_dim": 4, "scaled": True}, VECTOR, (*VECTOR, 4)),
    ],
    "TransformerDecoderLayer": [
        (LAYER, {"inputs_shape": (2, 3, 6), "values_shape": (2, 5, 4)}, (2, 3, 6)),
    ],
    "TransformerEncoderLayer": [(LAYER, SEQUENCE, SEQUENCE)],
    "UNet": [
        ({"channels": 1, "filters": 4, "levels": 3}, (2, 8, 16, 3), (2, 8, 16, 1)),
        ({"channels": 2, "filters": 4, "levels": 1}, (2, 6, 2, 3), (2, 6, 2, 2)),
        (
            {"channels": 2, "filters": 4, "levels": 2, "norm": "instance"},
            (2, 8, 4, 1),
            (2, 8, 4, 2),
        ),
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
    """Arguments of a layer; a layer among them is created again, with the same dtype."""
    return {k: v(**more) if inspect.isfunction(v) else v for k, v in config.items()}


def make(name, config, **more):
    """A block; a cell, as Keras tests its own, inside the layer that runs it."""
    layer = getattr(blocks, name)(**fresh(config, **more), **more)
    return blocks.AttentionDecoder(layer, **more) if hasattr(layer, "state_size") else layer


def random(shape):
    return np.random.default_rng(0).random(shape).astype("float32")


def built(layer, shape):
    layer.build(**shape) if isinstance(shape, dict) else layer.build(shape)
    return layer


def examples(shape):
    """The inputs of a layer: an array, or one for each of its inputs by name."""
    if isinstance(shape, dict):
        return {name.removesuffix("_shape"): tf.constant(random(s)) for name, s in shape.items()}
    return tf.constant(random(shape))


def called(layer, x, **more):
    return layer(**x, **more) if isinstance(x, dict) else layer(x, **more)


def output_shape(layer, shape):
    many = isinstance(shape, dict)
    shapes = layer.compute_output_shape(**shape) if many else layer.compute_output_shape(shape)
    return keras.tree.map_shape_structure(tuple, shapes)


def each(check, *structures):
    keras.tree.map_structure(check, *structures)


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

    layer = built(make(name, config), shape)
    is_first = config is CASES[name][0][0] and not isinstance(shape, dict)
    Harness().run_layer_test(
        functools.partial(make, name, config),
        {},
        input_shape=shape,
        expected_output_shape=output,
        expected_num_trainable_weights=len(layer.trainable_weights),
        expected_num_losses=0,
        run_training_check=is_first and bool(layer.trainable_weights),
        assert_built_after_instantiation=False,
    )


@every_block
def test_build_creates_all_weights_and_call_none(name, config, shape, output):
    layer = built(make(name, config), shape)
    before = [v.path for v in layer.variables]
    result = called(layer, examples(shape))
    assert [v.path for v in layer.variables] == before
    assert keras.tree.map_structure(lambda x: tuple(x.shape), result) == output
    assert output_shape(layer, shape) == output
    any_batch = keras.tree.map_shape_structure(lambda s: (None, *s[1:]), (shape, output))
    assert output_shape(layer, any_batch[0]) == any_batch[1]


@every_block
def test_eager_and_graph_give_the_same_numbers(name, config, shape, output):
    layer, x = built(make(name, config), shape), examples(shape)
    graph = tf.function(lambda: called(layer, x))()
    each(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), called(layer, x), graph)


@every_block
def test_every_weight_has_a_gradient(name, config, shape, output):
    layer, x = built(make(name, config), shape), examples(shape)
    training = {"training": True} if "training" in layer.call_signature_parameters else {}
    with tf.GradientTape() as tape:
        outputs = called(layer, x, **training)
        loss = tf.add_n([tf.reduce_sum(y * random(y.shape)) for y in tf.nest.flatten(outputs)])
        if isinstance(layer, blocks.NormalHead):
            loss = tf.reduce_sum(layer.distribution(outputs).log_prob(random(output)))
    watched = {id(v) for v in tape.watched_variables()}
    assert watched == {id(v.value) for v in layer.trainable_variables}
    gradients = tape.gradient(loss, [v.value for v in layer.trainable_variables])
    assert all(g is not None and np.isfinite(tf.convert_to_tensor(g)).all() for g in gradients)


@every_block
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_the_dtype_policy_reaches_every_child(name, config, shape, output, policy):
    layer = built(make(name, config, dtype=policy), shape)
    result = called(layer, examples(shape))
    assert {y.dtype.name for y in tf.nest.flatten(result)} == {policy.removeprefix("mixed_")}
    assert {child.dtype_policy.name for child in layer._flatten_layers()} == {policy}
    if name.endswith("Head"):
        assert layer.distribution(result).dtype == tf.float32
    elif isinstance(layer, Prior):
        assert layer.distribution().dtype == tf.float32


@every_block
def test_one_example_does_not_depend_on_the_rest_of_its_batch(name, config, shape, output):
    layer, x = built(make(name, config), shape), examples(shape)
    first = called(layer, tf.nest.map_structure(lambda a: a[:1], x))
    each(lambda a, b: np.testing.assert_allclose(a[:1], b, atol=1e-6), called(layer, x), first)


@pytest.mark.parametrize("method", ["transpose", "resize", "subpixel"])
@pytest.mark.parametrize("size", [(8, 8), (7, 7), (5, 8), (1, 2), (28, 27)])
@pytest.mark.parametrize("strides", [2, 3])
def test_upsample_inverts_the_shape_of_downsample(method, size, strides):
    x = random((2, *size, 3))
    down = blocks.Downsample(4, strides=strides)
    up = blocks.Upsample(3, strides=strides, method=method, output_size=size)
    assert up(down(x)).shape == x.shape


def test_a_stack_of_blocks_restores_the_shape():
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
    expected = [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    np.testing.assert_array_equal(PixelShuffle(2)(x)[0], expected)


@pytest.mark.parametrize(
    "make_it, message",
    [
        (lambda: blocks.Downsample(0), "filters must be an integer >= 1, got 0"),
        (lambda: blocks.Downsample(4, strides=1.5), "strides must be an integer >= 1, got 1.5"),
        (lambda: blocks.Downsample(4, norm="bach"), "norm must be one of.*got 'bach'"),
        (lambda: blocks.Downsample(4, dropout=1), r"dropout must be a fraction in \[0, 1\), got 1"),
        (lambda: blocks.Upsample(4, method="up"), "method must be one of.*got 'up'"),
        (lambda: blocks.Upsample(4, output_size=(9, 9))(random((1, 4, 4, 1))), "cannot crop"),
        (lambda: blocks.Downsample(4)(random((4, 4))), "ndim=4, found ndim=2"),
        (lambda: blocks.GaussianMixture(2, num_components=0), "num_components must be.*got 0"),
        (lambda: blocks.GaussianHead(0), "latent_dim must be an integer >= 1, got 0"),
        (lambda: blocks.StandardNormal(-1), "latent_dim must be an integer >= 1, got -1"),
        (lambda: blocks.FlowPrior(1), "latent_dim >= 2, got 1"),
        (lambda: get_bound("vr"), "bound must be one of .*'iwae', 'stl'.* got 'vr'"),
        (
            lambda: blocks.mmd(tf.zeros((1, 2)), tf.zeros((1, 2))),
            "two samples of one size >= 2",
        ),
        (lambda: blocks.BernoulliHead(1, None)(random(IMAGE)), "expected 1 channels, got 3"),
        (lambda: make("VampPrior", VAMP).adapt(random((2, 4, 4, 1))), "3 images"),
        (lambda: blocks.UNet(3, levels=3)(random((1, 12, 8, 1))), "multiples of 8, got 12 x 8"),
        (lambda: blocks.PatchDiscriminator(64), "filters must be 1 or more integers.*got 64"),
        (lambda: blocks.FreeBits(1, "exact"), "kl_estimator must be one of.*'exact'"),
    ],
)
def test_errors_of_arguments_name_the_expected_value(make_it, message):
    with pytest.raises(ValueError, match=message):
        make_it()


@pytest.mark.parametrize("initializer", ["glorot_uniform", keras.initializers.HeNormal()])
def test_repeated_convolutions_have_different_initial_weights(initializer):
    block = blocks.Downsample(4, repeats=3, kernel_initializer=initializer)
    block.build((None, 8, 8, 4))
    kernels = [layer.kernel for layer in block.layers if hasattr(layer, "kernel")]
    for a, b in zip(kernels, kernels[1:], strict=False):
        assert float(tf.reduce_max(tf.abs(a.value - b.value))) > 0.01
