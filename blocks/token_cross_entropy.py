"""Cross entropy over a large vocabulary, with one softmax for the value and the gradient."""

from collections.abc import Callable

import tensorflow as tf


def cross_entropy(
    logits: tf.Tensor, tokens: tf.Tensor, label_smoothing: float = 0.0
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """(loss, nll, correct) of tokens [...] under logits [..., V], all [...], in nats.

    `nll` is the cross entropy to the token. `loss` is the cross entropy to a target that spreads
    `label_smoothing` of its mass evenly over all tokens (Szegedy et al., 2015, arXiv 1512.00567,
    section 7). `correct` is true where no other token has a higher logit. To rounding, `nll` equals
    TensorFlow's `sparse_softmax_cross_entropy_with_logits`, which takes twice as long: here the
    softmax of the value is kept for the gradient.
    """
    flat = tf.reshape(logits, (-1, logits.shape[-1]))
    values = _flat_cross_entropy(flat, tf.reshape(tokens, (-1,)), label_smoothing)
    return tuple(tf.reshape(x, tf.shape(tokens)) for x in values)


def _flat_cross_entropy(
    logits: tf.Tensor, tokens: tf.Tensor, label_smoothing: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The same for logits [n, V] and tokens [n]."""
    indices = tf.stack([tf.range(tf.size(tokens)), tf.cast(tokens, tf.int32)], axis=1)

    @tf.custom_gradient
    def losses(logits: tf.Tensor) -> tuple[tuple[tf.Tensor, tf.Tensor, tf.Tensor], Callable]:
        p = tf.nn.softmax(logits)
        # The largest logit and its p, which is at least 1 / V, give the normalizer exactly.
        highest = tf.reduce_max(logits, -1)
        normalizer = highest - tf.math.log(tf.reduce_max(p, -1))
        token_logits = tf.gather_nd(logits, indices)
        nll = loss = normalizer - token_logits
        if label_smoothing:
            loss = nll + label_smoothing * (token_logits - tf.reduce_mean(logits, -1))

        def gradients(d_loss: tf.Tensor, d_nll: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
            dlogits = p * (d_loss + d_nll)[:, None]
            if label_smoothing:
                dlogits -= (label_smoothing / logits.shape[-1] * d_loss)[:, None]
            return tf.tensor_scatter_nd_sub(
                dlogits, indices, (1 - label_smoothing) * d_loss + d_nll
            )

        return (loss, nll, token_logits == highest), gradients

    return losses(logits)
