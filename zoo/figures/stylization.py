"""Stylized images beside their content and style, and the loss of the optimization."""

import itertools
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from zoo.errors import UnknownNameError, UsageError
from zoo.figures.formats import check_format
from zoo.figures.rendering import PALETTE, grid, pixels, plot, save


def stylized(
    content: Any,
    style: Any,
    *results: Any,
    captions: Sequence[str] | None = None,
    path: str | os.PathLike | None = None,
    dpi: float | None = None,
) -> np.ndarray:
    """A row: the content, the style, and the results; all scaled to the content's height.

    Args:
        content, style, results: images [h, w, 1 or 3], each of any size.
        captions: a text under each; None: content, style, result.
        path, dpi: see `save`.
    """
    check_format(path, dpi)
    images = [Image.fromarray(pixels(image)) for image in (content, style, *results)]
    width, height = images[0].size
    widest = max(width, round(images[1].width * height / images[1].height))
    tiles = [ImageOps.pad(image, (widest, height), color="white") for image in images]
    captions = captions or ["content", "style", *["result"] * len(results)]
    return grid(
        np.stack([np.asarray(tile) for tile in tiles]),
        columns=len(tiles),
        padding=10,
        scale=1,
        captions=captions,
        path=path,
        dpi=dpi,
    )


def loss_trajectories(
    histories: Mapping[str, Sequence[Mapping[str, float]]],
    by: str = "step",
    title: str = "",
    path: str | os.PathLike | None = None,
    dpi: float | None = None,
) -> np.ndarray:
    """The loss over the steps, a curve for each optimization, on logarithmic scales.

    Args:
        histories: name -> list of entries with "step", "evaluations" and "loss", as returned by
            `stylize`.
        by: "step" or "evaluations" (of the loss), the horizontal axis.
        title: title of the figure.
        path, dpi: see `save`.

    Raises:
        UsageError: the histories are empty.
        UnknownNameError: `by`.
    """
    check_format(path, dpi)
    labels = {"step": "iterations", "evaluations": "evaluations of the loss"}
    if by not in labels:
        raise UnknownNameError("quantity to plot losses over", by, labels)
    if not histories or not all(histories.values()):
        raise UsageError("loss_trajectories has nothing to plot: the histories have no entries")
    figure, axes = plot(640, 460)
    for (name, entries), color in zip(histories.items(), itertools.cycle(PALETTE), strict=False):
        x = [max(1, entry[by]) for entry in entries]
        y = [entry["loss"] for entry in entries]
        axes.plot(x, y, color=color, label=f"{name}  {y[-1]:.4g}")
        axes.plot(x[-1], y[-1], "o", color=color)
    axes.set(title=title, xlabel=labels[by], ylabel="loss", xscale="log", yscale="log")
    axes.legend(frameon=False)
    return save(path, figure, dpi)
