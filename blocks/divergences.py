"""Divergences between a posterior and a prior."""

from collections.abc import Callable
from typing import Any, Self

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from blocks.checks import non_negative_float
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
