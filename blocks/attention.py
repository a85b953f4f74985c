"""Attention layers: a query is compared with a memory and returns its weighted mean, the context.

Additive: Bahdanau, Cho, Bengio, "Neural Machine Translation by Jointly Learning to Align and
Translate" (2014, arXiv 1409.0473). Multiplicative: Luong, Pham, Manning, "Effective Approaches to
Attention-based Neural Machine Translation" (2015, arXiv 1508.04025). Several heads: Vaswani et al.,
"Attention Is All You Need" (2017, arXiv 1706.03762).

Everything that depends on the source alone is computed once, for any number of queries:

    memory = attention.prepare_memory(values, mask)
    context, weights = attention.attend(query, memory)

Calling the layer, `attention(query, values)`, does both and returns the context.
"""

from typing import Any

import keras
import tensorflow as tf

from blocks.checks import boolean, one_of, positive_int

_FAR_BELOW = -1e9  # added to a score, makes its weight exactly 0


def masked_softmax(scores: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Softmax in float32 over the entries that the mask keeps; zeros, not NaN, if it keeps none."""
    scores = tf.where(mask, tf.cast(scores, tf.float32), tf.float32.min)
    return tf.nn.softmax(scores) * tf.cast(mask, tf.float32)


class Attention(keras.layers.Layer):
    """Base class of all attention layers: subclasses define the keys and the scores.

    Shapes: a query of one step, [b, d], gives a context [b, dv] and weights [b, s]; queries of all
    steps, [b, t, d], give [b, t, dv] and [b, t, s]. Values are [b, s, dv].

    The mask [b, s] is boolean; True means "keep". A memory without a kept position gives zeros.
    Weights sum to 1, or are all 0; the softmax is float32 under every dtype policy.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True  # a context has the mask of its query

    def call(
        self, query: tf.Tensor, values: tf.Tensor, values_mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        return self.attend(query, self.prepare_memory(values, values_mask))[0]

    def prepare_memory(
        self, values: tf.Tensor, mask: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """The part of a source that queries need: `keys`, `values` and `mask`, batch first."""
        if not self.built:
            raise ValueError(f"{self.name} is not built: call build(query_shape, values_shape)")
        values = tf.cast(values, self.compute_dtype)
        mask = tf.ones(tf.shape(values)[:2], tf.bool) if mask is None else tf.cast(mask, tf.bool)
        if not mask.shape.is_compatible_with(values.shape[:2]):
            raise ValueError(
                f"the mask of values of shape {tuple(values.shape)} must have shape"
                f" {tuple(values.shape[:2])}, got {tuple(mask.shape)}"
            )
        keys = self.project_keys(values)
        values = self.project_values(values)
        return {"keys": keys, "values": values, "mask": mask}

    def attend(
        self,
        query: tf.Tensor,
        memory: dict[str, tf.Tensor],
        attention_mask: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """(context, weights) of a query, for one step or for all.

        Args:
            attention_mask: boolean [t, s]: the positions that each step may attend to, combined
                with the mask of the memory.
        """
        query = self.project_query(tf.cast(query, self.compute_dtype))
        single_step = query.shape.rank == 2
        scores = self.scores(tf.expand_dims(query, 1) if single_step else query, memory["keys"])
        mask = tf.cast(memory["mask"], tf.bool)  # keras.layers.RNN casts its states to floats
        mask = mask[:, None] if scores.shape.rank == 3 else mask[:, None, None]
        mask = mask if attention_mask is None else mask & attention_mask
        weights = tf.cast(masked_softmax(scores, mask), self.compute_dtype)
        context = self.combine(weights, memory["values"])
        if single_step:
            return tf.squeeze(context, 1), tf.squeeze(weights, -2)
        return context, weights

    def attend_to_past(self, inputs: tf.Tensor, memory: dict[str, tf.Tensor]) -> tf.Tensor:
        """The context of each step of inputs [b, t, d], from the steps up to it.

        Equals `attend` with a triangular mask; since each step attends to itself, half of the work
        on the scores is saved.

        Args:
            memory: memory of the same inputs, without a mask.
        """
        scores = self.scores(self.project_query(inputs), memory["keys"])
        steps = tf.shape(inputs)[1]
        past = tf.linalg.band_part(tf.ones((steps, steps), tf.bool), -1, 0)
        scores = tf.cast(scores, tf.float32) + tf.where(past, 0.0, _FAR_BELOW)
        return self.combine(tf.cast(tf.nn.softmax(scores), self.compute_dtype), memory["values"])

    def project_query(self, query: tf.Tensor) -> tf.Tensor:
        """[b, d] to [b, u], and [b, t, d] to [b, t, u]."""
        return query

    def project_keys(self, values: tf.Tensor) -> tf.Tensor:
        """Values [b, s, dv] to keys [b, s, u], or [b, heads, s, u]."""
        return values

    def project_values(self, values: tf.Tensor) -> tf.Tensor:
        """Values [b, s, dv] to the vectors whose weighted mean is the context."""
        return values

    def scores(self, queries: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
        """Scores of each step and source position: [b, t, s], or [b, heads, t, s]."""
        raise NotImplementedError

    def combine(self, weights: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        """Weighted means [b, t, dv]."""
        return tf.matmul(weights, values)

    def compute_output_shape(self, query_shape: tuple, values_shape: tuple) -> tuple:
        return (*query_shape[:-1], values_shape[-1])


@keras.saving.register_keras_serializable("blocks")
class AdditiveAttention(Attention):
    """Bahdanau's attention: score = v . tanh(W q + U k), appendix A.1.2.

    Shapes and masks: `Attention`.

    Args:
        units: width of the hidden layer that compares a query with a key.
    """

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = positive_int(units, "units")
        self.query = keras.layers.Dense(units, use_bias=False, dtype=self.dtype_policy)
        self.key = keras.layers.Dense(units, dtype=self.dtype_policy)

    def build(self, query_shape: tuple, values_shape: tuple) -> None:
        self.query.build(query_shape)
        self.key.build(values_shape)
        self.score = self.add_weight(shape=(self.units, 1), name="score")

    def project_query(self, query: tf.Tensor) -> tf.Tensor:
        return self.query(query)

    def project_keys(self, values: tf.Tensor) -> tf.Tensor:
        return self.key(values)

    def scores(self, queries: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
        hidden = tf.tanh(tf.expand_dims(queries, 2) + tf.expand_dims(keys, 1))
        # A product of matrices: XLA has no gradient for other products in a loop.
        scores = tf.matmul(tf.reshape(hidden, (-1, self.units)), tf.cast(self.score, hidden.dtype))
        return tf.reshape(scores, tf.shape(hidden)[:-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("blocks")
class MultiplicativeAttention(Attention):
    """Luong's attention: score = q . k ("dot") or q . W k ("general"), section 3.1.

    Shapes and masks: `Attention`.

    Args:
        kind: "dot", where query and values must have the same width, or "general".
        scaled: whether scores are divided by the square root of the query's width.

    Raises:
        ValueError: an unknown kind, or widths that "dot" cannot compare.
    """

    def __init__(self, kind: str = "general", scaled: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.kind = one_of(kind, ("dot", "general"), "kind")
        self.scaled = boolean(scaled, "scaled")

    def build(self, query_shape: tuple, values_shape: tuple) -> None:
        query_width = query_shape[-1]
        values_width = values_shape[-1]
        if self.kind == "dot" and values_width != query_width:
            raise ValueError(
                f"dot attention needs queries as wide as the values, got {query_width} and"
                f" {values_width}; use kind='general' for different widths"
            )
        self.scale = query_width**-0.5 if self.scaled else 1.0
        if self.kind == "general":
            self.kernel = self.add_weight(shape=(values_width, query_width), name="kernel")

    def project_keys(self, values: tf.Tensor) -> tf.Tensor:
        if self.kind == "general":
            values = tf.tensordot(values, tf.cast(self.kernel, values.dtype), 1)
        return values * self.scale

    def scores(self, queries: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
        return tf.matmul(queries, keys, transpose_b=True)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kind": self.kind, "scaled": self.scaled}


@keras.saving.register_keras_serializable("blocks")
class MultiHeadAttention(Attention):
    """Multi-head attention: scaled dot products in parallel, section 3.2.2 of Vaswani et al.

    Keras' layer projects keys and values at each call. This one projects a source once, or one
    position at a time while decoding (`blocks.TransformerDecoderLayer`).

    Shapes: [b, d] or [b, t, d] to a context [b, units] or [b, t, units], with weights
    [b, num_heads, s] or [b, num_heads, t, s]; masks as in `Attention`. The keys and values of a
    memory, [b, num_heads, s, units / num_heads], may be in several parts, as tuples of tensors.

    Args:
        units: width of the context, a multiple of num_heads.
        num_heads: number of heads.
    """

    def __init__(self, units: int, num_heads: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = positive_int(units, "units")
        self.num_heads = positive_int(num_heads, "num_heads")
        if units % num_heads:
            raise ValueError(
                f"num_heads must divide units={units}, got {num_heads}: change one of the two"
            )
        dense = keras.layers.Dense
        dtype = self.dtype_policy
        self.query, self.key, self.value, self.output_layer = (
            dense(units, dtype=dtype) for _ in range(4)
        )

    def build(self, query_shape: tuple, values_shape: tuple) -> None:
        self.query.build(query_shape)
        self.key.build(values_shape)
        self.value.build(values_shape)
        self.output_layer.build((*query_shape[:-1], self.units))

    def project_query(self, query: tf.Tensor) -> tf.Tensor:
        return self.query(query)

    def project_keys(self, values: tf.Tensor) -> tf.Tensor:
        return self.split_heads(self.key(values))

    def project_values(self, values: tf.Tensor) -> tf.Tensor:
        return self.split_heads(self.value(values))

    def scores(self, queries: tf.Tensor, keys: Any) -> tf.Tensor:
        scale = (self.units // self.num_heads) ** -0.5
        return _products(self.split_heads(queries) * scale, keys)

    def combine(self, weights: tf.Tensor, values: Any) -> tf.Tensor:
        heads = tf.transpose(_weighted_sum(weights, values), (0, 2, 1, 3))
        shape = tf.concat([tf.shape(heads)[:2], [self.units]], 0)
        return self.output_layer(tf.reshape(heads, shape))

    def split_heads(self, x: tf.Tensor) -> tf.Tensor:
        """[b, s, units] to [b, num_heads, s, units / num_heads]."""
        width = self.units // self.num_heads
        shape = tf.concat([tf.shape(x)[:2], [self.num_heads, width]], 0)
        return tf.transpose(tf.reshape(x, shape), (0, 2, 1, 3))

    def compute_output_shape(self, query_shape: tuple, values_shape: tuple) -> tuple:
        return (*query_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "num_heads": self.num_heads}


def _products(queries: tf.Tensor, keys: Any) -> tf.Tensor:
    """Products of queries [b, h, t, w] and keys [b, h, s, w], or parts of keys: [b, h, t, s]."""
    if not isinstance(keys, tuple):
        return tf.matmul(queries, keys, transpose_b=True)
    return tf.concat([_products(queries, part) for part in keys], axis=-1)


def _weighted_sum(weights: tf.Tensor, values: Any) -> tf.Tensor:
    """Sums of values [b, h, s, w], or parts of values, by weights [b, h, t, s]: [b, h, t, w]."""
    if not isinstance(values, tuple):
        return tf.matmul(weights, values)
    parts = tf.split(weights, [tf.shape(part)[2] for part in values], axis=-1)
    return tf.add_n([tf.matmul(*pair) for pair in zip(parts, values, strict=True)])
