"""Pictures made of other pictures, beside the truth."""

import numpy as np

from zoo.figures.drawing import WHITE, grid, pixels, verb


def translations(model, sources, targets, n=8, seed=None, path=None):
    """The first `n` sources, what `model.translate` makes of them, and the true targets, in rows.

    Args:
        sources, targets: images [m, h, w, 1 or 3] of one size.
        seed: as `translate` takes it.
    """
    output = verb(model, "translate")(sources[:n], seed=seed)
    images = [pixels(part) for part in (sources[:n], output, targets[:n])]
    gap = np.full_like(images[0][:, :, :2], WHITE)
    rows = np.concatenate([images[0], gap, images[1], gap, images[2]], axis=2)
    return grid(rows, padding=8, title="from left to right: input, output, truth", path=path)
