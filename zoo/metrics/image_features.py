"""Features of images by a network: a table with its origin."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from zoo.checks import check_numbers
from zoo.errors import UsageError
from zoo.metrics.model_outputs import check_finite

LARGEST = 1e50  # the kernel distance takes the sixth power


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """Features of n images, with the network and the images they come from.

    Args:
        values: float array [n, d], n >= 2.
        extractor: the network, with its version and the hash of its weights, as
            "mnist-classifier-v1 sha256:ab12cd34". Scores by different networks are not comparable.
        split: the images, such as "mnist test" or "vae-mnist, seed 0".
        labels: integer array [n] of classes, or None.

    Raises:
        UsageError: a wrong shape, or a value that is NaN, infinite or larger than 1e50.
    """

    values: np.ndarray = field(repr=False)
    extractor: str
    split: str
    labels: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        values = np.asarray(self.values)
        object.__setattr__(self, "values", values)
        if values.ndim != 2 or len(values) < 2 or not np.issubdtype(values.dtype, np.floating):
            raise UsageError(
                f"features are floats [n, d] of n >= 2 images, got {values.dtype}"
                f" {values.shape} of {self.split!r}; give more images, and flatten the"
                " extractor's output"
            )
        if not np.isfinite(values).all():
            broken = (~np.isfinite(values).all(axis=1)).sum()
            raise UsageError(
                f"{broken:,} of {len(values):,} images of {self.split!r} have features that are"
                " NaN or infinite; look for NaN in the images, then in the extractor's weights"
            )
        largest = float(np.abs(values).max(initial=0))
        if largest > LARGEST:
            raise UsageError(
                f"features of {self.split!r} are as large as {largest:.3g}, too large to"
                f" compare; scale them below {LARGEST:g}"
            )
        if self.labels is not None and np.shape(self.labels) != (self.n,):
            raise UsageError(
                f"labels are one for each of the {self.n:,} images, got the shape"
                f" {np.shape(self.labels)}; give classes [n], not probabilities"
            )

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.values)


def extract_features(
    extract: Callable,
    images: Any,
    batch_size: int = 256,
    *,
    name: str,
    split: str,
    progress: bool = False,
) -> ImageFeatures:
    """`ImageFeatures` of images.

    Args:
        extract: images [b, h, w, c] -> features [b, d], or a pair of features and class
            probabilities (or logits) [b, classes], whose largest becomes the label; e.g. a Keras
            model. It is called as for inference.
        images: array [n, h, w, c], in the range that `extract` expects.
        batch_size: images per call; the last call gets the rest.
        name: the extractor, with its version and the hash of its weights.
        split: which images these are.
        progress: show a bar on stderr, if that is a terminal.

    Raises:
        UsageError: the images or the outputs of `extract` have a wrong shape, or are NaN.
    """
    check_numbers(batch_size=batch_size)
    images = np.asarray(images)
    if images.ndim != 4 or len(images) < 2:
        raise UsageError(
            f"features need images [n, h, w, c], n >= 2, got the shape {images.shape}; add the"
            " axis of channels, or more images"
        )
    if images.dtype.kind == "f":
        check_finite(images, f"images of {split!r}")
    console = Console(stderr=True)
    visible = progress and console.is_terminal
    values = []
    labels = []
    starts = range(0, len(images), batch_size)
    for start in track(starts, f"features by {name}", console=console, disable=not visible):
        batch = images[start : start + batch_size]
        output = extract(batch)
        if isinstance(output, (tuple, list)):
            output, scores = output
            if np.ndim(scores) != 2 or len(scores) != len(batch):
                raise UsageError(
                    f"{name} must give class scores [{len(batch)}, classes] for images"
                    f" {batch.shape}, gave {np.shape(scores)}"
                )
            check_finite(scores, f"class scores by {name}")
            labels.append(np.argmax(scores, axis=-1))
        if np.ndim(output) != 2 or len(output) != len(batch):
            raise UsageError(
                f"{name} must give [{len(batch)}, d] for images {batch.shape}, gave"
                f" {np.shape(output)}; pool or flatten its last layer"
            )
        values.append(np.asarray(output))
    return ImageFeatures(
        np.concatenate(values), name, split, np.concatenate(labels) if labels else None
    )


def feature_tables(*features: ImageFeatures) -> list[np.ndarray]:
    """The float64 values of several `ImageFeatures`. Raises UsageError if incomparable."""
    for item in features:
        if not isinstance(item, ImageFeatures):
            raise UsageError(
                f"this metric takes ImageFeatures, got {type(item).__name__}; make them with"
                " zoo.metrics.extract_features, or ImageFeatures(values, extractor, split)"
            )
    kinds = {(item.extractor, item.values.shape[1]) for item in features}
    if len(kinds) > 1:
        listed = " and ".join(sorted(f"{d} features by {name!r}" for name, d in kinds))
        raise UsageError(
            f"features of different extractors cannot be compared: {listed}; extract all images"
            " with one network"
        )
    return [np.asarray(item.values, np.float64) for item in features]
