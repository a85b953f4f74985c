"""Divergences between a posterior and a prior, and the bounds they are put together to."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from blocks.checks import non_negative_float, positive_int
from blocks.heads import resolve

tfd = tfp.distributions


@keras.saving.register_keras_serializable("blocks")
def monte_carlo_kl(q, p, z):
    """KL(q || p) from the sample itself, log q(z) - log p(z): [batch], in nats. Any q and p."""
    return q.log_prob(z) - p.log_prob(z)


@keras.saving.register_keras_serializable("blocks")
def analytic_kl(q, p, z):
    """KL(q || p) in closed form, [batch], in nats; for q and p of one family (`z` is not used)."""
    return q.kl_divergence(p)


DIVERGENCES = {"monte_carlo": monte_carlo_kl, "analytic": analytic_kl}


@keras.saving.register_keras_serializable("blocks")
class FreeBits:
    """A divergence of which the first `nats`, averaged over the batch, are free.

    Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow" (2016, arXiv
    1606.04934), equation 15, with all of z as one group: below the threshold the divergence is
    not pushed down any further.

    Args:
        nats: how much of the divergence is free.
        kl_estimator: "monte_carlo", "analytic" or a callable (q, p, z) -> [batch].
    """

    def __init__(self, nats, kl_estimator="monte_carlo"):
        self.nats = non_negative_float(nats, "nats")
        resolve(kl_estimator, DIVERGENCES, "kl_estimator")
        self.kl_estimator = kl_estimator

    def __call__(self, q, p, z):
        kl = resolve(self.kl_estimator, DIVERGENCES, "kl_estimator")(q, p, z)
        return tf.where(tf.reduce_mean(kl) > self.nats, kl, tf.fill(tf.shape(kl), float(self.nats)))

    def get_config(self):
        return {"nats": self.nats, "kl_estimator": self.kl_estimator}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable("blocks")
def elbo(q, seed):
    """The evidence lower bound from one sample a datum: q, z [batch, d], and the loss as it is.

    What every bound does: given q(z|x) and a seed it returns the q to be scored, the samples z, and
    a function from -log p(x, z) / q(z|x) of the samples to the loss, [batch], in nats.
    """
    return q, q.sample(seed=seed), lambda losses: losses


@keras.saving.register_keras_serializable("blocks")
class IWAE:
    """The importance-weighted bound: z [samples, batch, d], loss -log 1/k sum_k p(x,z_k)/q(z_k|x).

    Yuri Burda, Roger Grosse, Ruslan Salakhutdinov, "Importance Weighted Autoencoders" (2016, arXiv
    1509.00519), equation 8.

    Args:
        samples: k, the samples of z for each datum.
    """

    def __init__(self, samples=5):
        self.samples = positive_int(samples, "samples")

    def __call__(self, q, seed):
        return q, q.sample(self.samples, seed=seed), importance_weighted_loss

    def get_config(self):
        return {"samples": self.samples}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable("blocks")
class DReG(IWAE):
    """`IWAE` with the doubly reparameterized gradient: the same loss, less noise for the encoder.

    George Tucker et al., "Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives"
    (2019, arXiv 1810.04152), equation 8: q is scored with its parameters held fixed, and on its way
    to the encoder the gradient of each sample is weighted once more by its importance weight. With
    one sample it is the ELBO and "sticking the landing" (Roeder et al. 2017, arXiv 1703.09194).
    """

    def __call__(self, q, seed):
        weights = []  # known when the bound is, before any gradient is asked for

        @tf.custom_gradient
        def weighted_backwards(z):
            return tf.identity(z), lambda gradient: weights[0][..., None] * gradient

        def bound(losses):
            weights.append(tf.stop_gradient(tf.nn.softmax(-losses, axis=0)))
            return importance_weighted_loss(losses)

        z = weighted_backwards(q.sample(self.samples, seed=seed))
        fixed = (tf.stop_gradient(parameter) for parameter in (q.mean(), q.stddev()))
        return tfd.MultivariateNormalDiag(*fixed), z, bound


def importance_weighted_loss(losses):
    """-log mean_k exp(-loss_k): [samples, batch] -> [batch]."""
    samples = tf.cast(tf.shape(losses)[0], losses.dtype)
    return tf.math.log(samples) - tf.reduce_logsumexp(-losses, axis=0)


BOUNDS = {"elbo": elbo, "iwae": IWAE(), "dreg": DReG(), "stl": DReG(1)}
