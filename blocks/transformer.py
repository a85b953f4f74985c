"""Transformer layers: Vaswani et al., "Attention Is All You Need" (2017, arXiv 1706.03762).

Pre-norm: a normalization before each sublayer, Xiong et al., "On Layer Normalization in the
Transformer Architecture" (2020, arXiv 2002.04745), figure 1 (b). A stack of these layers needs a
final `keras.layers.LayerNormalization`. Causal layers also run one step at a time, with a key-value
cache: `blocks.key_value_cache`.
"""

from typing import Any

import keras
import tensorflow as tf

from blocks.attention import MultiHeadAttention
from blocks.checks import fraction, positive_int
from blocks.key_value_cache import cached_memory, extend_cache, init_cache, update_cache
from blocks.stack import Stack


class TransformerLayer(keras.layers.Layer):
    """Base class of the encoder and the decoder layer: residual sublayers with pre-norm.

    Args:
        hidden_dim: width of the inputs and outputs, a multiple of num_heads.
        num_heads: heads of each attention.
        intermediate_dim: width of the feed-forward network's hidden layer.
        dropout: fraction of each sublayer's output dropped during training.
        activation: name of the feed-forward network's activation, such as "relu" or "gelu".
    """

    def __init__(
        self,
        hidden_dim: int,
        num_heads: int,
        intermediate_dim: int,
        dropout: float = 0.1,
        activation: str = "relu",
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
        self.activation = activation
        self.supports_masking = True
        dtype = self.dtype_policy
        self.self_attention = MultiHeadAttention(hidden_dim, num_heads, dtype=dtype)
        self.self_attention_norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype=dtype)
        self.feed_forward = Stack(
            [
                keras.layers.Dense(intermediate_dim, activation=activation, dtype=dtype),
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
            "activation": self.activation,
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
class CausalTransformerLayer(TransformerLayer):
    """Causal self-attention, then a feed-forward network: a layer of a language model.

    Arguments: `TransformerLayer`. Shapes: [b, t, hidden_dim] to [b, t, hidden_dim]. Inputs need no
    mask: no step depends on a later one.

    One step at a time, with the same results:

        state = layer.initial_state(batch_size)
        outputs, weights, state = layer.step(inputs, state, position)

    Several first steps at once: `outputs, state = layer.prefill(inputs)`.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        context = self._attend_to_past(inputs)
        x = tf.cast(inputs, self.compute_dtype) + self.dropout_layer(context, training=training)
        return self._add_feed_forward(x, training)

    def initial_state(self, batch_size: int | tf.Tensor) -> dict[str, dict[str, tf.Tensor]]:
        """The state before the first step: an empty key-value cache."""
        width = self.hidden_dim // self.num_heads
        return {"cache": init_cache(batch_size, self.num_heads, width, self.compute_dtype)}

    def prefill(self, inputs: tf.Tensor) -> tuple[tf.Tensor, dict[str, dict[str, tf.Tensor]]]:
        """All steps of inputs [b, t, hidden_dim]: (outputs, the state after them)."""
        context, memory = self._attend_with_memory(inputs)
        x = tf.cast(inputs, self.compute_dtype) + context
        return self._add_feed_forward(x), {"cache": extend_cache(memory)}

    def step(
        self, inputs: tf.Tensor, state: dict[str, Any], position: int | tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, dict[str, Any]]:
        """One step: (outputs [b, hidden_dim], attention weights [b, num_heads, s], next state).

        The weights are those over the `s` positions of the past; subclasses with another attention
        return the weights of that one.

        Args:
            inputs: [b, hidden_dim].
            state: state of the previous step.
            position: the number of previous steps, a scalar.
        """
        context, weights, cache = self._attend_to_cache(inputs, state["cache"], position)
        x = tf.cast(inputs, self.compute_dtype) + context
        return self._add_feed_forward(x), weights, state | {"cache": cache}

    def _attend_to_past(self, inputs: tf.Tensor) -> tf.Tensor:
        """The context [b, t, hidden_dim] of each step, from the steps up to it."""
        return self._attend_with_memory(inputs)[0]

    def _attend_with_memory(self, inputs: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """(context, memory of all steps)."""
        x = self.self_attention_norm(inputs)
        memory = self.self_attention.prepare_memory(x)
        return self.self_attention.attend_to_past(x, memory), memory

    def _attend_to_cache(
        self, inputs: tf.Tensor, cache: dict[str, tf.Tensor], position: int | tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
        """(context [b, hidden_dim], weights, new cache) of one step."""
        x = self.self_attention_norm(inputs)
        cache = update_cache(cache, self.self_attention.prepare_memory(x[:, None]), position)
        return *self.self_attention.attend(x, cached_memory(cache, position)), cache


@keras.saving.register_keras_serializable("blocks")
class TransformerDecoderLayer(CausalTransformerLayer):
    """Causal self-attention, attention to a memory, then a feed-forward network.

    Arguments: `TransformerLayer`. Shapes: inputs [b, t, hidden_dim] and values [b, s, dv] to
    [b, t, hidden_dim]; with `return_weights`, also the cross-attention weights
    [b, num_heads, t, s]. The mask of the values [b, s] is boolean; True positions are attended to.
    Inputs need no mask: no step depends on a later one.

    One step at a time, with the same results:

        state = layer.initial_state(values, mask)
        outputs, weights, state = layer.step(inputs, state, position)
    """

    def __init__(
        self,
        hidden_dim: int,
        num_heads: int,
        intermediate_dim: int,
        dropout: float = 0.1,
        activation: str = "relu",
        **kwargs: Any,
    ):
        super().__init__(hidden_dim, num_heads, intermediate_dim, dropout, activation, **kwargs)
        dtype = self.dtype_policy
        self.cross_attention = MultiHeadAttention(hidden_dim, num_heads, dtype=dtype)
        self.cross_attention_norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype=dtype)

    def build(self, inputs_shape: tuple, values_shape: tuple) -> None:  # type: ignore[override]
        super().build(inputs_shape)
        self.cross_attention.build(inputs_shape, values_shape)
        self.cross_attention_norm.build(inputs_shape)

    def call(  # type: ignore[override]
        self,
        inputs: tf.Tensor,
        values: tf.Tensor,
        values_mask: tf.Tensor | None = None,
        training: bool | None = None,
        return_weights: bool = False,
    ) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
        memory = self.cross_attention.prepare_memory(values, values_mask)
        context = self._attend_to_past(inputs)
        outputs, weights = self._cross_and_feed_forward(inputs, context, memory, training)
        return (outputs, weights) if return_weights else outputs

    def initial_state(  # type: ignore[override]
        self, values: tf.Tensor, mask: tf.Tensor | None
    ) -> dict[str, dict[str, tf.Tensor]]:
        """The state before the first step: an empty cache, and the memory.

        Args:
            values: [b, s, dv], of the source; their keys are computed here, once for all steps.
            mask: boolean [b, s]; None: all values are attended to.
        """
        memory = self.cross_attention.prepare_memory(values, mask)
        state = super().initial_state(tf.shape(memory["mask"])[0])
        return state | {"memory": memory}

    def step(
        self, inputs: tf.Tensor, state: dict[str, Any], position: int | tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, dict[str, Any]]:
        """As in the base class; the weights [b, num_heads, s] are those of the cross-attention."""
        context, _, cache = self._attend_to_cache(inputs, state["cache"], position)
        outputs, weights = self._cross_and_feed_forward(inputs, context, state["memory"])
        return outputs, weights, state | {"cache": cache}

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
