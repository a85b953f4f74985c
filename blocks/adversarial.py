"""Adversarial losses, and gradient penalties on the discriminator.

A loss has the methods `generator` and `discriminator`. Both take the discriminator's logits for
real and for generated images, [batch, ...] (a PatchGAN has one per patch), and return float32
[batch].

A penalty is called with the discriminator, as a function of images, and returns float32 [batch].
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from blocks.checks import MAX_INT, fraction, non_negative_float, one_of, positive_int
from blocks.serializable import Serializable


def flatten(values: tf.Tensor) -> tf.Tensor:
    """[batch, ...] to float32 [batch, n]."""
    return tf.reshape(tf.cast(values, tf.float32), (tf.shape(values)[0], -1))


def per_example(values: tf.Tensor) -> tf.Tensor:
    """Mean over all axes but the first: [batch, ...] to float32 [batch]."""
    return tf.reduce_mean(flatten(values), axis=1)


@keras.saving.register_keras_serializable("blocks")
class NonSaturating(Serializable):
    """The non-saturating loss: Goodfellow et al. (2014, arXiv 1406.2661), section 3.

    Args:
        smoothing: one-sided label smoothing, the amount by which the label of real images is below
            1: Salimans et al. (2016, arXiv 1606.03498), section 3.4.
    """

    def __init__(self, smoothing: float = 0.0):
        self.smoothing = fraction(smoothing, "smoothing")

    def generator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return per_example(tf.nn.softplus(-fake))  # -log D(G(z))

    def discriminator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        real_loss = tf.nn.softplus(-real) + self.smoothing * real  # -log D(x), smoothed
        return per_example(real_loss) + per_example(tf.nn.softplus(fake))  # -log(1 - D(G(z)))


@keras.saving.register_keras_serializable("blocks")
class LeastSquares(Serializable):
    """LSGAN: Mao et al. (2016, arXiv 1611.04076), eq. 9, with the labels 1 and 0."""

    def generator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return per_example((fake - 1) ** 2) / 2

    def discriminator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return (per_example((real - 1) ** 2) + per_example(fake**2)) / 2


@keras.saving.register_keras_serializable("blocks")
class Hinge(Serializable):
    """The hinge loss: Lim, Ye (2017, arXiv 1705.02894), with a margin of 1."""

    def generator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return per_example(-fake)

    def discriminator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return per_example(tf.nn.relu(1 - real)) + per_example(tf.nn.relu(1 + fake))


@keras.saving.register_keras_serializable("blocks")
class Wasserstein(Serializable):
    """WGAN: Arjovsky et al. (2017, arXiv 1701.07875), eq. 2; the logits are a critic's scores.

    Use it with `GradientPenalty`, which keeps the critic's gradient small.
    """

    def generator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return per_example(-fake)

    def discriminator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return per_example(fake) - per_example(real)


@keras.saving.register_keras_serializable("blocks")
class Relativistic(Serializable):
    """RSGAN: Jolicoeur-Martineau (2018, arXiv 1807.00734).

    Compares each generated image with the real image at the same index of the batch. With R1 it is
    the loss of R3GAN (Huang et al. 2024, arXiv 2501.05441), eq. 2.
    """

    def generator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return per_example(tf.nn.softplus(real - fake))

    def discriminator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return per_example(tf.nn.softplus(fake - real))


def feature_matching(real: tf.Tensor, fake: tf.Tensor, unbiased: bool = False) -> tf.Tensor:
    """Relative squared distance between the mean features of real and generated images: a scalar.

    Salimans et al. (2016, arXiv 1606.03498), section 3.1, divided by the mean squared norm of the
    real features. It penalizes missing modes, which a loss of single images cannot detect. The mean
    of a batch is noisy, so the loss also shrinks the variance of the generated features, by about
    1 / batch.

    Args:
        real: the discriminator's features of real images, [batch, n].
        fake: those of generated images, [batch, n].
        unbiased: subtract the expected sampling error of the means; the result may be negative, and
            both batches must have the same size.
    """
    real = tf.cast(real, tf.float32)
    fake = tf.cast(fake, tf.float32)
    distance = tf.reduce_sum((tf.reduce_mean(real, 0) - tf.reduce_mean(fake, 0)) ** 2)
    if unbiased:  # leaves out the product of each pair's difference with itself
        n = tf.cast(tf.shape(real)[0], tf.float32)
        diagonal = tf.reduce_mean(tf.reduce_sum((real - fake) ** 2, axis=1))
        distance = tf.math.divide_no_nan(n * distance - diagonal, n - 1)
    return tf.math.divide_no_nan(distance, tf.reduce_mean(tf.reduce_sum(real**2, axis=1)))


class Penalty(Serializable):
    """Base of penalties: computed every `every` steps and then multiplied by `every`.

    Lazy regularization: Karras et al. (2019, arXiv 1912.04958), section 3.1. Subclasses define
    `per_example`.
    """

    def __init__(self, weight: float, every: int):
        self.weight = non_negative_float(weight, "weight")
        self.every = positive_int(every, "every", maximum=MAX_INT)

    def __call__(
        self,
        discriminator: Callable[[tf.Tensor], tf.Tensor],
        real: tf.Tensor,
        fake: tf.Tensor,
        step: tf.Tensor,
        seed: tf.Tensor,
    ) -> tf.Tensor:
        """The weighted penalty of each example, float32 [batch]; 0 in the steps between.

        Args:
            discriminator: images -> logits.
            real: images [batch, h, w, c].
            fake: generated images of the same shape.
            step: the number of completed steps, a scalar.
            seed: int32[2].
        """

        def weighted() -> tf.Tensor:
            return self.weight * self.every * self.per_example(discriminator, real, fake, seed)

        if self.every == 1:
            return weighted()
        is_due = tf.equal(tf.cast(step, tf.int64) % self.every, 0)
        return tf.cond(is_due, weighted, lambda: tf.zeros(tf.shape(real)[:1]))

    def per_example(
        self,
        discriminator: Callable[[tf.Tensor], tf.Tensor],
        real: tf.Tensor,
        fake: tf.Tensor,
        seed: tf.Tensor,
    ) -> tf.Tensor:
        """The penalty of each example without its weight, float32 [batch]."""
        raise NotImplementedError


@keras.saving.register_keras_serializable("blocks")
class NoPenalty(Serializable):
    """A penalty of 0."""

    def __call__(
        self,
        discriminator: Callable[[tf.Tensor], tf.Tensor],
        real: tf.Tensor,
        fake: tf.Tensor,
        step: tf.Tensor,
        seed: tf.Tensor,
    ) -> tf.Tensor:
        return tf.zeros(tf.shape(real)[:1])


@keras.saving.register_keras_serializable("blocks")
class R1(Penalty):
    """R1: half the squared gradient norm at real images.

    Mescheder et al. (2018, arXiv 1801.04406), eq. 9.

    Args:
        weight: gamma; larger images allow larger values.
        every: number of steps between two penalties.
    """

    def __init__(self, weight: float = 0.1, every: int = 16):
        super().__init__(weight, every)

    def per_example(
        self,
        discriminator: Callable[[tf.Tensor], tf.Tensor],
        real: tf.Tensor,
        fake: tf.Tensor,
        seed: tf.Tensor,
    ) -> tf.Tensor:
        return squared_gradient_norms(discriminator, real) / 2


@keras.saving.register_keras_serializable("blocks")
class GradientPenalty(Penalty):
    """WGAN-GP: pulls the gradient norm to 1 at random points between real and generated images.

    Gulrajani et al. (2017, arXiv 1704.00028), eq. 3.

    Args:
        weight: lambda.
        every: number of steps between two penalties.
    """

    def __init__(self, weight: float = 10.0, every: int = 1):
        super().__init__(weight, every)

    def per_example(
        self,
        discriminator: Callable[[tf.Tensor], tf.Tensor],
        real: tf.Tensor,
        fake: tf.Tensor,
        seed: tf.Tensor,
    ) -> tf.Tensor:
        epsilon = tf.random.stateless_uniform((tf.shape(real)[0], 1, 1, 1), seed, dtype=real.dtype)
        interpolated = epsilon * real + (1 - epsilon) * tf.stop_gradient(fake)
        # The square root has no gradient at 0.
        norm = tf.sqrt(squared_gradient_norms(discriminator, interpolated) + 1e-12)
        return (norm - 1) ** 2


def squared_gradient_norms(
    discriminator: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor
) -> tf.Tensor:
    """Squared norm of the gradient of the logits with respect to each image: float32 [batch]."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = tf.reduce_sum(discriminator(images))
    gradient = tf.cast(tape.gradient(logits, images), tf.float32)
    return tf.reduce_sum(gradient**2, axis=(1, 2, 3))


LOSSES = {
    "non_saturating": NonSaturating,
    "least_squares": LeastSquares,
    "hinge": Hinge,
    "wasserstein": Wasserstein,
    "relativistic": Relativistic,
}
PENALTIES = {None: NoPenalty, "r1": R1, "gradient": GradientPenalty}


def get_loss(identifier: Any) -> Any:
    """An adversarial loss by its name; an object with both methods is returned as it is."""
    is_loss = hasattr(identifier, "generator") and hasattr(identifier, "discriminator")
    return identifier if is_loss else LOSSES[one_of(identifier, LOSSES, "objective")]()


def get_penalty(identifier: Any) -> Callable:
    """A penalty by its name, or None for none; a callable is returned as it is."""
    if callable(identifier):
        return identifier
    return PENALTIES[one_of(identifier, PENALTIES, "penalty")]()
