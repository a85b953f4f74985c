"""Latent spaces: the decoded plane, where images lie in it, the parts of a prior."""

import numpy as np
import tensorflow as tf
from keras.ops import convert_to_numpy

from zoo.checks import check_numbers, require_method
from zoo.errors import UsageError
from zoo.figures.formats import check_format
from zoo.figures.rendering import BLUE, PALETTE, grid, plot, save, to_array

PLANE = {"xlabel": "z₁", "ylabel": "z₂", "aspect": "equal", "adjustable": "datalim"}


def latent_grid(model, n=20, path=None, dpi=None):
    """The plane of codes decoded at `n` x `n` points: z1 grows to the right, z2 upwards.

    As in figure 4 of Kingma & Welling (2013), an axis has the quantiles of the prior at 1/2n, 3/2n,
    ...; here those of 4,096 draws, so that any prior will do. `latent_dim` must be 2.

    `path` and `dpi`: see `save`.
    """
    check_format(path, dpi)
    check_numbers(n=n)
    decode, prior = require_method(model, "decode"), require_method(model, "prior")()
    if (latent_dim := getattr(model, "latent_dim", None)) != 2:
        raise UsageError(f"latent_grid draws a plane and needs latent_dim=2, got {latent_dim}")
    draws = convert_to_numpy(prior.sample(4096, seed=tf.constant([0, 0], tf.int32)))
    z1, z2 = np.quantile(draws, (np.arange(n) + 0.5) / n, axis=0).T
    points = np.stack(np.meshgrid(z1, z2[::-1]), axis=-1).reshape(-1, 2)
    return grid(decode(points.astype(np.float32)), columns=n, padding=0, path=path, dpi=dpi)


def latent_scatter(model, images, labels=None, path=None, dpi=None):
    """`model.encode` of the images, first two dimensions, coloured by label.

    Up to ten different labels [n] get a legend; more, which must be numbers, a colour bar.

    `path` and `dpi`: see `save`.
    """
    check_format(path, dpi)
    codes = convert_to_numpy(require_method(model, "encode")(images))
    values = np.zeros(len(codes)) if labels is None else convert_to_numpy(labels)
    if codes.ndim != 2 or codes.shape[1] < 2 or values.shape != codes.shape[:1]:
        got = f"codes {codes.shape} and labels {values.shape}"
        raise UsageError(f"latent_scatter needs codes [n, 2 or more] and labels [n], got {got}")
    kinds, kind = np.unique(values, return_inverse=True)
    few = len(kinds) <= len(PALETTE)
    colors = [PALETTE[k] for k in kind] if few else values
    size = np.clip(16000 / len(codes), 8, 40)
    figure, axes = plot(900, 760)
    dots = axes.scatter(*codes[:, :2].T, s=size, c=colors, linewidths=0, alpha=0.85)
    if not few:
        figure.colorbar(dots, label="label")
    elif labels is not None:
        for color, name in zip(PALETTE, kinds, strict=False):
            axes.scatter([], [], s=60, c=color, label=name)
        figure.legend(title="label", loc="outside right center", frameon=False)
    axes.set(title=f"posterior means of {len(codes)} images", **PLANE)
    return save(path, figure, dpi)


def prior_components(model, n=36, path=None, dpi=None):
    """The means of the prior, a `tfd.MixtureSameFamily`, decoded; captions are "number: weight".

    The `n` heaviest come first to last; beside them, when codes are two-dimensional, the plane
    with each component's ellipses of one and two standard deviations, the bolder the heavier.

    `path` and `dpi`: see `save`; this figure is an image also where it holds the plane.
    """
    check_format(path, dpi)
    check_numbers(n=n)
    from matplotlib.patches import Ellipse

    decode, prior = require_method(model, "decode"), require_method(model, "prior")()
    if not hasattr(prior, "mixture_distribution"):
        raise UsageError(f"prior_components needs a mixture as prior, got {type(prior).__name__}")
    weights = convert_to_numpy(prior.mixture_distribution.probs_parameter())
    heaviest = np.argsort(-weights, kind="stable")[:n]
    parts = prior.components_distribution
    means, stddevs = (convert_to_numpy(m)[heaviest] for m in (parts.mean(), parts.stddev()))
    captions = [f"{k}: {weights[k]:.1%}" for k in heaviest]
    picture = grid(decode(means), padding=6, captions=captions)
    if means.shape[1] == 2:
        figure, axes = plot(len(picture), len(picture))
        for k, mean, stddev in zip(heaviest, means, stddevs, strict=True):
            bold = float(weights[k] / weights.max())
            fill, edge = (BLUE, bold / (10 + len(means))), (BLUE, 0.15 + 0.65 * bold)
            for diameter in (2 * stddev, 4 * stddev):
                axes.add_patch(Ellipse(mean, *diameter, facecolor=fill, edgecolor=edge))
            axes.annotate(k, mean, ha="center", va="center")
        axes.set(title="components, at 1 and 2 standard deviations", **PLANE)
        axes.autoscale_view()
        picture = np.hstack([picture, to_array(figure)])
    return save(path, picture, dpi)
