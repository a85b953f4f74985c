"""The film of a model that generates images step by step, from noise to image."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zoo.checks import check_numbers, require_method
from zoo.errors import UsageError
from zoo.figures.formats import check_format
from zoo.figures.rendering import grid, pixels
from zoo.files import check_writable, write_atomically

LAST_FRAME = 12  # the last image is shown for as long as this many frames


def film(
    model: Any,
    n: int = 8,
    frames: int = 10,
    seed: int = 0,
    path: str | os.PathLike | None = None,
    dpi: float | None = None,
    **options: Any,
) -> np.ndarray:
    """`n` rows: each shows one image at several steps, from noise (left) to image (right).

    Args:
        model: has `sample_path`.
        n: number of images.
        frames: number of columns, evenly spaced in time; at most one more than the steps.
        seed: seed of the noise.
        path, dpi: see `save`.
        options: further arguments of `model.sample_path`, such as `label` and `steps`.
    """
    check_format(path, dpi)
    states = _states(model, n, frames, seed, options)
    columns = states.shape[1]
    return grid(states.reshape(-1, *states.shape[2:]), columns=columns, path=path, dpi=dpi)


def animation(
    model: Any,
    path: str | os.PathLike,
    n: int = 36,
    frames: int = 25,
    seed: int = 0,
    milliseconds: int = 80,
    **options: Any,
) -> np.ndarray:
    """The film of `n` images as an animated GIF; returns its frames, uint8 [frames, h, w, 3].

    Args:
        model: has `sample_path`.
        path: a file name that ends in .gif.
        n, frames, seed, options: as in `film`.
        milliseconds: duration of a frame; the last one is shown longer.

    Raises:
        UsageError: another suffix.
        WriteError: the file cannot be written.
    """
    if Path(path).suffix.lower() != ".gif":
        raise UsageError(f"an animation is written as .gif, got {str(path)!r}")
    check_writable(path)
    check_numbers(milliseconds=milliseconds)
    states = _states(model, n, frames, seed, options)
    arrays = np.stack([grid(states[:, k]) for k in range(states.shape[1])])
    images = [Image.fromarray(array).quantize(64) for array in arrays]
    durations = [milliseconds] * (len(images) - 1) + [LAST_FRAME * milliseconds]
    write_atomically(
        path,
        lambda file: images[0].save(
            file,
            format="GIF",
            save_all=True,
            append_images=images[1:],
            duration=durations,
            loop=0,
        ),
    )
    return arrays


def _states(model: Any, n: int, frames: int, seed: int, options: dict[str, Any]) -> np.ndarray:
    """`frames` evenly spaced states of `model.sample_path`: uint8 [n, frames, h, w, 3]."""
    check_numbers(n=n, frames=frames, seed=seed)
    states = require_method(model, "sample_path")(n, seed=seed, **options)
    steps = states.shape[1]
    columns = np.unique(np.linspace(0, steps - 1, min(frames, steps)).round().astype(int))
    return pixels(np.asarray(states)[:, columns])
