"""The two networks of pix2pix: a U-Net that translates, a PatchGAN that judges piece by piece.

Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional Adversarial Networks" (2017,
arXiv 1611.07004), section 6.1. The U-Net is that of Ronneberger, Fischer, Brox, "U-Net:
Convolutional Networks for Biomedical Image Segmentation" (2015, arXiv 1505.04597).
"""

import math

import keras
import tensorflow as tf

from blocks.checks import fraction, int_tuple, one_of, positive_int
from blocks.resample import NORMS, Downsample, Upsample
from blocks.stack import Stack

NOISE_LEVELS = 3  # levels of the decoder that the noise enters


def _conv_layer(layer, filters, norm, activation, dtype, **kwargs):
    """A `Downsample` or `Upsample` with 4 x 4 windows and weights from N(0, 0.02^2)."""
    initializer = keras.initializers.RandomNormal(stddev=0.02)  # each draws other numbers
    own = {"norm": norm, "activation": activation, "kernel_initializer": initializer}
    return layer(filters, kernel_size=4, dtype=dtype, **own, **kwargs)


def default_levels(size, maximum=8):
    """How many levels suit a size (rows, columns): how often 2 divides it, from 1 to `maximum`."""
    common = math.gcd(*size)
    power = common & -common  # the largest power of 2 that divides both
    return max(1, min(maximum, power.bit_length() - 1))


@keras.saving.register_keras_serializable("blocks")
class UNet(keras.layers.Layer):
    """Down to a bottleneck and up again; each level's features also skip to its mirror image.

    Shapes: [batch, h, w, c] -> [batch, h, w, channels] in [-1, 1]; 2^levels divides h and w.

    The noise z is dropout after the first three levels of the decoder. It is drawn whenever
    there is a `seed` (int32[2]), in training or not, and is a function of the seed; without a
    seed the network is deterministic.

    Args:
        channels: of the result.
        filters: of the first level; they double from level to level, up to eight times as many.
        levels: how often the size is halved.
        norm: None, "batch", "instance" or "layer"; the first level, the bottleneck and the result
            have none.
        dropout: share of the values that the noise sets to zero.

    Raises:
        ValueError: an argument out of range, or a size that is not a multiple of 2^levels.
    """

    def __init__(self, channels, filters=64, levels=8, norm="batch", dropout=0.5, **kwargs):
        super().__init__(**kwargs)
        self.channels = positive_int(channels, "channels")
        self.filters = positive_int(filters, "filters")
        self.levels = positive_int(levels, "levels")
        self.norm = one_of(norm, [None, *NORMS], "norm")
        self.dropout = fraction(dropout, "dropout")

        dtype = self.dtype_policy
        widths = [self.filters * min(2**level, 8) for level in range(self.levels)]
        self.down = []
        for level, n in enumerate(widths):
            each = norm if 0 < level < self.levels - 1 else None
            self.down.append(_conv_layer(Downsample, n, each, "leaky_relu", dtype))
        self.up = [_conv_layer(Upsample, n, norm, "relu", dtype) for n in widths[-2::-1]]
        self.up.append(_conv_layer(Upsample, self.channels, None, "tanh", dtype))
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape):
        self.check_size(*input_shape[1:3])
        shapes = [tuple(input_shape)]
        for layer in self.down:
            layer.build(shapes[-1])
            shapes.append(layer.compute_output_shape(shapes[-1]))
        shape = shapes.pop()
        for layer in self.up:
            layer.build(shape)
            *same, skipped = shapes.pop()
            shape = (*same, layer.filters + skipped)

    def call(self, inputs, seed=None, training=None):
        self.check_size(*inputs.shape[1:3])
        x, skips = inputs, []
        for layer in self.down:
            x = layer(x, training=training)
            skips.append(x)
        x = skips.pop()
        for level, layer in enumerate(self.up[:-1]):
            x = layer(x, training=training)
            if seed is not None and level < NOISE_LEVELS:
                z = tf.random.experimental.stateless_fold_in(seed, level)
                x = tf.nn.experimental.stateless_dropout(x, self.dropout, z)
            x = tf.concat([x, skips.pop()], axis=-1)
        return self.up[-1](x, training=training)

    def check_size(self, rows, columns):
        minimum = 2**self.levels
        if (rows or 0) % minimum or (columns or 0) % minimum:
            raise ValueError(
                f"a U-Net of {self.levels} levels needs rows and columns that are multiples of"
                f" {minimum}, got {rows} x {columns}: use fewer levels or another size"
            )

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.channels)

    def get_config(self):
        return {
            **super().get_config(),
            "channels": self.channels,
            "filters": self.filters,
            "levels": self.levels,
            "norm": self.norm,
            "dropout": self.dropout,
        }


@keras.saving.register_keras_serializable("blocks")
class PatchDiscriminator(Stack):
    """PatchGAN: a verdict for each patch of an image, 70 x 70 pixels with the paper's filters.

    Shapes: [batch, h, w, c] -> logits [batch, ceil(h / s), ceil(w / s), 1], where s is
    2^(len(filters) - 1).

    Args:
        filters: channels of the convolutions before the verdict, all but the last of which halve
            the size. The patches of 2, 3, 4, 5 have 16, 34, 70, 142 pixels a side.
        norm: None, "batch", "instance" or "layer"; the first convolution and the verdict have none.

    Raises:
        ValueError: an argument out of range, or an input that is not of rank 4.
    """

    def __init__(self, filters=(64, 128, 256, 512), norm="batch", **kwargs):
        super().__init__([], **kwargs)
        self.filters = int_tuple(filters, "filters")
        self.norm = one_of(norm, [None, *NORMS], "norm")
        dtype = self.dtype_policy
        last = len(self.filters) - 1
        for level, n in enumerate(self.filters):
            each, strides = norm if level else None, 2 if level < last else 1
            self.layers.append(
                _conv_layer(Downsample, n, each, "leaky_relu", dtype, strides=strides)
            )
        self.layers.append(_conv_layer(Downsample, 1, None, None, dtype, strides=1))
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def get_config(self):
        config = super().get_config()
        del config["layers"]
        return {**config, "filters": self.filters, "norm": self.norm}

    @classmethod
    def from_config(cls, config):
        return cls(**config)
