"""Downsampling and upsampling: the two blocks that VAEs, GANs and U-Nets share.

A convolution, then normalization, activation and dropout, each optional, the whole `repeats`
times. `Upsample` inverts `Downsample`'s shape for even and odd sizes. Sub-pixel upsampling: Shi
et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
Convolutional Neural Network" (2016, arXiv 1609.05158). Resize + convolution: Odena et al.,
"Deconvolution and Checkerboard Artifacts" (Distill, 2016).
"""

import keras
import tensorflow as tf

from blocks.checks import fraction, int_tuple, one_of, positive_int
from blocks.convolution import FastConv2DTranspose
from blocks.normalization import BatchNormalization
from blocks.stack import Stack

NORMS = {
    "batch": BatchNormalization,
    "instance": lambda dtype: keras.layers.GroupNormalization(groups=-1, dtype=dtype),
    "layer": keras.layers.LayerNormalization,
}
METHODS = ("transpose", "resize", "subpixel")


def feature_map_sizes(size, levels, strides=2):
    """The sizes that `levels` downsamplings run through: [size, ..., smallest], as tuples."""
    found = [tuple(size)]
    for _ in range(levels):
        found.append(tuple(-(-n // strides) for n in found[-1]))
    return found


class Resample(Stack):
    """What both directions share: `repeats` times convolution - norm - activation - dropout."""

    def __init__(
        self,
        filters,
        kernel_size=3,
        strides=2,
        repeats=1,
        norm=None,
        activation="relu",
        dropout=0.0,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__([], **kwargs)
        self.filters = positive_int(filters, "filters")
        self.kernel_size = positive_int(kernel_size, "kernel_size")
        self.strides = positive_int(strides, "strides")
        self.repeats = positive_int(repeats, "repeats")
        self.norm = one_of(norm, [None, *NORMS], "norm")
        self.activation = keras.activations.get(activation)
        self.dropout = fraction(dropout, "dropout")
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def unit(self, *resampling):
        """One unit: the layers given (which contain a convolution), norm, activation, dropout."""
        policy = self.dtype_policy
        layers = [*resampling]
        if self.norm:
            layers.append(NORMS[self.norm](dtype=policy))
        layers.append(keras.layers.Activation(self.activation, dtype=policy))
        if self.dropout:
            layers.append(keras.layers.Dropout(self.dropout, dtype=policy))
        return layers

    def convolution(self, filters=None, strides=1, layer=keras.layers.Conv2D):
        return layer(
            filters or self.filters,
            self.kernel_size,
            strides,
            padding="same",
            data_format="channels_last",
            use_bias=not self.norm,
            kernel_initializer=self.kernel_initializer.clone(),  # one would repeat its numbers
            dtype=self.dtype_policy,
        )

    def get_config(self):
        config = super().get_config()
        del config["layers"]
        return {
            **config,
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "repeats": self.repeats,
            "norm": self.norm,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable("blocks")
class Downsample(Resample):
    """Halves (divides by `strides`, rounding up) the size of a feature map.

    Shapes: [batch, h, w, c] -> [batch, ceil(h / strides), ceil(w / strides), filters].

    Args:
        filters: channels of the result.
        kernel_size: side of the convolution's window, in pixels.
        strides: factor by which the first convolution shrinks; the further ones keep the size.
        repeats: how often convolution - norm - activation - dropout is stacked.
        norm: None, "batch", "instance" or "layer"; with one, the convolution has no bias.
        activation: any Keras activation, or None.
        dropout: share of the values set to zero while training.
        kernel_initializer: any Keras initializer.

    Raises:
        ValueError: an argument out of range, or an input that is not of rank 4.
    """

    def __init__(self, filters, **kwargs):
        super().__init__(filters, **kwargs)
        self.layers += self.unit(self.convolution(strides=self.strides))
        for _ in range(self.repeats - 1):
            self.layers += self.unit(self.convolution())


@keras.saving.register_keras_serializable("blocks")
class Upsample(Resample):
    """Doubles (multiplies by `strides`) the size of a feature map, then crops to `output_size`.

    Shapes: [batch, h, w, c] -> [batch, h * strides, w * strides, filters], or
    [batch, *output_size, filters]: give the size that went into the `Downsample` to get it back,
    odd sizes too.

    Args:
        filters, kernel_size, strides, repeats, norm, activation, dropout, kernel_initializer:
            as in `Downsample`.
        method: "transpose" (transposed convolution), "resize" (nearest neighbour, then
            convolution) or "subpixel" (convolution to strides^2 times the channels, rearranged).
        output_size: (rows, columns) of the result, at most `strides` times the input.

    Raises:
        ValueError: an argument out of range, or an `output_size` that the input cannot reach.
    """

    def __init__(self, filters, method="transpose", output_size=None, **kwargs):
        super().__init__(filters, **kwargs)
        self.method = one_of(method, METHODS, "method")
        self.output_size = None if output_size is None else int_tuple(output_size, "output_size", 2)
        resampling = getattr(self, method)()
        if self.output_size:
            resampling.append(Crop(self.output_size, dtype=self.dtype_policy))
        self.layers += self.unit(*resampling)
        for _ in range(self.repeats - 1):
            self.layers += self.unit(self.convolution())

    def transpose(self):
        return [self.convolution(strides=self.strides, layer=FastConv2DTranspose)]

    def resize(self):
        how = {"data_format": "channels_last", "dtype": self.dtype_policy}
        return [keras.layers.UpSampling2D(self.strides, **how), self.convolution()]

    def subpixel(self):
        shuffle = PixelShuffle(self.strides, dtype=self.dtype_policy)
        return [self.convolution(self.filters * self.strides**2), shuffle]

    def get_config(self):
        return {**super().get_config(), "method": self.method, "output_size": self.output_size}


@keras.saving.register_keras_serializable("blocks")
class PixelShuffle(keras.layers.Layer):
    """Rearranges channels into space: [b, h, w, s*s*c] -> [b, s*h, s*w, c]."""

    def __init__(self, strides=2, **kwargs):
        super().__init__(**kwargs)
        self.strides = strides

    def build(self, input_shape):
        if input_shape[-1] % self.strides**2:
            raise ValueError(
                f"the channels must be a multiple of {self.strides**2}, got {input_shape[-1]}"
            )

    def call(self, inputs):
        if self.strides == 1:
            return inputs
        return tf.nn.depth_to_space(inputs, self.strides)

    def compute_output_shape(self, input_shape):
        batch, rows, columns, channels = input_shape
        s = self.strides
        return (batch, rows and rows * s, columns and columns * s, channels // s**2)

    def get_config(self):
        return {**super().get_config(), "strides": self.strides}


@keras.saving.register_keras_serializable("blocks")
class Crop(keras.layers.Layer):
    """Keeps the upper left `size` = (rows, columns): [b, h, w, c] -> [b, *size, c]."""

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = tuple(size)

    def build(self, input_shape):
        if any(
            have and have < want for have, want in zip(input_shape[1:3], self.size, strict=True)
        ):
            raise ValueError(
                f"cannot crop {tuple(input_shape[1:3])} to {self.size}: the size asked for must not"
                " exceed the upsampled input"
            )

    def call(self, inputs):
        if tuple(inputs.shape[1:3]) == self.size:
            return inputs
        return inputs[:, : self.size[0], : self.size[1]]

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.size, input_shape[3])

    def get_config(self):
        return {**super().get_config(), "size": self.size}
