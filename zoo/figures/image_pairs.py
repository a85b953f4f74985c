"""Pictures made of other pictures, beside the truth."""

import numpy as np

from zoo.checks import check_numbers, require_method
from zoo.errors import UsageError
from zoo.figures.formats import check_format
from zoo.figures.rendering import WHITE, grid, pixels


def translations(model, sources, targets, n=8, seed=None, path=None, dpi=None):
    """The first `n` sources, what `model.translate` makes of them, and the true targets, in rows.

    Args:
        sources, targets: images [m, h, w, 1 or 3] of one size.
        seed: as `translate` takes it.
        path, dpi: see `save`.
    """
    check_format(path, dpi)
    check_numbers(n=n)
    if np.shape(sources) != np.shape(targets):
        raise UsageError(
            "translations needs sources and targets of one shape, got"
            f" {np.shape(sources)} and {np.shape(targets)}"
        )
    output = require_method(model, "translate")(sources[:n], seed=seed)
    images = [pixels(part) for part in (sources[:n], output, targets[:n])]
    gap = np.full_like(images[0][:, :, :2], WHITE)
    rows = np.concatenate([images[0], gap, images[1], gap, images[2]], axis=2)
    title = "from left to right: input, output, truth"
    return grid(rows, padding=8, title=title, path=path, dpi=dpi)
