"""Heads: the layers that end a network in the parameters of a distribution.

`call` maps tensors to tensors; `distribution(outputs)` wraps them in a TFP distribution whose
parameters are float32 whatever the dtype policy, built anew each time so that gradients reach the
weights.
"""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from blocks.checks import positive_int
from blocks.convolution import FastConv2DTranspose

tfd = tfp.distributions
MIN_SCALE = 1e-3  # of a NormalHead
MOMENTUM = 0.9  # of a NormalHead's moving average: some ten batches


def to_float32(tensor):
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
        self.latent_dim = positive_int(latent_dim, "latent_dim")
        self.dense = keras.layers.Dense(2 * latent_dim, dtype=self.dtype_policy)

    def build(self, input_shape):
        self.dense.build(input_shape)

    def call(self, features):
        return self.dense(features)

    def distribution(self, outputs):
        loc, raw_scale = tf.split(to_float32(outputs), 2, axis=-1)
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
        self.channels = positive_int(channels, "channels")
        self.kernel_size = kernel_size and positive_int(kernel_size, "kernel_size")
        self.conv = keras.layers.Identity(dtype=self.dtype_policy)
        if kernel_size is not None:
            self.conv = FastConv2DTranspose(
                channels,
                kernel_size,
                padding="same",
                data_format="channels_last",
                dtype=self.dtype_policy,
            )

    def build(self, input_shape):
        if self.kernel_size is None and input_shape[-1] != self.channels:
            raise ValueError(f"expected {self.channels} channels, got {input_shape[-1]}")
        self.conv.build(input_shape)

    def call(self, features):
        return self.conv(features)

    def training_distribution(self, outputs):
        """`distribution` in training, for heads that learn from x by more than a gradient."""
        return self.distribution(outputs)

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
        return tfd.Independent(Bernoulli(logits=to_float32(outputs), dtype=tf.float32), 3)


@keras.saving.register_keras_serializable("blocks")
class NormalHead(ImageHead):
    """p(x|z) of real pixels in [0, 1]: N(sigmoid(output), scale^2), one scale for all.

    In training the scale is the best one for the batch, the root of the mean squared error: Rybkin
    et al., "Simple and Effective VAE Training with Calibrated Decoders" (2021, arXiv 2006.13202),
    eq. 6, so that nobody has to weigh the KL by hand. Its moving average over batches is a weight,
    `raw_scale`, the scale outside training; a frozen head keeps it, in training too.
    """

    def build(self, input_shape):
        super().build(input_shape)
        self.raw_scale = self.add_weight(
            shape=(), initializer="zeros", name="raw_scale", trainable=False, autocast=False
        )

    def distribution(self, outputs):
        loc = tf.sigmoid(to_float32(outputs))
        return tfd.Independent(tfd.Normal(loc, self.scale()), 3)

    def training_distribution(self, outputs):
        if not self.trainable:
            return self.distribution(outputs)
        normal = FittedNormal(tf.sigmoid(to_float32(outputs)), self.scale())
        normal.fit_scale = self.fit_scale
        return tfd.Independent(normal, 3)

    def scale(self):
        """The scale outside training, from SMALLEST_SCALE up."""
        return tf.nn.softplus(to_float32(self.raw_scale)) + MIN_SCALE

    def fit_scale(self, errors):
        """The best scale for the errors x - loc, a scalar without gradient; moves the average.

        Where the scale is the best one the loss has no slope in it, so the gradient of the loss is
        that of (pixels / 2) log(mean squared error).
        """
        scale = tf.sqrt(tf.reduce_mean(tf.stop_gradient(errors) ** 2))
        raw = tfp.math.softplus_inverse(tf.maximum(scale - MIN_SCALE, MIN_SCALE))
        old = tf.convert_to_tensor(self.raw_scale)
        kept = tf.where(old == 0, 0.0, MOMENTUM)  # 0: no batch has been seen
        self.raw_scale.assign(kept * old + (1 - kept) * raw)
        return tf.nn.softplus(raw) + MIN_SCALE


class FittedNormal(tfd.Normal):
    """A Normal that `log_prob(x)` gives the scale `fit_scale(x - loc)`, an attribute to be set."""

    def _log_prob(self, x):
        return tfd.Normal(self.loc, self.fit_scale(x - self.loc)).log_prob(x)


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
