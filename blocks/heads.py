"""Heads: last layers that output the parameters of a distribution.

`call` maps tensors to tensors. `distribution(outputs)` turns them into a TFP distribution with
float32 parameters under every dtype policy. It is created in each call, so that gradients reach the
weights.
"""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from blocks.checks import positive_int
from blocks.convolution import FastConv2DTranspose

MIN_SCALE = 1e-3  # of a NormalHead
MOMENTUM = 0.9  # of a NormalHead's moving average, about ten batches


def to_float32(tensor: Any) -> tf.Tensor:
    """A tensor or variable as float32."""
    return tf.cast(tf.convert_to_tensor(tensor), tf.float32)


@keras.saving.register_keras_serializable("blocks")
class GaussianHead(keras.layers.Layer):
    """Features to a diagonal Gaussian, q(z|x) = N(loc, softplus(raw_scale + 1e-5)^2).

    Shapes: [batch, features] -> [batch, 2 * latent_dim], loc then raw scale. `distribution` gives a
    `MultivariateNormalDiag` with batch shape [batch] and event shape [latent_dim].

    Args:
        latent_dim: number of dimensions of z.
    """

    def __init__(self, latent_dim: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.latent_dim = positive_int(latent_dim, "latent_dim")
        self.dense = keras.layers.Dense(2 * latent_dim, dtype=self.dtype_policy)

    def build(self, input_shape: tuple) -> None:
        self.dense.build(input_shape)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        return self.dense(features)

    def distribution(self, outputs: tf.Tensor) -> tfd.Distribution:
        """The distribution with the parameters that `call` returned."""
        loc, raw_scale = tf.split(to_float32(outputs), 2, axis=-1)
        return tfd.MultivariateNormalDiag(loc, tf.nn.softplus(raw_scale + 1e-5))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], 2 * self.latent_dim)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "latent_dim": self.latent_dim}


class ImageHead(keras.layers.Layer):
    """Base of heads for p(x|z): feature map to one parameter per pixel, by one convolution.

    Shapes: [batch, h, w, c] -> [batch, h, w, channels]. `distribution` has batch shape [batch] and
    event shape [h, w, channels].

    Args:
        channels: channels of the image.
        kernel_size: side of the transposed convolution's window, in pixels. With None there is no
            convolution, and the feature map must have `channels` channels.
    """

    def __init__(self, channels: int, kernel_size: int | None = 3, **kwargs: Any):
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

    def build(self, input_shape: tuple) -> None:
        if self.kernel_size is None and input_shape[-1] != self.channels:
            raise ValueError(f"expected {self.channels} channels, got {input_shape[-1]}")
        self.conv.build(input_shape)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        return self.conv(features)

    def distribution(self, outputs: tf.Tensor) -> tfd.Distribution:
        """The distribution with the parameters that `call` returned."""
        raise NotImplementedError

    def training_distribution(self, outputs: tf.Tensor) -> tfd.Distribution:
        """The distribution for training; differs for heads that fit a parameter to x directly."""
        return self.distribution(outputs)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], self.channels)

    def get_config(self) -> dict[str, Any]:
        config = {"channels": self.channels, "kernel_size": self.kernel_size}
        return {**super().get_config(), **config}


class Bernoulli(tfd.Bernoulli):
    """TFP's, with a cheaper log p(x) = x l - softplus(l), where l are the logits."""

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        logits = self.logits_parameter()
        return x * logits - tf.nn.softplus(logits)


@keras.saving.register_keras_serializable("blocks")
class BernoulliHead(ImageHead):
    """p(x|z) of binary pixels: independent Bernoullis whose logits are the convolution's output."""

    def distribution(self, outputs: tf.Tensor) -> tfd.Distribution:
        return tfd.Independent(Bernoulli(logits=to_float32(outputs), dtype=tf.float32), 3)


@keras.saving.register_keras_serializable("blocks")
class NormalHead(ImageHead):
    """p(x|z) of real pixels in [0, 1]: N(sigmoid(output), scale^2), with one scale for all pixels.

    In training the scale is the optimal one for the batch, the root mean squared error: Rybkin et
    al., "Simple and Effective VAE Training with Calibrated Decoders" (2021, arXiv 2006.13202),
    eq. 6, so the KL term needs no hand-tuned weight. Outside training the scale is the moving
    average over batches, which is stored in the weight `raw_scale`. A frozen head uses it in
    training too.
    """

    def build(self, input_shape: tuple) -> None:
        super().build(input_shape)
        self.raw_scale = self.add_weight(
            shape=(), initializer="zeros", name="raw_scale", trainable=False, autocast=False
        )

    def distribution(self, outputs: tf.Tensor) -> tfd.Distribution:
        loc = tf.sigmoid(to_float32(outputs))
        return tfd.Independent(tfd.Normal(loc, self.scale()), 3)

    def training_distribution(self, outputs: tf.Tensor) -> tfd.Distribution:
        if not self.trainable:
            return self.distribution(outputs)
        normal = FittedNormal(tf.sigmoid(to_float32(outputs)), self.scale())
        normal.fit_scale = self.fit_scale
        return tfd.Independent(normal, 3)

    def scale(self) -> tf.Tensor:
        """The scale outside training, a scalar >= `MIN_SCALE`."""
        return tf.nn.softplus(to_float32(self.raw_scale)) + MIN_SCALE

    def fit_scale(self, errors: tf.Tensor) -> tf.Tensor:
        """Returns the optimal scale for the errors x - loc and updates the moving average.

        The scale is a scalar without a gradient: at the optimum the derivative of the loss with
        respect to it is 0, so the gradient of the loss is that of
        (pixels / 2) log(mean squared error).
        """
        scale = tf.sqrt(tf.reduce_mean(tf.stop_gradient(errors) ** 2))
        raw = tfp.math.softplus_inverse(tf.maximum(scale - MIN_SCALE, MIN_SCALE))
        average = tf.convert_to_tensor(self.raw_scale)
        momentum = tf.where(average == 0, 0.0, MOMENTUM)  # 0 before the first batch
        self.raw_scale.assign(momentum * average + (1 - momentum) * raw)
        return tf.nn.softplus(raw) + MIN_SCALE


class FittedNormal(tfd.Normal):
    """A Normal whose `log_prob(x)` uses the scale `fit_scale(x - loc)`, an attribute to be set."""

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        return tfd.Normal(self.loc, self.fit_scale(x - self.loc)).log_prob(x)


HEADS = {"bernoulli": BernoulliHead, "normal": NormalHead}


def resolve(identifier: Any, table: Mapping[str, Callable], argument: str) -> Callable:
    """The callable that `identifier` stands for.

    Args:
        identifier: a callable, a key of `table`, or the name of an object registered with Keras.
        table: name -> callable.
        argument: the argument's name, for the error message.

    Raises:
        ValueError: none of these.
    """
    if callable(identifier):
        return identifier
    resolved = None
    if isinstance(identifier, str):
        resolved = table.get(identifier) or keras.saving.get_registered_object(identifier)
    if resolved is None:
        raise ValueError(
            f"{argument} must be one of {sorted(table)} or a callable, got {identifier!r}"
        )
    return resolved
