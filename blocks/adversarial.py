"""What two actors want of each other: adversarial losses, and penalties on the discriminator.

A loss has two sides. Both take the discriminator's logits for real and for generated images,
[batch, ...] (a PatchGAN gives one for each patch), and return float32 [batch].

A penalty is called with the discriminator, as a function of images, and returns float32 [batch].
"""

import keras
import tensorflow as tf

from blocks.checks import MAX_INT, fraction, non_negative_float, one_of, positive_int


def flatten(values):
    """[batch, ...] to float32 [batch, n]."""
    return tf.reshape(tf.cast(values, tf.float32), (tf.shape(values)[0], -1))


def per_example(values):
    """Mean over everything but the first axis: [batch, ...] to float32 [batch]."""
    return tf.reduce_mean(flatten(values), axis=1)


class Serializable:
    """An object that JSON can hold: its constructor's arguments are its attributes."""

    def get_config(self):
        return dict(vars(self))

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable("blocks")
class NonSaturating(Serializable):
    """Goodfellow et al. (2014, arXiv 1406.2661): log D for both, as in section 3.

    Args:
        smoothing: how far the label "real" falls short of 1; one-sided, Salimans et al. (2016,
            arXiv 1606.03498), section 3.4.
    """

    def __init__(self, smoothing=0.0):
        self.smoothing = fraction(smoothing, "smoothing")

    def generator(self, real, fake):
        return per_example(tf.nn.softplus(-fake))  # -log D(G(z))

    def discriminator(self, real, fake):
        says_real = tf.nn.softplus(-real) + self.smoothing * real  # -log D(x), softened
        return per_example(says_real) + per_example(tf.nn.softplus(fake))  # -log(1 - D(G(z)))


@keras.saving.register_keras_serializable("blocks")
class LeastSquares(Serializable):
    """Mao et al. (2016, arXiv 1611.04076), eq. 9: logits are regressed on 1 and on 0."""

    def generator(self, real, fake):
        return per_example((fake - 1) ** 2) / 2

    def discriminator(self, real, fake):
        return (per_example((real - 1) ** 2) + per_example(fake**2)) / 2


@keras.saving.register_keras_serializable("blocks")
class Hinge(Serializable):
    """Lim, Ye (2017, arXiv 1705.02894): the discriminator stops caring beyond a margin of 1."""

    def generator(self, real, fake):
        return per_example(-fake)

    def discriminator(self, real, fake):
        return per_example(tf.nn.relu(1 - real)) + per_example(tf.nn.relu(1 + fake))


@keras.saving.register_keras_serializable("blocks")
class Wasserstein(Serializable):
    """Arjovsky et al. (2017, arXiv 1701.07875), eq. 2; the logits are scores of a critic.

    The critic must be kept from growing steep: use it with `GradientPenalty`.
    """

    def generator(self, real, fake):
        return per_example(-fake)

    def discriminator(self, real, fake):
        return per_example(fake) - per_example(real)


@keras.saving.register_keras_serializable("blocks")
class Relativistic(Serializable):
    """Jolicoeur-Martineau (2018, arXiv 1807.00734), RSGAN: is the real one more real than that?

    Each drawing is compared with the real image beside it in the batch; with R1 it is the loss
    of R3GAN (Huang et al. 2024, arXiv 2501.05441), eq. 2.
    """

    def generator(self, real, fake):
        return per_example(tf.nn.softplus(real - fake))

    def discriminator(self, real, fake):
        return per_example(tf.nn.softplus(fake - real))


