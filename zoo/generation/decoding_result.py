"""The result of decoding: padded tokens, their log-probabilities, and what the steps returned."""

from typing import Any, NamedTuple

import tensorflow as tf


class DecodingResult(NamedTuple):
    """Decoded sequences; where shapes have [n], beam search has [n, num_beams], the best first.

    Attributes:
        tokens: int32 [n, max_length], END included, zeros after it.
        lengths: int32 [n], number of tokens, END included.
        log_probs: float32 [n], sum of the tokens' log-probabilities.
        scores: float32 [n], the same divided by the length penalty; beams are sorted by it.
        aux: what the steps returned, [n, max_length, ...]: entry t belongs to the step that chose
            token t, zeros after END; () if the steps return none.
    """

    tokens: Any
    lengths: Any
    log_probs: Any
    scores: Any
    aux: Any


def masked_result(
    tokens: tf.Tensor, lengths: tf.Tensor, log_probs: tf.Tensor, scores: tf.Tensor, aux: Any
) -> DecodingResult:
    """A `DecodingResult` whose aux is zero after the END of each sequence."""
    inside = tf.range(tf.shape(tokens)[-1]) < lengths[..., None]

    def mask(x: tf.Tensor) -> tf.Tensor:
        shape = tf.concat([tf.shape(inside), tf.ones(tf.rank(x) - tf.rank(inside), tf.int32)], 0)
        return tf.where(tf.reshape(inside, shape), x, tf.zeros_like(x))

    return DecodingResult(tokens, lengths, log_probs, scores, tf.nest.map_structure(mask, aux))
