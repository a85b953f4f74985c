"""A variational auto-encoder with a trained mixture of Gaussians as prior.

Joshua V. Dillon et al., "TensorFlow Distributions", 2017, arXiv 1711.10604, section 5.2; the
experiment is that of the TensorFlow Probability introduction.
"""

from typing import Any

import zoo
from blocks import GaussianMixture
from blocks.checks import positive_int
from zoo.models.vae import VAE


@zoo.register("mixture_vae")
class MixtureVAE(VAE):
    """`vae` with p(z) = sum_k pi_k N(loc_k, scale_k^2); weights, means and scales are trained.

    Args:
        latent_dim: number of dimensions of z.
        num_components: number of Gaussians in the prior.
        **kwargs: as in `vae`, without `kl_estimator="analytic"`.
    """

    def __init__(self, latent_dim: int = 2, num_components: int = 16, **kwargs: Any):
        super().__init__(latent_dim=latent_dim, **kwargs)
        self.num_components = positive_int(num_components, "num_components")

    def make_prior(self) -> GaussianMixture:
        return GaussianMixture(self.latent_dim, self.num_components, dtype=self.dtype_policy)
