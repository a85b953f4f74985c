"""Models whose likelihoods and codes are known, for the tests of metrics."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

import zoo
from zoo.models.vae import VAE

tfd = tfp.distributions


class Linear(zoo.Model):
    """x = W z + b + noise, so that log p(x) and p(z|x) are known; q(z|x) misses p(z|x) at will.

    q is wider than p(z|x) by the factor `wide` and off by `off` of its standard deviations.
    """

    image_shape = (2, 2, 1)
    latent_dim = 2
    noise = 0.05
    log_prob_bound = VAE.log_prob_bound

    def __init__(self, wide=1.3, off=0.5, **kwargs):
        super().__init__(**kwargs)
        self.wide, self.off = wide, off
        self.w = 0.1 * np.random.default_rng(0).normal(size=(4, 2))
        precision = np.eye(2) + self.w.T @ self.w / self.noise**2
        self.root = np.linalg.cholesky(np.linalg.inv(precision))
        self.to_mean = np.linalg.inv(precision) @ self.w.T / self.noise**2

    def posterior(self, x):
        centred = tf.reshape(x, (-1, 4)) - 0.5
        mean = tf.matmul(centred, np.float32(self.to_mean), transpose_b=True)
        mean += np.float32(self.root @ [self.off, self.off])
        return tfd.MultivariateNormalTriL(mean, np.float32(self.wide * self.root))

    def likelihood(self, z):
        mean = 0.5 + tf.einsum("...d,pd->...p", z, np.float32(self.w))
        mean = tf.reshape(mean, (*z.shape[:-1], *self.image_shape))
        return tfd.Independent(tfd.Normal(mean, self.noise), 3)

    def prior(self):
        return tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))

    def exact(self):
        covariance = self.w @ self.w.T + self.noise**2 * np.eye(4)
        return tfd.MultivariateNormalFullCovariance(np.full(4, 0.5), covariance)

    def images(self, n):
        x = self.exact().sample(n, seed=3).numpy()
        return np.clip(x, 0, 1).astype(np.float32).reshape(n, *self.image_shape)


class Pixels(zoo.Model):
    """Its codes are the pixels themselves, four of them."""

    image_shape = (2, 2, 1)

    def encode(self, x):
        return tf.reshape(x, (-1, 4))

    def decode(self, z):
        return tf.reshape(z, (-1, 2, 2, 1))

    def reconstruct(self, x):
        return 0.5 * x


def batches(images, size=16, **more):
    return tf.data.Dataset.from_tensor_slices({"image": images, **more}).batch(size)


def uniform(n, seed=0):
    return np.random.default_rng(seed).random((n, 2, 2, 1), np.float32)
