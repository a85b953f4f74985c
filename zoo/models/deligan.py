"""DeLiGAN: Generative Adversarial Networks for Diverse and Limited Data.

Swaminathan Gurumurthy, Ravi Kiran Sarvadevabhatla, R. Venkatesh Babu, 2017, arXiv 1706.02071, with
the networks of `dcgan`: the noise of the generator is a mixture of Gaussians with trained means.
"""

from typing import Any

import tensorflow as tf

import zoo
from blocks import mixture_noise
from blocks.checks import positive_int
from zoo.models.dcgan import DCGAN


@zoo.register("deligan")
class DeLiGAN(DCGAN):
    """`dcgan` whose noise is a mixture of Gaussians, so that each component can model one mode.

    The noise is normal noise followed by the scaled one-hot code of a random component. The rows of
    the generator's first dense layer that belong to the code are the trained means.

    Calling it maps noise [batch, latent_dim + num_components] to images [batch, h, w, c] in [0, 1].

    Args:
        num_components: number of mixture components.
        **kwargs: as in `dcgan`.
    """

    def __init__(self, num_components: int = 100, **kwargs: Any):
        super().__init__(**kwargs)
        self.num_components = positive_int(num_components, "num_components")

    @property
    def noise_dim(self) -> int:
        return self.latent_dim + self.num_components

    def noise(self, n: int, seed: int | tf.Tensor | None = None) -> tf.Tensor:
        return mixture_noise(n, self.latent_dim, self.num_components, self.as_seed(seed))
