"""The image models without the zoo, in the two usual styles of TensorFlow.

Both have the networks, losses and optimizers of `zoo.models`:

- "keras fit", as on keras.io: a `keras.Model` with its own `train_step`, trained by `fit`.
- "tf.function loop", as in TensorFlow's CVAE and DCGAN tutorials: Sequential networks, explicit
  losses, one `@tf.function`, a Python loop over the data.

Images are scaled as in the tutorials, see `benchmarks.speed.synthetic_data.prepare`.
"""

import functools
import math
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import tensorflow as tf
from keras import layers

# The networks.


def encoder(latent_dim: int = 2) -> keras.Sequential:
    return keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 3, 2, padding="same", activation="relu"),
            layers.Conv2D(64, 3, 2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(2 * latent_dim),
        ]
    )


def decoder(latent_dim: int = 2) -> keras.Sequential:
    return keras.Sequential(
        [
            layers.Input((latent_dim,)),
            layers.Dense(7 * 7 * 32, activation="relu"),
            layers.Reshape((7, 7, 32)),
            layers.Conv2DTranspose(64, 3, 2, padding="same", activation="relu"),
            layers.Conv2DTranspose(32, 3, 2, padding="same", activation="relu"),
            layers.Conv2DTranspose(1, 3, 1, padding="same"),
        ]
    )


def generator(latent_dim: int = 100) -> keras.Sequential:
    return keras.Sequential(
        [
            layers.Input((latent_dim,)),
            layers.Dense(7 * 7 * 256, use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.2),
            layers.Reshape((7, 7, 256)),
            layers.Conv2DTranspose(128, 5, 1, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.2),
            layers.Conv2DTranspose(64, 5, 2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.2),
            layers.Conv2DTranspose(1, 5, 2, padding="same", activation="tanh"),
        ]
    )


