"""Figures of a training over its epochs: logged quantities, and a figure at several epochs."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from zoo.checks import check_numbers
from zoo.errors import UsageError, one_line
from zoo.figures.formats import check_format
from zoo.figures.rendering import BLUE, ORANGE, PADDING, grid, pixels, plot, save


def loss_curves(
    history: Mapping[str, Sequence[float]],
    epochs: Sequence[int] | None = None,
    unit: str | None = None,
    path: str | os.PathLike | None = None,
    dpi: float | None = None,
) -> np.ndarray:
    """Logged quantities: a panel for each, `loss` first; `val_x` is plotted with `x`.

    Args:
        history: name -> one value per epoch, as `fit(...).history` or `history.json`; a shorter
            list belongs to the last epochs. NaN leaves a gap.
        epochs: the epochs' numbers from 0, as in `fit(...).epoch`; labeled from 1.
        unit: unit of the values, such as "nats".
        path, dpi: see `save`.

    Raises:
        UsageError: the history is empty.
    """
    check_format(path, dpi)
    curves = {k: np.array(v, float) for k, v in history.items() if k != "epoch" and len(v)}
    if not curves:
        raise UsageError("loss_curves has nothing to plot: the history has no values")
    if epochs is None:
        numbers = history.get("epoch", range(max(map(len, curves.values()))))
    else:
        numbers = epochs
    axis = np.array(numbers) + 1
    names = sorted({k.removeprefix("val_"): 0 for k in curves}, key=lambda name: name != "loss")
    figure, *panels = plot(480, 380, len(names))
    for axes, name in zip(panels, names, strict=True):
        for key, color, style in ((name, BLUE, "o-"), (f"val_{name}", ORANGE, "s--")):
            if key in curves:
                y = curves[key][-len(axis) :]
                label = f"{'train' if key == name else 'validation'}  {y[-1]:.4g}"
                size = 5 * (len(y) <= 40)  # markers only for short curves
                axes.plot(axis[-len(y) :], y, style, color=color, ms=size, label=label)
        axes.set(title=name, xlabel="epoch", ylabel=unit or "", xlim=axis[[0, -1]] + [-0.5, 0.5])
        axes.locator_params(axis="x", nbins=6, integer=True, min_n_ticks=1)
        axes.legend(frameon=False)
    return save(path, figure, dpi)


def epoch_series(
    images: str | Path | Sequence,
    n: int = 5,
    path: str | os.PathLike | None = None,
    dpi: float | None = None,
) -> np.ndarray:
    """A figure at up to `n` epochs side by side, spaced evenly on a logarithmic scale.

    Args:
        images: a folder of `epoch-0001.png`, ..., as written by training, or a list of such files,
            or of images for the epochs 1, 2, ...
        n: maximum number of epochs.
        path, dpi: see `save`.

    Raises:
        UsageError: there are no images.
    """
    check_format(path, dpi)
    check_numbers(n=n)
    captions, chosen = zip(*_select_epochs(images, n), strict=True)
    squares = [ImageOps.pad(Image.fromarray(image), (360, 360), color="white") for image in chosen]
    tiles = [np.asarray(square) for square in squares]
    return grid(tiles, len(tiles), padding=10, scale=1, captions=captions, path=path, dpi=dpi)


def sample_series(
    images: str | Path | Sequence,
    n: int = 6,
    rows: int = 8,
    path: str | os.PathLike | None = None,
    dpi: float | None = None,
) -> np.ndarray:
    """The first row of samples at up to `n` epochs, one below the other.

    Args:
        images: as in `epoch_series`: figures of `samples`, which has the same noise at each epoch.
        n: maximum number of epochs.
        rows: rows of images in each figure; 8 for 64 square samples.
        path, dpi: see `save`.

    Raises:
        UsageError: there are no images.
    """
    check_format(path, dpi)
    check_numbers(n=n, rows=rows)
    captions, chosen = zip(*_select_epochs(images, n), strict=True)
    strips = [image[: (len(image) - PADDING) // rows + PADDING] for image in chosen]
    return grid(strips, 1, scale=1, captions=captions, path=path, dpi=dpi)


def _select_epochs(images: Any, n: int) -> list[tuple[str, np.ndarray]]:
    """[("epoch 1", image), ...]: up to `n` of the images, with the first and the last."""
    if isinstance(images, str | Path):
        images = sorted(Path(images).glob("epoch-*.png"))
    if not len(images):
        raise UsageError(
            "expected a folder with epoch-0001.png, ... or a list of images; got nothing"
        )
    n = min(n, len(images))
    chosen = np.maximum(np.arange(n) + 1, np.geomspace(1, len(images), n).round()).astype(int)
    selected = []
    for k in np.unique(chosen):
        image = images[k - 1]
        if isinstance(image, str | Path):
            k = int((re.findall(r"\d+", Path(image).stem) or [k])[-1])
            image = _read(image)
        selected.append((f"epoch {k}", pixels(image)))
    return selected


def _read(path: str | Path) -> np.ndarray:
    """The pixels of a figure's file. Raises UsageError if it is damaged."""
    try:
        with Image.open(path) as file:
            return np.asarray(file.convert("RGB"))
    except Exception as error:  # Pillow raises many kinds for damaged files
        raise UsageError(f"{path} cannot be read as an image: {one_line(error)}") from error
