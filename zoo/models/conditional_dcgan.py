"""Conditional Generative Adversarial Nets.

Mehdi Mirza, Simon Osindero, 2014, arXiv 1411.1784, with the networks of `dcgan`: both actors are
told the class, eq. 2.
"""

import tensorflow as tf

import zoo
from blocks.checks import positive_int
from zoo.models.dcgan import DCGAN


@zoo.register("conditional_dcgan")
class ConditionalDCGAN(DCGAN):
    """`dcgan` that can be asked for a seven: the class goes to both actors, as a one-hot code.

    The generator has it beside the noise; the discriminator as one more channel for each class.

    Calling it maps noise beside its class, one-hot, to images [batch, h, w, c] in [0, 1].

    Args:
        classes: how many there are; labels are 0 ... classes - 1.
        **kwargs: as in `dcgan`.
    """

    def __init__(self, num_classes=10, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = positive_int(num_classes, "num_classes")

    def build(self, input_shape=None):
        *size, channels = self.image_shape
        self.generator.build((None, self.latent_dim + self.components + self.num_classes))
        self.discriminator.build((None, *size, channels + self.num_classes))

    @property
    def batch_spec(self):
        return {**super().batch_spec, "label": tf.TensorSpec((None,), tf.int64)}

    def synthesize(self, noise, batch, training=False):
        return super().synthesize(self.append_one_hot(noise, batch["label"]), batch, training)

    def discriminate(self, images, batch, training=False):
        planes = tf.one_hot(batch["label"], self.num_classes, dtype=images.dtype)[:, None, None]
        planes = tf.broadcast_to(planes, (*tf.unstack(tf.shape(images)[:3]), self.num_classes))
        return super().discriminate(tf.concat([images, planes], axis=-1), batch, training)

    def append_one_hot(self, noise, labels):
        """The generator's input: `noise` [n, ...] beside the classes [n] in one-hot code."""
        return tf.concat([noise, tf.one_hot(labels, self.num_classes, dtype=noise.dtype)], axis=-1)

    def generator_inputs(self, n, seed=None, label=None):
        return self.append_one_hot(self.noise(n, seed), self.labels(n, label))

    def labels(self, n, label=None):
        """Classes int64 [n]: each in turn, or all as `label` (an integer or n of them) says."""
        if label is None:
            return tf.range(n, dtype=tf.int64) % self.num_classes
        return tf.cast(tf.broadcast_to(label, (n,)), tf.int64)

    @zoo.checked_method(n="n", label="label")
    def sample(self, n, seed=None, label=None):
        """`n` drawings [n, h, w, c] in [0, 1], of each class in turn, or of the class `label`."""
        return tf.cast(self(self.generator_inputs(n, seed, label)), tf.float32)
