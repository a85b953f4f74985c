"""Models whose figures are known, for the tests of figures."""

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class Plane:
    """Codes are the first two pixels; a code decodes to an image whose first two they are."""

    name = "plane"
    latent_dim = 2

    def prior(self):
        return tfd.MultivariateNormalDiag(tf.fill([2], 0.5), tf.fill([2], 0.1))

    def encode(self, x):
        return tf.reshape(tf.convert_to_tensor(x), (len(x), -1))[:, :2]

    def decode(self, z):
        return tf.reshape(tf.pad(z, [[0, 0], [0, 2]]), (-1, 2, 2, 1))

    def reconstruct(self, x):
        return self.decode(self.encode(x))

    def sample(self, n, seed):
        return tf.random.stateless_uniform((n, 2, 2, 1), [seed, 0])

    def interpolate(self, a, b, steps):
        t = tf.reshape(tf.linspace(0.0, 1.0, steps), (1, -1, 1, 1, 1))
        return (1 - t) * a[:, None] + t * b[:, None]


class Mixture(Plane):
    name = "mixture"

    def prior(self):
        loc = tf.constant([[0.0, 0.2], [0.4, 0.6], [0.8, 1.0]])
        parts = tfd.MultivariateNormalDiag(loc, tf.fill([3, 2], 0.1))
        return tfd.MixtureSameFamily(tfd.Categorical(probs=[0.2, 0.5, 0.3]), parts)
