"""Generated images: samples, reconstructions, interpolations."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from zoo.checks import check_numbers, require_method
from zoo.errors import UsageError
from zoo.figures.formats import check_format
from zoo.figures.rendering import WHITE, grid, pixels


def samples(
    model: Any,
    n: int = 64,
    seed: int = 0,
    path: str | os.PathLike | None = None,
    dpi: float | None = None,
    **options: Any,
) -> np.ndarray:
    """`n` images of `model.sample`, from the same noise whenever the seed is the same.

    Args:
        model: has `sample`.
        n: number of images.
        seed: seed of the noise.
        path, dpi: see `save`.
        options: further arguments of `model.sample`, such as `label`.
    """
    check_format(path, dpi)
    check_numbers(n=n)
    return grid(require_method(model, "sample")(n, seed=seed, **options), path=path, dpi=dpi)


def reconstructions(
    model: Any,
    images: Any,
    n: int = 16,
    path: str | os.PathLike | None = None,
    dpi: float | None = None,
) -> np.ndarray:
    """The first `n` images, each with its `model.reconstruct` below; `path`, `dpi`: see `save`."""
    check_format(path, dpi)
    check_numbers(n=n)
    originals = pixels(images[:n])
    outputs = pixels(require_method(model, "reconstruct")(images[:n]))
    line = np.full_like(originals[:, :1], WHITE)
    pairs = np.concatenate([originals, line, outputs], axis=1)
    title = "originals above, reconstructions below"
    return grid(pairs, columns=8, padding=10, title=title, path=path, dpi=dpi)


def comparison(
    models: Mapping[str, Any],
    images: Any,
    n: int = 8,
    seed: int = 0,
    path: str | os.PathLike | None = None,
    dpi: float | None = None,
) -> np.ndarray:
    """Several models side by side: the images, then each model's reconstructions, then samples.

    Args:
        models: name in the figure -> a model with `sample`; its reconstructions are shown if it
            has `reconstruct`.
        images: the first `n` are reconstructed.
        n: images in a row.
        seed: seed of the noise, the same for all models.
        path, dpi: see `save`.

    Raises UsageError: a model without `sample`, or images of several sizes.
    """
    check_format(path, dpi)
    check_numbers(n=n)
    rows = {"images": pixels(images[:n])}
    for name, model in models.items():
        if hasattr(model, "reconstruct"):
            rows[f"{name}: reconstructions"] = pixels(model.reconstruct(images[:n]))
    n = len(rows["images"])
    for name, model in models.items():
        rows[f"{name}: samples"] = pixels(require_method(model, "sample")(n, seed=seed))
    sizes = {label: row.shape[1:] for label, row in rows.items()}
    if len({*sizes.values()}) > 1:
        raise UsageError(f"a comparison needs images of one size, got {sizes}")
    tiles = np.concatenate([*rows.values()])
    return grid(tiles, columns=n, row_labels=[*rows], path=path, dpi=dpi)


def interpolation(
    model: Any,
    a: Any,
    b: Any,
    steps: int = 10,
    path: str | os.PathLike | None = None,
    dpi: float | None = None,
) -> np.ndarray:
    """A row for each pair: the image of `a`, `model.interpolate` between them, that of `b`.

    Args:
        model: has `interpolate`.
        a, b: images [n, h, w, 1 or 3] of one shape.
        steps: number of images between them, the codes of both ends included.
        path, dpi: see `save`.
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
