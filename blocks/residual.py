"""Residual blocks, plain or conditioned on an embedding of time, and the embedding itself."""

import math
from typing import Any

import keras
import tensorflow as tf

from blocks.attention import MultiHeadAttention
from blocks.checks import fraction, positive_int
from blocks.group_normalization import GroupNormalization

TIME_SCALE = 1000.0  # times in [0, 1] become the steps of Ho et al. (2020)
MAX_PERIOD = 10_000.0


def small_weights() -> keras.initializers.Initializer:
    """Initial weights of a last layer: small, so that the block starts close to the identity.

    Not zero, as in Ho et al. (2020), since then the layers before it have no gradient at first.
    """
    return keras.initializers.VarianceScaling(1e-2, "fan_avg", "uniform")


@keras.saving.register_keras_serializable("blocks")
class TimeEmbedding(keras.layers.Layer):
    """Times in [0, 1] to vectors: sines and cosines, then two dense layers.

    Ho et al. (2020, arXiv 2006.11239), appendix B. Shapes: [batch] -> [batch, units].

    Args:
        units: width of the result, an even number.

    Raises:
        ValueError: an odd width.
    """

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = positive_int(units, "units")
        if units % 2:
            raise ValueError(f"units must be even, half sines and half cosines, got {units}")
        dtype = self.dtype_policy
        self.hidden = keras.layers.Dense(units, activation="silu", dtype=dtype)
        self.output_layer = keras.layers.Dense(units, dtype=dtype)

    def build(self, inputs_shape: tuple) -> None:
        for layer in (self.hidden, self.output_layer):
            layer.build((None, self.units))

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        half = self.units // 2
        rates = tf.exp(-math.log(MAX_PERIOD) / half * tf.range(half, dtype=tf.float32))
        angles = TIME_SCALE * tf.cast(inputs, tf.float32)[:, None] * rates
        waves = tf.concat([tf.sin(angles), tf.cos(angles)], axis=-1)
        return self.output_layer(self.hidden(tf.cast(waves, self.compute_dtype)))

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (inputs_shape[0], self.units)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("blocks")
class ResidualBlock(keras.layers.Layer):
    """Two convolutions with group normalization, the second one modulated by the embedding.

    Ho et al. (2020, arXiv 2006.11239), appendix B; the embedding of time, and of a class if there
    is one, sets the scale and shift of the second normalization: Dhariwal, Nichol (2021, arXiv
    2105.05233), eq. 3.

    Shapes: [batch, h, w, c] and embedding [batch, d] -> [batch, h, w, filters].

    Args:
        filters: channels of the result.
        dropout: dropout rate before the second convolution.
    """

    def __init__(self, filters: int, dropout: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.filters = positive_int(filters, "filters")
        self.dropout = fraction(dropout, "dropout")
        dtype = self.dtype_policy
        conv = {"padding": "same", "data_format": "channels_last", "dtype": dtype}
        self.norm = GroupNormalization(dtype=dtype)
        self.conv = keras.layers.Conv2D(filters, 3, use_bias=False, **conv)
        self.modulation = keras.layers.Dense(2 * filters, dtype=dtype)
        self.output_norm = GroupNormalization(dtype=dtype)
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=dtype)
        self.output_conv = keras.layers.Conv2D(
            filters, 3, kernel_initializer=small_weights(), **conv
        )

    def build(self, inputs_shape: tuple, embedding_shape: tuple) -> None:
        shape = self.compute_output_shape(inputs_shape)
        self.norm.build(inputs_shape)
        self.conv.build(inputs_shape)
        self.modulation.build(embedding_shape)
        self.output_norm.build(shape)
        self.dropout_layer.build(shape)
        self.output_conv.build(shape)
        dtype = self.dtype_policy
        if inputs_shape[-1] == self.filters:
            self.skip = keras.layers.Identity(dtype=dtype)
        else:
            self.skip = keras.layers.Conv2D(
                self.filters, 1, use_bias=False, data_format="channels_last", dtype=dtype
            )
        self.skip.build(inputs_shape)

    def call(
        self, inputs: tf.Tensor, embedding: tf.Tensor, training: bool | None = None
    ) -> tf.Tensor:
        x = self.conv(tf.nn.silu(self.norm(inputs)))
        x = tf.nn.silu(self.output_norm(x, self.modulation(tf.nn.silu(embedding))))
        x = self.output_conv(self.dropout_layer(x, training=training))
        return self.skip(inputs) + x

    def compute_output_shape(
        self, inputs_shape: tuple, embedding_shape: tuple | None = None
    ) -> tuple:
        return (*inputs_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters, "dropout": self.dropout}


@keras.saving.register_keras_serializable("blocks")
class ResidualConv2D(keras.layers.Layer):
    """x + conv(elu(conv(elu(x)))), which begins close to the identity: [b, h, w, c] -> the same.

    Kaiming He et al., "Identity Mappings in Deep Residual Networks" (2016, arXiv 1603.05027),
    without normalization.

    Args:
        filters: c.
    """

    def __init__(self, filters: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.filters = positive_int(filters, "filters")
        options = {"padding": "same", "data_format": "channels_last", "dtype": self.dtype_policy}
        self.conv = keras.layers.Conv2D(filters, 3, **options)
        self.output_conv = keras.layers.Conv2D(
            filters, 3, kernel_initializer=small_weights(), **options
        )

    def build(self, input_shape: tuple) -> None:
        self.conv.build(input_shape)
        self.output_conv.build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs + self.output_conv(tf.nn.elu(self.conv(tf.nn.elu(inputs))))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable("blocks")
class MapAttention(keras.layers.Layer):
    """Residual self-attention between all positions of a feature map.

    Ho et al. (2020, arXiv 2006.11239), appendix B, with several heads. Shapes: [batch, h, w, c] ->
    [batch, h, w, c]; h and w are known.

    Args:
        num_heads: number of heads, which divides c.
    """

    def __init__(self, num_heads: int = 4, **kwargs: Any):
        super().__init__(**kwargs)
        self.num_heads = positive_int(num_heads, "num_heads")
        self.norm = GroupNormalization(dtype=self.dtype_policy)

    def build(self, inputs_shape: tuple) -> None:
        *_, rows, columns, channels = inputs_shape
        self.attention = MultiHeadAttention(channels, self.num_heads, dtype=self.dtype_policy)
        self.norm.build(inputs_shape)
        positions = (inputs_shape[0], rows * columns, channels)
        self.attention.build(positions, positions)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        rows, columns, channels = inputs.shape[1:]
        x = tf.reshape(self.norm(inputs), (-1, rows * columns, channels))
        return inputs + tf.reshape(self.attention(x, x), (-1, rows, columns, channels))

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return tuple(inputs_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_heads": self.num_heads}
