"""Priors over latent variables, some of which learn.

`prior.distribution()` is a TFP distribution with float32 parameters, whatever the dtype policy,
built anew each time so that gradients reach the weights.
"""

import math

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from blocks.checks import int_tuple, positive_int, require_attribute
from blocks.heads import to_float32
from blocks.stack import Stack

tfb = tfp.bijectors
tfd = tfp.distributions


def mixture_noise(n, latent_dim, components, seed, separation=4.5):
    """Noise of several clouds: [n, latent_dim + components], float32; of one, [n, latent_dim].

    Each point is standard normal noise beside the one-hot code, times `separation`, of the cloud it
    belongs to, drawn at random. The rows that a dense layer has for the code are the clouds' means,
    and they learn: a mixture of normals as in Gurumurthy et al., "DeLiGAN" (2017, arXiv
    1706.02071), with equal scales, and means where the dense layer puts the noise.

    Args:
        components: number of clouds; 0: one, without a code.
        seed: int32[2].
        separation: what stands for the one of the code; the noise beside it has a deviation of 1.
            Digits, after six epochs: with 3, clouds changed nothing, with 5.7 they took two
            fifths off the Frechet distance and a quarter off the recall.
    """
    noise = tf.random.stateless_normal((n, latent_dim), seed)
    if not components:
        return noise
    key = tf.random.experimental.stateless_fold_in(seed, 1)
    cloud = tf.random.stateless_uniform((n,), key, 0, components, tf.int32)
    return tf.concat([noise, separation * tf.one_hot(cloud, components)], axis=-1)


