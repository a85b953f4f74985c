"""Checks of arrays in memory: images as users pass them, and values that batches can hold."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from zoo.checks import MAX_INT32
from zoo.errors import UsageError, one_line, short_repr
from zoo.log import log_message_once

PAIR_KEYS = ("source", "target")
ID_KEYS = ("label", "user", "item")  # integers from 0


def from_arrays(source: Any) -> dict[str, np.ndarray]:
    """Checked arrays of an array of images, or of a dict with "image" or the keys of pairs.

    Raises UsageError.
    """
    if isinstance(source, tuple):
        raise UsageError(
            f"images must be an array or a dict of arrays, got a tuple of {len(source)}; for images"
            ' with labels pass {"image": images, "label": labels}'
        )
    arrays = dict(source) if isinstance(source, dict) else {"image": source}
    images = PAIR_KEYS if arrays.keys() >= {*PAIR_KEYS} else ("image",)
    if not arrays.keys() >= {*images}:
        raise UsageError(
            "images need the key 'image', and pairs of images the keys 'source' and 'target'; got"
            f" the keys {sorted(map(str, arrays))}"
        )
    arrays = {name: _as_array(name, value) for name, value in arrays.items()}
    arrays = check_arrays(arrays | {name: _as_stack(arrays[name]) for name in images})
    for name in images:
        _note_dark(name, arrays[name])
    if "label" in arrays:
        _note_unused_labels(arrays["label"])
    return arrays


def check_arrays(arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """name -> array [n, ...] for `ArrayDataset`: images uint8 or float32, ids int32 or int64.

    Arrays of rank 4 are images. Raises UsageError for values that no model could use.
    """
    if not isinstance(arrays, Mapping) or not arrays:
        raise UsageError(f"expected a dict with at least one array, got {short_repr(arrays)}")
    arrays = {name: _as_array(name, value) for name, value in arrays.items()}
    first = next((name for name in arrays if arrays[name].ndim == 4), next(iter(arrays)))
    count = len(arrays[first])
    noun = "images" if arrays[first].ndim == 4 else f"rows of {first!r}"
    for name, value in arrays.items():
        if value.ndim < 1 or len(value) != count:
            raise UsageError(
                f"there are {count} {noun} but {name!r} has the shape {value.shape}; "
                f"its first dimension must be {count}"
            )
    return {name: _check_array(name, value) for name, value in arrays.items()}


def _check_array(name: str, value: np.ndarray) -> np.ndarray:
    if value.ndim == 4:
        return as_images(value, "images" if name == "image" else f"images {name!r}")
    if value.dtype.kind not in "biuf":
        hint = "; numpy.unique(names, return_inverse=True)[1] numbers names from 0"
        hint = hint if name in ID_KEYS else ""
        raise UsageError(f"{name!r} must hold numbers, got {value.dtype}{hint}")
    if name in ID_KEYS:
        return _as_ids(name, value)
    if name == "rating" and not np.isfinite(value).all():
        raise UsageError("'rating' must hold finite numbers, got NaN or infinite ones; drop those")
    return value


def _as_array(name: str, value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except Exception as error:  # ragged lists, and objects of other libraries
        raise UsageError(f"cannot convert {name!r} to an array: {one_line(error)}") from error


def _as_stack(images: np.ndarray) -> np.ndarray:
    """Images as [n, h, w, c]. A single color image is an error: it would be read as gray rows."""
    if images.ndim == 3 and images.shape[-1] in (3, 4) and images.shape[1] != images.shape[2]:
        raise UsageError(
            f"{images.shape} is the shape of a single color image: pass images[None] for a stack of"
            " one, or images[..., None] if these are gray images [n, h, w]"
        )
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or 0 in images.shape:
        raise UsageError(f"images must be [n, h, w] or [n, h, w, c], got shape {images.shape}")
    if images.shape[-1] > 4:
        raise UsageError(
            f"images must have 1 to 4 channels, channels last, got shape {images.shape}; "
            "from [n, c, h, w] use images.transpose(0, 2, 3, 1)"
        )
    return images


def as_images(images: np.ndarray, label: str = "images") -> np.ndarray:
    """Images of any accepted type as uint8 or float32.

    Raises UsageError, which calls the images `label` and gives the reason.
    """
    if images.dtype == np.uint8:
        return images
    if images.dtype == bool:
        return images.astype(np.uint8) * 255
    if images.dtype.kind != "f":
        raise UsageError(
            f"{label} must be uint8 (0..255) or floats (0..1), got {images.dtype}"
            f"{_integer_hint(images)}"
        )
    with np.errstate(over="ignore"):  # values that become infinite are refused below
        images = images.astype(np.float32, copy=False)
    low = images.min(initial=0)
    high = images.max(initial=0)
    if np.isnan(low):
        raise UsageError(f"{label} must be in [0, 1], got {np.isnan(images).sum():,} NaN values")
    if low < 0 or high > 1:
        raise UsageError(
            f"float {label} must be in [0, 1], got values from {low:g} to {high:g}; "
            + _scaling_hint(low, high)
        )
    return images


def _note_dark(name: str, images: np.ndarray) -> None:
    """Logs a message about images that are almost black, as if scaled to [0, 1] once too often."""
    largest = images.max(initial=0)
    if images.dtype == np.uint8 and largest == 1:
        log_message_once(
            f"note: {name!r} is uint8 with values of 0 and 1, where 255 is white: if 1 means white,"
            " pass images.astype(bool)"
        )
    elif images.dtype != np.uint8 and 0 < largest <= 1 / 255:
        log_message_once(
            f"note: {name!r} has floats up to {largest:g}, where 1 is white: they were perhaps"
            " divided by 255 twice"
        )


def _note_unused_labels(labels: np.ndarray) -> None:
    """Logs a message about classes without examples, as if labels began at 1."""
    used = np.unique(labels)
    if not len(used) or len(used) == used[-1] + 1:
        return
    listed = ", ".join(map(str, used[:5])) + (", ..." if len(used) > 5 else "")
    begin = "subtract 1" if used[0] == 1 and used[-1] == len(used) else "number them from 0"
    log_message_once(
        f"note: classes are numbered from 0, so the labels {listed} mean {used[-1] + 1:,} classes,"
        f" of which {len(used):,} have examples: {begin}, unless examples of the others will follow"
    )


def _integer_hint(images: np.ndarray) -> str:
    if images.dtype.kind not in "iu" or not images.size or images.min() < 0:
        return ""
    if images.max() <= 255:
        return "; these are in 0..255: use images.astype('uint8')"
    return "; for 16 bits use images / 65535" if images.max() <= 65535 else ""


def _scaling_hint(low: float, high: float) -> str:
    """How to bring floats of this range to [0, 1]."""
    if low >= 0 and high <= 255:
        return "divide 0..255 by 255, or pass uint8"
    if low >= -1 and high <= 1:
        return "from [-1, 1] use (images + 1) / 2"
    return "rescale them, or pass uint8 for 0..255"


def _as_ids(name: str, values: np.ndarray) -> np.ndarray:
    """Labels, users or items as int32 or int64 [n], all of them >= 0."""
    expected = f"{name!r} must hold one integer >= 0 and below {MAX_INT32} for each example"
    if values.ndim != 1:
        hint = "; for one-hot rows use label.argmax(-1)" if values.ndim == 2 else ""
        raise UsageError(f"{expected}, got shape {values.shape}{hint}")
    if values.dtype == bool:
        return values.astype(np.int64)
    if values.dtype.kind == "f":
        wrong = values[~(np.isfinite(values) & (values == np.floor(values)))]
        if len(wrong):
            raise UsageError(f"{expected}, got {wrong[0]:g}")
    low = values.min(initial=0)
    high = values.max(initial=0)
    if low < 0 or high >= MAX_INT32:
        raise UsageError(f"{expected}, got {low if low < 0 else high}")
    return values if values.dtype == np.int32 else values.astype(np.int64)
