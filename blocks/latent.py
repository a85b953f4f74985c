"""Latent variables: distribution heads, priors that may learn, and divergences between them.

`call` maps tensors to tensors; a head's `distribution(outputs)` and a prior's `distribution()` wrap
them in a TFP distribution whose parameters are float32 whatever the dtype policy, built anew each
time so that gradients reach the weights.
"""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from blocks.checks import at_least_one
from blocks.thin import ThinConv2DTranspose

tfd = tfp.distributions


def float32(tensor):
    return tf.cast(tf.convert_to_tensor(tensor), tf.float32)


@keras.saving.register_keras_serializable("blocks")
class GaussianHead(keras.layers.Layer):
    """Features to a diagonal Gaussian, q(z|x) = N(loc, softplus(raw_scale + 1e-5)^2).

    Shapes: [batch, features] -> [batch, 2 * latent_dim], loc then raw scale. `distribution` of
    that is a `MultivariateNormalDiag` with batch shape [batch] and event shape [latent_dim].

    Args:
        latent_dim: number of dimensions of z.
    """

    def __init__(self, latent_dim, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = at_least_one(latent_dim, "latent_dim")
        self.dense = keras.layers.Dense(2 * latent_dim, dtype=self.dtype_policy)

    def build(self, input_shape):
        self.dense.build(input_shape)

    def call(self, features):
        return self.dense(features)

    def distribution(self, outputs):
        loc, raw_scale = tf.split(float32(outputs), 2, axis=-1)
        return tfd.MultivariateNormalDiag(loc, tf.nn.softplus(raw_scale + 1e-5))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2 * self.latent_dim)

    def get_config(self):
        return {**super().get_config(), "latent_dim": self.latent_dim}


class ImageHead(keras.layers.Layer):
    """Feature map to the parameters of p(x|z), one convolution wide; subclasses say which p.

    Shapes: [batch, h, w, c] -> [batch, h, w, channels]. `distribution` of that has batch shape
    [batch] and event shape [h, w, channels].

    Args:
        channels: channels of the image.
        kernel_size: side of the transposed convolution's window, in pixels; odd.
    """

    def __init__(self, channels, kernel_size=3, **kwargs):
        super().__init__(**kwargs)
        self.channels = at_least_one(channels, "channels")
        self.kernel_size = at_least_one(kernel_size, "kernel_size")
        self.conv = ThinConv2DTranspose(channels, kernel_size, dtype=self.dtype_policy)

    def build(self, input_shape):
        self.conv.build(input_shape)

    def call(self, features):
        return self.conv(features)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.channels)

    def get_config(self):
        config = {"channels": self.channels, "kernel_size": self.kernel_size}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable("blocks")
class BernoulliHead(ImageHead):
    """p(x|z) of binary pixels: independent Bernoullis with the convolution's output as logits."""

    def distribution(self, outputs):
        return tfd.Independent(tfd.Bernoulli(logits=float32(outputs), dtype=tf.float32), 3)


@keras.saving.register_keras_serializable("blocks")
class NormalHead(ImageHead):
    """p(x|z) of real pixels in [0, 1]: N(sigmoid(output), scale^2), one learned scale for all.

    The scale is that of Rybkin et al., "Simple and Effective VAE Training with Calibrated
    Decoders" (2021, arXiv 2006.13202): learned, so that nobody has to weigh the KL by hand.
    """

    def build(self, input_shape):
        super().build(input_shape)
        self.raw_scale = self.add_weight(shape=(), initializer="zeros", name="raw_scale")

    def distribution(self, outputs):
        loc = tf.sigmoid(float32(outputs))
        scale = tf.nn.softplus(float32(self.raw_scale)) + 1e-3
        return tfd.Independent(tfd.Normal(loc, scale), 3)


HEADS = {"bernoulli": BernoulliHead, "normal": NormalHead}


class Prior(keras.layers.Layer):
    """A distribution over z that is asked without input: `prior.distribution()`.

    As a layer it scores points, so that it composes like any other: [batch, latent_dim] ->
    log p(z), [batch], in nats.

    Args:
        latent_dim: number of dimensions of z.
    """

    def __init__(self, latent_dim, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = at_least_one(latent_dim, "latent_dim")

    def build(self, input_shape=None):
        """No weights: a prior that learns makes them here."""

    def call(self, z):
        return tf.cast(self.distribution().log_prob(float32(z)), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape[:-1]

    def get_config(self):
        return {**super().get_config(), "latent_dim": self.latent_dim}


@keras.saving.register_keras_serializable("blocks")
class StandardNormal(Prior):
    """p(z) = N(0, I)."""

    def distribution(self):
        return tfd.MultivariateNormalDiag(tf.zeros(self.latent_dim), tf.ones(self.latent_dim))


@keras.saving.register_keras_serializable("blocks")
class GaussianMixture(Prior):
    """p(z) = sum_k pi_k N(loc_k, softplus(raw_scale_k)^2): a prior that learns.

    Dillon et al., "TensorFlow Distributions" (2017, arXiv 1711.10604), section 5.2, and the
    learnable prior of the TFP introduction.

    Args:
        latent_dim: number of dimensions of z.
        components: number of Gaussians.
    """

    def __init__(self, latent_dim, components=16, **kwargs):
        super().__init__(latent_dim, **kwargs)
        self.components = at_least_one(components, "components")

    def build(self, input_shape=None):
        shape = (self.components, self.latent_dim)
        normal = keras.initializers.RandomNormal(stddev=1.0)
        self.loc = self.add_weight(shape=shape, initializer=normal, name="loc")
        # softplus^-1(1): the mixture starts as unit Gaussians
        start = keras.initializers.Constant(0.5413)
        self.raw_scale = self.add_weight(shape=shape, initializer=start, name="raw_scale")
        self.logits = self.add_weight(shape=shape[:1], initializer="zeros", name="logits")

    def distribution(self):
        scale = tf.nn.softplus(float32(self.raw_scale))
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=float32(self.logits)),
            tfd.MultivariateNormalDiag(float32(self.loc), scale),
        )

    def get_config(self):
        return {**super().get_config(), "components": self.components}


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
        kl: "monte_carlo", "analytic" or a callable (q, p, z) -> [batch].
    """

    def __init__(self, nats, kl="monte_carlo"):
        self.nats = nats
        self.kl = kl

    def __call__(self, q, p, z):
        kl = resolve(self.kl, DIVERGENCES, "kl")(q, p, z)
        return tf.where(tf.reduce_mean(kl) > self.nats, kl, tf.fill(tf.shape(kl), float(self.nats)))

    def get_config(self):
        return {"nats": self.nats, "kl": self.kl}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def resolve(identifier, table, argument):
    """The table's entry, the callable itself, or what Keras registers so; raises ValueError."""
    if callable(identifier):
        return identifier
    found = table.get(identifier) or keras.saving.get_registered_object(identifier)
    if found is None:
        raise ValueError(
            f"{argument} must be one of {sorted(table)} or a callable, got {identifier!r}"
        )
    return found
