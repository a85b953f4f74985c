"""Images and labels from .npy and .npz files, whose declared sizes are checked before use."""

import functools
import math
import os
import stat
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from zoo.errors import UsageError, one_line
from zoo.files import write_atomically
from zoo.log import log_message_once

IMAGE_KEYS = ("image", "images", "x", "arr_0")
LABEL_KEYS = ("label", "labels", "y")
PAIR_KEYS = ("source", "target")
LARGE = 2**30
RATIO = 200  # arrays larger than LARGE that are compressed by more than RATIO are refused
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_numpy(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npy or .npz file: {"image"} and perhaps "label", or {"source", "target"}.

    Raises UsageError, which names the file, if it cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError("it is not a regular file")
        with path.open("rb") as file:
            arrays = (
                _archive_arrays(file)
                if path.suffix.lower() == ".npz"
                else {"image": _read_array(file)}
            )
    except Exception as error:  # zipfile, zlib and NumPy raise many kinds
        reason = getattr(error, "strerror", None) or one_line(error)
        raise UsageError(f"{path} cannot be read as NumPy data: {reason}") from error
    arrays = _select_arrays(path, arrays)
    image = arrays.get("image")
    if image is not None and image.ndim == 2 and image.shape[1] == 28 * 28:
        arrays["image"] = image.reshape(-1, 28, 28)
    return arrays


def _read_array(file: IO[bytes]) -> np.ndarray:
    """The array of an open .npy file."""
    size = os.fstat(file.fileno()).st_size
    _check_declared(file, size)
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def _archive_arrays(file: IO[bytes]) -> dict[str, Any]:
    """The arrays of an open .npz file: name -> array, or None if it is not used."""
    archive = zipfile.ZipFile(file)
    names = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
    arrays = {name: _read_member(archive, names[name]) for name in _used_names(names).values()}
    return dict.fromkeys(names) | arrays


def _read_member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    if entry.file_size > LARGE and entry.file_size > RATIO * entry.compress_size:
        raise UsageError(
            f"{entry.filename} would unpack {entry.compress_size:,} bytes to"
            f" {entry.file_size:,}, more than {RATIO} times as many"
        )
    with archive.open(entry) as stream:
        _check_declared(stream, entry.file_size)
    with archive.open(entry) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def _check_declared(stream: IO[bytes], size: int) -> None:
    """Raises UsageError if a header declares more bytes than follow."""
    version = np.lib.format.read_magic(stream)
    if version not in HEADERS:
        raise UsageError(f"its format {version} is for arrays with named fields")
    shape, _, dtype = HEADERS[version](stream)
    declared = math.prod(shape) * dtype.itemsize
    available = size - stream.tell()
    if min(shape, default=0) < 0 or (declared > available and not dtype.hasobject):
        raise UsageError(
            f"its header declares {dtype} {shape}, {declared:,} bytes, but has {available:,}"
        )


def _used_names(names: Collection[str]) -> dict[str, str]:
    """Our key -> the name in the file, of the arrays to read; {} if there are no images."""
    if {*PAIR_KEYS} <= {*names}:
        return {name: name for name in PAIR_KEYS}
    keys = {"image": IMAGE_KEYS, "label": LABEL_KEYS}
    used = {key: next((name for name in keys[key] if name in names), None) for key in keys}
    return {key: name for key, name in used.items() if name} if used["image"] else {}


def _select_arrays(path: Path, arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The used arrays by our keys; logs a message about the others."""
    used = _used_names(arrays)
    if not used:
        raise UsageError(
            f"{path} holds no images: expected one of the keys {', '.join(IMAGE_KEYS)}, or"
            f" {' and '.join(PAIR_KEYS)}, got {one_line(', '.join(arrays) or 'none')}"
        )
    others = ", ".join(sorted(arrays.keys() - {*used.values()}))
    if others:
        log_message_once(
            f"note: {path}: the arrays {one_line(others)} are skipped; images are read from the"
            f" first of {', '.join(IMAGE_KEYS)}, labels from the first of {', '.join(LABEL_KEYS)}"
        )
    return {key: arrays[name] for key, name in used.items()}


def write_arrays(path: Path, **arrays: Any) -> None:
    """Writes all arrays as .npz, or the first one only as .npy."""
    if path.suffix.lower() == ".npy":
        first = np.asarray(next(iter(arrays.values())))
        write_atomically(path, lambda file: np.save(file, first))
    else:
        write_atomically(path, functools.partial(np.savez_compressed, **arrays))