def discriminator(dropout: float) -> keras.Sequential:
    return keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(64, 5, 2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.Dropout(dropout),
            layers.Conv2D(128, 5, 2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.Dropout(dropout),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )


# The VAE's loss.


def log_normal_pdf(z: tf.Tensor, mean: Any, scale: Any) -> tf.Tensor:
    square = ((z - mean) / scale) ** 2
    return tf.reduce_sum(-0.5 * (square + math.log(2 * math.pi)) - tf.math.log(scale), axis=-1)


def log_mixture_pdf(
    z: tf.Tensor, mean: tf.Tensor, raw_scale: tf.Tensor, logits: tf.Tensor
) -> tf.Tensor:
    components = log_normal_pdf(z[:, None], mean, tf.nn.softplus(raw_scale))
    return tf.reduce_logsumexp(tf.nn.log_softmax(logits) + components, axis=-1)


def initial_mixture(
    components: int = 16, latent_dim: int = 2
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Initial means, raw scales (unit after softplus) and logits of a mixture prior."""
    shape = (components, latent_dim)
    return tf.random.normal(shape), tf.fill(shape, 0.5413), tf.zeros(components)


def negative_elbo(model: Any, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Batch means of -log p(x|z) and of the Monte Carlo KL, for the models of both styles."""
    mean, raw_scale = tf.split(model.encoder(x, training=True), 2, axis=1)
    scale = tf.nn.softplus(raw_scale + 1e-5)
    z = mean + scale * model.noise(mean)
    logits = model.decoder(z, training=True)
    cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits)
    nll = tf.reduce_sum(cross_entropy, axis=[1, 2, 3])
    log_p = log_mixture_pdf(z, *model.prior) if model.prior else log_normal_pdf(z, 0.0, 1.0)
    return tf.reduce_mean(nll), tf.reduce_mean(log_normal_pdf(z, mean, scale) - log_p)


# The models in the style of TensorFlow's tutorials.


class TutorialVAE:
    """The CVAE tutorial's model, with an optional mixture prior; its step is compiled."""

    def __init__(self, mixture: bool = False):
        self.encoder, self.decoder = encoder(), decoder()
        self.prior = [tf.Variable(value) for value in initial_mixture()] if mixture else []
        self.optimizer = keras.optimizers.Adam(1e-3)

    def noise(self, mean: tf.Tensor) -> tf.Tensor:
        return tf.random.normal(tf.shape(mean))

    @tf.function
    def train_step(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            nll, kl = negative_elbo(self, x)
            loss = nll + kl
        weights = self.encoder.trainable_variables + self.decoder.trainable_variables
        variables = weights + self.prior
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return {"loss": loss}


class TutorialDCGAN:
    """The DCGAN tutorial's model: two networks, two optimizers, one compiled step."""

    def __init__(self, dropout: float):
        self.generator, self.discriminator = generator(), discriminator(dropout)
        self.generator_optimizer = keras.optimizers.Adam(1e-4)
        self.discriminator_optimizer = keras.optimizers.Adam(1e-4)
        self.cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    def noise(self, images: tf.Tensor) -> tf.Tensor:
        return tf.random.normal([tf.shape(images)[0], 100])

    @tf.function
    def train_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        return gan_step(self, images)


def gan_step(model: Any, images: tf.Tensor) -> dict[str, tf.Tensor]:
    """The DCGAN tutorial's step, for the models of both styles."""
    entropy = model.cross_entropy
    with tf.GradientTape() as gen_tape, tf.GradientTape() as disc_tape:
        fakes = model.generator(model.noise(images), training=True)
        real_logits = model.discriminator(images, training=True)
        fake_logits = model.discriminator(fakes, training=True)
        gen_loss = entropy(tf.ones_like(fake_logits), fake_logits)
        real_loss = entropy(tf.ones_like(real_logits), real_logits)
        disc_loss = real_loss + entropy(tf.zeros_like(fake_logits), fake_logits)
    gen_variables = model.generator.trainable_variables
    disc_variables = model.discriminator.trainable_variables
    gen_gradients = gen_tape.gradient(gen_loss, gen_variables)
    disc_gradients = disc_tape.gradient(disc_loss, disc_variables)
    model.generator_optimizer.apply_gradients(zip(gen_gradients, gen_variables, strict=True))
    model.discriminator_optimizer.apply_gradients(zip(disc_gradients, disc_variables, strict=True))
    return {"generator_loss": gen_loss, "discriminator_loss": disc_loss}


# The models in the style of keras.io.


class LossTrackingModel(keras.Model):
    """A model with a running mean of each loss, as in keras.io's examples."""

    def __init__(self, losses: Iterable[str]):
        super().__init__()
        self.trackers = {name: keras.metrics.Mean(name) for name in losses}

    @property
    def metrics(self) -> list[keras.Metric]:
        return [*self.trackers.values()]

    def update_trackers(self, losses: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Adds the losses of a step; returns the means so far."""
        for name, loss in losses.items():
            self.trackers[name].update_state(loss)
        return {name: tracker.result() for name, tracker in self.trackers.items()}


class KerasVAE(LossTrackingModel):
    """keras.io's VAE with the zoo's loss; optional mixture prior."""

    def __init__(self, mixture: bool = False):
        super().__init__(["loss", "nll", "kl"])
        self.encoder, self.decoder = encoder(), decoder()
        self.prior = []
        for name, value in zip(["mean", "raw_scale", "logits"], initial_mixture(), strict=True):
            if mixture:
                weight = self.add_weight(shape=value.shape, name=name)
                weight.assign(value)
                self.prior.append(weight)
        self.compile(optimizer=keras.optimizers.Adam(1e-3))

    noise = TutorialVAE.noise

    def train_step(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            nll, kl = negative_elbo(self, x)
            loss = nll + kl
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        return self.update_trackers({"loss": loss, "nll": nll, "kl": kl})


class KerasDCGAN(LossTrackingModel):
    """keras.io's GAN, with the tutorial's step."""

    def __init__(self, dropout: float):
        super().__init__(["generator_loss", "discriminator_loss"])
        self.generator, self.discriminator = generator(), discriminator(dropout)
        self.compile()

    def compile(self) -> None:
        super().compile()
        self.generator_optimizer = keras.optimizers.Adam(1e-4)
        self.discriminator_optimizer = keras.optimizers.Adam(1e-4)
        self.cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    noise = TutorialDCGAN.noise

    def train_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.update_trackers(gan_step(self, images))


STYLES = {
    "tf.function loop": {
        "vae": TutorialVAE,
        "mixture_vae": functools.partial(TutorialVAE, mixture=True),
        "dcgan": TutorialDCGAN,
    },
    "keras fit": {
        "vae": KerasVAE,
        "mixture_vae": functools.partial(KerasVAE, mixture=True),
        "dcgan": KerasDCGAN,
    },
}
