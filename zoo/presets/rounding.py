"""How weights are written: as they are, as halves, or as bytes and their scales.

A byte is one of 255 steps of a scale, and each row, or each column, of a matrix has a scale of its
own: the one or the other, whichever comes closer. Vectors stay as they are, they are few.
"""

import contextlib
import tempfile
from pathlib import Path

import h5py
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


@contextlib.contextmanager
def readable(path, stored):
    """Context: the path of a weights file that Keras reads."""
    if stored != "int8":
        yield path
        return
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place) / path.name
        with h5py.File(path) as had, h5py.File(whole, "w") as has:

            def copy(name, item):
                if isinstance(item, h5py.Dataset) and not name.endswith(SCALE):
                    scale = had[name + SCALE][()] if name + SCALE in had else 1
                    has[name] = item[()] * scale

            had.visititems(copy)
        yield whole
