"""InfoVAE: Balancing Learning and Inference in Variational Autoencoders.

Shengjia Zhao, Jiaming Song, Stefano Ermon, 2019, arXiv 1706.02262. The ELBO punishes every single
q(z|x) for being far from the prior, and a strong decoder then ignores z; the MMD-VAE asks only that
all codes together be distributed as the prior.
"""

import tensorflow as tf

import zoo
from blocks import mmd
from blocks.checks import non_negative_float, unit_interval
from zoo.models.vae import VAE


@zoo.register("mmd_vae")
class MMDVAE(VAE):
    """`vae` trained by InfoVAE's objective, with the MMD between q(z) and p(z), eq. 6.

    The MMD is the unbiased estimate (`blocks.mmd`), with WAE's kernels of seven scales.

    Args:
        latent_dim: number of dimensions of z.
        alpha: 1 leaves the MMD-VAE, without the KL of each image; 0 a VAE with the MMD on top.
        mmd_weight: weight of the MMD, alpha + lambda - 1 in the paper, in nats; of the sum over
            seven kernels, so 100 is as much as several hundred in papers with one kernel.
        **kwargs: as in `vae`; `kl_weight` multiplies 1 - alpha.
    """

    micro_batches = 1  # the MMD is of a batch as a whole
    min_batch_size = 2

    def __init__(self, latent_dim=2, alpha=1.0, mmd_weight=100.0, **kwargs):
        super().__init__(latent_dim=latent_dim, **kwargs)
        self.alpha = unit_interval(alpha, "alpha")
        self.mmd_weight = non_negative_float(mmd_weight, "mmd_weight")
        if self.bound != "elbo":
            raise ValueError(f"bound must be 'elbo', got {self.bound!r}: InfoVAE has its own loss")

    def train_step(self, batch):
        x = batch["image"]
        with tf.GradientTape() as tape:
            q = self.posterior(x, training=True)  # q(z|x)
            z = q.sample(seed=self.next_seed())
            nll = tf.reduce_mean(-self.likelihood(z, training=True).log_prob(x))
            kl = tf.reduce_mean(self.kl_divergence(q, self.prior(), z))
            distance = mean(self.mmd_terms(z))  # MMD(q(z), p(z))
            loss = nll + (1 - self.alpha) * self.beta() * kl + self.mmd_weight * distance
        self.minimize(loss, tape)
        return {"loss": loss, "nll": nll, "kl": kl, "mmd": distance}

    def eval_step(self, batch):
        x = batch["image"]
        q = self.posterior(x)
        z = q.sample(seed=self.next_seed())
        nll = -self.likelihood(z).log_prob(x)
        kl = q.log_prob(z) - self.prior().log_prob(z)
        distance = self.mmd_terms(z)
        loss = (nll + (1 - self.alpha) * kl)[: tf.size(distance)] + self.mmd_weight * distance
        return {"loss": loss, "nll": nll, "kl": kl, "mmd": distance}

    def mmd_terms(self, z):
        """Terms [batch] whose mean is the MMD^2 between these codes and draws from the prior.

        A single code has no other to be compared with: there are no terms, [0].
        """
        if z.shape[0] == 1:
            return tf.zeros(0)
        return mmd(z, self.prior().sample(tf.shape(z)[0], seed=self.next_seed()))


def mean(terms):
    """The mean of terms; without any, 0."""
    return tf.where(tf.size(terms) > 0, tf.reduce_mean(terms), 0.0)
