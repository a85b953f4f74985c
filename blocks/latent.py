"""Heads: the layers that end a network in the parameters of a distribution.

`call` maps tensors to tensors; `distribution(outputs)` wraps them in a TFP distribution whose
parameters are float32 whatever the dtype policy, built anew each time so that gradients reach the
weights.
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
    """Feature map to the parameters of p(x|z), by one convolution; subclasses say which p.

    Shapes: [batch, h, w, c] -> [batch, h, w, channels]. `distribution` of that has batch shape
    [batch] and event shape [h, w, channels].

    Args:
        channels: channels of the image.
        kernel_size: side of the transposed convolution's window, in pixels; odd. None: there is
            no convolution, the feature map has `channels` channels and is the parameters.
    """

    def __init__(self, channels, kernel_size=3, **kwargs):
        super().__init__(**kwargs)
        self.channels = at_least_one(channels, "channels")
        self.kernel_size = kernel_size and at_least_one(kernel_size, "kernel_size")
        self.conv = keras.layers.Identity(dtype=self.dtype_policy)
        if kernel_size is not None:
            self.conv = ThinConv2DTranspose(channels, kernel_size, dtype=self.dtype_policy)

    def build(self, input_shape):
        if self.kernel_size is None and input_shape[-1] != self.channels:
            raise ValueError(f"expected {self.channels} channels, got {input_shape[-1]}")
        self.conv.build(input_shape)

    def call(self, features):
        return self.conv(features)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.channels)

    def get_config(self):
        config = {"channels": self.channels, "kernel_size": self.kernel_size}
        return {**super().get_config(), **config}


class Bernoulli(tfd.Bernoulli):
    """TFP's, scored in one pass less: log p(x) = x l - softplus(l) with logits l."""

    def _log_prob(self, x):
        logits = self.logits_parameter()
        return x * logits - tf.nn.softplus(logits)


@keras.saving.register_keras_serializable("blocks")
class BernoulliHead(ImageHead):
    """p(x|z) of binary pixels: independent Bernoullis with the convolution's output as logits."""

    def distribution(self, outputs):
        return tfd.Independent(Bernoulli(logits=float32(outputs), dtype=tf.float32), 3)


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


def resolve(identifier, table, argument):
    """The table's entry, the callable itself, or what Keras registers so; raises ValueError."""
    if callable(identifier):
        return identifier
    found = None
    if isinstance(identifier, str):
        found = table.get(identifier) or keras.saving.get_registered_object(identifier)
    if found is None:
        raise ValueError(
            f"{argument} must be one of {sorted(table)} or a callable, got {identifier!r}"
        )
    return found
