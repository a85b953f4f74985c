"""Transformer layers: Vaswani et al., "Attention Is All You Need" (2017, arXiv 1706.03762).

Pre-norm: a normalization before each sublayer, Xiong et al., "On Layer Normalization in the
Transformer Architecture" (2020, arXiv 2002.04745), figure 1 (b). A stack of these layers needs a
final `keras.layers.LayerNormalization`.
"""

from typing import Any

import keras
import tensorflow as tf

from blocks.attention import MultiHeadAttention
from blocks.checks import fraction, positive_int
from blocks.stack import Stack


class TransformerLayer(keras.layers.Layer):
    """Base class of the encoder and the decoder layer: residual sublayers with pre-norm.

    Args:
        hidden_dim: width of the inputs and outputs, a multiple of num_heads.
        num_heads: heads of each attention.
        intermediate_dim: width of the feed-forward network's hidden layer.
        dropout: fraction of each sublayer's output dropped during training.
    """

    def __init__(
        self,
        hidden_dim: int,
        num_heads: int,
        intermediate_dim: int,
        dropout: float = 0.1,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.hidden_dim = positive_int(hidden_dim, "hidden_dim")
        self.num_heads = positive_int(num_heads, "num_heads")
        if hidden_dim % num_heads:
            raise ValueError(
                f"num_heads must divide hidden_dim={hidden_dim}, got {num_heads}: change one of the"
                " two"
            )
        self.intermediate_dim = positive_int(intermediate_dim, "intermediate_dim")
        self.dropout = fraction(dropout, "dropout")
        self.supports_masking = True
        dtype = self.dtype_policy
        self.self_attention = MultiHeadAttention(hidden_dim, num_heads, dtype=dtype)
        self.self_attention_norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype=dtype)
        self.feed_forward = Stack(
            [
                keras.layers.Dense(intermediate_dim, activation="relu", dtype=dtype),
                keras.layers.Dense(hidden_dim, dtype=dtype),
            ],
            dtype=dtype,
        )
        self.feed_forward_norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype=dtype)
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=dtype)

    def build(self, inputs_shape: tuple) -> None:
        if inputs_shape[-1] != self.hidden_dim:
            raise ValueError(f"inputs must be {self.hidden_dim} wide, got {inputs_shape[-1]}")
        self.self_attention.build(inputs_shape, inputs_shape)
        for layer in (self.self_attention_norm, self.feed_forward, self.feed_forward_norm):
            layer.build(inputs_shape)

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return tuple(inputs_shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
            "intermediate_dim": self.intermediate_dim,
            "dropout": self.dropout,
        }

    def _add_feed_forward(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """The last sublayer: x plus the feed-forward network of x."""
        y = self.feed_forward(self.feed_forward_norm(x))
        return x + self.dropout_layer(y, training=training)


@keras.saving.register_keras_serializable("blocks")
class TransformerEncoderLayer(TransformerLayer):
    """Self-attention, then a feed-forward network. Arguments: `TransformerLayer`.

    Shapes: [b, s, hidden_dim] to [b, s, hidden_dim]. The mask [b, s] is boolean; True positions
    are attended to.
    """

    def call(
        self, inputs: tf.Tensor, mask: tf.Tensor | None = None, training: bool | None = None
    ) -> tf.Tensor:
        y = self.self_attention_norm(inputs)
        y = self.self_attention(y, y, values_mask=mask)
        return self._add_feed_forward(inputs + self.dropout_layer(y, training=training), training)


@keras.saving.register_keras_serializable("blocks")
class TransformerDecoderLayer(TransformerLayer):
    """Causal self-attention, attention to a memory, then a feed-forward network.

    Arguments: `TransformerLayer`. Shapes: inputs [b, t, hidden_dim] and values [b, s, dv] to
    [b, t, hidden_dim]; with `return_weights` to that and the cross-attention weights
    [b, num_heads, t, s]. The mask of the values [b, s] is boolean; True positions are attended to.
    Inputs need no mask: no step depends on a later one.

    One step at a time, with the same results:

        memory = layer.prepare_memory(values, mask)
        cache = layer.init_cache(batch_size, length)
        outputs, weights, cache = layer.step(inputs, memory, cache, position)
    """

    def __init__(
        self,
        hidden_dim: int,
        num_heads: int,
        intermediate_dim: int,
        dropout: float = 0.1,
        **kwargs: Any,
    ):
        super().__init__(hidden_dim, num_heads, intermediate_dim, dropout, **kwargs)
        dtype = self.dtype_policy
        self.cross_attention = MultiHeadAttention(hidden_dim, num_heads, dtype=dtype)
        self.cross_attention_norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype=dtype)

    def build(self, inputs_shape: tuple, values_shape: tuple) -> None:  # type: ignore[override]
        super().build(inputs_shape)
        self.cross_attention.build(inputs_shape, values_shape)
        self.cross_attention_norm.build(inputs_shape)

    def call(
        self,
        inputs: tf.Tensor,
        values: tf.Tensor,
        values_mask: tf.Tensor | None = None,
        training: bool | None = None,
        return_weights: bool = False,
    ) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
        memory = self.prepare_memory(values, values_mask)
        outputs, weights = self.decode(inputs, memory, training=training)
        return (outputs, weights) if return_weights else outputs

    def prepare_memory(
        self, values: tf.Tensor, mask: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """Keys and values of the source for the cross-attention, computed once for all steps."""
        return self.cross_attention.prepare_memory(values, mask)

    def decode(
        self, inputs: tf.Tensor, memory: dict[str, tf.Tensor], training: bool | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """All steps: (outputs [b, t, hidden_dim], cross-attention weights [b, num_heads, t, s])."""
        steps = tf.shape(inputs)[1]
        causal_mask = tf.linalg.band_part(tf.ones((steps, steps), tf.bool), -1, 0)
        x = self.self_attention_norm(inputs)
        context, _ = self.self_attention.attend(
            x, self.self_attention.prepare_memory(x), causal_mask
        )
        return self._cross_and_feed_forward(inputs, context, memory, training)

    def init_cache(self, batch_size: int | tf.Tensor, length: int | tf.Tensor) -> dict[str, Any]:
        """An empty cache for the keys and values of `length` steps."""
        shape = (batch_size, self.num_heads, length, self.hidden_dim // self.num_heads)
        zeros = tf.zeros(shape, self.compute_dtype)
        return {"keys": zeros, "values": zeros, "mask": tf.zeros((batch_size, length), tf.bool)}

    def step(
        self,
        inputs: tf.Tensor,
        memory: dict[str, tf.Tensor],
        cache: dict[str, tf.Tensor],
        position: int | tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
        """One step: (outputs [b, hidden_dim], weights [b, num_heads, s], new cache).

        Args:
            inputs: [b, hidden_dim].
            position: a scalar below the cache's length.
        """
        length = tf.shape(cache["mask"])[1]
        tf.debugging.assert_less(position, length, f"the cache has room for {length} steps")
        current = tf.equal(tf.range(length), position)
        x = self.self_attention_norm(inputs)
        new = self.self_attention.prepare_memory(x[:, None])
        cache = {
            "keys": tf.where(current[:, None], new["keys"], cache["keys"]),
            "values": tf.where(current[:, None], new["values"], cache["values"]),
            "mask": cache["mask"] | current,
        }
        context, _ = self.self_attention.attend(x, cache)
        return *self._cross_and_feed_forward(inputs, context, memory), cache

    def _cross_and_feed_forward(
        self, inputs: tf.Tensor, context: tf.Tensor, memory: Any, training: bool | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The sublayers after the self-attention: (outputs, cross-attention weights)."""
        x = tf.cast(inputs, self.compute_dtype) + self.dropout_layer(context, training=training)
        context, weights = self.cross_attention.attend(self.cross_attention_norm(x), memory)
        x = x + self.dropout_layer(context, training=training)
        return self._add_feed_forward(x, training), weights

    def compute_output_shape(self, inputs_shape: tuple, values_shape: tuple | None = None) -> tuple:
        return tuple(inputs_shape)
