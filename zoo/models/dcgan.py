"""Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks.

Alec Radford, Luke Metz, Soumith Chintala, 2015, arXiv 1511.06434; the loss of Ian J. Goodfellow et
al., 2014, arXiv 1406.2661; for 28 x 28 pixels, the networks of the TensorFlow tutorial.
"""

from typing import Any

import keras
import tensorflow as tf

import zoo
from blocks import Downsample, Stack, Upsample, adversarial, mixture_noise
from blocks.checks import fraction, int_tuple, non_negative_float, non_negative_int, positive_int
from blocks.normalization import update_batch_norm
from blocks.resample import feature_map_sizes


@zoo.register("dcgan")
class DCGAN(zoo.Model):
    """Convolutional GAN: a generator and a discriminator, each with its own optimizer.

    Calling it maps noise [batch, latent_dim + components] to images [batch, h, w, c] in [0, 1].

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
        components: number of mixture components of the noise, see `blocks.mixture_noise`; 0 for
            plain Gaussian noise.
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
        components: int = 0,
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
        self.components = non_negative_int(components, "components")
        self.full_size_filters = non_negative_int(full_size_filters, "full_size_filters")
        dtype = self.dtype_policy
        *size, channels = self.image_shape
        *scales, (rows, columns) = feature_map_sizes(size, len(self.filters))
        base = 2 * self.filters[-1]
        up = {"kernel_size": 5, "norm": "batch", "activation": "leaky_relu", "dtype": dtype}
        mirrored = [*zip(self.filters[-2::-1], scales[:0:-1], strict=True)]
        mirrored.append((full_size_filters, tuple(size)))
        last = {"kernel_size": 5, "activation": "tanh", "dtype": dtype}
        last["strides"] = 1 if full_size_filters else 2
        self.generator = Stack(
            [
                keras.layers.Dense(rows * columns * base, use_bias=False, dtype=dtype),
                keras.layers.BatchNormalization(dtype=dtype),
                keras.layers.LeakyReLU(0.2, dtype=dtype),
                keras.layers.Reshape((rows, columns, base), dtype=dtype),
                Upsample(self.filters[-1], strides=1, **up),
            ]
            + [Upsample(n, output_size=scale, **up) for n, scale in mirrored if n]
            + [Upsample(channels, output_size=size, **last)],
            dtype=dtype,
        )
        down = {"kernel_size": 5, "activation": "leaky_relu", "dropout": dropout, "dtype": dtype}
        self.discriminator = Stack(
            [Downsample(n, **down) for n in self.filters]
            + [
                keras.layers.Flatten(data_format="channels_last", dtype=dtype),
                keras.layers.Dense(1, dtype=dtype),
            ],
            dtype=dtype,
        )

    def build(self, input_shape: tuple | None = None) -> None:
        self.generator.build((None, self.latent_dim + self.components))
        self.discriminator.build((None, *self.image_shape))

    def configure_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        return {
            "generator": zoo.optimizers.Adam(2e-4, beta_1=0.5, use_ema=True, ema_momentum=0.999),
            "discriminator": zoo.optimizers.Adam(2e-4, beta_1=0.5),
        }

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        real = 2 * batch["image"] - 1
        with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
            fake = self.synthesize(self.noise(tf.shape(real)[0]), batch, training=True)  # G(z)
            real_logits, real_features = self.discriminate(real, batch, training=True)  # D(x)
            fake_logits, fake_features = self.discriminate(fake, batch, training=True)  # D(G(z))
            generator_loss = tf.reduce_mean(self.objective.generator(real_logits, fake_logits))
            discriminator_loss = tf.reduce_mean(
                self.objective.discriminator(real_logits, fake_logits)
            )
            penalty = self.penalty(
                lambda x: self.discriminate(x, batch, training=True)[0],
                real,
                fake,
                self.iterations,
                self.next_seed(),
            )
            matching_loss = self.feature_matching_loss(real_features, fake_features)
            generator_total = generator_loss + matching_loss
            discriminator_total = discriminator_loss + tf.reduce_mean(penalty)
        self.minimize(generator_total, generator_tape, "generator")
        self.minimize(discriminator_total, discriminator_tape, "discriminator")
        return {
            "generator_loss": generator_loss,
            "discriminator_loss": discriminator_loss,
            "real_score": tf.reduce_mean(tf.sigmoid(real_logits)),
            "fake_score": tf.reduce_mean(tf.sigmoid(fake_logits)),
        }

    def eval_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        real = 2 * batch["image"] - 1
        fake = self.synthesize(self.noise(tf.shape(real)[0]), batch)
        real_logits, _ = self.discriminate(real, batch)
        fake_logits, _ = self.discriminate(fake, batch)
        return {
            "generator_loss": self.objective.generator(real_logits, fake_logits),
            "discriminator_loss": self.objective.discriminator(real_logits, fake_logits),
            "real_score": tf.sigmoid(real_logits),
            "fake_score": tf.sigmoid(fake_logits),
        }

    def synthesize(
        self, noise: tf.Tensor, batch: dict[str, tf.Tensor], training: bool = False
    ) -> tf.Tensor:
        """Generated images [batch, h, w, c] in [-1, 1] for noise [batch, n]."""
        return self.generator(noise, training=training)

    def discriminate(
        self, images: tf.Tensor, batch: dict[str, tf.Tensor], training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The discriminator's logits [batch], positive for real, and its features [batch, n]."""
        logits, features = self.discriminator(images, training=training, return_features=True)
        return tf.cast(logits[:, 0], tf.float32), features

    def feature_matching_loss(
        self, real_features: tf.Tensor, fake_features: tf.Tensor
    ) -> tf.Tensor:
        """The weighted feature matching loss of a batch, a scalar."""
        loss = adversarial.feature_matching(real_features, fake_features)
        return self.feature_matching_weight * loss

    def noise(self, n: int, seed: int | tf.Tensor | None = None) -> tf.Tensor:
        """`n` samples of the noise, [n, latent_dim + components]."""
        return mixture_noise(n, self.latent_dim, self.components, self.as_seed(seed))

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
