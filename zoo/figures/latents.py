"""Latent spaces: the decoded plane, codes of images, components of a prior."""

import os
from typing import Any

import numpy as np
import tensorflow as tf
from keras.ops import convert_to_numpy

from zoo.checks import check_numbers, require_method
from zoo.errors import UsageError
from zoo.figures.formats import check_format
from zoo.figures.rendering import BLUE, PALETTE, grid, plot, save, to_array

PLANE = {"xlabel": "z₁", "ylabel": "z₂", "aspect": "equal", "adjustable": "datalim"}


def latent_grid(
    model: Any, n: int = 20, path: str | os.PathLike | None = None, dpi: float | None = None
) -> np.ndarray:
    """The plane of codes decoded at `n` x `n` points: z1 grows to the right, z2 upwards.

    As in figure 4 of Kingma & Welling (2013), the coordinates are the quantiles of the prior at
    1/2n, 3/2n, ...; here those of 4,096 samples, so that any prior works.

    Args:
        model: has `decode`, `prior` and `latent_dim` 2.
        n: points per axis.
        path, dpi: see `save`.
    """
    check_format(path, dpi)
    check_numbers(n=n)
    decode = require_method(model, "decode")
    prior = require_method(model, "prior")()
    if (latent_dim := getattr(model, "latent_dim", None)) != 2:
        raise UsageError(f"latent_grid plots a plane and needs latent_dim=2, got {latent_dim}")
    draws = convert_to_numpy(prior.sample(4096, seed=tf.constant([0, 0], tf.int32)))
    z1, z2 = np.quantile(draws, (np.arange(n) + 0.5) / n, axis=0).T
    points = np.stack(np.meshgrid(z1, z2[::-1]), axis=-1).reshape(-1, 2)
    return grid(decode(points.astype(np.float32)), columns=n, padding=0, path=path, dpi=dpi)


def latent_scatter(
    model: Any,
    images: Any,
    labels: Any = None,
    path: str | os.PathLike | None = None,
    dpi: float | None = None,
) -> np.ndarray:
    """`model.encode` of the images, first two dimensions, colored by label.

    Args:
        model: has `encode`.
        images: as `encode` takes them.
        labels: [n], or None. Up to ten different labels get a legend; more, which must be numbers,
            a color bar.
        path, dpi: see `save`.
    """
    check_format(path, dpi)
    codes = convert_to_numpy(require_method(model, "encode")(images))
    values = np.zeros(len(codes)) if labels is None else convert_to_numpy(labels)
    if codes.ndim != 2 or codes.shape[1] < 2 or values.shape != codes.shape[:1]:
        got = f"codes {codes.shape} and labels {values.shape}"
        raise UsageError(f"latent_scatter needs codes [n, 2 or more] and labels [n], got {got}")
    classes, index = np.unique(values, return_inverse=True)
    few = len(classes) <= len(PALETTE)
    colors = [PALETTE[k] for k in index] if few else values
    size = np.clip(16000 / len(codes), 8, 40)
    figure, axes = plot(900, 760)
    dots = axes.scatter(*codes[:, :2].T, s=size, c=colors, linewidths=0, alpha=0.85)
    if not few:
        figure.colorbar(dots, label="label")
    elif labels is not None:
        for color, name in zip(PALETTE, classes, strict=False):
            axes.scatter([], [], s=60, c=color, label=name)
        figure.legend(title="label", loc="outside right center", frameon=False)
    axes.set(title=f"posterior means of {len(codes)} images", **PLANE)
    return save(path, figure, dpi)


def prior_components(
    model: Any, n: int = 36, path: str | os.PathLike | None = None, dpi: float | None = None
) -> np.ndarray:
    """The decoded means of the prior's components, with captions "number: weight".

    The `n` components with the largest weights, in descending order; if codes are two-dimensional,
    beside them the plane with each component's ellipses of one and two standard deviations, more
    opaque for larger weights.

    Args:
        model: has `decode` and a `prior` that is a `tfd.MixtureSameFamily`.
        n: maximum number of components.
        path, dpi: see `save`; this figure is always saved as pixels.
    """
    check_format(path, dpi)
    check_numbers(n=n)
    from matplotlib.patches import Ellipse

    decode = require_method(model, "decode")
    prior = require_method(model, "prior")()
    if not hasattr(prior, "mixture_distribution"):
        raise UsageError(f"prior_components needs a mixture as prior, got {type(prior).__name__}")
    weights = convert_to_numpy(prior.mixture_distribution.probs_parameter())
    heaviest = np.argsort(-weights, kind="stable")[:n]
    parts = prior.components_distribution
    means, stddevs = (convert_to_numpy(m)[heaviest] for m in (parts.mean(), parts.stddev()))
    captions = [f"{k}: {weights[k]:.1%}" for k in heaviest]
    image = grid(decode(means), padding=6, captions=captions)
    if means.shape[1] == 2:
        figure, axes = plot(len(image), len(image))
        for k, mean, stddev in zip(heaviest, means, stddevs, strict=True):
            opacity = float(weights[k] / weights.max())
            fill = (BLUE, opacity / (10 + len(means)))
            edge = (BLUE, 0.15 + 0.65 * opacity)
            for diameter in (2 * stddev, 4 * stddev):
                axes.add_patch(Ellipse(mean, *diameter, facecolor=fill, edgecolor=edge))
            axes.annotate(k, mean, ha="center", va="center")
        axes.set(title="components, at 1 and 2 standard deviations", **PLANE)
        axes.autoscale_view()
        return save(path, np.hstack([image, to_array(figure)]), dpi)
    return save(path, image, dpi)
