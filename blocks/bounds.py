"""Lower bounds on log p(x) from importance weights, and estimators of their gradients.

    z = q.sample(k)                        # [k, batch, latent_dim]
    log_w = log p(x, z) - log q(z|x)       # [k, batch]
    loss = -mean(bound(log_w))             # bound: [k, batch] -> [batch], in nats

Several estimators have the same bound and the same expected gradient, but less noise. They stop
gradients that are 0 on average: `q, z = estimator(q, z, lambda: log_w)`, before log_w is computed.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from blocks.heads import resolve


@keras.saving.register_keras_serializable("blocks")
def elbo(log_w: tf.Tensor) -> tf.Tensor:
    """The evidence lower bound, 1/k sum_k log w_k: [k, batch] -> [batch].

    Diederik P. Kingma, Max Welling, "Auto-Encoding Variational Bayes" (2013, arXiv 1312.6114),
    equation 2.
    """
    return tf.reduce_mean(log_w, axis=0)


@keras.saving.register_keras_serializable("blocks")
def iwae(log_w: tf.Tensor) -> tf.Tensor:
    """The importance-weighted bound, log 1/k sum_k w_k: [k, batch] -> [batch].

    Yuri Burda, Roger Grosse, Ruslan Salakhutdinov, "Importance Weighted Autoencoders" (2016, arXiv
    1509.00519), equation 8. With one sample it is the ELBO.
    """
    k = tf.cast(tf.shape(log_w)[0], log_w.dtype)
    return tf.reduce_logsumexp(log_w, axis=0) - tf.math.log(k)


def reparameterized(
    q: tfd.Distribution, z: tf.Tensor, log_w: Callable[[], tf.Tensor]
) -> tuple[tfd.Distribution, tf.Tensor]:
    """The whole gradient, through the samples and through log q(z|x): q and z are unchanged."""
    return q, z


def sticking_the_landing(
    q: tfd.Distribution, z: tf.Tensor, log_w: Callable[[], tf.Tensor]
) -> tuple[tfd.Distribution, tf.Tensor]:
    """The gradient through the samples alone, which vanishes at the true posterior.

    Geoffrey Roeder, Yuhuai Wu, David Duvenaud, "Sticking the Landing" (2017, arXiv 1703.09194): the
    expectation of the other term of the ELBO's gradient is 0.
    """
    return stop_gradient(q), z


def doubly_reparameterized(
    q: tfd.Distribution, z: tf.Tensor, log_w: Callable[[], tf.Tensor]
) -> tuple[tfd.Distribution, tf.Tensor]:
    """The same for the importance-weighted bound, where sample k has the normalized weight w_k.

    George Tucker et al., "Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives"
    (2019, arXiv 1810.04152), equation 8: the gradient of each sample is multiplied by w_k once
    more.
    """
    return stop_gradient(q), scale_gradient(z, lambda: tf.nn.softmax(log_w(), axis=0)[..., None])


def stop_gradient(q: tfd.Distribution) -> tfd.Distribution:
    """A diagonal Gaussian whose parameters have no gradient."""
    return tfd.MultivariateNormalDiag(tf.stop_gradient(q.mean()), tf.stop_gradient(q.stddev()))


def scale_gradient(x: tf.Tensor, factor: Callable[[], tf.Tensor]) -> tf.Tensor:
    """`x`, whose gradient is multiplied by `factor()`, a constant computed after x was used."""

    @tf.custom_gradient
    def identity(x: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        return tf.identity(x), lambda gradient: tf.stop_gradient(factor()) * gradient

    return identity(x)


BOUNDS = {  # name -> (bound, estimator of its gradient)
    "elbo": (elbo, reparameterized),
    "stl": (elbo, sticking_the_landing),
    "iwae": (iwae, reparameterized),
    "dreg": (iwae, doubly_reparameterized),
}


def get_bound(identifier: Any) -> tuple[Callable, Callable]:
    """(bound, gradient estimator) of a key of `BOUNDS` or of a callable; raises ValueError."""
    if isinstance(identifier, str) and identifier in BOUNDS:
        return BOUNDS[identifier]
    names = {name: bound for name, (bound, _) in BOUNDS.items()}
    return resolve(identifier, names, "bound"), reparameterized
