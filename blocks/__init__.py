"""Reusable Keras layers that the models of the zoo are lists of.

Layers only: they know Keras, TensorFlow and TFP's distributions, and nothing of models, data or
training. `call` takes and returns tensors; a layer that stands for a distribution has a
`distribution()` method that returns it, always in float32.
"""

from blocks.latent import (
    BernoulliHead,
    FreeBits,
    GaussianHead,
    GaussianMixture,
    NormalHead,
    StandardNormal,
    analytic_kl,
    monte_carlo_kl,
)
from blocks.resample import Downsample, Upsample
from blocks.stack import Stack
from blocks.thin import ThinConv2DTranspose

__all__ = [
    "BernoulliHead",
    "Downsample",
    "FreeBits",
    "GaussianHead",
    "GaussianMixture",
    "NormalHead",
    "Stack",
    "StandardNormal",
    "ThinConv2DTranspose",
    "Upsample",
    "analytic_kl",
    "monte_carlo_kl",
]
