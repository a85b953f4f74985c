"""A training over its epochs: what it logged, and how a picture changed."""

import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from zoo.checks import check_numbers
from zoo.errors import UsageError, one_line
from zoo.figures.formats import check_format
from zoo.figures.rendering import BLUE, ORANGE, PADDING, grid, pixels, plot, save


def loss_curves(history, epochs=None, unit=None, path=None, dpi=None):
    """What training logged: a panel for each quantity, `loss` first; `val_x` joins `x`.

    Args:
        history: name -> one value an epoch, as `fit(...).history` or `history.json` has it; a
            shorter list belongs to the last epochs. NaN leaves a gap. Empty is a UsageError.
        epochs: the epochs' numbers from 0, as `fit(...).epoch` counts them; drawn from 1.
        unit: of the values, such as "nats".
        path, dpi: see `save`.
    """
    check_format(path, dpi)
    curves = {k: np.array(v, float) for k, v in history.items() if k != "epoch" and len(v)}
    if not curves:
        raise UsageError("loss_curves has nothing to draw: the history holds no values")
    if epochs is None:
        epochs = history.get("epoch", range(max(map(len, curves.values()))))
    epochs = np.array(epochs) + 1
    names = sorted({k.removeprefix("val_"): 0 for k in curves}, key=lambda name: name != "loss")
    figure, *panels = plot(480, 380, len(names))
    for axes, name in zip(panels, names, strict=True):
        for key, color, style in ((name, BLUE, "o-"), (f"val_{name}", ORANGE, "s--")):
            if key in curves:
                y = curves[key][-len(epochs) :]
                label = f"{'train' if key == name else 'validation'}  {y[-1]:.4g}"
                size = 5 * (len(y) <= 40)  # of the markers: longer curves need none
                axes.plot(epochs[-len(y) :], y, style, color=color, ms=size, label=label)
        axes.set(title=name, xlabel="epoch", ylabel=unit or "", xlim=epochs[[0, -1]] + [-0.5, 0.5])
        axes.locator_params(axis="x", nbins=6, integer=True, min_n_ticks=1)
        axes.legend(frameon=False)
    return save(path, figure, dpi)


def epoch_series(pictures, n=5, path=None, dpi=None):
    """How a picture changed: at most `n` epochs side by side, evenly on a logarithmic scale.

    `pictures` is a folder of `epoch-0001.png`, ..., as training writes them, or a list of such
    files, or of images for the epochs 1, 2, ...; that there be none is a UsageError. `path` and
    `dpi`: see `save`.
    """
    check_format(path, dpi)
    check_numbers(n=n)
    captions, chosen = zip(*_select_epochs(pictures, n), strict=True)
    tiles = [ImageOps.pad(Image.fromarray(one), (360, 360), color="white") for one in chosen]
    tiles = [np.asarray(tile) for tile in tiles]
    return grid(tiles, len(tiles), padding=10, scale=1, captions=captions, path=path, dpi=dpi)


def sample_series(pictures, n=6, rows=8, path=None, dpi=None):
    """How the same noise became images: below each other, the first row of samples of `n` epochs.

    `pictures` as in `series`: those of `samples`, which has the same noise at each epoch. They have
    `rows` rows, as 64 square samples do. `path` and `dpi`: see `save`.
    """
    check_format(path, dpi)
    check_numbers(n=n, rows=rows)
    captions, chosen = zip(*_select_epochs(pictures, n), strict=True)
    strips = [one[: (len(one) - PADDING) // rows + PADDING] for one in chosen]
    return grid(strips, 1, scale=1, captions=captions, path=path, dpi=dpi)


def _select_epochs(pictures, n):
    """[("epoch 1", image), ...]: at most `n` of `pictures`, the first and the last among them."""
    if isinstance(pictures, str | Path):
        pictures = sorted(Path(pictures).glob("epoch-*.png"))
    if not len(pictures):
        raise UsageError("expected a folder with epoch-0001.png, ... or a list; there is nothing")
    n = min(n, len(pictures))
    chosen = np.maximum(np.arange(n) + 1, np.geomspace(1, len(pictures), n).round()).astype(int)
    found = []
    for k in np.unique(chosen):
        picture = pictures[k - 1]
        if isinstance(picture, str | Path):
            k = int((re.findall(r"\d+", Path(picture).stem) or [k])[-1])
            picture = _read(picture)
        found.append((f"epoch {k}", pixels(picture)))
    return found


def _read(path):
    """The pixels of a figure's file; raises UsageError if it is damaged."""
    try:
        with Image.open(path) as file:
            return np.asarray(file.convert("RGB"))
    except Exception as error:  # what Pillow raises for damaged files cannot be listed
        raise UsageError(f"{path} cannot be read as an image: {one_line(error)}") from error
