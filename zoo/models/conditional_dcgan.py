"""Conditional Generative Adversarial Nets.

Mehdi Mirza, Simon Osindero, 2014, arXiv 1411.1784, with the networks of `dcgan`: both networks are
conditioned on the class, eq. 2.
"""

from typing import Any

import tensorflow as tf

import zoo
from blocks.checks import positive_int
from zoo.models.dcgan import DCGAN, DiscriminatorOutput


@zoo.register("conditional_dcgan")
class ConditionalDCGAN(DCGAN):
    """Class-conditional `dcgan`: both networks receive the class as a one-hot code.

    The generator's input is the noise followed by the code; the discriminator's input has one
    additional channel per class.

    Calling it maps noise followed by a one-hot class, [batch, latent_dim + num_classes], to images
    [batch, h, w, c] in [0, 1].

    Args:
        num_classes: number of classes; labels are 0 ... num_classes - 1.
        **kwargs: as in `dcgan`.
    """

    def __init__(self, num_classes: int = 10, **kwargs: Any):
        super().__init__(**kwargs)
        self.num_classes = positive_int(num_classes, "num_classes")

    @property
    def condition_dim(self) -> int:
        return self.num_classes

    @property
    def condition_channels(self) -> int:
        return self.num_classes

    @property
    def batch_spec(self) -> dict[str, tf.TensorSpec]:
        return {**super().batch_spec, "label": tf.TensorSpec((None,), tf.int64)}

    def condition(self, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        return self.one_hot(batch["label"])

    def discriminate(
        self, x: tf.Tensor, y: tf.Tensor, training: bool = False
    ) -> DiscriminatorOutput:
        planes = tf.cast(y, x.dtype)[:, None, None]
        planes = tf.broadcast_to(planes, (*tf.unstack(tf.shape(x)[:3]), self.num_classes))
        return super().discriminate(tf.concat([x, planes], axis=-1), y, training)

    def one_hot(self, labels: tf.Tensor) -> tf.Tensor:
        """Labels [n] as y, one-hot codes float32 [n, num_classes]."""
        return tf.one_hot(labels, self.num_classes, dtype=tf.float32)

    def generator_inputs(
        self,
        n: int,
        seed: int | tf.Tensor | None = None,
        label: int | tf.Tensor | None = None,
    ) -> tf.Tensor:
        return tf.concat([self.noise(n, seed), self.one_hot(self.labels(n, label))], axis=-1)

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
