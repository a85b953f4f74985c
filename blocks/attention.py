"""Attention: a query looks at a memory and takes a weighted mean of it, the context.

Additive: Bahdanau, Cho, Bengio, "Neural Machine Translation by Jointly Learning to Align and
Translate" (2014, arXiv 1409.0473). Multiplicative: Luong, Pham, Manning, "Effective Approaches to
Attention-based Neural Machine Translation" (2015, arXiv 1508.04025). Several heads: Vaswani et al.,
"Attention Is All You Need" (2017, arXiv 1706.03762).

What depends on the source alone is computed once, however many queries follow:

    memory = attention.memorize(values, mask)
    context, weights = attention.attend(query, memory)

Calling the layer, `attention(query, values)`, does both and returns the context.
"""

import keras
import tensorflow as tf

from blocks.checks import boolean, one_of, positive_int


def masked_softmax(scores, mask):
    """Softmax in float32 over what the mask keeps; where it keeps nothing, zeros and no NaN."""
    scores = tf.where(mask, tf.cast(scores, tf.float32), tf.float32.min)
    return tf.nn.softmax(scores) * tf.cast(mask, tf.float32)


class Attention(keras.layers.Layer):
    """Base of all attentions: subclasses say what keys are and how a query scores them.

    Shapes: a query of one step, [b, d], gives a context [b, dv] and weights [b, s]; queries of all
    steps, [b, t, d], give [b, t, dv] and [b, t, s]. Values are [b, s, dv].

    The mask [b, s] is boolean and True keeps. A memory of which nothing is kept gives zeros.
    Weights sum to 1, or are all 0; the softmax is float32 under every dtype policy.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True  # a context has the mask of its query

    def call(self, query, values, values_mask=None):
        return self.attend(query, self.memorize(values, values_mask))[0]

    def memorize(self, values, mask=None):
        """What queries need of a source: a dict of `keys`, `values` and `mask`, batch first."""
        if not self.built:
            raise ValueError(f"{self.name} is not built: call build(query_shape, values_shape)")
        values = tf.cast(values, self.compute_dtype)
        mask = tf.ones(tf.shape(values)[:2], tf.bool) if mask is None else tf.cast(mask, tf.bool)
        if not mask.shape.is_compatible_with(values.shape[:2]):
            raise ValueError(
                f"a mask of values {tuple(values.shape)} is {tuple(values.shape[:2])}, got"
                f" {tuple(mask.shape)}"
            )
        keys, values = self.project_keys(values), self.project_values(values)
        return {"keys": keys, "values": values, "mask": mask}

    def attend(self, query, memory, visible=None):
        """(context, weights) of a query, for one step or for all.

        `visible` is boolean [t, s]: what each step may look at, besides what the mask keeps.
        """
        query = self.project_query(tf.cast(query, self.compute_dtype))
        one_step = query.shape.rank == 2
        scores = self.scores(tf.expand_dims(query, 1) if one_step else query, memory["keys"])
        keep = tf.cast(memory["mask"], tf.bool)  # keras.layers.RNN turns its states into floats
        keep = keep[:, None] if scores.shape.rank == 3 else keep[:, None, None]
        keep = keep if visible is None else keep & visible
        weights = tf.cast(masked_softmax(scores, keep), self.compute_dtype)
        context = self.combine(weights, memory["values"])
        return (tf.squeeze(context, 1), tf.squeeze(weights, -2)) if one_step else (context, weights)

    def project_query(self, query):
        """[b, d] to [b, u], and [b, t, d] to [b, t, u]."""
        return query

    def project_keys(self, values):
        return values

    def project_values(self, values):
        return values

    def scores(self, queries, keys):
        """Of each step and each place of the source: [b, t, s], or [b, heads, t, s]."""
        raise NotImplementedError

    def combine(self, weights, values):
        """Weighted means [b, t, dv]."""
        return tf.matmul(weights, values)

    def compute_output_shape(self, query_shape, values_shape):
        return (*query_shape[:-1], values_shape[-1])


@keras.saving.register_keras_serializable("blocks")
class AdditiveAttention(Attention):
    """Bahdanau's: score = v . tanh(W q + U k), appendix A.1.2. Shapes and masks: `Attention`.

    Args:
        units: width of the hidden layer that compares a query with a key.
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = positive_int(units, "units")
        self.query = keras.layers.Dense(units, use_bias=False, dtype=self.dtype_policy)
        self.key = keras.layers.Dense(units, dtype=self.dtype_policy)

    def build(self, query_shape, values_shape):
        self.query.build(query_shape)
        self.key.build(values_shape)
        self.score = self.add_weight(shape=(self.units, 1), name="score")

    def project_query(self, query):
        return self.query(query)

    def project_keys(self, values):
        return self.key(values)

    def scores(self, queries, keys):
        hidden = tf.tanh(tf.expand_dims(queries, 2) + tf.expand_dims(keys, 1))
        # A product of matrices, as XLA has no gradient for others in a loop.
        scores = tf.matmul(tf.reshape(hidden, (-1, self.units)), tf.cast(self.score, hidden.dtype))
        return tf.reshape(scores, tf.shape(hidden)[:-1])

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("blocks")
class MultiplicativeAttention(Attention):
    """Luong's: score = q . k ("dot") or q . W k ("general"), section 3.1. Shapes: `Attention`.

    Args:
        kind: "dot", where query and values must be equally wide, or "general".
        scaled: whether scores are divided by the square root of the query's width.

    Raises:
        ValueError: an unknown kind, or widths that "dot" cannot compare.
    """

    def __init__(self, kind="general", scaled=False, **kwargs):
        super().__init__(**kwargs)
        self.kind = one_of(kind, ("dot", "general"), "kind")
        self.scaled = boolean(scaled, "scaled")

    def build(self, query_shape, values_shape):
        wide, width = values_shape[-1], query_shape[-1]
        if self.kind == "dot" and wide != width:
            raise ValueError(
                f"dot attention needs queries as wide as the values, got {width} and {wide};"
                " kind='general' compares any two widths"
            )
        self.scale = width**-0.5 if self.scaled else 1.0
        if self.kind == "general":
            self.kernel = self.add_weight(shape=(wide, width), name="kernel")

    def project_keys(self, values):
        if self.kind == "general":
            values = tf.tensordot(values, tf.cast(self.kernel, values.dtype), 1)
        return values * self.scale

    def scores(self, queries, keys):
        return tf.matmul(queries, keys, transpose_b=True)

    def get_config(self):
        return {**super().get_config(), "kind": self.kind, "scaled": self.scaled}