def feature_matching(real, fake, unbiased=False):
    """How far the features of generated images are from those of real ones on average: a scalar.

    Salimans et al. (2016, arXiv 1606.03498), section 3.1: the squared distance of the means, here
    as a share of the mean square of real ones. A class that is drawn too seldom shows in it, while
    a loss of single images never says that others are missing. The mean of a batch is noisy, so it
    also draws the features of generated images together, by about 1/batch of their variance.

    Args:
        real: what the discriminator sees in real images, [batch, n].
        fake: what it sees in generated ones, [batch, n].
        unbiased: take off what the means are apart by chance, which may leave less than nothing;
            there must be as many of both.
    """
    real, fake = tf.cast(real, tf.float32), tf.cast(fake, tf.float32)
    distance = tf.reduce_sum((tf.reduce_mean(real, 0) - tf.reduce_mean(fake, 0)) ** 2)
    if unbiased:  # the products of each pair's difference with those of others, not with itself
        n = tf.cast(tf.shape(real)[0], tf.float32)
        own = tf.reduce_mean(tf.reduce_sum((real - fake) ** 2, axis=1))
        distance = tf.math.divide_no_nan(n * distance - own, n - 1)
    return tf.math.divide_no_nan(distance, tf.reduce_mean(tf.reduce_sum(real**2, axis=1)))


class Penalty(Serializable):
    """Base of penalties; lazy ones act every `every` steps, that many times as strongly.

    Lazy regularization: Karras et al. (2019, arXiv 1912.04958), section 3.1.
    """

    def __init__(self, strength, every):
        self.weight = non_negative_float(strength, "weight")
        self.every = positive_int(every, "every", maximum=MAX_INT)

    def __call__(self, discriminator, real, fake, step, seed):
        """The penalty of each example.

        Args:
            discriminator: images -> logits.
            real: images [batch, h, w, c].
            fake: generated images of the same shape.
            step: number of steps taken so far, a scalar.
            seed: int32[2], of what is random.
        """

        def due():
            return self.weight * self.every * self.per_example(discriminator, real, fake, seed)

        if self.every == 1:
            return due()
        now = tf.equal(tf.cast(step, tf.int64) % self.every, 0)
        return tf.cond(now, due, lambda: tf.zeros(tf.shape(real)[:1]))

    def per_example(self, discriminator, real, fake, seed):
        raise NotImplementedError


@keras.saving.register_keras_serializable("blocks")
class NoPenalty(Serializable):
    """Nothing is penalized."""

    def __call__(self, discriminator, real, fake, step, seed):
        return tf.zeros(tf.shape(real)[:1])


@keras.saving.register_keras_serializable("blocks")
class R1(Penalty):
    """Mescheder et al. (2018, arXiv 1801.04406), eq. 9: half the squared gradient at real images.

    Args:
        weight: gamma; the larger the pictures, the larger it may be.
        every: steps from one penalty to the next.
    """

    def __init__(self, weight=0.1, every=16):
        super().__init__(weight, every)

    def per_example(self, discriminator, real, fake, seed):
        return squared_gradient_norms(discriminator, real) / 2


@keras.saving.register_keras_serializable("blocks")
class GradientPenalty(Penalty):
    """WGAN-GP, Gulrajani et al. (2017, arXiv 1704.00028), eq. 3: a slope of 1 between both.

    Args:
        weight: lambda.
        every: steps from one penalty to the next.
    """

    def __init__(self, weight=10.0, every=1):
        super().__init__(weight, every)

    def per_example(self, discriminator, real, fake, seed):
        fraction = tf.random.stateless_uniform((tf.shape(real)[0], 1, 1, 1), seed, dtype=real.dtype)
        between = fraction * real + (1 - fraction) * tf.stop_gradient(fake)
        slope = tf.sqrt(
            squared_gradient_norms(discriminator, between) + 1e-12
        )  # at 0 the root has no gradient
        return (slope - 1) ** 2


def squared_gradient_norms(discriminator, images):
    """Squared norm of the logits' gradient at each of the images: float32 [batch]."""
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


def get_loss(value):
    """An adversarial loss by its name; anything with the two sides is taken as it is."""
    sides = hasattr(value, "generator") and hasattr(value, "discriminator")
    return value if sides else LOSSES[one_of(value, LOSSES, "objective")]()


def get_penalty(value):
    """A penalty by its name, or None for none; any other callable is taken as it is."""
    return value if callable(value) else PENALTIES[one_of(value, PENALTIES, "penalty")]()
