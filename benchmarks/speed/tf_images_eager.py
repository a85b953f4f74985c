"""The image models without `tf.function`, as in the TensorFlow Probability introductions for R.

Networks are Keras models, distributions are from TFP, and one persistent tape computes the
gradients of all parts.
"""

import functools

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from benchmarks.speed.tf_images import TutorialDCGAN, decoder, encoder, gan_step, initial_mixture

tfd = tfp.distributions


class EagerVAE:
    """The VAE; an optional mixture prior is trained with its own optimizer."""

    seed: tf.Tensor | None = None  # of the sample from q(z|x)

    def __init__(self, mixture: bool = False):
        self.encoder, self.decoder = encoder(), decoder()
        self.prior = [tf.Variable(value) for value in initial_mixture()] if mixture else []
        parts = [self.encoder.trainable_variables, self.decoder.trainable_variables, self.prior]
        self.parts = [(part, keras.optimizers.Adam(1e-3)) for part in parts if part]

    def latent_prior(self) -> tfd.Distribution:
        if not self.prior:
            return tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))
        mean, raw_scale, logits = self.prior
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=logits),
            tfd.MultivariateNormalDiag(mean, tf.nn.softplus(raw_scale)),
        )

    def train_step(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.GradientTape(persistent=True) as tape:
            mean, raw_scale = tf.split(self.encoder(x, training=True), 2, axis=1)
            q = tfd.MultivariateNormalDiag(mean, tf.nn.softplus(raw_scale + 1e-5))
            z = q.sample(seed=self.seed)
            logits = self.decoder(z, training=True)
            likelihood = tfd.Independent(tfd.Bernoulli(logits=logits, dtype=tf.float32), 3)
            nll = tf.reduce_mean(-likelihood.log_prob(x))
            kl = tf.reduce_mean(q.log_prob(z) - self.latent_prior().log_prob(z))
            loss = nll + kl
        for variables, optimizer in self.parts:
            gradients = tape.gradient(loss, variables)
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return {"loss": loss, "nll": nll, "kl": kl}


class EagerDCGAN(TutorialDCGAN):
    """The DCGAN tutorial's model without its `tf.function`."""

    def train_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        return gan_step(self, images)


STYLES = {
    "eager loop": {
        "vae": EagerVAE,
        "mixture_vae": functools.partial(EagerVAE, mixture=True),
        "dcgan": EagerDCGAN,
    }
}
