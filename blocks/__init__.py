"""Reusable Keras layers, from which the models of the zoo are built.

They depend on Keras, TensorFlow, TensorFlow Probability and scikit-learn only, not on models, data
or training. `call` takes and returns tensors. A layer that represents a distribution has a method
`distribution()`, which returns a TFP distribution in float32.
"""

from blocks.attention import AdditiveAttention, MultiHeadAttention, MultiplicativeAttention
from blocks.attention_decoder import AttentionDecoder
from blocks.bounds import elbo, iwae
from blocks.convolution import FastConv2DTranspose
from blocks.diffusion_networks import DiffusionMLP, DiffusionUNet
from blocks.divergences import FreeBits, analytic_kl, monte_carlo_kl
from blocks.embedding import LearnedPositions, SinusoidalPositions, TokenEmbedding
from blocks.gated import GatedDense
from blocks.group_normalization import GroupNormalization
from blocks.heads import BernoulliHead, GaussianHead, NormalHead
from blocks.kernel_mmd import mmd
from blocks.priors import FlowPrior, GaussianMixture, StandardNormal, VampPrior, mixture_noise
from blocks.recurrent import (
    AttentionCell,
    GatedAttentionCell,
    InputFeedingCell,
    SequenceEncoder,
)
from blocks.resample import Downsample, Upsample
from blocks.residual import MapAttention, ResidualBlock, TimeEmbedding
from blocks.stack import Stack
from blocks.style import gram_matrix, total_variation
from blocks.token_cross_entropy import cross_entropy
from blocks.transformer import (
    CausalTransformerLayer,
    TransformerDecoderLayer,
    TransformerEncoderLayer,
)
from blocks.unet import PatchDiscriminator, UNet

__all__ = [
    "AdditiveAttention",
    "AttentionCell",
    "AttentionDecoder",
    "BernoulliHead",
    "CausalTransformerLayer",
    "DiffusionMLP",
    "DiffusionUNet",
    "Downsample",
    "FastConv2DTranspose",
    "FlowPrior",
    "FreeBits",
    "GatedAttentionCell",
    "GatedDense",
    "GaussianHead",
    "GaussianMixture",
    "GroupNormalization",
    "InputFeedingCell",
    "LearnedPositions",
    "MapAttention",
    "MultiHeadAttention",
    "MultiplicativeAttention",
    "NormalHead",
    "PatchDiscriminator",
    "ResidualBlock",
    "SequenceEncoder",
    "SinusoidalPositions",
    "Stack",
    "StandardNormal",
    "TimeEmbedding",
    "TokenEmbedding",
    "TransformerDecoderLayer",
    "TransformerEncoderLayer",
    "UNet",
    "Upsample",
    "VampPrior",
    "analytic_kl",
    "cross_entropy",
    "elbo",
    "gram_matrix",
    "iwae",
    "mmd",
    "monte_carlo_kl",
    "mixture_noise",
    "total_variation",
]
