"""Paintings beside what they were made of, and how the losses fell while they were painted."""

import itertools

import numpy as np
from PIL import Image, ImageOps

from zoo.errors import UnknownNameError, UsageError
from zoo.figures.formats import check_format
from zoo.figures.rendering import PALETTE, grid, pixels, plot, save


def stylized(content, style, *paintings, captions=None, path=None, dpi=None):
    """A row: the content, the style, and the paintings; all scaled to the content's height.

    Args:
        content, style, paintings: images [h, w, 1 or 3], each of any size.
        captions: a text under each; None: content, style, result.
        path, dpi: see `save`.
    """
    check_format(path, dpi)
    pictures = [Image.fromarray(pixels(one)) for one in (content, style, *paintings)]
    width, height = pictures[0].size
    widest = max(width, round(pictures[1].width * height / pictures[1].height))
    tiles = [ImageOps.pad(one, (widest, height), color="white") for one in pictures]
    captions = captions or ["content", "style", *["result"] * len(paintings)]
    return grid(
        np.stack([np.asarray(tile) for tile in tiles]),
        columns=len(tiles),
        padding=10,
        scale=1,
        captions=captions,
        path=path,
        dpi=dpi,
    )


def loss_trajectories(histories, by="step", title="", path=None, dpi=None):
    """The loss over the steps, a curve for each way down, on logarithmic scales; ends are marked.

    Args:
        histories: name -> list of entries with "step", "evaluations" and "loss", as `stylize`
            returns it. Empty is a UsageError.
        by: "step" or "evaluations" (of the loss), what the curves are drawn over.
        path, dpi: see `save`.
    """
    check_format(path, dpi)
    labels = {"step": "iterations", "evaluations": "evaluations of the loss"}
    if by not in labels:
        raise UnknownNameError("quantity to draw losses over", by, labels)
    if not histories or not all(histories.values()):
        raise UsageError("descents has nothing to draw: the histories hold no entries")
    figure, axes = plot(640, 460)
    for (name, entries), colour in zip(histories.items(), itertools.cycle(PALETTE), strict=False):
        x = [max(1, entry[by]) for entry in entries]
        y = [entry["loss"] for entry in entries]
        axes.plot(x, y, color=colour, label=f"{name}  {y[-1]:.4g}")
        axes.plot(x[-1], y[-1], "o", color=colour)
    axes.set(title=title, xlabel=labels[by], ylabel="loss", xscale="log", yscale="log")
    axes.legend(frameon=False)
    return save(path, figure, dpi)
