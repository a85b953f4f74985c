"""Figures: samples, reconstructions, latent spaces, attention, training curves.

Every function returns its figure, uint8 [rows, columns, 3], and writes it when given a `path`: in
the format of its suffix, which is .png, .jpg, .jpeg, .pdf or .svg, at `dpi` dots per inch; see
`save`. A notebook shows a figure as an image. Random figures have their own seed: plotting
never changes training, and figures of the same model at different epochs are comparable.

Images are arrays or tensors [n, h, w, 1 or 3], floats in [0, 1] (clipped) or uint8; pixels that
are NaN or infinite are red. A model that lacks a method that a figure needs raises UsageError.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from zoo.figures.attention_maps import attention
from zoo.figures.captioned_images import caption_maps
from zoo.figures.epochs import epoch_series, loss_curves, sample_series
from zoo.figures.figure import Figure
from zoo.figures.formats import FORMATS, check_format
from zoo.figures.image_pairs import translations
from zoo.figures.images import comparison, interpolation, reconstructions, samples
from zoo.figures.latents import latent_grid, latent_scatter, prior_components
from zoo.figures.music_scores import piano_roll
from zoo.figures.rendering import (
    BLUE,
    ORANGE,
    PALETTE,
    grid,
    pixels,
    plot,
    save,
    text_strip,
    to_array,
)
from zoo.figures.sampling_film import animation, film
from zoo.figures.stylization import loss_trajectories, stylized

__all__ = [
    "BLUE",
    "FORMATS",
    "Figure",
    "ORANGE",
    "PALETTE",
    "animation",
    "attention",
    "caption_maps",
    "check_format",
    "comparison",
    "film",
    "loss_trajectories",
    "grid",
    "image_figures",
    "interpolation",
    "latent_grid",
    "latent_scatter",
    "loss_curves",
    "piano_roll",
    "pixels",
    "plot",
    "prior_components",
    "sample_series",
    "reconstructions",
    "to_array",
    "samples",
    "save",
    "epoch_series",
    "stylized",
    "translations",
    "text_strip",
]


def image_figures(model: Any, batch: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The figures of an image model: name -> uint8 [rows, columns, 3], from the methods it has.

    Args:
        model: a model.
        batch: has "image" [n, h, w, c] in [0, 1] and perhaps "label" [n]; the first 512 examples
            are used.
    """
    names = ("sample", "reconstruct", "interpolate", "encode", "decode", "prior")
    methods = {name for name in names if callable(getattr(model, name, None))}
    images, labels = (batch[key][:512] if key in batch else () for key in ("image", "label"))
    latent_dim = getattr(model, "latent_dim", 0)
    figures = {}
    if "sample" in methods:
        figures["samples"] = samples(model)
    if len(images) and "reconstruct" in methods:
        figures["reconstructions"] = reconstructions(model, images)
    if len(images) > 1 and "interpolate" in methods:
        n = min(8, len(images) // 2)
        figures["interpolation"] = interpolation(model, images[:n], images[n : 2 * n])
    if len(images) and len(labels) and "encode" in methods and latent_dim >= 2:
        figures["latent_scatter"] = latent_scatter(model, images, labels)
    if methods >= {"decode", "prior"} and latent_dim == 2:
        figures["latent_grid"] = latent_grid(model)
    if methods >= {"decode", "prior"} and hasattr(model.prior(), "mixture_distribution"):
        figures["prior_components"] = prior_components(model)
    return figures