class Prior(keras.layers.Layer):
    """A distribution over z that is asked without input: `prior.distribution()`.

    As a layer it scores points, so that it composes like any other: [batch, latent_dim] ->
    log p(z), [batch], in nats.

    Args:
        latent_dim: number of dimensions of z.
    """

    def __init__(self, latent_dim, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = positive_int(latent_dim, "latent_dim")

    def build(self, input_shape=None):
        """No weights: a prior that learns makes them here."""

    def call(self, z):
        return tf.cast(self.distribution().log_prob(to_float32(z)), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape[:-1]

    def get_config(self):
        return {**super().get_config(), "latent_dim": self.latent_dim}


@keras.saving.register_keras_serializable("blocks")
class StandardNormal(Prior):
    """p(z) = N(0, I)."""

    def distribution(self):
        return tfd.MultivariateNormalDiag(tf.zeros(self.latent_dim), tf.ones(self.latent_dim))


class DiagonalMixture(tfd.MixtureSameFamily):
    """A `MixtureSameFamily` of diagonal Gaussians that scores points by matrix products.

    TFP computes [points, components, dimensions] differences; |z - loc|^2 / scale^2 multiplied out
    needs [points, components] only.
    """

    def _log_prob(self, z):
        loc, scale = self.components_distribution.mean(), self.components_distribution.stddev()
        centre = tf.reduce_mean(loc, axis=0)  # small numbers lose less when squared
        z, loc, precision = z - centre, loc - centre, scale**-2
        squares = (
            tf.tensordot(z**2, precision, [[-1], [-1]])
            - 2 * tf.tensordot(z, loc * precision, [[-1], [-1]])
            + tf.reduce_sum(loc**2 * precision, axis=-1)
        )
        log_volume = tf.reduce_sum(tf.math.log(scale) + 0.5 * math.log(2 * math.pi), axis=-1)
        log_weights = tf.nn.log_softmax(self.mixture_distribution.logits_parameter())
        return tf.reduce_logsumexp(log_weights - log_volume - 0.5 * squares, axis=-1)


@keras.saving.register_keras_serializable("blocks")
class GaussianMixture(Prior):
    """p(z) = sum_k pi_k N(loc_k, softplus(raw_scale_k)^2): a prior that learns.

    Dillon et al., "TensorFlow Distributions" (2017, arXiv 1711.10604), section 5.2, and the
    learnable prior of the TFP introduction.

    Args:
        latent_dim: number of dimensions of z.
        num_components: number of Gaussians.
    """

    def __init__(self, latent_dim, num_components=16, **kwargs):
        super().__init__(latent_dim, **kwargs)
        self.num_components = positive_int(num_components, "num_components")

    def build(self, input_shape=None):
        shape = (self.num_components, self.latent_dim)
        normal = keras.initializers.RandomNormal(stddev=1.0)
        self.loc = self.add_weight(shape=shape, initializer=normal, name="loc")
        # softplus^-1(1): the mixture starts as unit Gaussians
        start = keras.initializers.Constant(0.5413)
        self.raw_scale = self.add_weight(shape=shape, initializer=start, name="raw_scale")
        self.logits = self.add_weight(shape=shape[:1], initializer="zeros", name="logits")

    def distribution(self):
        scale = tf.nn.softplus(to_float32(self.raw_scale))
        return DiagonalMixture(
            tfd.Categorical(logits=to_float32(self.logits)),
            tfd.MultivariateNormalDiag(to_float32(self.loc), scale),
        )

    def get_config(self):
        return {**super().get_config(), "num_components": self.num_components}


@keras.saving.register_keras_serializable("blocks")
class VampPrior(Prior):
    """p(z) = 1/K sum_k q(z|u_k): the mixture of what an encoder makes of K learned pictures.

    Jakub M. Tomczak, Max Welling, "VAE with a VampPrior" (2018, arXiv 1705.07120), equation 11; the
    pseudo-inputs u_k are clipped to [0, 1].

    Args:
        latent_dim: number of dimensions of z.
        encoder: layer whose `distribution(images)` is the diagonal Gaussian q(z|x), such as a
            `Stack` that ends in a `GaussianHead`; its weights are the prior's too.
        image_shape: (rows, columns, channels) of a pseudo-input.
        num_pseudo_inputs: K, the number of pseudo-inputs.
    """

    def __init__(self, latent_dim, encoder, image_shape, num_pseudo_inputs=500, **kwargs):
        super().__init__(latent_dim, **kwargs)
        self.encoder = require_attribute(
            encoder, "distribution", "encoder", "a stack that ends in a head"
        )
        self.image_shape = int_tuple(image_shape, "image_shape", 3)
        self.num_pseudo_inputs = positive_int(num_pseudo_inputs, "num_pseudo_inputs")

    def build(self, input_shape=None):
        if not self.encoder.built:
            self.encoder.build((None, *self.image_shape))
        self.pseudo_inputs = self.add_weight(
            shape=(self.num_pseudo_inputs, *self.image_shape),
            initializer=keras.initializers.RandomUniform(0.0, 1.0),
            name="pseudo_inputs",
        )

    def adapt(self, images):
        """Starts the pseudo-inputs as images [num_pseudo_inputs, rows, columns, channels] and
        noise."""
        shape = (self.num_pseudo_inputs, *self.image_shape)
        if tuple(images.shape) != shape:
            raise ValueError(f"{shape[0]} images {shape[1:]} are needed, got {images.shape}")
        noise = keras.random.normal(shape, stddev=0.01, seed=0)
        self.pseudo_inputs.assign(to_float32(images) + noise)

    def distribution(self):
        q = self.encoder.distribution(tf.clip_by_value(self.pseudo_inputs.value, 0.0, 1.0))
        return DiagonalMixture(tfd.Categorical(logits=tf.zeros(self.num_pseudo_inputs)), q)

    def get_config(self):
        config = {
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "image_shape": self.image_shape,
            "num_pseudo_inputs": self.num_pseudo_inputs,
        }
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config):
        encoder = keras.saving.deserialize_keras_object(config.pop("encoder"))
        return cls(encoder=encoder, **config)


@keras.saving.register_keras_serializable("blocks")
class FlowPrior(Prior):
    """A standard normal, bent into shape by affine couplings that can be undone: RealNVP.

    Laurent Dinh, Jascha Sohl-Dickstein, Samy Bengio, "Density Estimation using Real NVP" (2017,
    arXiv 1605.08803), equations 7 and 8. Each coupling moves one half of z by what a network makes
    of the other half, and the halves change places. It starts close to the standard normal.

    Args:
        latent_dim: number of dimensions of z, at least 2.
        num_couplings: number of couplings.
        units: width of both hidden layers of each coupling's network.
    """

    def __init__(self, latent_dim, num_couplings=6, units=64, **kwargs):
        super().__init__(latent_dim, **kwargs)
        if latent_dim < 2:
            raise ValueError(f"a coupling needs latent_dim >= 2, got {latent_dim}")
        self.num_couplings = positive_int(num_couplings, "num_couplings")
        self.units = positive_int(units, "units")
        moved = latent_dim - latent_dim // 2
        dense, dtype = keras.layers.Dense, self.dtype_policy
        small = keras.initializers.RandomNormal(stddev=1e-3)
        self.networks = [
            Stack(
                [
                    dense(units, activation="relu", dtype=dtype),
                    dense(units, activation="relu", dtype=dtype),
                    dense(2 * moved, kernel_initializer=small.clone(), dtype=dtype),
                ],
                dtype=dtype,
            )
            for _ in range(num_couplings)
        ]

    def build(self, input_shape=None):
        for network in self.networks:
            network.build((None, self.latent_dim // 2))

    def distribution(self):
        normal = tfd.MultivariateNormalDiag(tf.zeros(self.latent_dim), tf.ones(self.latent_dim))
        swap = tfb.Permute(list(range(self.latent_dim))[::-1])
        steps = []
        for network in self.networks:
            asked = _shift_and_log_scale(network)
            steps += [tfb.RealNVP(self.latent_dim // 2, shift_and_log_scale_fn=asked), swap]
        return tfd.TransformedDistribution(normal, tfb.Chain(steps))

    def get_config(self):
        return {**super().get_config(), "num_couplings": self.num_couplings, "units": self.units}


def _shift_and_log_scale(network):
    """A network's output as RealNVP asks for it; the log-scale stays within (-2, 2)."""

    def asked(z, output_units):
        shift, log_scale = tf.split(to_float32(network(z)), 2, axis=-1)
        return shift, 2 * tf.tanh(log_scale / 2)

    return asked
