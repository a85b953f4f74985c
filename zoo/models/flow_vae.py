"""A variational auto-encoder with a normalizing flow as prior.

Xi Chen et al., "Variational Lossy Autoencoder", 2017, arXiv 1611.02731, section 3.2, shows that a
flow as prior is equivalent to an inverse flow as posterior; the flow is RealNVP (Laurent Dinh et
al., "Density Estimation using Real NVP", 2017, arXiv 1605.08803).
"""

from typing import Any

import zoo
from blocks import FlowPrior
from blocks.checks import positive_int
from zoo.models.vae import VAE


@zoo.register("flow_vae")
class FlowVAE(VAE):
    """`vae` with p(z) = N(f(z); 0, I) |det df/dz|, where f is a stack of trained couplings.

    Args:
        latent_dim: number of dimensions of z, at least 2.
        num_couplings: number of affine couplings.
        coupling_units: width of both hidden layers of each coupling's network.
        **kwargs: as in `vae`, without `kl_estimator="analytic"`.
    """

    def __init__(
        self,
        latent_dim: int = 2,
        num_couplings: int = 6,
        coupling_units: int = 64,
        **kwargs: Any,
    ):
        super().__init__(latent_dim=latent_dim, **kwargs)
        self.num_couplings = positive_int(num_couplings, "num_couplings", maximum=1000)
        self.coupling_units = positive_int(coupling_units, "coupling_units")

    def make_prior(self) -> FlowPrior:
        dtype = self.dtype_policy
        return FlowPrior(self.latent_dim, self.num_couplings, self.coupling_units, dtype=dtype)
