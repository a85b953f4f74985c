"""The same models in plain Python, as the TensorFlow Probability introductions for R write them.

Networks are Keras models, what is random are TFP distributions, one persistent tape gives every
part its gradients. There is no `tf.function`: each line runs as it is read.
"""

import functools

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from benchmarks.speed.tf_images import TutorialDCGAN, decoder, encoder, gan_step, initial_mixture

tfd = tfp.distributions


class EagerVAE:
    """The VAE whose prior may be a mixture: a third model to backpropagate through."""

    seed = None  # of the sample from q(z|x)

    def __init__(self, mixture=False):
        self.encoder, self.decoder = encoder(), decoder()
        self.prior = [tf.Variable(value) for value in initial_mixture()] if mixture else []
        parts = [self.encoder.trainable_variables, self.decoder.trainable_variables, self.prior]
        self.parts = [(part, keras.optimizers.Adam(1e-3)) for part in parts if part]

    def latent_prior(self):
        if not self.prior:
            return tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))
        mean, raw_scale, logits = self.prior
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=logits),
            tfd.MultivariateNormalDiag(mean, tf.nn.softplus(raw_scale)),
        )

    def train_step(self, x):
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
    """The DCGAN tutorial without its `tf.function`."""

    def train_step(self, images):
        return gan_step(self, images)


STYLES = {
    "eager loop": {
        "vae": EagerVAE,
        "mixture_vae": functools.partial(EagerVAE, mixture=True),
        "dcgan": EagerDCGAN,
    }
}
