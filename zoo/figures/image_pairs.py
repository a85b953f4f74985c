"""Images translated by a model, beside their sources and targets."""

import os
from typing import Any

import numpy as np

from zoo.checks import check_numbers, require_method
from zoo.errors import UsageError
from zoo.figures.formats import check_format
from zoo.figures.rendering import WHITE, grid, pixels


def translations(
    model: Any,
    sources: Any,
    targets: Any,
    n: int = 8,
    seed: int | None = None,
    path: str | os.PathLike | None = None,
    dpi: float | None = None,
) -> np.ndarray:
    """Rows of the first `n` sources, their `model.translate`, and the true targets.

    Args:
        model: has `translate`.
        sources, targets: images [m, h, w, 1 or 3] of one size.
        n: number of rows.
        seed: seed of `translate`.
        path, dpi: see `save`.

    Raises:
        UsageError: the shapes differ, or the model lacks the method.
    """
    check_format(path, dpi)
    check_numbers(n=n)
    if np.shape(sources)[:3] != np.shape(targets)[:3]:
        raise UsageError(
            "translations needs as many sources as targets, of one size, got"
            f" {np.shape(sources)} and {np.shape(targets)}"
        )
    output = require_method(model, "translate")(sources[:n], seed=seed)
    images = [pixels(part) for part in (sources[:n], output, targets[:n])]
    gap = np.full_like(images[0][:, :, :2], WHITE)
    rows = np.concatenate([images[0], gap, images[1], gap, images[2]], axis=2)
    title = "from left to right: input, output, truth"
    return grid(rows, padding=8, title=title, path=path, dpi=dpi)
