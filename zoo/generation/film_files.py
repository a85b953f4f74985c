"""Files of samples and films of a `DiffusionModel`."""

from pathlib import Path
from typing import Any

from zoo import figures
from zoo.data.numpy_files import write_arrays
from zoo.model.image_samples import write_images


def write_film(model: Any, file: Path, n: int | None, seed: int, **options: Any) -> None:
    """Writes the steps of `n` images from noise: a figure, an animation (.gif), or an array.

    Args:
        model: has `sample_path`.
        file: the file.
        n: number of images; None: 8, or 36 of an animation.
        seed, options: arguments of `model.sample_path`.
    """
    suffix = file.suffix.lower()
    if suffix == ".gif":
        figures.animation(model, file, n or 36, seed=seed, **options)
    elif suffix in figures.FORMATS:
        figures.film(model, n or 8, seed=seed, path=file, **options)
    else:
        write_arrays(file, image=model.sample_path(n or 8, seed=seed, **options))


def write_path_samples(
    model: Any, file: Path, n: int | None, seed: int, film: bool, **options: Any
) -> None:
    """Writes `n` samples, or their film if asked for or if the file is an animation."""
    if film or file.suffix.lower() == ".gif":
        write_film(model, file, n, seed, **options)
    else:
        write_images(model, file, 64 if n is None else n, seed, **options)
