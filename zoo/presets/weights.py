"""Weights files: the only reader of untrusted HDF5 files.

HDF5 can point to other files and declare arrays of any size. Only plain datasets in plain groups
are read, and an array only after its shape was compared with the model's.
"""

import contextlib
import io
import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
import ml_dtypes
import numpy as np

from zoo.presets import quantization

FILE = "model.weights.h5"  # Keras recognizes the format by the ending
MAX_DEPTH = 32  # levels of groups
MAX_ITEMS = 2**16
MAX_EXPANSION = 16  # all arrays of a Keras file together, over the bytes of the file
SLACK = 2**20  # bytes
READABLE_KINDS = {"f": "fi", "V": "fi", "i": "iu", "u": "iu", "b": "b"}  # model's kind -> file's


def load(
    model: keras.Layer, raw: bytes, dtype: str, rename: Callable[[str], str] | None = None
) -> None:
    """Loads the weights in the bytes of a file; raises ValueError if they do not fit.

    Args:
        model: a built model.
        raw: bytes of a file that `quantization.write` made.
        dtype: dtype of the stored weights, as in `zoo.save`.
        rename: path of an array in the file -> its path in the model; None: they are the same.
    """
    with h5py.File(io.BytesIO(raw)) as file, saved_arrays(model) as expected:
        stored = _renamed(dict(datasets(file)), rename)
        _check_fit(stored, expected, dtype)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / FILE
            with h5py.File(path, "w") as whole:
                for name, mine in expected.items():
                    whole[name] = _finite_array(stored, name, mine.dtype, dtype)
            model.load_weights(path)


def _renamed(stored: Any, rename: Callable | None) -> dict[str, Any]:
    """Datasets by their current paths; raises ValueError if two would have the same."""
    if rename is None:
        return stored
    renamed = {rename(name): dataset for name, dataset in stored.items()}
    if len(renamed) < len(stored):
        raise ValueError("two of its arrays have the same path in the model")
    return renamed


@contextlib.contextmanager
def saved_arrays(model: keras.Layer) -> Iterator[dict[str, h5py.Dataset]]:
    """Context: path -> dataset of all that Keras saves of a model except its optimizer."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        model.save_weights(path)
        with h5py.File(path) as file:
            yield {k: v for k, v in datasets(file) if not k.startswith("optimizer/")}


def _check_fit(stored: Any, expected: Any, dtype: str) -> None:
    """Raises ValueError unless the arrays of a file are those of a model, by name and shape."""
    names = {name for name in stored if not quantization.is_scale(name, dtype)}
    for name in sorted(names ^ set(expected)):
        raise ValueError(f"{name!r:.80} is " + ("not the model's" if name in stored else "missing"))
    for name, mine in expected.items():
        if stored[name].shape != mine.shape:
            raise ValueError(f"{name} has the shape {stored[name].shape}, the model {mine.shape}")
        if stored[name].dtype.kind not in READABLE_KINDS[mine.dtype.kind]:
            raise ValueError(f"{name} holds {stored[name].dtype}, the model {mine.dtype}")


def _finite_array(stored: Any, name: str, model_dtype: np.dtype, dtype: str) -> np.ndarray:
    """An array in the model's dtype; raises ValueError if it is not finite."""
    array = quantization.dequantized(stored, name, dtype)
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            array = array.astype(model_dtype if model_dtype.kind == "f" else "float32", copy=False)
        if not np.isfinite(array).all():
            raise ValueError(f"the weights {name} are not finite")
    return array


def to_numpy(dataset: h5py.Dataset) -> np.ndarray:
    """The array in a dataset; bfloat16, which HDF5 lacks, as float32."""
    array = dataset[()]
    return array.view(ml_dtypes.bfloat16).astype("float32") if array.dtype.kind == "V" else array


def check_file(raw: bytes) -> None:
    """Raises ValueError unless the bytes are an HDF5 file that is safe to give to Keras."""
    with h5py.File(io.BytesIO(raw)) as file:
        size = sum(dataset.nbytes for _, dataset in datasets(file))
        if size > MAX_EXPANSION * len(raw) + SLACK:
            raise ValueError(f"it declares {size:,} bytes of arrays in a file of {len(raw):,}")


def datasets(
    group: h5py.Group, path: str = "", addresses: set[int] | None = None
) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yields (path, dataset) of everything in a group; raises ValueError at anything else.

    Args:
        group: an open file, or a group in it.
        path: path of the group.
        addresses: addresses of the items that were visited already.
    """
    addresses = set() if addresses is None else addresses
    if path.count("/") > MAX_DEPTH or len(addresses) + len(group) > MAX_ITEMS:
        raise ValueError("it has too many groups")
    for name in group:
        here = f"{path}/{name}" if path else name
        if type(group.get(name, getlink=True)) is not h5py.HardLink:
            raise ValueError(f"{here!r:.80} is a link to another place")
        item = group[name]
        address = h5py.h5o.get_info(item.id).addr
        if address in addresses:
            raise ValueError(f"{here!r:.80} occurs twice")
        addresses.add(address)
        if isinstance(item, h5py.Group):
            yield from datasets(item, here, addresses)
        else:
            _check_plain(here, item)
            yield here, item


def _check_plain(name: str, item: Any) -> None:
    """Raises ValueError unless an item is a dataset of numbers, in this file and of its size."""
    if not isinstance(item, h5py.Dataset):
        raise ValueError(f"{name!r:.80} is not an array")
    if item.external or item.is_virtual:
        raise ValueError(f"{name!r:.80} has its numbers in another file")
    if item.dtype.kind not in "fiubV" or item.dtype.names or item.dtype.itemsize > 8:
        raise ValueError(f"{name!r:.80} does not hold numbers, but {item.dtype!r:.80}")
    chunk = math.prod(item.chunks or ()) * item.dtype.itemsize
    if chunk > max(item.nbytes, SLACK):
        raise ValueError(f"{name!r:.80} is stored in chunks that are larger than the array")
