"""Instance-Conditioned GAN.

Arantxa Casanova, Marlene Careil, Jakob Verbeek, Michal Drozdzal, Adriana Romero-Soriano, 2021,
arXiv 2109.05070, with the networks of `dcgan`: the data are a mixture of overlapping
neighbourhoods, one around each image, and both actors are told in which one they are. The
discriminator judges by projection, Miyato, Koyama (2018, arXiv 1802.05637), eq. 3.
"""

import keras
import tensorflow as tf

import zoo
from blocks import adversarial
from blocks.adversarial import flatten
from blocks.checks import non_negative_float, positive_int
from zoo.models.dcgan import DCGAN


@zoo.register("instance_dcgan")
class InstanceDCGAN(DCGAN):
    """`dcgan` whose actors are told roughly what an image is like; no labels needed.

    An image is told by its principal components, blurred by noise: whatever could have had these
    is its neighbourhood. A drawing is of the neighbourhood of the real image beside it.

    Calling it maps noise beside an image's features to images [batch, h, w, c] in [0, 1].

    Args:
        features: principal components of an image that are told.
        spread: deviation of the noise on them, where theirs is 1 on average: how wide a
            neighbourhood is, from 0 up.
        instances: images of the data that are remembered, by their features, to draw around.
        **kwargs: as in `dcgan`.
    """

    def __init__(self, num_features=128, feature_noise_std=0.3, num_instances=10_000, **kwargs):
        super().__init__(**kwargs)
        self.num_features = positive_int(num_features, "num_features")
        self.feature_noise_std = non_negative_float(feature_noise_std, "feature_noise_std")
        self.num_instances = positive_int(num_instances, "num_instances")
        self.discriminator.layers.pop()  # in place of a judgement: one, and a weight for each
        head = keras.layers.Dense(1 + self.num_features, dtype=self.dtype_policy)
        self.discriminator.layers.append(head)

    def build(self, input_shape=None):
        self.generator.build((None, self.latent_dim + self.components + self.num_features))
        self.discriminator.build((None, *self.image_shape))
        pixels = tf.TensorShape(self.image_shape).num_elements()
        fixed = {"initializer": "zeros", "dtype": "float32", "trainable": False}
        self.mean = self.add_weight((pixels,), name="mean", **fixed)
        self.basis = self.add_weight((pixels, self.num_features), name="basis", **fixed)
        self.instance_bank = self.add_weight(
            (self.num_instances, self.num_features), name="instance_bank", **fixed
        )

    def adapt(self, data):
        """Remembers the data's first images; finds their principal components, if it has none."""
        images, seen = [], 0
        for batch in data:
            images.append(flatten(batch["image"]))
            seen += len(images[-1])
            if seen >= self.num_instances:
                break
        if not seen:
            return
        images = tf.concat(images, axis=0)[: self.num_instances]
        if not tf.math.count_nonzero(self.basis):  # what was trained with others, keeps them
            self.fit_pca(images)
        self.instance_bank.assign(
            self.embed(tf.gather(images, tf.range(self.num_instances) % len(images)))
        )

    def fit_pca(self, images):
        """The principal components of images [n, pixels] become what an image is told by."""
        from sklearn.utils.extmath import randomized_svd

        mean = tf.reduce_mean(images, axis=0)
        few = min(self.num_features, *images.shape)  # of few images there are few components
        *_, components = randomized_svd((images - mean).numpy(), few, random_state=0)
        basis = tf.transpose(components)
        deviation = tf.sqrt(tf.reduce_mean(tf.matmul(images - mean, basis) ** 2))
        padding = ((0, 0), (0, self.num_features - few))
        self.mean.assign(mean)
        self.basis.assign(tf.pad(tf.math.divide_no_nan(basis, deviation), padding))

    def embed(self, images):
        """The features [n, features] of images [n, h, w, c] in [0, 1]."""
        return tf.matmul(flatten(images) - self.mean, self.basis)

    def perturb(self, features, seed):
        """A point in the neighbourhood of each of `features` [n, features]."""
        return features + self.feature_noise_std * tf.random.stateless_normal(
            tf.shape(features), seed
        )

    def condition(self, batch):
        """A batch, and `near` each of its images a point of features."""
        return {**batch, "condition": self.perturb(self.embed(batch["image"]), self.next_seed())}

    def train_step(self, batch):
        return super().train_step(self.condition(batch))

    def eval_step(self, batch):
        return super().eval_step(self.condition(batch))

    def synthesize(self, noise, batch, training=False):
        return super().synthesize(tf.concat([noise, batch["condition"]], axis=-1), batch, training)

    def discriminate(self, images, batch, training=False):
        judgements, seen = self.discriminator(images, training=training, return_features=True)
        judgements = tf.cast(judgements, tf.float32)
        fit = tf.reduce_sum(judgements[:, 1:] * batch["condition"], axis=1)
        return judgements[:, 0] + fit / self.num_features**0.5, seen

    def feature_matching_loss(self, real_features, fake_features):
        return self.feature_matching_weight * adversarial.feature_matching(
            real_features, fake_features, unbiased=True
        )

    def generator_inputs(self, n, seed=None, reference=None):
        """Inputs of the generator: noise beside a point near an instance, or near `like`."""
        seed = self.as_seed(seed)
        chosen, moved = (tf.random.experimental.stateless_fold_in(seed, i) for i in (2, 3))
        if reference is None:
            rows = tf.random.stateless_uniform((n,), chosen, 0, self.num_instances, tf.int32)
            features = tf.gather(self.instance_bank, rows)
        else:
            features = tf.broadcast_to(self.embed(reference), (n, self.num_features))
        return tf.concat([self.noise(n, seed), self.perturb(features, moved)], axis=-1)

    @zoo.checked_method(n="n", reference="reference")
    def sample(self, n, seed=None, reference=None):
        """`n` drawings [n, h, w, c] in [0, 1]; near the images `like`, one or n, if given."""
        return tf.cast(self(self.generator_inputs(n, seed, reference)), tf.float32)
