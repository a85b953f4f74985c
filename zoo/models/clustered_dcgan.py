"""Logo Synthesis and Manipulation with Clustered Generative Adversarial Networks.

Alexander Sage, Eirikur Agustsson, Radu Timofte, Luc Van Gool, 2017, arXiv 1712.04407: where no
classes are known, both actors are told of clusters. Here k-means finds them in the pixels, and the
discriminator weighs what it sees anew for each cluster, as in Miyato, Koyama, "cGANs with
Projection Discriminator" (2018, arXiv 1802.05637), eq. 3.
"""

import keras
import tensorflow as tf

import zoo
from blocks import adversarial
from blocks.adversarial import flat
from blocks.checks import at_least_zero
from zoo.models.conditional_dcgan import ConditionalDCGAN


@zoo.register("clustered_dcgan")
class ClusteredDCGAN(ConditionalDCGAN):
    """`dcgan` whose actors are told which cluster of the data an image is of; no labels needed.

    A drawing is of the cluster of the real image beside it in the batch, so each cluster is drawn
    as often as it is seen; its drawings are kept as unlike one another as its images are.

    Calling it maps noise beside its cluster, one-hot, to images [batch, h, w, c] in [0, 1].

    Args:
        classes: how many clusters k-means looks for, in the data that training begins with.
        diversity: weight of `adversarial.collapse` in what the generator minimizes.
        **kwargs: as in `dcgan`.
    """

    examined = 50_000  # images that k-means is given at most

    def __init__(self, classes=100, diversity=2.0, **kwargs):
        super().__init__(classes, **kwargs)
        self.diversity = at_least_zero(diversity, "diversity")
        self.discriminator.layers.pop()  # in place of a judgement: one, and what each cluster adds
        head = keras.layers.Dense(1 + self.classes, dtype=self.dtype_policy)
        self.discriminator.layers.append(head)

    def build(self, input_shape=None):
        self.generator.build((None, self.latent_dim + self.components + self.classes))
        self.discriminator.build((None, *self.image_shape))
        fixed = {"dtype": "float32", "trainable": False}
        pixels = tf.TensorShape(self.image_shape).num_elements()
        self.centres = self.add_weight((self.classes, pixels), "zeros", name="centres", **fixed)
        self.shares = self.add_weight((self.classes,), "ones", name="shares", **fixed)

    @property
    def batch_spec(self):
        return super(ConditionalDCGAN, self).batch_spec  # no label

    def adapt(self, data):
        """Finds the clusters, and how large they are; fewer, if there are fewer images."""
        from sklearn.cluster import MiniBatchKMeans

        seen, images = 0, []
        for batch in data:
            images.append(flat(batch["image"]))
            seen += len(images[-1])
            if seen >= self.examined:
                break
        found = min(self.classes, seen)
        means = MiniBatchKMeans(found, batch_size=4096, n_init=3, random_state=0)
        labels = means.fit_predict(tf.concat(images, axis=0).numpy())
        # Of clusters that are too many, none is ever the nearest or drawn.
        rows = tf.minimum(tf.range(self.classes), found - 1)
        self.centres.assign(tf.gather(means.cluster_centers_, rows))
        self.shares.assign(tf.math.bincount(labels, minlength=self.classes) / seen)

    def cluster(self, images):
        """Which cluster images [n, h, w, c] in [0, 1] are of, the nearest: int64 [n]."""
        centres = tf.convert_to_tensor(self.centres)
        products = tf.matmul(flat(images), centres, transpose_b=True)
        return tf.argmin(tf.reduce_sum(centres**2, axis=1) - 2 * products, axis=1)

    def clustered(self, batch):
        return {**batch, "label": self.cluster(batch["image"])}

    def train_step(self, batch):
        return super().train_step(self.clustered(batch))

    def eval_step(self, batch):
        return super().eval_step(self.clustered(batch))

    def look(self, images, batch, training=False):
        judgements, features = self.discriminator(images, training=training, features=True)
        judgements = tf.cast(judgements, tf.float32)
        own = tf.gather(judgements[:, 1:], batch["label"], batch_dims=1)
        return judgements[:, 0] + own, features

    def unlike(self, real, fake, real_seen, fake_seen, batch):
        matching = adversarial.feature_matching(real_seen, fake_seen, unbiased=True)
        collapse = adversarial.collapse(real, fake, batch["label"])
        return self.matching * matching + self.diversity * collapse

    def latents(self, n, seed=None, label=None):
        """Inputs of the generator, of each cluster as often as the data are, or of `label`."""
        seed = self.seed(seed)
        if label is None:
            key = tf.random.experimental.stateless_fold_in(seed, 2)
            label = tf.random.stateless_categorical(tf.math.log(self.shares)[None], n, key)[0]
        return super().latents(n, seed, label)
