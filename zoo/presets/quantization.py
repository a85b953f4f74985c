"""How weights are written: as they are, as halves, or as bytes and their scales.

A byte is one of 255 steps of a scale, and each row, or each column, of a matrix has a scale of its
own: the one or the other, whichever comes closer. Vectors stay as they are, they are few.
"""

import numpy as np

from zoo.errors import UsageError

STEPS = 127  # on each side of 0
SCALE = ".scale"  # ends the name of the scales of bytes


def write(file, name, values, stored):
    """Adds an array to an open HDF5 file; raises UsageError if it is not finite as stored."""
    floats = np.issubdtype(values.dtype, np.floating)
    if floats and stored == "float16":
        with np.errstate(over="ignore"):
            values = values.astype(stored)
    if floats and not np.isfinite(values).all():
        raise UsageError(f"the weights {name} are not finite as {stored}")
    if not (floats and stored == "int8" and values.ndim > 1):
        file.create_dataset(name, data=values, track_times=False)
        return
    found = (bytes_of(values, axis) for axis in (0, -1))
    values, scale = min(found, key=lambda one: error(values, *one))
    file.create_dataset(name, data=values, track_times=False, compression="gzip")
    file.create_dataset(name + SCALE, data=scale, track_times=False)


def bytes_of(values, axis):
    """(int8, scale), one scale for each place of an axis, whose product comes near `values`."""
    others = tuple(i for i in range(values.ndim) if i != axis % values.ndim)
    scale = np.abs(values).max(others, keepdims=True) / STEPS
    steps = np.divide(values, scale, out=np.zeros_like(values), where=scale > 0)
    return np.rint(steps).astype(np.int8), scale.astype(np.float32)


def error(values, steps, scale):
    return np.square(values - steps * scale).sum()


def is_scale(name, stored):
    """Whether a dataset holds the scales of another one's bytes."""
    return stored == "int8" and name.endswith(SCALE)


def read(datasets, name, stored):
    """The array that `write` was given, but for what rounding took.

    Args:
        datasets: name -> dataset of an HDF5 file.
        name: of one whose shape was checked.
        stored: as in `zoo.save`.

    Raises ValueError for scales of another shape.
    """
    dataset, scale = datasets[name], datasets.get(name + SCALE)
    if stored != "int8" or scale is None:
        return dataset[()]
    shapes = zip(scale.shape, dataset.shape, strict=True)
    if not all(n in (1, size) for n, size in shapes):
        raise ValueError(f"the scales of {name} have the shape {scale.shape}")
    return dataset[()] * scale[()]
