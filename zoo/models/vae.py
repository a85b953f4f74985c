"""Auto-Encoding Variational Bayes.

Diederik P. Kingma, Max Welling, 2013, arXiv 1312.6114. The networks are those of the TensorFlow
Probability introduction: convolutions with stride 2 in the encoder, transposed convolutions in the
decoder.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import zoo
from blocks import StandardNormal
from blocks.autoencoder import image_decoder, image_encoder
from blocks.bounds import get_bound, iwae
from blocks.checks import int_tuple, non_negative_int, positive_int, weight_or_schedule
from blocks.divergences import DIVERGENCES
from blocks.heads import HEADS, resolve
from blocks.priors import Prior


@zoo.register("vae")
class VAE(zoo.Model):
    """Variational auto-encoder: q(z|x) = N, p(x|z) = Bernoulli or Normal, p(z) = N(0, I).

    Calling it maps images [batch, h, w, c] in [0, 1] to the means of their reconstructions.

    Args:
        image_shape: (rows, columns, channels); any size.
        latent_dim: number of dimensions of z.
        filters: channels of the encoder's convolutions, each of which halves the size; the decoder
            mirrors them.
        base_filters: channels of the smallest feature map in the decoder.
        dense_units: widths of gated dense layers after the convolutions. `filters=()`,
            `dense_units=(300, 300)`, `latent_dim=40` is the common network for likelihoods.
        residual_blocks: number of residual blocks at each size of the feature maps.
        output_distribution: p(x|z): "bernoulli", "normal", or a layer class such as
            `blocks.BernoulliHead`.
        kl_estimator: "monte_carlo" (log q(z) - log p(z) at the sample), "analytic", or a callable
            (q, p, z) -> [batch] such as `blocks.FreeBits(2.0)`.
        kl_weight: a number (beta-VAE), or a callable of the step, such as
            `keras.optimizers.schedules.PolynomialDecay(0.0, 1000, 1.0)` for a linear warm-up.
        bound: "elbo", "stl" (the ELBO with less gradient noise), "iwae", "dreg" (the bound of IWAE
            with less gradient noise), or a callable [k, batch] -> [batch] of the log importance
            weights, see `blocks.bounds`.
        num_samples: k, the number of samples of z per image in training; "iwae" and "dreg" need 2
            or more.
    """

    input_feature = "image"
    micro_batches = 4

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (28, 28, 1),
        latent_dim: int = 2,
        filters: tuple[int, ...] = (32, 64),
        base_filters: int = 32,
        dense_units: tuple[int, ...] = (),
        residual_blocks: int = 0,
        output_distribution: str | type = "bernoulli",
        kl_estimator: str | Callable = "monte_carlo",
        kl_weight: float | Callable = 1.0,
        bound: str | Callable = "elbo",
        num_samples: int = 1,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.image_shape = int_tuple(image_shape, "image_shape", 3)
        self.latent_dim = positive_int(latent_dim, "latent_dim")
        self.filters = int_tuple(filters, "filters", min_length=0)
        self.base_filters = positive_int(base_filters, "base_filters")
        self.dense_units = int_tuple(dense_units, "dense_units", min_length=0)
        self.residual_blocks = non_negative_int(residual_blocks, "residual_blocks")
        self.output_distribution = output_distribution
        self.kl_estimator = kl_estimator
        self.kl_weight = weight_or_schedule(kl_weight, "kl_weight")
        self.bound = bound
        self.kl_divergence = resolve(kl_estimator, DIVERGENCES, "kl_estimator")
        self.num_samples = positive_int(num_samples, "num_samples")
        self.lower_bound, self.gradient_estimator = get_bound(bound)
        if bound in ("iwae", "dreg") and num_samples == 1:
            raise ValueError(f"bound={bound!r} needs num_samples of 2 or more, such as 5, got 1")
        if kl_estimator == "analytic" and bound != "elbo":
            raise ValueError(
                "kl_estimator='analytic' works with bound='elbo' only: other bounds need the KL of"
                " each sample"
            )

        dtype = self.dtype_policy
        head = resolve(output_distribution, HEADS, "output_distribution")
        sizes = self.filters, self.dense_units
        self.encoder = image_encoder(*sizes, latent_dim, dtype, residual_blocks)
        self.decoder = image_decoder(
            self.image_shape, *sizes, base_filters, head, dtype, residual_blocks
        )

    def build(self, input_shape: tuple | None = None) -> None:
        self.encoder.build((None, *self.image_shape))
        self.decoder.build((None, self.latent_dim))
        self.latent_prior = self.make_prior()
        self.latent_prior.build()
        if self.kl_estimator == "analytic" and not isinstance(self.latent_prior, StandardNormal):
            raise ValueError(f"no closed form of the KL to {type(self.latent_prior).__name__}")

    def make_prior(self) -> Prior:
        """The layer of p(z); subclasses with another prior override it."""
        return StandardNormal(self.latent_dim, dtype=self.dtype_policy)

    def configure_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        return {"": zoo.optimizers.Adam(1e-3)}

    def posterior(self, x: tf.Tensor, training: bool = False) -> tfd.Distribution:
        """q(z|x), batch shape [batch], event shape [latent_dim]."""
        return self.encoder.distribution(x, training=training)

    def likelihood(self, z: tf.Tensor, training: bool = False) -> tfd.Distribution:
        """p(x|z) for z [..., latent_dim]: batch shape [...], event shape `image_shape`."""
        outputs = self.decoder(tf.reshape(z, (-1, self.latent_dim)), training=training)
        outputs = tf.reshape(outputs, (*z.shape[:-2], -1, *self.image_shape))
        head = self.decoder.layers[-1]
        method = "training_distribution" if training else "distribution"
        return getattr(head, method, head.distribution)(outputs)

    def prior(self) -> tfd.Distribution:
        """p(z), event shape [latent_dim]."""
        return self.latent_prior.distribution()

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        x = batch["image"]
        with tf.GradientTape() as tape:
            q = self.posterior(x, training=True)  # q(z|x)
            z = q.sample(self.num_samples, seed=self.next_seed())  # loc + scale * noise, eq. 10
            q, z = self.gradient_estimator(q, z, lambda: log_w)  # "stl", "dreg": stop gradients
            log_p = self.likelihood(z, training=True).log_prob(x)  # log p(x|z)
            kl = self.kl_divergence(q, self.prior(), z)  # log q(z|x) - log p(z); p may be trainable
            log_w: tf.Tensor = log_p - self.beta() * kl  # log p(x, z) - log q(z|x), if beta is 1
            loss = -tf.reduce_mean(self.lower_bound(log_w))  # eq. 3
        self.minimize(loss, tape)
        return {"loss": loss, "nll": -tf.reduce_mean(log_p), "kl": tf.reduce_mean(kl)}

    def eval_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        x = batch["image"]
        q = self.posterior(x)
        z = q.sample(seed=self.next_seed())
        nll = -self.likelihood(z).log_prob(x)
        kl = q.log_prob(z) - self.prior().log_prob(z)
        return {"loss": nll + kl, "nll": nll, "kl": kl}

    @zoo.checked_method(x="image", samples="n")
    def log_prob_bound(
        self, x: tf.Tensor, samples: int = 1, seed: int | tf.Tensor | None = None
    ) -> tf.Tensor:
        """Importance-weighted lower bound on log p(x) from `samples` of z: [batch], in nats."""
        q = self.posterior(x)
        z = q.sample(positive_int(samples, "samples"), seed=self.as_seed(seed))
        log_p = self.likelihood(z).log_prob(x) + self.prior().log_prob(z)
        return iwae(log_p - q.log_prob(z))

    def beta(self) -> float | tf.Tensor:
        """The weight of the KL term in this step."""
        return self.kl_weight(self.iterations) if callable(self.kl_weight) else self.kl_weight

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.likelihood(self.posterior(x, training).mean(), training).mean()

    @zoo.checked_method(x="image")
    def encode(self, x: tf.Tensor) -> tf.Tensor:
        """Posterior means: [batch, h, w, c] -> [batch, latent_dim]."""
        return self.posterior(x).mean()

    @zoo.checked_method(z="codes")
    def decode(self, z: tf.Tensor) -> tf.Tensor:
        """Means of p(x|z): [batch, latent_dim] -> [batch, h, w, c] in [0, 1]."""
        return self.likelihood(z).mean()

    @zoo.checked_method(x="image")
    def reconstruct(self, x: tf.Tensor) -> tf.Tensor:
        """Decoded posterior means: [batch, h, w, c] -> [batch, h, w, c]."""
        return self.decode(self.encode(x))

    @zoo.checked_method(n="n")
    def sample(self, n: int, seed: int | tf.Tensor | None = None) -> tf.Tensor:
        """`n` images decoded from the prior: [n, h, w, c]; the same for the same `seed`."""
        return self.decode(self.prior().sample(n, seed=self.as_seed(seed)))

    @zoo.checked_method(a="image", b="image", steps="steps")
    def interpolate(self, a: tf.Tensor, b: tf.Tensor, steps: int = 8) -> tf.Tensor:
        """Linear interpolation between the latents of two batches: [batch, steps, h, w, c]."""
        t = tf.reshape(tf.linspace(0.0, 1.0, steps), (1, steps, 1))
        z = (1 - t) * self.encode(a)[:, None] + t * self.encode(b)[:, None]
        images = self.decode(tf.reshape(z, (-1, self.latent_dim)))
        return tf.reshape(images, (-1, steps, *self.image_shape))
