"""Networks of diffusion models and flows: from x_t and an embedding of time to an output like x_t.

The U-Net is that of Ho, Jain, Abbeel, "Denoising Diffusion Probabilistic Models" (2020, arXiv
2006.11239), appendix B, built from `Downsample`, `Upsample`, `ResidualBlock` and `MapAttention`.
With a patch size it works on patches of the image: Hoogeboom, Heek, Salimans, "Simple Diffusion"
(2023, arXiv 2301.11093), section 3.3.
"""

import functools
from typing import Any

import keras
import tensorflow as tf

from blocks.checks import fraction, int_tuple, positive_int
from blocks.convolution import FastConv2DTranspose
from blocks.group_normalization import GroupNormalization
from blocks.resample import Downsample, PixelShuffle, Upsample, feature_map_sizes
from blocks.residual import MapAttention, ResidualBlock, small_weights


@keras.saving.register_keras_serializable("blocks")
class DiffusionUNet(keras.layers.Layer):
    """U-Net of residual blocks, with attention at the smallest map.

    Each level has `repeats` blocks on the way down and as many on the way up, which begin with the
    map of the same level, concatenated. The map has half the size at each level, rounded up.

    Shapes: [batch, h, w, c] and embedding [batch, d] -> [batch, h, w, c].

    Args:
        filters: channels of each level.
        repeats: residual blocks of each level, on the way down and on the way up.
        num_heads: heads of the attention.
        patch_size: side of the patches whose pixels are the channels of the largest map.
        dropout: dropout rate of the residual blocks.

    Raises:
        ValueError: an argument out of range, or a size that is not a multiple of `patch_size` or
            is too small for so many levels.
    """

    def __init__(
        self,
        filters: tuple[int, ...] = (64, 128),
        repeats: int = 1,
        num_heads: int = 4,
        patch_size: int = 1,
        dropout: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.filters = int_tuple(filters, "filters")
        self.repeats = positive_int(repeats, "repeats")
        self.num_heads = positive_int(num_heads, "num_heads")
        if self.filters[-1] % num_heads:
            raise ValueError(
                f"num_heads must divide the last of filters={self.filters}, got {num_heads}"
            )
        self.patch_size = positive_int(patch_size, "patch_size")
        self.dropout = fraction(dropout, "dropout")
        dtype = self.dtype_policy
        *upper, lowest = self.filters
        self.input_conv = keras.layers.Conv2D(
            self.filters[0], 3, padding="same", data_format="channels_last", dtype=dtype
        )
        self.down_blocks = [self._blocks(n) for n in upper]
        self.downsamples = [Downsample(n, activation=None, dtype=dtype) for n in self.filters[1:]]
        self.middle_blocks = self._blocks(lowest)
        self.attention = MapAttention(self.num_heads, dtype=dtype)
        self.output_blocks = self._blocks(lowest)
        self.up_blocks = [self._blocks(n) for n in upper[::-1]]
        self.output_norm = GroupNormalization(dtype=dtype)
        self.shuffle = PixelShuffle(self.patch_size, dtype=dtype)

    def _blocks(self, filters: int) -> list[ResidualBlock]:
        return [
            ResidualBlock(filters, self.dropout, dtype=self.dtype_policy)
            for _ in range(self.repeats)
        ]

    def build(self, inputs_shape: tuple, embedding_shape: tuple) -> None:
        batch, rows, columns, channels = inputs_shape
        self.check_size(rows, columns)
        dtype = self.dtype_policy
        patch = self.patch_size
        size = (rows // patch, columns // patch)
        sizes = feature_map_sizes(size, len(self.filters) - 1)
        shape: tuple = (batch, *size, channels * patch**2)
        self.input_conv.build(shape)
        shape = (batch, *size, self.filters[0])
        skips = []
        for blocks, downsample in zip(self.down_blocks, self.downsamples, strict=True):
            shape = _build_blocks(blocks, shape, embedding_shape)
            skips.append(shape)
            downsample.build(shape)
            shape = downsample.compute_output_shape(shape)
        shape = _build_blocks(self.middle_blocks, shape, embedding_shape)
        self.attention.build(shape)
        shape = _build_blocks(self.output_blocks, shape, embedding_shape)
        self.upsamples = [
            Upsample(n, kernel_size=2, output_size=size, activation=None, dtype=dtype)
            for n, size in zip(self.filters[-2::-1], sizes[-2::-1], strict=True)
        ]
        for upsample, blocks in zip(self.upsamples, self.up_blocks, strict=True):
            upsample.build(shape)
            skip_shape = skips.pop()
            shape = (*skip_shape[:-1], upsample.filters + skip_shape[-1])
            shape = _build_blocks(blocks, shape, embedding_shape)
        self.output_norm.build(shape)
        self.output_conv = FastConv2DTranspose(
            channels * patch**2,
            3,
            padding="same",
            data_format="channels_last",
            kernel_initializer=small_weights(),
            dtype=dtype,
        )
        self.output_conv.build(shape)
        self.shuffle.build((*shape[:-1], channels * patch**2))

    def call(
        self, inputs: tf.Tensor, embedding: tf.Tensor, training: bool | None = None
    ) -> tf.Tensor:
        if inputs.shape[0] == 0:  # TensorFlow's convolutions fail
            return tf.zeros_like(inputs)
        x = inputs if self.patch_size == 1 else tf.nn.space_to_depth(inputs, self.patch_size)
        x = self.input_conv(x)
        skips = []
        for blocks, downsample in zip(self.down_blocks, self.downsamples, strict=True):
            x = _apply_blocks(blocks, x, embedding, training)
            skips.append(x)
            x = downsample(x)
        x = _apply_blocks(self.middle_blocks, x, embedding, training)
        x = _apply_blocks(self.output_blocks, self.attention(x), embedding, training)
        for upsample, blocks in zip(self.upsamples, self.up_blocks, strict=True):
            x = tf.concat([upsample(x), skips.pop()], axis=-1)
            x = _apply_blocks(blocks, x, embedding, training)
        return self.shuffle(self.output_conv(tf.nn.silu(self.output_norm(x))))

    def check_size(self, rows: int, columns: int) -> None:
        """Raises ValueError unless patches divide the size and it can be halved at each level."""
        patch = self.patch_size
        if rows % patch or columns % patch:
            raise ValueError(
                f"patch_size={patch} needs rows and columns that are multiples of {patch}, got"
                f" {rows} x {columns}"
            )
        halvings = len(self.filters) - 1
        smallest = min(rows, columns) // patch
        possible = (smallest - 1).bit_length()
        if halvings > possible:
            raise ValueError(
                f"a map of {rows // patch} x {columns // patch} can be halved {possible} times, and"
                f" filters={self.filters} halve it {halvings} times: use at most {possible + 1}"
                f" levels of filters, or {2 ** (halvings - 1) * patch + patch} pixels or more"
            )

    def compute_output_shape(
        self, inputs_shape: tuple, embedding_shape: tuple | None = None
    ) -> tuple:
        return tuple(inputs_shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "repeats": self.repeats,
            "num_heads": self.num_heads,
            "patch_size": self.patch_size,
            "dropout": self.dropout,
        }


def _build_blocks(blocks: list[ResidualBlock], shape: tuple, embedding_shape: tuple) -> tuple:
    """Builds blocks that follow each other; returns the shape of the result."""
    for block in blocks:
        block.build(shape, embedding_shape)
        shape = block.compute_output_shape(shape)
    return shape


def _apply_blocks(
    blocks: list[ResidualBlock], x: tf.Tensor, embedding: tf.Tensor, training: bool | None
) -> tf.Tensor:
    for block in blocks:
        x = block(x, embedding, training=training)
    return x


@keras.saving.register_keras_serializable("blocks")
class DiffusionMLP(keras.layers.Layer):
    """Residual network of dense layers for vectors, such as the codes of an autoencoder.

    Shapes: [batch, n] and embedding [batch, d] -> [batch, n].

    Args:
        units: width of the layers.
        repeats: number of residual blocks.
    """

    def __init__(self, units: int = 256, repeats: int = 3, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = positive_int(units, "units")
        self.repeats = positive_int(repeats, "repeats")
        dense = functools.partial(keras.layers.Dense, dtype=self.dtype_policy)
        count = range(self.repeats)
        self.input_layer = dense(units)
        self.norms = [keras.layers.LayerNormalization(dtype=self.dtype_policy) for _ in count]
        self.modulations = [dense(2 * units) for _ in count]
        self.hidden_layers = [dense(units, activation="silu") for _ in count]
        self.output_layers = [dense(units, kernel_initializer=small_weights()) for _ in count]

    def build(self, inputs_shape: tuple, embedding_shape: tuple) -> None:
        hidden_shape = (inputs_shape[0], self.units)
        self.input_layer.build(inputs_shape)
        for layer in self.modulations:
            layer.build(embedding_shape)
        for layer in (*self.norms, *self.hidden_layers, *self.output_layers):
            layer.build(hidden_shape)
        self.readout = keras.layers.Dense(inputs_shape[-1], dtype=self.dtype_policy)
        self.readout.build(hidden_shape)

    def call(
        self, inputs: tf.Tensor, embedding: tf.Tensor, training: bool | None = None
    ) -> tf.Tensor:
        condition = tf.nn.silu(embedding)
        x = self.input_layer(inputs)
        for norm, modulation, hidden, output in zip(
            self.norms, self.modulations, self.hidden_layers, self.output_layers, strict=True
        ):
            scale, shift = tf.split(modulation(condition), 2, axis=-1)
            x += output(hidden(norm(x) * (1 + scale) + shift))
        return self.readout(x)

    def compute_output_shape(
        self, inputs_shape: tuple, embedding_shape: tuple | None = None
    ) -> tuple:
        return tuple(inputs_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "repeats": self.repeats}
