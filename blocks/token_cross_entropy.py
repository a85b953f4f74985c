"""Cross entropy over a large vocabulary, the way a CPU likes it."""

import tensorflow as tf


def cross_entropy(logits, words, smoothing=0.0):
    """(loss, nll, right) of words [...] under logits [..., V], all [...], in nats.

    `nll` is the cross entropy to the word, `loss` that to a target which gives `smoothing` of its
    mass to all words alike (Szegedy et al., 2015, arXiv 1512.00567, section 7); `right` is true
    where no other word has a higher logit. To rounding, `nll` is TensorFlow's
    `sparse_softmax_cross_entropy_with_logits`, which takes twice as long: here one softmax gives
    the value and, kept, the gradient.
    """
    flat = tf.reshape(logits, (-1, logits.shape[-1]))
    found = _flat(flat, tf.reshape(words, (-1,)), smoothing)
    return tuple(tf.reshape(x, tf.shape(words)) for x in found)


def _flat(logits, words, smoothing):
    places = tf.stack([tf.range(tf.size(words)), tf.cast(words, tf.int32)], axis=1)

    @tf.custom_gradient
    def both(logits):
        p = tf.nn.softmax(logits)
        # The largest logit and its p, which is no less than 1 / V, give the normalizer exactly.
        highest = tf.reduce_max(logits, -1)
        normalizer = highest - tf.math.log(tf.reduce_max(p, -1))
        chosen = tf.gather_nd(logits, places)
        nll = loss = normalizer - chosen
        if smoothing:
            loss = nll + smoothing * (chosen - tf.reduce_mean(logits, -1))

        def gradients(d_loss, d_nll, _):
            dlogits = p * (d_loss + d_nll)[:, None]
            if smoothing:
                dlogits -= (smoothing / logits.shape[-1] * d_loss)[:, None]
            return tf.tensor_scatter_nd_sub(dlogits, places, (1 - smoothing) * d_loss + d_nll)

        return (loss, nll, chosen == highest), gradients

    return both(logits)
