"""A model that trains in milliseconds, for tests of the Trainer."""

import keras
import numpy as np
import tensorflow as tf

import zoo


class Denoiser(zoo.Model):
    """A minimal model with weights, noise and a loss: one layer that removes noise."""

    def __init__(self, image_shape=(2, 2, 1), weight=1.0, **kwargs):
        super().__init__(**kwargs)
        self.image_shape = image_shape
        self.weight = weight
        self.dense = keras.layers.Dense(1)

    def build(self, input_shape=None):
        self.dense.build((None, *self.image_shape))

    def configure_optimizers(self):
        return {"": keras.optimizers.Adam(1e-3)}

    def losses(self, batch):
        x = batch["image"]
        noise = tf.random.stateless_normal(tf.shape(x), self.next_seed())
        error = self.dense(x + noise) - x
        loss = self.weight * tf.reduce_mean(error**2, (1, 2, 3))
        return {"loss": loss, "error": tf.reduce_mean(tf.abs(error), (1, 2, 3))}

    def train_step(self, batch):
        with tf.GradientTape() as tape:
            means = {name: tf.reduce_mean(v) for name, v in self.losses(batch).items()}
        self.minimize(means["loss"], tape)
        return means

    def eval_step(self, batch):
        return self.losses(batch)


class OtherDenoiser(Denoiser):
    pass


IMAGES = np.random.default_rng(0).random((32, 2, 2, 1), "float32")


def data(epoch=0):
    order = np.random.default_rng((7, epoch)).permutation(len(IMAGES))
    return tf.data.Dataset.from_tensor_slices({"image": IMAGES[order]}).batch(8)


def run(workdir=None, model=None, **options):
    keras.utils.set_random_seed(1)
    options = {"eager": True, "verbose": False, "figures_every": 0, **options}
    if model is None:
        model = Denoiser()
        model.build()
    return zoo.Trainer(model, workdir, **options)


def worse(patience, **options):
    """Stops when the patience is over, since no value counts as an improvement."""
    return keras.callbacks.EarlyStopping(
        "loss", patience=patience, min_delta=1e9, mode="min", **options
    )
