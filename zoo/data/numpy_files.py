"""Images and labels from .npy and .npz files, whose declared sizes are checked before use."""

import math
import os
import stat
import zipfile

import numpy as np

from zoo.errors import UsageError, one_line
from zoo.log import log_message_once

IMAGE_KEYS = ("image", "images", "x", "arr_0")
LABEL_KEYS = ("label", "labels", "y")
PAIR = ("source", "target")
RATIO, LARGE = 200, 2**30  # an array of more bytes than LARGE is not compressed by this much
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_numpy(path):
    """What a .npy or .npz file holds: {"image"} and perhaps "label", or {"source", "target"}.

    Raises UsageError, which names the file, for whatever cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError("it is not a regular file")
        with path.open("rb") as file:
            arrays = _members(file) if path.suffix.lower() == ".npz" else {"image": _array(file)}
    except Exception as error:  # what zipfile, zlib and NumPy raise cannot be enumerated
        reason = getattr(error, "strerror", None) or one_line(error)
        raise UsageError(f"{path} cannot be read as NumPy data: {reason}") from error
    arrays = _named(path, arrays)
    image = arrays.get("image")
    if image is not None and image.ndim == 2 and image.shape[1] == 28 * 28:
        arrays["image"] = image.reshape(-1, 28, 28)
    return arrays


def _array(file):
    """The array of an open .npy file."""
    size = os.fstat(file.fileno()).st_size
    _check_declared(file, size)
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def _members(file):
    """The arrays of an open .npz file: name -> array, None for those that are not read."""
    archive = zipfile.ZipFile(file)
    names = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
    found = {name: _member(archive, names[name]) for name in _wanted(names).values()}
    return dict.fromkeys(names) | found


def _member(archive, entry):
    if entry.file_size > LARGE and entry.file_size > RATIO * entry.compress_size:
        raise UsageError(
            f"{entry.filename} would unpack {entry.compress_size:,} bytes to"
            f" {entry.file_size:,}, more than {RATIO} times as many"
        )
    with archive.open(entry) as stream:
        _check_declared(stream, entry.file_size)
    with archive.open(entry) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def _check_declared(stream, size):
    """Raises UsageError if a header declares an array of more bytes than follow."""
    version = np.lib.format.read_magic(stream)
    if version not in HEADERS:
        raise UsageError(f"its format {version} is for arrays with named fields")
    shape, _, dtype = HEADERS[version](stream)
    declared, there = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if min(shape, default=0) < 0 or (declared > there and not dtype.hasobject):
        raise UsageError(
            f"its header declares {dtype} {shape}, {declared:,} bytes, of {there:,} there are"
        )


def _wanted(names):
    """What is read -> the name that it has in a file; {} if there are no images."""
    if {*PAIR} <= {*names}:
        return {name: name for name in PAIR}
    keys = {"image": IMAGE_KEYS, "label": LABEL_KEYS}
    found = {key: next((name for name in keys[key] if name in names), None) for key in keys}
    return {key: name for key, name in found.items() if name} if found["image"] else {}


def _named(path, arrays):
    """The arrays that are read by our names; one note of the others."""
    wanted = _wanted(arrays)
    if not wanted:
        raise UsageError(
            f"{path} holds no images: expected one of the keys {', '.join(IMAGE_KEYS)}, or"
            f" {' and '.join(PAIR)}, got {one_line(', '.join(arrays) or 'none')}"
        )
    others = ", ".join(sorted(arrays.keys() - {*wanted.values()}))
    if others:
        log_message_once(
            f"note: {path}: the arrays {one_line(others)} are left out; images are read from the"
            f" first of {', '.join(IMAGE_KEYS)}, labels from that of {', '.join(LABEL_KEYS)}"
        )
    return {key: arrays[name] for key, name in wanted.items()}
