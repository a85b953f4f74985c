"""Instance-Conditioned GAN.

Arantxa Casanova, Marlene Careil, Jakob Verbeek, Michal Drozdzal, Adriana Romero-Soriano, 2021,
arXiv 2109.05070, with the networks of `dcgan`: the data are modeled as a mixture of overlapping
neighborhoods, one around each image, and both networks are conditioned on the neighborhood. The
discriminator is a projection discriminator, Miyato, Koyama (2018, arXiv 1802.05637), eq. 3.
"""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

import zoo
from blocks import Stack, adversarial
from blocks.adversarial import flatten
from blocks.checks import non_negative_float, positive_int
from blocks.pca import fit_pca
from zoo.models.dcgan import DCGAN, DiscriminatorOutput


@zoo.register("instance_dcgan")
class InstanceDCGAN(DCGAN):
    """`dcgan` conditioned on noisy features of a training image; needs no labels.

    The features are the image's principal components plus Gaussian noise, which defines the
    neighborhood. In training, a generated image is conditioned on the features of the real image at
    the same index of the batch.

    Calling it maps noise followed by features, [batch, latent_dim + num_features], to images
    [batch, h, w, c] in [0, 1].

    Args:
        num_features: number of principal components.
        feature_noise_std: standard deviation of the noise on the features, whose own standard
            deviation is 1 on average: the width of a neighborhood.
        num_instances: number of training images whose features are stored for sampling.
        **kwargs: as in `dcgan`.
    """

    def __init__(
        self,
        num_features: int = 128,
        feature_noise_std: float = 0.3,
        num_instances: int = 10_000,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.num_features = positive_int(num_features, "num_features")
        self.feature_noise_std = non_negative_float(feature_noise_std, "feature_noise_std")
        self.num_instances = positive_int(num_instances, "num_instances")

    def build(self, input_shape: tuple | None = None) -> None:
        super().build(input_shape)
        pixels = tf.TensorShape(self.image_shape).num_elements()
        options = {"initializer": "zeros", "dtype": "float32", "trainable": False}
        bank_shape = self.num_instances, self.num_features
        self.mean = self.add_weight((pixels,), name="mean", **options)
        self.basis = self.add_weight((pixels, self.num_features), name="basis", **options)
        self.instance_bank = self.add_weight(bank_shape, name="instance_bank", **options)

    def make_discriminator(self, outputs: int = 1) -> Stack:
        return super().make_discriminator(outputs + self.num_features)

    @property
    def condition_dim(self) -> int:
        return self.num_features

    def adapt(self, data: Iterable[dict[str, tf.Tensor]]) -> None:
        """Stores the features of the first images; fits the PCA first unless it is fitted."""
        images = []
        count = 0
        for batch in data:
            images.append(flatten(batch["image"]))
            count += len(images[-1])
            if count >= self.num_instances:
                break
        if not count:
            return
        images = tf.concat(images, axis=0)[: self.num_instances]
        if not tf.math.count_nonzero(self.basis):  # the networks depend on a fitted basis
            mean, basis = fit_pca(images, self.num_features)
            self.mean.assign(mean)
            self.basis.assign(basis)
        rows = tf.range(self.num_instances) % len(images)
        self.instance_bank.assign(self.embed(tf.gather(images, rows)))

    def embed(self, images: tf.Tensor) -> tf.Tensor:
        """The features [n, num_features] of images [n, h, w, c] in [0, 1]."""
        return tf.matmul(flatten(images) - self.mean, self.basis)

    def perturb(self, features: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Features [n, num_features] plus Gaussian noise: a point in each one's neighborhood."""
        noise = tf.random.stateless_normal(tf.shape(features), seed)
        return features + self.feature_noise_std * noise

    def condition(self, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        return self.perturb(self.embed(batch["image"]), self.next_seed())

    def discriminate(
        self, x: tf.Tensor, y: tf.Tensor, training: bool = False
    ) -> DiscriminatorOutput:
        outputs, features = self.discriminator(x, training=training, return_features=True)
        outputs = tf.cast(outputs, tf.float32)
        projection = tf.reduce_sum(outputs[:, 1:] * y, axis=1)
        return DiscriminatorOutput(outputs[:, 0] + projection / self.num_features**0.5, features)

    def feature_matching_loss(
        self, real_features: tf.Tensor, fake_features: tf.Tensor
    ) -> tf.Tensor:
        loss = adversarial.feature_matching(real_features, fake_features, unbiased=True)
        return self.feature_matching_weight * loss

    def generator_inputs(
        self,
        n: int,
        seed: int | tf.Tensor | None = None,
        reference: tf.Tensor | None = None,
    ) -> tf.Tensor:
        seed = self.as_seed(seed)
        fold_in = tf.random.experimental.stateless_fold_in
        row_seed = fold_in(seed, 2)
        noise_seed = fold_in(seed, 3)
        if reference is None:
            rows = tf.random.stateless_uniform((n,), row_seed, 0, self.num_instances, tf.int32)
            features = tf.gather(self.instance_bank, rows)
        else:
            features = tf.broadcast_to(self.embed(reference), (n, self.num_features))
        return tf.concat([self.noise(n, seed), self.perturb(features, noise_seed)], axis=-1)

    @zoo.checked_method(n="n", reference="reference")
    def sample(
        self,
        n: int,
        seed: int | tf.Tensor | None = None,
        reference: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """`n` generated images [n, h, w, c] in [0, 1].

        Args:
            n: number of images.
            seed: the same seed gives the same images; None gives new ones.
            reference: images [1 or n, h, w, c] to condition on; by default random instances.
        """
        return tf.cast(self(self.generator_inputs(n, seed, reference)), tf.float32)
