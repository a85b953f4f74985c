"""A variational auto-encoder whose prior is a mixture of Gaussians that learns.

Joshua V. Dillon et al., "TensorFlow Distributions", 2017, arXiv 1711.10604, section 5.2; the
experiment is that of the TensorFlow Probability introduction. The mixture is a third model to
backpropagate through, beside the encoder and the decoder.
"""

import zoo
from blocks import GaussianMixture
from blocks.checks import positive_int
from zoo.models.vae import VAE


@zoo.register("mixture_vae")
class MixtureVAE(VAE):
    """`vae` with p(z) = sum_k pi_k N(loc_k, scale_k^2); weights, means and scales are learned.

    Args:
        latent_dim: number of dimensions of z.
        num_components: number of Gaussians in the prior.
        **kwargs: as in `vae`, without `kl_estimator="analytic"`.
    """

    def __init__(self, latent_dim=2, num_components=16, **kwargs):
        super().__init__(latent_dim=latent_dim, **kwargs)
        self.num_components = positive_int(num_components, "num_components")

    def make_prior(self):
        return GaussianMixture(self.latent_dim, self.num_components, dtype=self.dtype_policy)
