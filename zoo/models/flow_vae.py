"""A variational auto-encoder whose prior is a normalizing flow.

Xi Chen et al., "Variational Lossy Autoencoder", 2017, arXiv 1611.02731, section 3.2, shows that a
flow as prior does what an inverse flow as posterior does; the flow is RealNVP (Laurent Dinh et al.,
"Density Estimation using Real NVP", 2017, arXiv 1605.08803).
"""

import zoo
from blocks import FlowPrior
from blocks.checks import positive_int
from zoo.models.vae import VAE


@zoo.register("flow_vae")
class FlowVAE(VAE):
    """`vae` with p(z) = N(f(z); 0, I) |det df/dz|, f a stack of affine couplings that learn.

    Args:
        latent_dim: number of dimensions of z, at least 2.
        num_couplings: number of couplings.
        coupling_units: width of both hidden layers of each coupling's network.
        **kwargs: as in `vae`, without `kl_estimator="analytic"`.
    """

    def __init__(self, latent_dim=2, num_couplings=6, coupling_units=64, **kwargs):
        super().__init__(latent_dim=latent_dim, **kwargs)
        self.num_couplings = positive_int(num_couplings, "num_couplings", maximum=1000)
        self.coupling_units = positive_int(coupling_units, "coupling_units")

    def make_prior(self):
        dtype = self.dtype_policy
        return FlowPrior(self.latent_dim, self.num_couplings, self.coupling_units, dtype=dtype)
