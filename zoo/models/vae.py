"""Auto-Encoding Variational Bayes.

Diederik P. Kingma, Max Welling, 2013, arXiv 1312.6114. The networks are those of the TensorFlow
Probability introduction: convolutions of stride 2 down, transposed convolutions up.
"""

import tensorflow as tf

import zoo
from blocks import StandardNormal
from blocks.autoencoder import image_decoder, image_encoder
from blocks.checks import int_tuple, positive_int, weight_or_schedule
from blocks.divergences import BOUNDS, DIVERGENCES, importance_weighted_loss
from blocks.heads import HEADS, resolve


@zoo.register("vae")
class VAE(zoo.Model):
    """Variational auto-encoder: q(z|x) = N, p(x|z) = Bernoulli or Normal, p(z) = N(0, I).

    Calling it maps images [batch, h, w, c] in [0, 1] to the means of their reconstructions.

    Args:
        image_shape: (rows, columns, channels); any size.
        latent_dim: number of dimensions of z.
        filters: channels of the encoder's convolutions, each halving the size; the decoder
            mirrors them.
        base_filters: channels of the smallest feature map in the decoder.
        dense_units: widths of gated dense layers behind the convolutions. `filters=()`,
            `dense_units=(300, 300)`, `latent_dim=40` is the net that likelihoods are compared with.
        output_distribution: p(x|z): "bernoulli", "normal", or a layer class such as
            `blocks.BernoulliHead`.
        kl_estimator: "monte_carlo" (log q(z) - log p(z) at the sample), "analytic", or a callable
            (q, p, z) -> [batch] such as `blocks.FreeBits(2.0)`.
        kl_weight: a number (beta-VAE), or a callable of the step, such as
            `keras.optimizers.schedules.PolynomialDecay(0.0, 1000, 1.0)` for a linear warm-up.
        bound: "elbo", "stl" (the same, less noisy), "iwae", "dreg", or such as `blocks.IWAE(50)`.
    """

    input_feature = "image"
    micro_batches = 4

    def __init__(
        self,
        image_shape=(28, 28, 1),
        latent_dim=2,
        filters=(32, 64),
        base_filters=32,
        dense_units=(),
        output_distribution="bernoulli",
        kl_estimator="monte_carlo",
        kl_weight=1.0,
        bound="elbo",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.image_shape = int_tuple(image_shape, "image_shape", 3)
        self.latent_dim = positive_int(latent_dim, "latent_dim")
        self.filters = int_tuple(filters, "filters", min_length=0)
        self.base_filters = positive_int(base_filters, "base_filters")
        self.dense_units = int_tuple(dense_units, "dense_units", min_length=0)
        self.output_distribution = output_distribution
        self.kl_estimator = kl_estimator
        self.kl_weight = weight_or_schedule(kl_weight, "kl_weight")
        self.bound = bound
        self.kl_divergence = resolve(kl_estimator, DIVERGENCES, "kl_estimator")
        self.sample_posterior = resolve(bound, BOUNDS, "bound")
        if kl_estimator == "analytic" and bound != "elbo":
            raise ValueError(
                "each sample's weight needs its own KL: kl_estimator='analytic' has one for all"
            )

        dtype = self.dtype_policy
        head = resolve(output_distribution, HEADS, "output_distribution")
        self.encoder = image_encoder(self.filters, self.dense_units, latent_dim, dtype)
        self.decoder = image_decoder(
            self.image_shape, self.filters, base_filters, self.dense_units, head, dtype
        )

    def build(self, input_shape=None):
        self.encoder.build((None, *self.image_shape))
        self.decoder.build((None, self.latent_dim))
        self.latent_prior = self.make_prior()
        self.latent_prior.build()
        if self.kl_estimator == "analytic" and not isinstance(self.latent_prior, StandardNormal):
            raise ValueError(f"no closed form of the KL to {type(self.latent_prior).__name__}")

    def make_prior(self):
        """The layer behind p(z): what a variant with another prior replaces."""
        return StandardNormal(self.latent_dim, dtype=self.dtype_policy)

    def configure_optimizers(self):
        return {"": zoo.optimizers.Adam(1e-3)}

    def posterior(self, x, training=False):
        """q(z|x), batch shape [batch], event shape [latent_dim]."""
        return self.encoder.distribution(x, training=training)

    def likelihood(self, z, training=False):
        """p(x|z), batch shape that of z without its last, event shape `image_shape`."""
        outputs = self.decoder(tf.reshape(z, (-1, self.latent_dim)), training=training)
        outputs = tf.reshape(outputs, (*z.shape[:-2], -1, *self.image_shape))
        head = self.decoder.layers[-1]
        how = "training_distribution" if training else "distribution"
        return getattr(head, how, head.distribution)(outputs)

    def prior(self):
        """p(z), event shape [latent_dim]."""
        return self.latent_prior.distribution()

    def train_step(self, batch):
        x = batch["image"]
        with tf.GradientTape() as tape:
            q = self.posterior(x, training=True)  # q(z|x)
            q, z, bound = self.sample_posterior(
                q, self.next_seed()
            )  # z = loc + scale * noise, eq. 10
            nll = -self.likelihood(z, training=True).log_prob(x)  # -log p(x|z)
            kl = self.kl_divergence(q, self.prior(), z)  # KL(q(z|x) || p(z)), the prior may learn
            loss = tf.reduce_mean(bound(nll + self.beta() * kl))  # -ELBO, eq. 3
        self.minimize(loss, tape)
        return {"loss": loss, "nll": tf.reduce_mean(nll), "kl": tf.reduce_mean(kl)}

    def eval_step(self, batch):
        x = batch["image"]
        q = self.posterior(x)
        z = q.sample(seed=self.next_seed())
        nll = -self.likelihood(z).log_prob(x)
        kl = q.log_prob(z) - self.prior().log_prob(z)
        return {"loss": nll + kl, "nll": nll, "kl": kl}

    @zoo.checked_method(x="image")
    def log_prob_bound(self, x, samples=1, seed=None):
        """Importance-weighted bound on log p(x), from so many samples: [batch], in nats."""
        q = self.posterior(x)
        z = q.sample(positive_int(samples, "samples"), seed=self.as_seed(seed))
        log_p = self.likelihood(z).log_prob(x) + self.prior().log_prob(z)
        return -importance_weighted_loss(q.log_prob(z) - log_p)

    def beta(self):
        """Weight of the KL at this step."""
        return self.kl_weight(self.iterations) if callable(self.kl_weight) else self.kl_weight

    def call(self, x, training=False):
        return self.likelihood(self.posterior(x, training).mean(), training).mean()

    @zoo.checked_method(x="image")
    def encode(self, x):
        """Posterior means: [batch, h, w, c] -> [batch, latent_dim]."""
        return self.posterior(x).mean()

    @zoo.checked_method(z="codes")
    def decode(self, z):
        """Means of p(x|z): [batch, latent_dim] -> [batch, h, w, c] in [0, 1]."""
        return self.likelihood(z).mean()

    @zoo.checked_method(x="image")
    def reconstruct(self, x):
        """Images through the bottleneck and back: [batch, h, w, c] -> the same."""
        return self.decode(self.encode(x))

    @zoo.checked_method(n="n")
    def sample(self, n, seed=None):
        """`n` images decoded from the prior: [n, h, w, c]; the same for the same `seed`."""
        return self.decode(self.prior().sample(n, seed=self.as_seed(seed)))

    @zoo.checked_method(a="image", b="image", steps="steps")
    def interpolate(self, a, b, steps=8):
        """Pictures along the line between two batches' codes: [batch, steps, h, w, c]."""
        t = tf.reshape(tf.linspace(0.0, 1.0, steps), (1, steps, 1))
        z = (1 - t) * self.encode(a)[:, None] + t * self.encode(b)[:, None]
        images = self.decode(tf.reshape(z, (-1, self.latent_dim)))
        return tf.reshape(images, (-1, steps, *self.image_shape))
