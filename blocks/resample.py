"""Downsampling and upsampling blocks for VAEs, GANs and U-Nets.

A convolution, then optional normalization, activation and dropout, all of it `repeats` times.
`Upsample` inverts the shape of `Downsample` for even and odd sizes. Sub-pixel upsampling: Shi et
al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
Convolutional Neural Network" (2016, arXiv 1609.05158). Resize + convolution: Odena et al.,
"Deconvolution and Checkerboard Artifacts" (Distill, 2016).
"""

from collections.abc import Callable, Sequence
from typing import Any, Self

import keras
import tensorflow as tf

from blocks.checks import fraction, int_tuple, one_of, positive_int
from blocks.convolution import FastConv2DTranspose
from blocks.stack import Stack

NORMS = {
    "batch": keras.layers.BatchNormalization,
    "instance": lambda dtype: keras.layers.GroupNormalization(groups=-1, dtype=dtype),
    "layer": keras.layers.LayerNormalization,
}
METHODS = ("transpose", "resize", "subpixel")


def feature_map_sizes(size: Sequence[int], levels: int, strides: int = 2) -> list[tuple[int, ...]]:
    """The sizes (rows, columns) before and after each of `levels` downsamplings."""
    sizes = [tuple(size)]
    for _ in range(levels):
        sizes.append(tuple(-(-n // strides) for n in sizes[-1]))
    return sizes


class Resample(Stack):
    """Base of both blocks: `repeats` times convolution - norm - activation - dropout."""

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        strides: int = 2,
        repeats: int = 1,
        norm: str | None = None,
        activation: str | Callable | None = "relu",
        dropout: float = 0.0,
        kernel_initializer: str | keras.initializers.Initializer = "glorot_uniform",
        **kwargs: Any,
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

    def _unit(self, *convolution: keras.layers.Layer) -> list[keras.layers.Layer]:
        """The layers of one repetition: `convolution`, norm, activation, dropout."""
        policy = self.dtype_policy
        layers = [*convolution]
        if self.norm:
            layers.append(NORMS[self.norm](dtype=policy))
        layers.append(keras.layers.Activation(self.activation, dtype=policy))
        if self.dropout:
            layers.append(keras.layers.Dropout(self.dropout, dtype=policy))
        return layers

    def _convolution(
        self,
        filters: int | None = None,
        strides: int = 1,
        layer_class: Callable = keras.layers.Conv2D,
    ) -> keras.layers.Layer:
        return layer_class(
            filters or self.filters,
            self.kernel_size,
            strides,
            padding="same",
            data_format="channels_last",
            use_bias=not self.norm,
            kernel_initializer=self.kernel_initializer.clone(),  # else values repeat
            dtype=self.dtype_policy,
        )

    def get_config(self) -> dict[str, Any]:
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
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)


@keras.saving.register_keras_serializable("blocks")
class Downsample(Resample):
    """Halves (divides by `strides`, rounding up) the size of a feature map.

    Shapes: [batch, h, w, c] -> [batch, ceil(h / strides), ceil(w / strides), filters].

    Args:
        filters: channels of the result.
        kernel_size: side of the convolution's window, in pixels.
        strides: downsampling factor of the first convolution; the others keep the size.
        repeats: number of repetitions of convolution - norm - activation - dropout.
        norm: None, "batch", "instance" or "layer"; with a norm, the convolution has no bias.
        activation: any Keras activation, or None.
        dropout: dropout rate.
        kernel_initializer: any Keras initializer.

    Raises:
        ValueError: an argument out of range, or an input that is not of rank 4.
    """

    def __init__(self, filters: int, **kwargs: Any):
        super().__init__(filters, **kwargs)
        self.layers += self._unit(self._convolution(strides=self.strides))
        for _ in range(self.repeats - 1):
            self.layers += self._unit(self._convolution())


@keras.saving.register_keras_serializable("blocks")
class Upsample(Resample):
    """Doubles (multiplies by `strides`) the size of a feature map, then crops to `output_size`.

    Shapes: [batch, h, w, c] -> [batch, h * strides, w * strides, filters], or
    [batch, *output_size, filters]. The input size of a `Downsample` as `output_size` inverts its
    shape, also for odd sizes.

    Args:
        filters, kernel_size, strides, repeats, norm, activation, dropout, kernel_initializer:
            as in `Downsample`.
        method: "transpose" (transposed convolution), "resize" (nearest neighbor, then convolution)
            or "subpixel" (convolution to strides^2 times the channels, then pixel shuffle).
        output_size: (rows, columns) of the result, at most `strides` times the input.

    Raises:
        ValueError: an argument out of range, or an `output_size` larger than the upsampled input.
    """

    def __init__(
        self,
        filters: int,
        method: str = "transpose",
        output_size: Sequence[int] | None = None,
        **kwargs: Any,
    ):
        super().__init__(filters, **kwargs)
        self.method = one_of(method, METHODS, "method")
        self.output_size = None if output_size is None else int_tuple(output_size, "output_size", 2)
        layers = getattr(self, f"_{method}")()
        if self.output_size:
            layers.append(Crop(self.output_size, dtype=self.dtype_policy))
        self.layers += self._unit(*layers)
        for _ in range(self.repeats - 1):
            self.layers += self._unit(self._convolution())

    def _transpose(self) -> list[keras.layers.Layer]:
        return [self._convolution(strides=self.strides, layer_class=FastConv2DTranspose)]

    def _resize(self) -> list[keras.layers.Layer]:
        options = {"data_format": "channels_last", "dtype": self.dtype_policy}
        return [keras.layers.UpSampling2D(self.strides, **options), self._convolution()]

    def _subpixel(self) -> list[keras.layers.Layer]:
        shuffle = PixelShuffle(self.strides, dtype=self.dtype_policy)
        return [self._convolution(self.filters * self.strides**2), shuffle]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "method": self.method, "output_size": self.output_size}


@keras.saving.register_keras_serializable("blocks")
class PixelShuffle(keras.layers.Layer):
    """Rearranges channels into pixels: [b, h, w, s*s*c] -> [b, s*h, s*w, c]."""

    def __init__(self, strides: int = 2, **kwargs: Any):
        super().__init__(**kwargs)
        self.strides = strides

    def build(self, input_shape: tuple) -> None:
        if input_shape[-1] % self.strides**2:
            raise ValueError(
                f"the channels must be a multiple of {self.strides**2}, got {input_shape[-1]}"
            )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        if self.strides == 1:
            return inputs
        return tf.nn.depth_to_space(inputs, self.strides)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        batch, rows, columns, channels = input_shape
        s = self.strides
        return (batch, rows and rows * s, columns and columns * s, channels // s**2)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "strides": self.strides}


@keras.saving.register_keras_serializable("blocks")
class Crop(keras.layers.Layer):
    """Crops to the upper left `size` = (rows, columns): [b, h, w, c] -> [b, *size, c]."""

    def __init__(self, size: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        self.size = tuple(size)

    def build(self, input_shape: tuple) -> None:
        pairs = zip(input_shape[1:3], self.size, strict=True)
        if any(available and available < size for available, size in pairs):
            raise ValueError(
                f"cannot crop {tuple(input_shape[1:3])} to {self.size}: output_size must not be"
                " larger than the upsampled input"
            )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        if tuple(inputs.shape[1:3]) == self.size:
            return inputs
        return inputs[:, : self.size[0], : self.size[1]]

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (input_shape[0], *self.size, input_shape[3])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}
