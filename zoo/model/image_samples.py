"""Samples of image models as files: figures or arrays, of a class or like an image."""

import inspect
from pathlib import Path
from typing import Any

from zoo import figures
from zoo.checks import require_method
from zoo.data.image_files import read_image
from zoo.data.numpy_files import write_arrays
from zoo.errors import UsageError


def write_images(model: Any, file: Path, n: int, seed: int, **conditions: Any) -> None:
    """Writes `n` samples of a model as a figure or as an array, depending on the file's suffix."""
    sample = require_method(model, "sample")
    if file.suffix.lower() in figures.FORMATS:
        figures.samples(model, n, seed, file, **conditions)
    else:
        write_arrays(file, image=sample(n, seed=seed, **conditions))


def sample_conditions(model: Any, label: int | None, reference: Path | None) -> dict[str, Any]:
    """The keyword arguments of `model.sample` for a class or an image.

    Raises UsageError if the model is not conditioned on a class, or not on an image.
    """
    arguments: dict[str, Any] = {}
    if label is not None:
        num_classes = getattr(model, "num_classes", 0)
        if label >= num_classes:
            known = f"has the classes 0 ... {num_classes - 1}" if num_classes else "has no classes"
            raise UsageError(f"{model.name} {known}, got --label {label}")
        arguments["label"] = label
    if reference is not None:
        method = getattr(model, "sample", None)
        if not method or "reference" not in inspect.signature(method).parameters:
            raise UsageError(
                f"{model.name} is not conditioned on an image, got --reference {reference}"
            )
        rows, columns, channels = model.image_shape
        image = read_image(reference, channels, rows if rows == columns else None)
        if image.shape != model.image_shape:
            raise UsageError(
                f"{model.name} generates images of shape {model.image_shape}, {reference} has"
                f" {image.shape}"
            )
        arguments["reference"] = image[None] / 255
    return arguments
