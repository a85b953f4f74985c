"""The two networks of pix2pix: a U-Net generator and a PatchGAN discriminator.

Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional Adversarial Networks" (2017,
arXiv 1611.07004), section 6.1. The U-Net is that of Ronneberger, Fischer, Brox, "U-Net:
Convolutional Networks for Biomedical Image Segmentation" (2015, arXiv 1505.04597).
"""

import math
from collections.abc import Callable
from typing import Any, Self

import keras
import tensorflow as tf

from blocks.checks import fraction, int_tuple, one_of, positive_int
from blocks.resample import NORMS, Downsample, Upsample
from blocks.stack import Stack

NOISE_LEVELS = 3  # levels of the decoder that have dropout


def _conv_layer(
    layer_class: Callable,
    filters: int,
    norm: str | None,
    activation: Any,
    dtype: keras.DTypePolicy,
    **kwargs: Any,
) -> keras.layers.Layer:
    """A `Downsample` or `Upsample` with 4 x 4 windows and weights from N(0, 0.02^2)."""
    # One initializer per layer: a shared one would repeat its values.
    initializer = keras.initializers.RandomNormal(stddev=0.02)
    options = {"norm": norm, "activation": activation, "kernel_initializer": initializer}
    return layer_class(filters, kernel_size=4, dtype=dtype, **options, **kwargs)


def default_levels(size: tuple[int, int] | list[int], maximum: int = 8) -> int:
    """The number of times that 2 divides both rows and columns, clipped to 1 ... `maximum`."""
    divisor = math.gcd(*size)
    power = divisor & -divisor  # the largest power of 2 that divides both
    return max(1, min(maximum, power.bit_length() - 1))


@keras.saving.register_keras_serializable("blocks")
class UNet(keras.layers.Layer):
    """Encoder-decoder with skip connections between mirrored levels.

    Shapes: [batch, h, w, c] -> [batch, h, w, channels] in [-1, 1]; 2^levels must divide h and w.

    The noise z is dropout after the first three levels of the decoder. It is applied in training
    and inference whenever the call has a `seed` (int32[2]), and is a function of it; without a seed
    the network is deterministic.

    Args:
        channels: channels of the output.
        filters: channels of the first level; they double at each level, up to a factor of eight.
        levels: number of times the size is halved.
        norm: None, "batch", "instance" or "layer"; not applied to the first level, the bottleneck
            and the output.
        dropout: dropout rate of the noise.

    Raises:
        ValueError: an argument out of range, or a size that is not a multiple of 2^levels.
    """

    def __init__(
        self,
        channels: int,
        filters: int = 64,
        levels: int = 8,
        norm: str | None = "batch",
        dropout: float = 0.5,
        **kwargs: Any,
    ):
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
            level_norm = norm if 0 < level < self.levels - 1 else None
            self.down.append(_conv_layer(Downsample, n, level_norm, "leaky_relu", dtype))
        self.up = [_conv_layer(Upsample, n, norm, "relu", dtype) for n in widths[-2::-1]]
        self.up.append(_conv_layer(Upsample, self.channels, None, "tanh", dtype))
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: tuple) -> None:
        self.check_size(*input_shape[1:3])
        shapes = [tuple(input_shape)]
        for layer in self.down:
            layer.build(shapes[-1])
            shapes.append(layer.compute_output_shape(shapes[-1]))
        shape = shapes.pop()
        for layer in self.up:
            layer.build(shape)
            *size, skip_channels = shapes.pop()
            shape = (*size, layer.filters + skip_channels)

    def call(
        self, inputs: tf.Tensor, seed: tf.Tensor | None = None, training: bool | None = None
    ) -> tf.Tensor:
        self.check_size(*inputs.shape[1:3])
        x = inputs
        skips = []
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

    def check_size(self, rows: int | None, columns: int | None) -> None:
        """Raises ValueError unless 2^levels divides the size, as far as it is known."""
        factor = 2**self.levels
        if (rows or 0) % factor or (columns or 0) % factor:
            raise ValueError(
                f"a U-Net of {self.levels} levels needs rows and columns that are multiples of"
                f" {factor}, got {rows} x {columns}: use fewer levels or another size"
            )

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], self.channels)

    def get_config(self) -> dict[str, Any]:
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
    """PatchGAN: one logit per patch of an image, 70 x 70 pixels with the paper's filters.

    Shapes: [batch, h, w, c] -> logits [batch, ceil(h / s), ceil(w / s), 1], where s is
    2^(len(filters) - 1).

    Args:
        filters: channels of the convolutions before the last one; all but the last of these halve
            the size. With 2, 3, 4 or 5 of them a patch has a side of 16, 34, 70 or 142 pixels.
        norm: None, "batch", "instance" or "layer"; not applied to the first and the last
            convolution.

    Raises:
        ValueError: an argument out of range, or an input that is not of rank 4.
    """

    def __init__(
        self,
        filters: tuple[int, ...] = (64, 128, 256, 512),
        norm: str | None = "batch",
        **kwargs: Any,
    ):
        super().__init__([], **kwargs)
        self.filters = int_tuple(filters, "filters")
        self.norm = one_of(norm, [None, *NORMS], "norm")
        dtype = self.dtype_policy
        last = len(self.filters) - 1
        for level, n in enumerate(self.filters):
            level_norm = norm if level else None
            strides = 2 if level < last else 1
            layer = _conv_layer(Downsample, n, level_norm, "leaky_relu", dtype, strides=strides)
            self.layers.append(layer)
        self.layers.append(_conv_layer(Downsample, 1, None, None, dtype, strides=1))
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["layers"]
        return {**config, "filters": self.filters, "norm": self.norm}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)
