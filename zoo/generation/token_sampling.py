"""Choosing the next token from its logits: temperature, top k, nucleus, repetition penalty."""

import tensorflow as tf

NEG_INF = -float("inf")


def sample_token(
    logits: tf.Tensor,
    key: tf.Tensor,
    time: int | tf.Tensor,
    temperature: float | tf.Tensor = 1.0,
    top_k: int | tf.Tensor | None = None,
    top_p: float | tf.Tensor | None = None,
) -> tf.Tensor:
    """A token for each row of logits [n, vocabulary]: int32 [n].

    Args:
        key: seed, int32[2].
        time: number of the step; each has its own random numbers.
        temperature, top_k, top_p: as in `zoo.generation.decoding.sample`.
    """
    step_key = tf.random.experimental.stateless_fold_in(key, time)
    filtered = filter_top_k_top_p(logits / temperature, top_k, top_p)
    return tf.random.stateless_categorical(filtered, 1, step_key, tf.int32)[:, 0]


def filter_top_k_top_p(
    logits: tf.Tensor,
    top_k: int | tf.Tensor | None = None,
    top_p: float | tf.Tensor | None = None,
) -> tf.Tensor:
    """Logits [n, vocabulary] with -inf outside of the top k or of the nucleus."""
    if top_k is not None:
        highest = tf.math.top_k(logits, tf.minimum(top_k, tf.shape(logits)[-1])).values
        logits = tf.where(logits < highest[:, -1:], NEG_INF, logits)
    if top_p is not None:
        ranked = tf.sort(logits, direction="DESCENDING")
        before = tf.cumsum(tf.nn.softmax(ranked), axis=-1, exclusive=True)
        lowest = tf.reduce_min(tf.where(before < top_p, ranked, -NEG_INF), -1, keepdims=True)
        logits = tf.where(logits < lowest, NEG_INF, logits)
    return logits


def penalize_repetition(
    logits: tf.Tensor, used: tf.Tensor, penalty: float | tf.Tensor
) -> tf.Tensor:
    """Logits [n, vocabulary] that are lower where `used`, boolean [n, vocabulary], if penalty > 1.

    Positive logits are divided by the penalty, negative ones multiplied: Keskar et al., "CTRL"
    (2019, arXiv 1909.05858), section 4.1.
    """
    lowered = tf.where(logits > 0, logits / penalty, logits * penalty)
    return tf.where(used, lowered, logits)
