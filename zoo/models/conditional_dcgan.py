"""Conditional Generative Adversarial Nets.

Mehdi Mirza, Simon Osindero, 2014, arXiv 1411.1784, with the networks of `dcgan`: both networks are
conditioned on the class, eq. 2.
"""

from typing import Any

import tensorflow as tf

import zoo
from blocks.checks import positive_int
from zoo.models.dcgan import DCGAN


@zoo.register("conditional_dcgan")
class ConditionalDCGAN(DCGAN):
    """Class-conditional `dcgan`: both networks receive the class as a one-hot code.

    The generator's input is the noise followed by the code; the discriminator's input has one
    additional channel per class.

    Calling it maps noise followed by a one-hot class, [batch, latent_dim + components +
    num_classes], to images [batch, h, w, c] in [0, 1].

    Args:
        num_classes: number of classes; labels are 0 ... num_classes - 1.
        **kwargs: as in `dcgan`.
    """

    def __init__(self, num_classes: int = 10, **kwargs: Any):
        super().__init__(**kwargs)
        self.num_classes = positive_int(num_classes, "num_classes")

    def build(self, input_shape: tuple | None = None) -> None:
        *size, channels = self.image_shape
        self.generator.build((None, self.latent_dim + self.components + self.num_classes))
        self.discriminator.build((None, *size, channels + self.num_classes))

    @property
    def batch_spec(self) -> dict[str, tf.TensorSpec]:
        return {**super().batch_spec, "label": tf.TensorSpec((None,), tf.int64)}

    def synthesize(
        self, noise: tf.Tensor, batch: dict[str, tf.Tensor], training: bool = False
    ) -> tf.Tensor:
        return super().synthesize(self.append_one_hot(noise, batch["label"]), batch, training)

    def discriminate(
        self, images: tf.Tensor, batch: dict[str, tf.Tensor], training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        planes = tf.one_hot(batch["label"], self.num_classes, dtype=images.dtype)[:, None, None]
        planes = tf.broadcast_to(planes, (*tf.unstack(tf.shape(images)[:3]), self.num_classes))
        return super().discriminate(tf.concat([images, planes], axis=-1), batch, training)

    def append_one_hot(self, noise: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Noise [n, d] followed by the one-hot code of labels [n]: [n, d + num_classes]."""
        return tf.concat([noise, tf.one_hot(labels, self.num_classes, dtype=noise.dtype)], axis=-1)

    def generator_inputs(
        self,
        n: int,
        seed: int | tf.Tensor | None = None,
        label: int | tf.Tensor | None = None,
    ) -> tf.Tensor:
        return self.append_one_hot(self.noise(n, seed), self.labels(n, label))

    def labels(self, n: int, label: int | tf.Tensor | None = None) -> tf.Tensor:
        """int64 [n]: `label` (an integer, or n of them), or by default each class in turn."""
        if label is None:
            return tf.range(n, dtype=tf.int64) % self.num_classes
        return tf.cast(tf.broadcast_to(label, (n,)), tf.int64)

    @zoo.checked_method(n="n", label="label")
    def sample(
        self,
        n: int,
        seed: int | tf.Tensor | None = None,
        label: int | tf.Tensor | None = None,
    ) -> tf.Tensor:
        """`n` generated images [n, h, w, c] in [0, 1].

        Args:
            n: number of images.
            seed: the same seed gives the same images; None gives new ones.
            label: class of all images, or a class per image; by default each class in turn.
        """
        return tf.cast(self(self.generator_inputs(n, seed, label)), tf.float32)
