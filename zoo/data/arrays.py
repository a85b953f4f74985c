"""Arrays in memory, checked once: what a person passes as images, and what batches can hold."""

import numpy as np

from zoo.errors import UsageError, one_line

PAIR = ("source", "target")
IDS = ("label", "user", "item")  # integers from 0


def from_arrays(source):
    """An array of images, or a dict of arrays with the key "image" or those of pairs, checked."""
    arrays = dict(source) if isinstance(source, dict) else {"image": source}
    images = PAIR if arrays.keys() >= {*PAIR} else ("image",)
    if not arrays.keys() >= {*images}:
        raise UsageError(
            "the images must have the key 'image', pairs of images 'source' and 'target', got the"
            f" keys {sorted(map(str, arrays))}"
        )
    arrays = {name: _array(name, value) for name, value in arrays.items()}
    return check_arrays(arrays | {name: _stack(arrays[name]) for name in images})


def check_arrays(arrays):
    """name -> array [n, ...] as `Data` holds them: images uint8 or float32, labels int32 or int64.

    Those of rank 4 are images. Raises UsageError for values that no model could use.
    """
    if not arrays:
        raise UsageError("there are no arrays to make batches of")
    arrays = {name: _array(name, value) for name, value in arrays.items()}
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


def _check_array(name, value):
    if value.ndim == 4:
        return as_images(value, "images" if name == "image" else f"images {name!r}")
    if value.dtype.kind not in "biuf":
        raise UsageError(f"{name!r} must hold numbers, got {value.dtype}")
    if name in IDS:
        return _ids(name, value)
    if name == "rating" and not np.isfinite(value).all():
        raise UsageError("'rating' must hold finite numbers, got NaN or infinite ones; drop those")
    return value


def _array(name, value):
    try:
        return np.asarray(value)
    except Exception as error:  # lists of several lengths, and what other libraries hand over
        raise UsageError(f"{name!r} cannot be made an array: {one_line(error)}") from error


def _stack(images):
    """Images as [n, h, w, c]; one picture is refused, as it would be read as gray rows."""
    if images.ndim == 3 and images.shape[-1] in (3, 4) and images.shape[1] != images.shape[2]:
        raise UsageError(
            f"the shape {images.shape} is that of one image in color: pass images[None] for a stack"
            " of one, or images[..., None] if they are gray images [n, h, w]"
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


def as_images(images, what="images"):
    """uint8 or float32 of images of any acceptable type; a UsageError says why one is not."""
    if images.dtype == np.uint8:
        return images
    if images.dtype == bool:
        return images.astype(np.uint8) * 255
    if images.dtype.kind != "f":
        raise UsageError(
            f"{what} must be uint8 (0..255) or floats (0..1), got {images.dtype}{_advice(images)}"
        )
    with np.errstate(over="ignore"):  # what becomes infinite is refused below
        images = images.astype(np.float32, copy=False)
    low, high = images.min(initial=0), images.max(initial=0)
    if np.isnan(low):
        raise UsageError(f"{what} must be in [0, 1], got {np.isnan(images).sum():,} NaN values")
    if low < 0 or high > 1:
        raise UsageError(
            f"float {what} must be in [0, 1], got values from {low:g} to {high:g}; "
            + _scaling(low, high)
        )
    return images


def _advice(images):
    if images.dtype.kind not in "iu" or not images.size or images.min() < 0:
        return ""
    if images.max() <= 255:
        return "; these are in 0..255: use images.astype('uint8')"
    return "; of 16 bits use images / 65535" if images.max() <= 65535 else ""


def _scaling(low, high):
    """What brings floats of this range to [0, 1]."""
    if low >= 0 and high <= 255:
        return "divide 0..255 by 255, or pass uint8"
    if low >= -1 and high <= 1:
        return "from [-1, 1] use (images + 1) / 2"
    return "rescale them, or pass uint8 for 0..255"


def _ids(name, values):
    """Labels, users or items as int32 or int64 [n], all of them >= 0."""
    what = f"{name!r} must hold one integer >= 0 for each example"
    if values.ndim != 1:
        hint = "; of one-hot rows use label.argmax(-1)" if values.ndim == 2 else ""
        raise UsageError(f"{what}, got shape {values.shape}{hint}")
    if values.dtype.kind == "f":
        wrong = values[~(np.isfinite(values) & (values == np.floor(values)))]
        if len(wrong):
            raise UsageError(f"{what}, got {wrong[0]:g}")
    low, high = values.min(initial=0), values.max(initial=0)
    if low < 0 or high >= 2**63:
        raise UsageError(f"{what}, got {low if low < 0 else high}")
    return values if values.dtype == np.int32 else values.astype(np.int64)
