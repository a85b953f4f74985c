"""InfoVAE: Balancing Learning and Inference in Variational Autoencoders.

Shengjia Zhao, Jiaming Song, Stefano Ermon, 2019, arXiv 1706.02262. The ELBO penalizes the distance
of each q(z|x) from the prior, so a strong decoder ignores z; the MMD-VAE penalizes only the
distance of the aggregate posterior q(z) from the prior.
"""

from typing import Any

import tensorflow as tf

import zoo
from blocks import mmd
from blocks.checks import non_negative_float, unit_interval
from zoo.models.vae import VAE


@zoo.register("mmd_vae")
class MMDVAE(VAE):
    """`vae` trained with the objective of InfoVAE and the MMD between q(z) and p(z), eq. 6.

    The MMD is the unbiased estimate of `blocks.mmd`, with WAE's kernel summed over seven scales.

    Args:
        latent_dim: number of dimensions of z.
        alpha: 1 is the MMD-VAE, without the KL term; 0 is a VAE plus the MMD.
        mmd_weight: weight of the MMD in nats, alpha + lambda - 1 in the paper. It applies to the
            sum over seven kernels: 100 corresponds to several hundred with one kernel.
        **kwargs: as in `vae`; `kl_weight` multiplies 1 - alpha.
    """

    micro_batches = 1  # the MMD compares all examples of a batch
    min_batch_size = 2

    def __init__(
        self, latent_dim: int = 2, alpha: float = 1.0, mmd_weight: float = 100.0, **kwargs: Any
    ):
        super().__init__(latent_dim=latent_dim, **kwargs)
        self.alpha = unit_interval(alpha, "alpha")
        self.mmd_weight = non_negative_float(mmd_weight, "mmd_weight")
        if self.bound != "elbo" or self.num_samples != 1:
            raise ValueError(
                f"bound must be 'elbo' with num_samples=1, got {self.bound!r} with"
                f" num_samples={self.num_samples}: InfoVAE has its own loss"
            )

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        x = batch["image"]
        with tf.GradientTape() as tape:
            q = self.posterior(x, training=True)  # q(z|x)
            z = q.sample(seed=self.next_seed())
            nll = tf.reduce_mean(-self.likelihood(z, training=True).log_prob(x))
            kl = tf.reduce_mean(self.kl_divergence(q, self.prior(), z))
            discrepancy = _mean_or_zero(self.mmd_terms(z))  # MMD(q(z), p(z))
            loss = nll + (1 - self.alpha) * self.beta() * kl + self.mmd_weight * discrepancy
        self.minimize(loss, tape)
        return {"loss": loss, "nll": nll, "kl": kl, "mmd": discrepancy}

    def eval_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        x = batch["image"]
        q = self.posterior(x)
        z = q.sample(seed=self.next_seed())
        nll = -self.likelihood(z).log_prob(x)
        kl = q.log_prob(z) - self.prior().log_prob(z)
        discrepancy = self.mmd_terms(z)
        loss = (nll + (1 - self.alpha) * kl)[: tf.size(discrepancy)] + self.mmd_weight * discrepancy
        return {"loss": loss, "nll": nll, "kl": kl, "mmd": discrepancy}

    def mmd_terms(self, z: tf.Tensor) -> tf.Tensor:
        """Terms [batch] whose mean is the MMD^2 between these latents and samples of the prior.

        A batch of one has no estimate: [0] terms.
        """
        if z.shape[0] == 1:
            return tf.zeros(0)
        return mmd(z, self.prior().sample(tf.shape(z)[0], seed=self.next_seed()))


def _mean_or_zero(terms: tf.Tensor) -> tf.Tensor:
    """The mean of the terms; 0 if there are none."""
    return tf.where(tf.size(terms) > 0, tf.reduce_mean(terms), 0.0)
