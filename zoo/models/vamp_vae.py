"""VAE with a VampPrior.

Jakub M. Tomczak, Max Welling, 2018, arXiv 1705.07120. The optimal prior for an encoder is the
mean of q(z|x) over the data; the VampPrior is that mean over a few hundred trained pseudo-inputs.
"""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

import zoo
from blocks import VampPrior
from blocks.checks import positive_int
from zoo.models.vae import VAE


@zoo.register("vamp_vae")
class VampVAE(VAE):
    """`vae` with p(z) = 1/K sum_k q(z|u_k), eq. 11, with trained pseudo-inputs u_k.

    `adapt` initializes them with the first training images; the trainer calls it.

    Args:
        latent_dim: number of dimensions of z.
        num_pseudo_inputs: K, the number of pseudo-inputs; each step encodes all of them.
        **kwargs: as in `vae`, without `kl_estimator="analytic"`.
    """

    micro_batches = 1  # each micro-batch would encode all pseudo-inputs

    def __init__(self, latent_dim: int = 2, num_pseudo_inputs: int = 500, **kwargs: Any):
        super().__init__(latent_dim=latent_dim, **kwargs)
        self.num_pseudo_inputs = positive_int(num_pseudo_inputs, "num_pseudo_inputs")

    def make_prior(self) -> VampPrior:
        shape = self.image_shape
        dtype = self.dtype_policy
        return VampPrior(self.latent_dim, self.encoder, shape, self.num_pseudo_inputs, dtype=dtype)

    def adapt(self, data: Iterable[dict[str, tf.Tensor]]) -> None:
        """Initializes the pseudo-inputs with the first images, repeated if there are too few."""
        images = tf.zeros((0, *self.image_shape))
        for batch in data:
            images = tf.concat([images, batch["image"]], 0)
            if len(images) >= self.num_pseudo_inputs:
                break
        if not len(images):
            return
        if len(images) < self.num_pseudo_inputs:
            zoo.log_message(
                f"warning: {self.name} has {self.num_pseudo_inputs:,} pseudo-inputs, but only"
                f" {len(images):,} training images: the prior will fit only these; set"
                " num_pseudo_inputs= to a fraction of that"
            )
        self.latent_prior.adapt(tf.gather(images, tf.range(self.num_pseudo_inputs) % len(images)))
