"""Transformer layers: Vaswani et al., "Attention Is All You Need" (2017, arXiv 1706.03762).

Normalized before each sublayer, Xiong et al., "On Layer Normalization in the Transformer
Architecture" (2020, arXiv 2002.04745), figure 1 (b): a stack of these layers ends in a
`keras.layers.LayerNormalization` of its own.
"""

import keras
import tensorflow as tf

from blocks.attention import MultiHeadAttention
from blocks.checks import fraction, positive_int
from blocks.stack import Stack


class TransformerLayer(keras.layers.Layer):
    """What both kinds share: residual sublayers, each behind a normalization.

    Args:
        units: width of what goes in and comes out, a multiple of num_heads.
        num_heads: heads of each attention.
        hidden_units: width of the feed-forward network's hidden layer.
        dropout: share of each sublayer's output dropped while training.
    """

    def __init__(self, units, num_heads, hidden_units, dropout=0.1, **kwargs):
        super().__init__(**kwargs)
        self.units = positive_int(units, "units")
        self.num_heads = num_heads
        self.hidden_units = positive_int(hidden_units, "hidden_units")
        self.dropout = fraction(dropout, "dropout")
        self.supports_masking = True
        dtype = self.dtype_policy
        self.own = MultiHeadAttention(units, num_heads, dtype=dtype)
        self.own_norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype=dtype)
        self.feed = Stack(
            [
                keras.layers.Dense(hidden_units, activation="relu", dtype=dtype),
                keras.layers.Dense(units, dtype=dtype),
            ],
            dtype=dtype,
        )
        self.feed_norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype=dtype)
        self.drop = keras.layers.Dropout(dropout, dtype=dtype)

    def build(self, inputs_shape):
        if inputs_shape[-1] != self.units:
            raise ValueError(f"inputs must be {self.units} wide, got {inputs_shape[-1]}")
        self.own.build(inputs_shape, inputs_shape)
        for layer in (self.own_norm, self.feed, self.feed_norm):
            layer.build(inputs_shape)

    def compute_output_shape(self, inputs_shape):
        return tuple(inputs_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "num_heads": self.num_heads,
            "hidden_units": self.hidden_units,
            "dropout": self.dropout,
        }


@keras.saving.register_keras_serializable("blocks")
class TransformerEncoderLayer(TransformerLayer):
    """Self-attention, then a feed-forward network. Arguments: `TransformerLayer`.

    Shapes: [b, s, units] to [b, s, units]. The mask [b, s] is boolean; True can be looked at.
    """

    def call(self, inputs, mask=None, training=None):
        x = inputs
        y = self.own_norm(x)
        x = x + self.drop(self.own(y, y, values_mask=mask), training=training)
        return x + self.drop(self.feed(self.feed_norm(x)), training=training)


@keras.saving.register_keras_serializable("blocks")
class TransformerDecoderLayer(TransformerLayer):
    """Self-attention to the past, attention to a memory, a feed-forward network.

    Arguments: `TransformerLayer`. Shapes: inputs [b, t, units] and values [b, s, dv] to
    [b, t, units]. The mask of the values [b, s] is boolean; True can be looked at. Inputs need
    none: no step sees a later one.

    One step at a time, the same numbers:

        memory = layer.memorize(values, mask)
        cache = layer.start(batch_size, length)
        outputs, weights, cache = layer.step(inputs, memory, cache, position)
    """

    def __init__(self, units, num_heads, hidden_units, dropout=0.1, **kwargs):
        super().__init__(units, num_heads, hidden_units, dropout, **kwargs)
        dtype = self.dtype_policy
        self.cross = MultiHeadAttention(units, num_heads, dtype=dtype)
        self.cross_norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype=dtype)

    def build(self, inputs_shape, values_shape):
        super().build(inputs_shape)
        self.cross.build(inputs_shape, values_shape)
        self.cross_norm.build(inputs_shape)

    def call(self, inputs, values, values_mask=None, training=None):
        return self.decode(inputs, self.memorize(values, values_mask), training=training)[0]

    def memorize(self, values, mask=None):
        """What the attention to a source needs of it, computed once for all steps."""
        return self.cross.memorize(values, mask)

    def decode(self, inputs, memory, training=None):
        """All steps: (outputs [b, t, units], weights of the memory [b, num_heads, t, s])."""
        steps = tf.shape(inputs)[1]
        past = tf.linalg.band_part(tf.ones((steps, steps), tf.bool), -1, 0)
        x = self.own_norm(inputs)
        seen, _ = self.own.attend(x, self.own.memorize(x), past)
        return self.conclude(inputs, seen, memory, training)

    def start(self, batch_size, length):
        """A cache with room for the keys and values of `length` steps, none taken yet."""
        shape = (batch_size, self.num_heads, length, self.units // self.num_heads)
        nothing = tf.zeros(shape, self.compute_dtype)
        return {"keys": nothing, "values": nothing, "mask": tf.zeros((batch_size, length), tf.bool)}

    def step(self, inputs, memory, cache, position):
        """One step, at a position below the cache's length, a scalar: (outputs, weights, cache).

        Shapes: inputs [b, units] to outputs [b, units] and weights [b, num_heads, s].
        """
        length = tf.shape(cache["mask"])[1]
        tf.debugging.assert_less(position, length, f"the cache has room for {length} steps")
        here = tf.equal(tf.range(length), position)
        x = self.own_norm(inputs)
        new = self.own.memorize(x[:, None])
        cache = {
            "keys": tf.where(here[:, None], new["keys"], cache["keys"]),
            "values": tf.where(here[:, None], new["values"], cache["values"]),
            "mask": cache["mask"] | here,
        }
        seen, _ = self.own.attend(x, cache)
        return *self.conclude(inputs, seen, memory), cache

    def conclude(self, inputs, seen, memory, training=None):
        """What follows on the look at the past: (outputs, weights of the memory)."""
        x = tf.cast(inputs, self.compute_dtype) + self.drop(seen, training=training)
        found, weights = self.cross.attend(self.cross_norm(x), memory)
        x = x + self.drop(found, training=training)
        return x + self.drop(self.feed(self.feed_norm(x)), training=training), weights

    def compute_output_shape(self, inputs_shape, values_shape=None):
        return tuple(inputs_shape)
