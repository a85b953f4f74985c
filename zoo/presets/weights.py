"""Weights files: the one reader of other people's HDF5.

HDF5 can point to other files and declare arrays of any size. Here nothing is read but plain
datasets in plain groups, and an array only after its shape was compared with the model's.
"""

import contextlib
import io
import math
import tempfile
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np

from zoo.presets import quantization

FILE = "model.weights.h5"  # Keras knows the format by the ending
DEEPEST = 32  # levels of groups
MOST_ITEMS = 2**16
EXPANDED = 16  # times the bytes of the file, all arrays together, in a file of Keras
SLACK = 2**20  # bytes
KINDS = {"f": "fi", "V": "fi", "i": "iu", "u": "iu", "b": "b"}  # of arrays, and what may be read


def load(model, raw, stored):
    """Gives a model the weights in the bytes of a file; raises ValueError if they do not fit.

    Args:
        model: built.
        raw: bytes of a file that `rounding.write` made.
        stored: as in `zoo.save`.
    """
    with h5py.File(io.BytesIO(raw)) as file, saved(model) as expected:
        found = dict(datasets(file))
        check_fit(found, expected, stored)
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / FILE
            with h5py.File(path, "w") as whole:
                for name, mine in expected.items():
                    whole[name] = values(found, name, mine.dtype, stored)
            model.load_weights(path)


@contextlib.contextmanager
def saved(model):
    """Context: name -> dataset of what Keras saves of a model, but for a state of its optimizer."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / FILE
        model.save_weights(path)
        with h5py.File(path) as file:
            yield {k: v for k, v in datasets(file) if not k.startswith("optimizer/")}


def check_fit(found, expected, stored):
    """Raises ValueError unless the arrays of a file are those of a model, by name and shape."""
    names = {name for name in found if not quantization.is_scale(name, stored)}
    for name in sorted(names ^ set(expected)):
        raise ValueError(f"{name!r:.80} is " + ("not the model's" if name in found else "missing"))
    for name, mine in expected.items():
        if found[name].shape != mine.shape:
            raise ValueError(f"{name} has the shape {found[name].shape}, the model {mine.shape}")
        if found[name].dtype.kind not in KINDS[mine.dtype.kind]:
            raise ValueError(f"{name} holds {found[name].dtype}, the model {mine.dtype}")


def values(found, name, dtype, stored):
    """An array as the model has it; raises ValueError if it is not finite."""
    array = quantization.read(found, name, stored)
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            array = array.astype(dtype if dtype.kind == "f" else "float32", copy=False)
        if not np.isfinite(array).all():
            raise ValueError(f"the weights {name} are not finite")
    return array


def numbers(dataset):
    """The array in a dataset; bfloat16, which HDF5 does not know, as float32."""
    array = dataset[()]
    return array.view(ml_dtypes.bfloat16).astype("float32") if array.dtype.kind == "V" else array


def check_file(raw):
    """Raises ValueError unless the bytes are an HDF5 file that Keras can be given."""
    with h5py.File(io.BytesIO(raw)) as file:
        size = sum(dataset.nbytes for _, dataset in datasets(file))
        if size > EXPANDED * len(raw) + SLACK:
            raise ValueError(f"it tells of {size:,} bytes of arrays in a file of {len(raw):,}")


def datasets(group, path="", seen=None):
    """(path, dataset) of all that a group holds; raises ValueError at anything but plain data."""
    seen = set() if seen is None else seen
    if path.count("/") > DEEPEST or len(seen) + len(group) > MOST_ITEMS:
        raise ValueError("it has too many groups")
    for name in group:
        here = f"{path}/{name}" if path else name
        if type(group.get(name, getlink=True)) is not h5py.HardLink:
            raise ValueError(f"{here!r:.80} is a link to somewhere else")
        item = group[name]
        address = h5py.h5o.get_info(item.id).addr
        if address in seen:
            raise ValueError(f"{here!r:.80} is there twice")
        seen.add(address)
        if isinstance(item, h5py.Group):
            yield from datasets(item, here, seen)
        else:
            check_plain(here, item)
            yield here, item


def check_plain(name, item):
    """Raises ValueError unless an item is a dataset of numbers, in this file and of its size."""
    if not isinstance(item, h5py.Dataset):
        raise ValueError(f"{name!r:.80} is no array")
    if item.external or item.is_virtual:
        raise ValueError(f"{name!r:.80} has its numbers in another file")
    if item.dtype.kind not in "fiubV" or item.dtype.names or item.dtype.itemsize > 8:
        raise ValueError(f"{name!r:.80} holds no numbers, but {item.dtype!r:.80}")
    piece = math.prod(item.chunks or ()) * item.dtype.itemsize
    if piece > max(item.nbytes, SLACK):
        raise ValueError(f"{name!r:.80} is stored in pieces that are larger than itself")
