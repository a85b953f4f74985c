"""Reusable Keras layers that the models of the zoo are lists of.

Layers only: they know Keras, TensorFlow and TFP's distributions, and nothing of models, data or
training. `call` takes and returns tensors; a layer that stands for a distribution has a
`distribution()` method that returns it, always in float32.
"""

from blocks.divergences import IWAE, DReG, FreeBits, analytic_kl, elbo, monte_carlo_kl
from blocks.gated import GatedDense
from blocks.latent import BernoulliHead, GaussianHead, NormalHead
from blocks.mmd import mmd
from blocks.priors import FlowPrior, GaussianMixture, StandardNormal, VampPrior
from blocks.resample import Downsample, Upsample
from blocks.stack import Stack
from blocks.thin import ThinConv2DTranspose

__all__ = [
    "IWAE",
    "BernoulliHead",
    "DReG",
    "Downsample",
    "FlowPrior",
    "FreeBits",
    "GatedDense",
    "GaussianHead",
    "GaussianMixture",
    "NormalHead",
    "Stack",
    "StandardNormal",
    "ThinConv2DTranspose",
    "Upsample",
    "VampPrior",
    "analytic_kl",
    "elbo",
    "mmd",
    "monte_carlo_kl",
]