@keras.saving.register_keras_serializable("blocks")
class MultiHeadAttention(Attention):
    """Vaswani's: several scaled dot products side by side, section 3.2.2.

    Keras' own projects keys and values anew at each call; this one memorizes them, once for a
    source, or one position at a time while decoding (`blocks.TransformerDecoderLayer`).

    Shapes: [b, d] or [b, t, d] to a context [b, units] or [b, t, units], with weights
    [b, num_heads, s] or [b, num_heads, t, s]; masks as in `Attention`.

    Args:
        units: width of the context, a multiple of num_heads.
        num_heads: number of heads.
    """

    def __init__(self, units, num_heads, **kwargs):
        super().__init__(**kwargs)
        self.units = positive_int(units, "units")
        self.num_heads = positive_int(num_heads, "num_heads")
        if units % num_heads:
            raise ValueError(
                f"num_heads must divide units={units}, got {num_heads}: change one of the two"
            )
        dense, dtype = keras.layers.Dense, self.dtype_policy
        self.query, self.key, self.value, self.output_layer = (
            dense(units, dtype=dtype) for _ in range(4)
        )

    def build(self, query_shape, values_shape):
        self.query.build(query_shape)
        self.key.build(values_shape)
        self.value.build(values_shape)
        self.output_layer.build((*query_shape[:-1], self.units))

    def project_query(self, query):
        return self.query(query)

    def project_keys(self, values):
        return self.heads(self.key(values))

    def project_values(self, values):
        return self.heads(self.value(values))

    def scores(self, queries, keys):
        scale = (self.units // self.num_heads) ** -0.5
        return tf.matmul(self.heads(queries) * scale, keys, transpose_b=True)

    def combine(self, weights, values):
        heads = tf.transpose(tf.matmul(weights, values), (0, 2, 1, 3))
        shape = tf.concat([tf.shape(heads)[:2], [self.units]], 0)
        return self.output_layer(tf.reshape(heads, shape))

    def heads(self, x):
        """[b, s, units] to [b, num_heads, s, units / num_heads]."""
        width = self.units // self.num_heads
        shape = tf.concat([tf.shape(x)[:2], [self.num_heads, width]], 0)
        return tf.transpose(tf.reshape(x, shape), (0, 2, 1, 3))

    def compute_output_shape(self, query_shape, values_shape):
        return (*query_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "num_heads": self.num_heads}
