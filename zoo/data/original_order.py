"""MNIST in the order of its original files, and the bits of published binarizations.

    zoo.data.load("mnist", "train.original[:50000]")     # the first 50,000 of the original file

TFDS stores the images in another order, that of a hash of their numbers, so "train[:50000]" does
not hold the images of the training set of the literature. The order is restored from the same hash,
and checked by the MD5 of the original file.

The literature on dynamically binarized MNIST trains on the first 50,000 images, binarized again in
each epoch, validates on the last 10,000 and tests on the test file. Validation and test images are
binarized once, by one stream of seed 777: `numpy.random.RandomState(777).binomial(1, images)` of
the validation images first, then of the test images (jmtomczak/vae_vampprior, utils/load_data.py).
"fixed" does the same in this order. The stream then continues with the first 50,000 images, so the
bits of an image do not depend on the slice.
"""

import functools
import hashlib
import os

import numpy as np
from tensorflow_datasets.core import hashing

from zoo.data import image_sources, storage, tfds_store
from zoo.data.array_dataset import draw_bits
from zoo.errors import UsageError, ZooError

SUFFIX = ".original"
FILES = {  # (data set, split) -> MD5 of the uncompressed IDX file of images
    ("mnist", "train"): "6bbc9ace898e44ae57da46a324031adb",
    ("mnist", "test"): "2646ac647ad5339dbf082846283269ea",
}
STREAM = (  # the order in which one stream of draws binarizes the images
    ("train", slice(50_000, 60_000)),
    ("test", slice(0, 10_000)),
    ("train", slice(0, 50_000)),
)
IDX_IMAGES = 2051  # the first number of a file of images


def is_requested(split: str) -> bool:
    """Whether a split is in the original order: "train.original[:50000]"."""
    return split.partition("[")[0].strip().endswith(SUFFIX)


def read_images(
    name: str,
    split: str,
    binarize_seed: int | None = None,
    data_dir: str | os.PathLike | None = None,
) -> dict[str, np.ndarray]:
    """A split in the original order as arrays: "image", uint8 [n, h, w, c], and "label", [n].

    Args:
        name: name in the catalog.
        split: such as "train.original[50000:]".
        binarize_seed: make the pixels 0 and 255 by the stream of this seed; None: gray values.
        data_dir: folder of TFDS.

    Raises:
        UsageError: the order of this data set is not known, or the split cannot be parsed.
        ZooError: the images on disk are not those of the original file.
        DataNotPreparedError: it is not on disk.
    """
    known = {dataset for dataset, _ in FILES}
    if name not in known:
        raise UsageError(
            f"the original order is known only for {', '.join(sorted(known))}, got {name!r}: leave"
            f" {SUFFIX} out of {split!r}"
        )
    splits = [part for dataset, part in FILES if dataset == name]
    parts = image_sources.parse_split(split.replace(SUFFIX, "", 1), splits)
    part = parts["name"]
    folder = str(storage.folder_for(name, data_dir))
    arrays = _read_file(name, part, folder)
    rows = image_sources.split_slice(split, parts, len(arrays["image"]))
    if binarize_seed is not None:
        arrays = arrays | {"image": _binarized(name, part, rows, binarize_seed, folder)}
    return {key: value[rows] for key, value in arrays.items()}


@functools.lru_cache(maxsize=len(FILES))
def _read_file(name: str, part: str, folder: str) -> dict[str, np.ndarray]:
    """The arrays of a whole split in the original order; raises ZooError if they differ from it."""
    stored = tfds_store.read_images(name, part, data_dir=folder)
    count = len(stored["image"])
    order = sorted(range(count), key=hashing.Hasher(part).hash_key)
    arrays = {}
    for key, values in stored.items():
        arrays[key] = np.empty_like(values)
        arrays[key][order] = values
        arrays[key].flags.writeable = False  # callers share them
    images = arrays["image"]
    header = np.array([IDX_IMAGES, *images.shape[:3]], ">i4")
    found = hashlib.md5(header.tobytes() + images.tobytes(), usedforsecurity=False).hexdigest()
    if found != FILES[name, part]:
        raise ZooError(
            f"{name} {part} in {folder} cannot be put in the original order: the MD5 of the images"
            f" is {found}, expected {FILES[name, part]}. The data are damaged or of another"
            f" version: delete that folder and run: zoo data prepare {name}"
        )
    return arrays


def _binarized(name: str, part: str, rows: slice, seed: int, folder: str) -> np.ndarray:
    """The images of a split, [n, h, w, c] of 0 and 255; those outside of `rows` may be missing."""
    random = np.random.RandomState(seed)
    wanted = [
        number
        for number, (drawn, images) in enumerate(STREAM)
        if drawn == part and images.start < rows.stop and rows.start < images.stop
    ]
    bits = np.zeros_like(_read_file(name, part, folder)["image"])
    for drawn, images in STREAM[: max(wanted) + 1]:
        values = draw_bits(_read_file(name, drawn, folder)["image"][images], random)
        if drawn == part:
            bits[images] = values
    return bits
