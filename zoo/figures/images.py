"""Images that a model makes: out of noise, of other images, between two of them."""

import numpy as np

from zoo.checks import check_numbers, require_method
from zoo.errors import UsageError
from zoo.figures.formats import check_format
from zoo.figures.rendering import WHITE, grid, pixels


def samples(model, n=64, seed=0, path=None, dpi=None, **told):
    """`n` images out of `model.sample`, from the same noise whenever the seed is the same.

    What else `model.sample` takes, such as a `label`, may be given too. `path` and `dpi`: see
    `save`.
    """
    check_format(path, dpi)
    check_numbers(n=n)
    return grid(require_method(model, "sample")(n, seed=seed, **told), path=path, dpi=dpi)


def reconstructions(model, images, n=16, path=None, dpi=None):
    """The first `n` images, each with `model.reconstruct` of it right below; see `save`."""
    check_format(path, dpi)
    check_numbers(n=n)
    originals, again = pixels(images[:n]), pixels(require_method(model, "reconstruct")(images[:n]))
    line = np.full_like(originals[:, :1], WHITE)
    pairs = np.concatenate([originals, line, again], axis=1)
    title = "originals above, reconstructions below"
    return grid(pairs, columns=8, padding=10, title=title, path=path, dpi=dpi)


def interpolation(model, a, b, steps=10, path=None, dpi=None):
    """A row for each pair: the image of `a`, `model.interpolate` between them, that of `b`.

    `path` and `dpi`: see `save`.
    """
    check_format(path, dpi)
    check_numbers(steps=steps)
    if np.shape(a) != np.shape(b):
        raise UsageError(
            f"interpolation needs pairs of images of one shape, got {np.shape(a)} and {np.shape(b)}"
        )
    a, b, between = map(pixels, (a, b, require_method(model, "interpolate")(a, b, steps=steps)))
    gap = np.full_like(a[:, :, :4], WHITE)
    rows = np.concatenate([a, gap, *between.swapaxes(0, 1), gap, b], axis=2)
    title = "originals at the ends, decoded between their codes"
    return grid(rows, columns=1, title=title, path=path, dpi=dpi)
