"""The fast transposed convolution against that of Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import blocks

SAME = {"padding": "same"}


def is_dilation_possible() -> bool:
    """Whether this machine has the kernel: without oneDNN, TensorFlow has none on a CPU."""
    try:
        keras.layers.Conv2DTranspose(1, 3, dilation_rate=2)(tf.zeros((1, 4, 4, 1)))
    except tf.errors.InvalidArgumentError:
        return False
    return True


needs_dilation = pytest.mark.skipif(not is_dilation_possible(), reason="no kernel with dilation")

ALGORITHMS = [  # input shape, filters, window, further arguments, the algorithm
    ((9, 6, 8), 1, 3, SAME, "taps"),
    ((9, 6, 27), 3, 3, SAME, "taps"),
    ((9, 6, 50), 2, 5, SAME, "taps"),
    ((9, 6, 8), 1, 1, SAME, "taps"),
    ((9, 6, 36), 4, 3, SAME | {"activation": "tanh", "dtype": "float64"}, "taps"),
    ((9, 6, 32), 3, 3, SAME | {"use_bias": False}, "taps"),
    ((7, 7, 96), 48, 5, SAME, "frequencies"),
    ((8, 6, 64), 48, 5, SAME, "frequencies"),
    ((1, 4, 40), 48, 5, SAME, "frequencies"),
    ((4, 4, 128), 48, 5, SAME | {"activation": "relu"}, "frequencies"),
    ((7, 7, 96), 48, 5, SAME | {"use_bias": False}, "frequencies"),
    ((28, 28, 96), 5, 5, SAME, "keras"),  # a large map
    ((9, 6, 26), 3, 3, SAME, "keras"),  # more taps than channels
    ((7, 7, 96), 48, 4, SAME, "keras"),  # an even window
    ((7, 7, 96), 1, 4, SAME, "keras"),
    ((7, 7, 96), 48, (5, 3), SAME, "keras"),
    ((7, 7, 96), 48, 5, SAME | {"strides": 2}, "keras"),
    ((9, 6, 8), 1, 5, SAME | {"strides": 2}, "keras"),
    pytest.param((9, 6, 8), 1, 3, SAME | {"dilation_rate": 2}, "keras", marks=needs_dilation),
    ((7, 7, 96), 48, 5, {"padding": "valid"}, "keras"),
    ((9, 6, 8), 1, 3, {"padding": "valid"}, "keras"),
]


@pytest.mark.parametrize("shape, filters, size, options, algorithm", ALGORITHMS)
def test_the_fast_transposed_convolution_equals_that_of_keras(
    shape, filters, size, options, algorithm
):
    kinds = keras.layers.Conv2DTranspose, blocks.FastConv2DTranspose
    layers = [kind(filters, size, **options) for kind in kinds]
    x = tf.constant(
        np.random.default_rng(0).random((3, *shape)) - 0.5, options.get("dtype", "float32")
    )
    results = []
    for layer in layers:
        layer.build(x.shape)
        if layer.use_bias:
            layer.bias.assign(np.linspace(-1, 1, filters))
        layer.kernel.assign(layers[0].kernel)
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x)
                loss = tf.reduce_sum(tf.sin(y)) / filters
            gradients = tape.gradient(loss, [x, *(v.value for v in layer.trainable_variables)])
        results.append([y, *gradients, outer.gradient(gradients[0], x)])
    assert layers[1].algorithm == algorithm
    for keras_result, fast_result in zip(*results, strict=True):
        np.testing.assert_allclose(keras_result, fast_result, atol=1e-4)


def test_the_fast_transposed_convolution_falls_back_to_keras(monkeypatch):
    def algorithm(shape, filters, **options):
        layer = blocks.FastConv2DTranspose(filters, 5, padding="same", **options)
        layer.build((None, *shape))
        return layer.algorithm

    half = {"dtype": "mixed_bfloat16"}  # frequencies need full precision
    assert (
        algorithm((7, 7, 96), 48, **half) == "keras" and algorithm((7, 7, 96), 1, **half) == "taps"
    )
    assert algorithm((None, 7, 96), 48) == algorithm((None, 7, 96), 1) == "keras"
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert algorithm((7, 7, 96), 48) == algorithm((7, 7, 96), 1) == "keras"
