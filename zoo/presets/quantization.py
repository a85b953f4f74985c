"""How weights are stored: as float32, as float16, or as int8 with scales.

An int8 value is a multiple of a scale. Each row, or each column, of a matrix has its own scale,
whichever gives the smaller error. Vectors are few and stay float32.
"""

from collections.abc import Mapping

import h5py
import numpy as np

from zoo.errors import UsageError

MAX_STEP = 127  # largest multiple of a scale
SCALE_SUFFIX = ".scale"  # the scales of "x" are the dataset "x.scale"


def write(file: h5py.File, name: str, values: np.ndarray, dtype: str) -> None:
    """Adds an array to an open HDF5 file.

    Args:
        file: open for writing.
        name: path of the array.
        values: the array, of any shape.
        dtype: as in `zoo.save`.

    Raises UsageError if the array is not finite in that dtype.
    """
    floats = np.issubdtype(values.dtype, np.floating)
    if floats and dtype == "float16":
        with np.errstate(over="ignore"):
            values = values.astype(dtype)
    if floats and not np.isfinite(values).all():
        raise UsageError(f"the weights {name} are not finite as {dtype}")
    if not (floats and dtype == "int8" and values.ndim > 1):
        file.create_dataset(name, data=values, track_times=False)
        return
    candidates = (quantize(values, axis) for axis in (0, -1))
    steps, scale = min(candidates, key=lambda pair: _squared_error(values, *pair))
    file.create_dataset(name, data=steps, track_times=False, compression="gzip")
    file.create_dataset(name + SCALE_SUFFIX, data=scale, track_times=False)


def quantize(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """(int8 array, float32 scales, one per index of `axis`), whose product is near `values`."""
    others = tuple(i for i in range(values.ndim) if i != axis % values.ndim)
    scale = np.abs(values).max(others, keepdims=True) / MAX_STEP
    steps = np.divide(values, scale, out=np.zeros_like(values), where=scale > 0)
    return np.rint(steps).astype(np.int8), scale.astype(np.float32)


def _squared_error(values: np.ndarray, steps: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.square(values - steps * scale).sum()


def is_scale(name: str, dtype: str) -> bool:
    """Whether a dataset holds the scales of another one."""
    return dtype == "int8" and name.endswith(SCALE_SUFFIX)


def dequantized(datasets: Mapping[str, h5py.Dataset], name: str, dtype: str) -> np.ndarray:
    """The array that `write` was given, up to rounding.

    Args:
        datasets: path -> dataset of an HDF5 file.
        name: path of an array whose shape was checked.
        dtype: dtype of the stored weights, as in `zoo.save`.

    Raises ValueError for scales of another shape.
    """
    dataset = datasets[name]
    scale = datasets.get(name + SCALE_SUFFIX)
    if dtype != "int8" or scale is None:
        return dataset[()]
    shapes = zip(scale.shape, dataset.shape, strict=True)
    if not all(n in (1, size) for n, size in shapes):
        raise ValueError(f"the scales of {name} have the shape {scale.shape}, not {dataset.shape}")
    return dataset[()] * scale[()]
