"""Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks.

Alec Radford, Luke Metz, Soumith Chintala, 2015, arXiv 1511.06434; the loss of Ian J. Goodfellow et
al., 2014, arXiv 1406.2661; for 28 x 28 pixels, the networks of the TensorFlow tutorial.
"""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

import zoo
from blocks import Stack, adversarial
from blocks.checks import fraction, int_tuple, non_negative_float, non_negative_int, positive_int
from blocks.image_gan import image_discriminator, image_generator
from blocks.normalization import update_batch_norm


class DiscriminatorOutput(NamedTuple):
    """Logits of images, float32 [batch], positive for real, and their features [batch, n]."""

    logits: tf.Tensor
    features: tf.Tensor


@zoo.register("dcgan")
class DCGAN(zoo.Model):
    """Convolutional GAN: a generator and a discriminator, each with its own optimizer.

    Calling it maps noise [batch, latent_dim] to images [batch, h, w, c] in [0, 1].

    Args:
        image_shape: (rows, columns, channels); any size, 28 x 28 in the tutorial.
        latent_dim: number of dimensions of the noise.
        filters: channels of the discriminator's convolutions, each of which halves the size; the
            generator mirrors them.
        dropout: dropout rate of the discriminator.
        objective: a key of `adversarial.LOSSES`, or an object such as
            `NonSaturating(smoothing=0.1)`.
        penalty: penalty on the discriminator: "r1", "gradient", None, or an object such as
            `R1(0.1, every=16)`.
        feature_matching_weight: weight of `adversarial.feature_matching` in the generator's loss.
        full_size_filters: channels of an additional layer of the generator at full size; 0 for
            none.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (28, 28, 1),
        latent_dim: int = 100,
        filters: tuple[int, ...] = (64, 128),
        dropout: float = 0.0,
        objective: Any = "non_saturating",
        penalty: Any = "r1",
        feature_matching_weight: float = 0.0,
        full_size_filters: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.image_shape = int_tuple(image_shape, "image_shape", 3)
        self.latent_dim = positive_int(latent_dim, "latent_dim")
        self.filters = int_tuple(filters, "filters")
        self.dropout = fraction(dropout, "dropout")
        self.objective = adversarial.get_loss(objective)
        self.penalty = adversarial.get_penalty(penalty)
        self.feature_matching_weight = non_negative_float(
            feature_matching_weight, "feature_matching_weight"
        )
        self.full_size_filters = non_negative_int(full_size_filters, "full_size_filters")

    def build(self, input_shape: tuple | None = None) -> None:
        self.generator = image_generator(
            self.image_shape, self.filters, self.full_size_filters, self.dtype_policy
        )
        self.discriminator = self.make_discriminator()
        *size, channels = self.image_shape
        self.generator.build((None, self.noise_dim + self.condition_dim))
        self.discriminator.build((None, *size, channels + self.condition_channels))

    def make_discriminator(self, outputs: int = 1) -> Stack:
        """The stack of layers of D."""
        return image_discriminator(self.filters, self.dropout, outputs, self.dtype_policy)

    @property
    def noise_dim(self) -> int:
        """Width of the noise z."""
        return self.latent_dim

    @property
    def condition_dim(self) -> int:
        """Width of the condition y of the generator; 0 without a condition."""
        return 0

    @property
    def condition_channels(self) -> int:
        """Channels of the condition y in the images that D receives; 0 if D receives none."""
        return 0

    def configure_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        return {
            "generator": zoo.optimizers.Adam(2e-4, beta_1=0.5, use_ema=True, ema_momentum=0.999),
            "discriminator": zoo.optimizers.Adam(2e-4, beta_1=0.5),
        }

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        x = 2 * batch["image"] - 1
        y = self.condition(batch)  # None: neither network has a condition
        z = self.noise(tf.shape(x)[0])
        with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
            generated = self.synthesize(z, y, training=True)  # G(z)
            real = self.discriminate(x, y, training=True)  # D(x)
            fake = self.discriminate(generated, y, training=True)  # D(G(z))
            losses = self.adversarial_losses(real.logits, fake.logits)
            matching = self.feature_matching_loss(real.features, fake.features)
            penalty = self.gradient_penalty(x, generated, y)
            generator_loss = tf.reduce_mean(losses["generator_loss"]) + matching
            discriminator_loss = tf.reduce_mean(losses["discriminator_loss"]) + penalty
        self.minimize(generator_loss, generator_tape, "generator")
        self.minimize(discriminator_loss, discriminator_tape, "discriminator")
        return {name: tf.reduce_mean(value) for name, value in losses.items()}

    def eval_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        x = 2 * batch["image"] - 1
        y = self.condition(batch)
        z = self.noise(tf.shape(x)[0])
        fake = self.discriminate(self.synthesize(z, y), y)
        return self.adversarial_losses(self.discriminate(x, y).logits, fake.logits)

    def adversarial_losses(
        self, real_logits: tf.Tensor, fake_logits: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """The adversarial losses and the mean of D on real and generated images: each [batch]."""
        return {
            "generator_loss": self.objective.generator(real_logits, fake_logits),
            "discriminator_loss": self.objective.discriminator(real_logits, fake_logits),
            "real_score": tf.sigmoid(real_logits),
            "fake_score": tf.sigmoid(fake_logits),
        }

    def condition(self, batch: dict[str, tf.Tensor]) -> tf.Tensor | None:
        """y, the condition of both networks, [batch, condition_dim]; None without one."""
        return None

    def synthesize(self, z: tf.Tensor, y: tf.Tensor | None, training: bool = False) -> tf.Tensor:
        """G(z, y): images [batch, h, w, c] in [-1, 1] for noise z [batch, noise_dim]."""
        return self.generator(z if y is None else tf.concat([z, y], axis=-1), training=training)

    def discriminate(
        self, x: tf.Tensor, y: tf.Tensor | None, training: bool = False
    ) -> DiscriminatorOutput:
        """D(x, y) for images x [batch, h, w, c] in [-1, 1]."""
        logits, features = self.discriminator(x, training=training, return_features=True)
        return DiscriminatorOutput(tf.cast(logits[:, 0], tf.float32), features)

    def feature_matching_loss(
        self, real_features: tf.Tensor, fake_features: tf.Tensor
    ) -> tf.Tensor:
        """The weighted feature matching loss of a batch, a scalar."""
        loss = adversarial.feature_matching(real_features, fake_features)
        return self.feature_matching_weight * loss

    def gradient_penalty(
        self, x: tf.Tensor, generated: tf.Tensor, y: tf.Tensor | None
    ) -> tf.Tensor:
        """The penalty on D's gradient at real images x, or between them and generated images."""

        def discriminator(images: tf.Tensor) -> tf.Tensor:
            return self.discriminate(images, y, training=True).logits

        penalty = self.penalty(discriminator, x, generated, self.iterations, self.next_seed())
        return tf.reduce_mean(penalty)

    def noise(self, n: int, seed: int | tf.Tensor | None = None) -> tf.Tensor:
        """`n` samples of the noise z: float32 [n, noise_dim]."""
        return tf.random.stateless_normal((n, self.latent_dim), self.as_seed(seed))

    def generator_inputs(self, n: int, seed: int | tf.Tensor | None = None) -> tf.Tensor:
        """`n` inputs of the generator: noise, and in subclasses its condition."""
        return self.noise(n, seed)

    def on_weights_averaged(self) -> None:
        update_batch_norm(self.generator, (self.generator_inputs(256, seed) for seed in range(32)))

    def call(self, noise: tf.Tensor, training: bool = False) -> tf.Tensor:
        return (self.generator(noise, training=training) + 1) / 2

    @zoo.checked_method(n="n")
    def sample(self, n: int, seed: int | tf.Tensor | None = None) -> tf.Tensor:
        """`n` generated images [n, h, w, c] in [0, 1]; the same for the same `seed`."""
        return tf.cast(self(self.generator_inputs(n, seed)), tf.float32)
