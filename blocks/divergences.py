"""Divergences between a posterior and a prior, and lower bounds on the likelihood."""

from collections.abc import Callable
from typing import Any, Self

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from blocks.checks import non_negative_float, positive_int
from blocks.heads import resolve


@keras.saving.register_keras_serializable("blocks")
def monte_carlo_kl(q: tfd.Distribution, p: tfd.Distribution, z: tf.Tensor) -> tf.Tensor:
    """Estimates KL(q || p) by log q(z) - log p(z) at a sample z of q: [batch], in nats."""
    return q.log_prob(z) - p.log_prob(z)


@keras.saving.register_keras_serializable("blocks")
def analytic_kl(q: tfd.Distribution, p: tfd.Distribution, z: tf.Tensor) -> tf.Tensor:
    """KL(q || p) in closed form, [batch], in nats; `z` is unused. For q and p of one family."""
    return q.kl_divergence(p)


DIVERGENCES = {"monte_carlo": monte_carlo_kl, "analytic": analytic_kl}


@keras.saving.register_keras_serializable("blocks")
class FreeBits:
    """A divergence clamped from below: its batch mean has no gradient up to `nats`.

    Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow" (2016, arXiv
    1606.04934), equation 15, with all dimensions of z as one group.

    Args:
        nats: the threshold.
        kl_estimator: "monte_carlo", "analytic" or a callable (q, p, z) -> [batch].
    """

    def __init__(self, nats: float, kl_estimator: str | Callable = "monte_carlo"):
        self.nats = non_negative_float(nats, "nats")
        resolve(kl_estimator, DIVERGENCES, "kl_estimator")
        self.kl_estimator = kl_estimator

    def __call__(self, q: tfd.Distribution, p: tfd.Distribution, z: tf.Tensor) -> tf.Tensor:
        kl = resolve(self.kl_estimator, DIVERGENCES, "kl_estimator")(q, p, z)
        return tf.where(tf.reduce_mean(kl) > self.nats, kl, tf.fill(tf.shape(kl), float(self.nats)))

    def get_config(self) -> dict[str, Any]:
        return {"nats": self.nats, "kl_estimator": self.kl_estimator}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)


@keras.saving.register_keras_serializable("blocks")
def elbo(q: tfd.Distribution, seed: tf.Tensor) -> tuple[tfd.Distribution, tf.Tensor, Callable]:
    """The evidence lower bound, with one sample of z per example.

    All bounds have this interface. Given q(z|x) and a seed, a bound returns

    - the distribution whose log-probability enters the loss,
    - the samples z, [batch, d] or [samples, batch, d],
    - a function from -log(p(x, z) / q(z|x)) of the samples to the loss, [batch], in nats.
    """
    return q, q.sample(seed=seed), lambda losses: losses


@keras.saving.register_keras_serializable("blocks")
class IWAE:
    """The importance-weighted bound: z [samples, batch, d], loss -log 1/k sum_k p(x,z_k)/q(z_k|x).

    Yuri Burda, Roger Grosse, Ruslan Salakhutdinov, "Importance Weighted Autoencoders" (2016, arXiv
    1509.00519), equation 8.

    Args:
        samples: k, the number of samples of z per example.
    """

    def __init__(self, samples: int = 5):
        self.samples = positive_int(samples, "samples")

    def __call__(
        self, q: tfd.Distribution, seed: tf.Tensor
    ) -> tuple[tfd.Distribution, tf.Tensor, Callable]:
        return q, q.sample(self.samples, seed=seed), importance_weighted_loss

    def get_config(self) -> dict[str, Any]:
        return {"samples": self.samples}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)


@keras.saving.register_keras_serializable("blocks")
class DReG(IWAE):
    """`IWAE` with the doubly reparameterized gradient: same loss, less gradient noise.

    George Tucker et al., "Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives"
    (2019, arXiv 1810.04152), equation 8. The parameters of q in the loss have no gradient, and the
    gradient of each sample to the encoder is multiplied by its importance weight once more. With
    one sample it is "sticking the landing" (Roeder et al. 2017, arXiv 1703.09194).
    """

    def __call__(
        self, q: tfd.Distribution, seed: tf.Tensor
    ) -> tuple[tfd.Distribution, tf.Tensor, Callable]:
        weights: list[tf.Tensor] = []  # set when the bound is computed, before any gradient

        @tf.custom_gradient
        def scale_gradient(z: tf.Tensor) -> tuple[tf.Tensor, Callable]:
            return tf.identity(z), lambda gradient: weights[0][..., None] * gradient

        def bound(losses: tf.Tensor) -> tf.Tensor:
            weights.append(tf.stop_gradient(tf.nn.softmax(-losses, axis=0)))
            return importance_weighted_loss(losses)

        z = scale_gradient(q.sample(self.samples, seed=seed))
        parameters = (tf.stop_gradient(parameter) for parameter in (q.mean(), q.stddev()))
        return tfd.MultivariateNormalDiag(*parameters), z, bound


def importance_weighted_loss(losses: tf.Tensor) -> tf.Tensor:
    """-log mean_k exp(-loss_k): [samples, batch] -> [batch]."""
    samples = tf.cast(tf.shape(losses)[0], losses.dtype)
    return tf.math.log(samples) - tf.reduce_logsumexp(-losses, axis=0)


BOUNDS = {"elbo": elbo, "iwae": IWAE(), "dreg": DReG(), "stl": DReG(1)}
