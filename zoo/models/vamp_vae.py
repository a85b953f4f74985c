"""VAE with a VampPrior.

Jakub M. Tomczak, Max Welling, 2018, arXiv 1705.07120. The best prior for a given encoder is the
mean of q(z|x) over the data; the VampPrior is that mean over a few hundred learned pictures.
"""

import tensorflow as tf

import zoo
from blocks import VampPrior
from blocks.checks import positive_int
from zoo.models.vae import VAE


@zoo.register("vamp_vae")
class VampVAE(VAE):
    """`vae` with p(z) = 1/K sum_k q(z|u_k), eq. 11; the pseudo-inputs u_k are learned.

    They start as training images: the first that `adapt` meets, which the trainer sees to.

    Args:
        latent_dim: number of dimensions of z.
        num_pseudo_inputs: K, the number of pseudo-inputs; a step encodes them beside its batch.
        **kwargs: as in `vae`, without `kl_estimator="analytic"`.
    """

    micro_batches = 1  # every piece would encode all pseudo-inputs anew

    def __init__(self, latent_dim=2, num_pseudo_inputs=500, **kwargs):
        super().__init__(latent_dim=latent_dim, **kwargs)
        self.num_pseudo_inputs = positive_int(num_pseudo_inputs, "num_pseudo_inputs")

    def make_prior(self):
        shape, dtype = self.image_shape, self.dtype_policy
        return VampPrior(self.latent_dim, self.encoder, shape, self.num_pseudo_inputs, dtype=dtype)

    def adapt(self, data):
        """Starts the pseudo-inputs from the first images of the batches; too few are repeated."""
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
