"""Properties x blocks: Keras' own layer harness and ours, over every public layer of `blocks`."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

import blocks

try:  # Keras ships its harness, under a private path
    from keras.src.testing import TestCase
except ImportError:
    TestCase = None

IMAGE, VECTOR = (2, 7, 6, 3), (2, 5)
# Class name -> [(arguments, input shape, output shape)]. Every public layer must be here.
CASES = {
    "BernoulliHead": [({"channels": 3}, IMAGE, (2, 7, 6, 3))],
    "Downsample": [
        ({"filters": 4}, IMAGE, (2, 4, 3, 4)),
        ({"filters": 4, "strides": 3, "kernel_size": 5, "activation": None}, IMAGE, (2, 3, 2, 4)),
        ({"filters": 4, "repeats": 2, "norm": "batch", "dropout": 0.5}, IMAGE, (2, 4, 3, 4)),
        ({"filters": 4, "norm": "instance", "activation": "leaky_relu"}, IMAGE, (2, 4, 3, 4)),
        ({"filters": 4, "norm": "layer"}, IMAGE, (2, 4, 3, 4)),
    ],
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
}
TABLE = [(name, *case) for name, cases in CASES.items() for case in cases]
every_block = pytest.mark.parametrize("name, config, shape, output", TABLE)


def make(name, config, **more):
    return getattr(blocks, name)(**config, **more)


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
        config,
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
    elif name in ("StandardNormal", "GaussianMixture"):
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


# Latent variables, against closed forms and SciPy-free arithmetic.


def test_the_gaussian_head_is_the_introductions_parametrization():
    head = blocks.GaussianHead(3)
    outputs = head(random((4, 5)))
    q = head.distribution(outputs)
    loc, raw = np.split(np.array(outputs), 2, -1)
    np.testing.assert_allclose(q.mean(), loc)
    np.testing.assert_allclose(q.stddev(), np.log1p(np.exp(raw + 1e-5)), rtol=1e-5)


def test_the_standard_normal_scores_points():
    z = random((4, 3))
    want = -0.5 * (z**2).sum(-1) - 1.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(blocks.StandardNormal(3)(z), want, rtol=1e-5)


def test_the_mixture_scores_points_and_follows_its_weights():
    prior = blocks.GaussianMixture(2, components=3)
    prior.build()
    loc = np.array([[0, 0], [4, 0], [0, 4]], "float32")
    prior.loc.assign(loc)
    prior.raw_scale.assign(np.full((3, 2), np.log(np.expm1(0.5))))
    prior.logits.assign(np.log([0.2, 0.3, 0.5]).astype("float32"))
    z = random((5, 2)) * 4
    d = ((z[:, None] - loc) ** 2).sum(-1) / 0.25
    want = np.log((np.array([0.2, 0.3, 0.5]) * np.exp(-0.5 * d) / (2 * np.pi * 0.25)).sum(-1))
    np.testing.assert_allclose(prior(z), want, rtol=1e-4)
    np.testing.assert_allclose(prior.distribution().log_prob(z), want, rtol=1e-4)
    draws = prior.distribution().sample(4000, seed=(0, 1)).numpy()
    nearest = ((draws[:, None] - loc) ** 2).sum(-1).argmin(-1)
    np.testing.assert_allclose(np.bincount(nearest) / 4000, [0.2, 0.3, 0.5], atol=0.03)


def test_both_divergences_agree_on_gaussians():
    head, p = blocks.GaussianHead(2), blocks.StandardNormal(2).distribution()
    q = head.distribution(head(random((3, 5))))
    z = q.sample(50_000, seed=(0, 1))
    exact = blocks.analytic_kl(q, p, None)
    np.testing.assert_allclose(tf.reduce_mean(blocks.monte_carlo_kl(q, p, z), 0), exact, atol=0.02)


def test_free_bits_push_no_further_below_the_threshold():
    head, p = blocks.GaussianHead(2), blocks.StandardNormal(2).distribution()
    x = random((3, 5))
    for nats, moves in ((100.0, False), (0.0, True)):
        with tf.GradientTape() as tape:
            q = head.distribution(head(x))
            kl = blocks.FreeBits(nats, "analytic")(q, p, q.mean())
        gradient = tape.gradient(kl, head.dense.kernel.value)
        assert (gradient is not None and np.abs(gradient).max() > 0) == moves
        if not moves:
            np.testing.assert_array_equal(kl, [nats] * 3)


def test_likelihood_heads_are_normalized():
    x = (random((2, 3, 3, 1)) > 0.5).astype("float32")
    outputs = tf.constant(random((2, 3, 3, 1)))
    p = 1 / (1 + np.exp(-outputs.numpy()))
    want = np.log(np.where(x > 0, p, 1 - p)).sum((1, 2, 3))
    got = blocks.BernoulliHead(1).distribution(outputs).log_prob(x)
    np.testing.assert_allclose(got, want, rtol=1e-5)
    head = blocks.NormalHead(1)
    head.build((None, 3, 3, 1))
    scale = np.log(2) + 1e-3
    want = (-0.5 * ((x - p) / scale) ** 2 - np.log(scale) - 0.5 * np.log(2 * np.pi)).sum((1, 2, 3))
    np.testing.assert_allclose(head.distribution(outputs).log_prob(x), want, rtol=1e-4)


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
        (lambda: blocks.FreeBits(1, "exact")(None, None, None), "kl must be one of.*'exact'"),
    ],
)
def test_wrong_arguments_say_what_was_expected(make_it, message):
    with pytest.raises(ValueError, match=message):
        make_it()
