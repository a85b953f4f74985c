"""Image-to-Image Translation with Conditional Adversarial Networks.

Phillip Isola, Jun-Yan Zhu, Tinghui Zhou, Alexei A. Efros, 2016, arXiv 1611.07004.
"""

from typing import Any

import keras
import tensorflow as tf

import zoo
from blocks import PatchDiscriminator, UNet, adversarial
from blocks.checks import fraction, int_tuple, non_negative_float, one_of, positive_int
from blocks.resample import NORMS
from blocks.unet import default_levels


@zoo.register("pix2pix")
class Pix2Pix(zoo.ImageTranslator):
    """Conditional GAN for image translation: a U-Net generator and a PatchGAN discriminator.

    Calling it maps source images [batch, h, w, source_channels] to target images [batch, h, w, c],
    both in [0, 1]. Batches hold pairs, "source" and "target".

    Args:
        image_shape: (rows, columns, channels) of the target; the source has the same size.
        source_channels: channels of the source.
        filters: channels of the U-Net's first level; they double at each level, up to a factor of
            eight.
        levels: number of times the U-Net halves the size; None halves it while it is even, at most
            8 times.
        discriminator_filters: channels of the PatchGAN's convolutions; four of them give patches of
            70 x 70 pixels.
        norm: "batch", "instance", "layer" or None, in both networks.
        dropout: dropout rate in the first three levels of the decoder: the noise z.
        l1_weight: lambda of eq. 4, the weight of the L1 distance to the target.
        objective: "non_saturating", "least_squares", "hinge", "wasserstein", "relativistic", or an
            object as in `blocks.adversarial`.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (256, 256, 3),
        source_channels: int = 3,
        filters: int = 64,
        levels: int | None = None,
        discriminator_filters: tuple[int, ...] = (64, 128, 256, 512),
        norm: str | None = "batch",
        dropout: float = 0.5,
        l1_weight: float = 100.0,
        objective: Any = "non_saturating",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.image_shape = int_tuple(image_shape, "image_shape", 3)
        self.source_channels = positive_int(source_channels, "source_channels")
        self.filters = positive_int(filters, "filters")
        self.levels = levels if levels is None else positive_int(levels, "levels", maximum=16)
        self.norm = one_of(norm, (None, *NORMS), "norm")
        self.dropout = fraction(dropout, "dropout")
        self.discriminator_filters = int_tuple(discriminator_filters, "discriminator_filters")
        self.l1_weight = non_negative_float(l1_weight, "l1_weight")
        self.objective = adversarial.get_loss(objective)

        dtype = self.dtype_policy
        *size, channels = self.image_shape
        levels = default_levels(size) if levels is None else levels
        self.generator = UNet(channels, filters, levels, norm, dropout, dtype=dtype)
        self.discriminator = PatchDiscriminator(self.discriminator_filters, norm, dtype=dtype)

    def build(self, input_shape: tuple | None = None) -> None:
        *size, channels = self.image_shape
        self.generator.build((None, *size, self.source_channels))
        self.discriminator.build((None, *size, self.source_channels + channels))

    def configure_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        return {
            "generator": zoo.optimizers.Adam(2e-4, beta_1=0.5),
            "discriminator": zoo.optimizers.Adam(2e-4, beta_1=0.5),
        }

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        x = 2 * batch["source"] - 1
        y = 2 * batch["target"] - 1
        with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
            generated = self.synthesize(x, self.next_seed(), training=True)  # G(x, z)
            real_logits = self.discriminate(x, y, training=True)  # D(x, y)
            fake_logits = self.discriminate(x, generated, training=True)  # D(x, G(x, z))
            losses = self.pair_losses(y, generated, real_logits, fake_logits)
            generator_loss = tf.reduce_mean(losses["generator_loss"])  # eq. 4
            discriminator_loss = tf.reduce_mean(losses["discriminator_loss"])
        self.minimize(generator_loss, generator_tape, "generator")
        self.minimize(discriminator_loss, discriminator_tape, "discriminator")
        return {name: tf.reduce_mean(value) for name, value in losses.items()}

    def eval_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        x = 2 * batch["source"] - 1
        y = 2 * batch["target"] - 1
        generated = self.synthesize(x, self.next_seed())
        real_logits = self.discriminate(x, y)
        fake_logits = self.discriminate(x, generated)
        return self.pair_losses(y, generated, real_logits, fake_logits)

    def pair_losses(
        self, y: tf.Tensor, generated: tf.Tensor, real_logits: tf.Tensor, fake_logits: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """The losses of generated images for targets y, and the mean of D: each [batch]."""
        l1 = adversarial.per_example(tf.abs(y - generated))  # eq. 3
        gan_loss = self.objective.generator(real_logits, fake_logits)
        return {
            "generator_loss": gan_loss + self.l1_weight * l1,  # eq. 4
            # Halved, so that D is trained more slowly than G (section 3.3).
            "discriminator_loss": self.objective.discriminator(real_logits, fake_logits) / 2,
            "l1": l1,
            "real_score": adversarial.per_example(tf.sigmoid(real_logits)),
            "fake_score": adversarial.per_example(tf.sigmoid(fake_logits)),
        }

    def synthesize(
        self, x: tf.Tensor, seed: tf.Tensor | None = None, training: bool = False
    ) -> tf.Tensor:
        """G(x, z) [batch, h, w, c] of x [batch, h, w, source_channels], all in [-1, 1].

        The noise z is dropout with the `seed`, an int32[2]; None gives no noise.
        """
        return tf.cast(self.generator(x, seed=seed, training=training), tf.float32)

    def discriminate(self, x: tf.Tensor, y: tf.Tensor, training: bool = False) -> tf.Tensor:
        """D(x, y) as logits [batch, rows, columns, 1], one per patch, positive for real."""
        pair = tf.concat([x, y], axis=-1)
        return tf.cast(self.discriminator(pair, training=training), tf.float32)

    def call(self, source: tf.Tensor, training: bool = False) -> tf.Tensor:
        seed = self.next_seed() if training else None
        return (self.generator(2 * source - 1, seed=seed, training=training) + 1) / 2

    @zoo.checked_method(images="source")
    def translate(self, images: tf.Tensor, seed: int | tf.Tensor | None = None) -> tf.Tensor:
        """Translates source images [n, h, w, source_channels] to target images [n, h, w, c].

        Args:
            images: in [0, 1], as are the translations.
            seed: seed of the dropout, which the paper applies at test time too; the same seed gives
                the same images. None turns dropout off.
        """
        noise = None if seed is None else self.as_seed(seed)
        return (self.synthesize(2 * images - 1, noise) + 1) / 2
