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
from blocks.adversarial import flat
from blocks.checks import at_least_one, at_least_zero
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

    def __init__(self, features=128, spread=0.3, instances=10_000, **kwargs):
        super().__init__(**kwargs)
        self.features = at_least_one(features, "features")
        self.spread = at_least_zero(spread, "spread")
        self.instances = at_least_one(instances, "instances")
        self.discriminator.layers.pop()  # in place of a judgement: one, and a weight for each
        head = keras.layers.Dense(1 + self.features, dtype=self.dtype_policy)
        self.discriminator.layers.append(head)

    def build(self, input_shape=None):
        self.generator.build((None, self.latent_dim + self.components + self.features))
        self.discriminator.build((None, *self.image_shape))
        pixels = tf.TensorShape(self.image_shape).num_elements()
        fixed = {"initializer": "zeros", "dtype": "float32", "trainable": False}
        self.mean = self.add_weight((pixels,), name="mean", **fixed)
        self.basis = self.add_weight((pixels, self.features), name="basis", **fixed)
        self.known = self.add_weight((self.instances, self.features), name="known", **fixed)

    def adapt(self, data):
        """Remembers the data's first images; finds their principal components, if it has none."""
        images, seen = [], 0
        for batch in data:
            images.append(flat(batch["image"]))
            seen += len(images[-1])
            if seen >= self.instances:
                break
        if not seen:
            return
        images = tf.concat(images, axis=0)[: self.instances]
        if not tf.math.count_nonzero(self.basis):  # what was trained with others, keeps them
            self.find(images)
        self.known.assign(self.described(tf.gather(images, tf.range(self.instances) % len(images))))

    def find(self, images):
        """The principal components of images [n, pixels] become what an image is told by."""
        from sklearn.utils.extmath import randomized_svd

        mean = tf.reduce_mean(images, axis=0)
        few = min(self.features, *images.shape)  # of few images there are few components
        *_, components = randomized_svd((images - mean).numpy(), few, random_state=0)
        basis = tf.transpose(components)
        deviation = tf.sqrt(tf.reduce_mean(tf.matmul(images - mean, basis) ** 2))
        padding = ((0, 0), (0, self.features - few))
        self.mean.assign(mean)
        self.basis.assign(tf.pad(tf.math.divide_no_nan(basis, deviation), padding))

    def described(self, images):
        """The features [n, features] of images [n, h, w, c] in [0, 1]."""
        return tf.matmul(flat(images) - self.mean, self.basis)

    def near(self, features, seed):
        """A point in the neighbourhood of each of `features` [n, features]."""
        return features + self.spread * tf.random.stateless_normal(tf.shape(features), seed)

    def placed(self, batch):
        """A batch, and `near` each of its images a point of features."""
        return {**batch, "near": self.near(self.described(batch["image"]), self.next_seed())}

    def train_step(self, batch):
        return super().train_step(self.placed(batch))

    def eval_step(self, batch):
        return super().eval_step(self.placed(batch))

    def draw(self, noise, batch, training=False):
        return super().draw(tf.concat([noise, batch["near"]], axis=-1), batch, training)

    def look(self, images, batch, training=False):
        judgements, seen = self.discriminator(images, training=training, features=True)
        judgements = tf.cast(judgements, tf.float32)
        fit = tf.reduce_sum(judgements[:, 1:] * batch["near"], axis=1)
        return judgements[:, 0] + fit / self.features**0.5, seen

    def unlike(self, real_seen, fake_seen):
        return self.matching * adversarial.feature_matching(real_seen, fake_seen, unbiased=True)

    def latents(self, n, seed=None, like=None):
        """Inputs of the generator: noise beside a point near an instance, or near `like`."""
        seed = self.as_seed(seed)
        chosen, moved = (tf.random.experimental.stateless_fold_in(seed, i) for i in (2, 3))
        if like is None:
            rows = tf.random.stateless_uniform((n,), chosen, 0, self.instances, tf.int32)
            features = tf.gather(self.known, rows)
        else:
            features = tf.broadcast_to(self.described(like), (n, self.features))
        return tf.concat([self.noise(n, seed), self.near(features, moved)], axis=-1)

    @zoo.checked_method(n="n", like="like")
    def sample(self, n, seed=None, like=None):
        """`n` drawings [n, h, w, c] in [0, 1]; near the images `like`, one or n, if given."""
        return tf.cast(self(self.latents(n, seed, like)), tf.float32)
