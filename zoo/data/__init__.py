"""Data sets by name, array, file or folder, as batches in a fixed order.

    train = zoo.data.load("mnist", "train", batch_size=256, binarize="dynamic")
    for batch in train(epoch):                  # {"image": float32 [256, 28, 28, 1], "label": ...}

One convention everywhere: images are floats in [0, 1], channels last, and the order of an epoch
is a function of (seed, epoch) alone.

Binarization is a named protocol. Gray values are not valid data for a Bernoulli likelihood, and
the number of nats depends on how the pixels were made 0 or 1: on MNIST, results with "fixed" and
"dynamic" differ by about 2 nats. A likelihood without the name of its protocol means nothing.

    none       gray values, unchanged
    threshold  1 where x >= 0.5
    dynamic    x ~ Bernoulli(gray), sampled again in every epoch (from seed, epoch, batch number)
    fixed      x ~ Bernoulli(gray), sampled once over the loaded images, in the data set's order:
               numpy.random.RandomState(binarize_seed).binomial(1, images), usually with seed 777.
               In the order "original" of MNIST: the published bits, see `zoo.data.original_order`

Larochelle's static binarization, which older papers report on, is the data set "binarized_mnist".

Augmentation transforms training images at random, from seed, epoch and batch number:

    none       unchanged
    jitter     resized by 286/256, cropped back at random, flipped with probability 1/2 (pix2pix)

Only `prepare` accesses the internet. Importing this package imports neither TensorFlow nor TFDS.
"""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import environment
from zoo.checks import check_numbers, check_optional_flags, check_optional_numbers
from zoo.data import source_names
from zoo.data.catalog import info, names, register, register_plugins
from zoo.data.dataset_info import DatasetInfo
from zoo.data.source_names import splits
from zoo.data.storage import directory, generated_directory, is_prepared
from zoo.data.tfds_store import prepare
from zoo.errors import UnknownNameError, UsageError
from zoo.files import user_path

if TYPE_CHECKING:
    from zoo.data.array_dataset import ArrayDataset
    from zoo.data.image_sources import slice_split

__all__ = [
    "ArrayDataset",
    "DatasetInfo",
    "register",
    "slice_split",
    "directory",
    "generated_directory",
    "info",
    "is_prepared",
    "load",
    "names",
    "prepare",
    "splits",
]

BINARIZE_SEED = 777


_WITH_TENSORFLOW = {  # name -> its module, which imports TensorFlow
    "ArrayDataset": "zoo.data.array_dataset",
    "slice_split": "zoo.data.image_sources",
}


def __getattr__(name: str) -> Any:
    if name in _WITH_TENSORFLOW:
        environment.import_tensorflow()
        return getattr(importlib.import_module(_WITH_TENSORFLOW[name]), name)
    raise AttributeError(f"module 'zoo.data' has no attribute {name!r}")


def load(
    source: Any,
    split: str = "train",
    *,
    batch_size: int = 64,
    shuffle: bool | None = None,
    seed: int = 0,
    binarize: str = "none",
    binarize_seed: int = BINARIZE_SEED,
    augment: str = "none",
    image_size: int | None = None,
    data_dir: str | os.PathLike | None = None,
    drop_remainder: bool | None = None,
) -> ArrayDataset:
    """Loads `source` into memory as an `ArrayDataset`: epoch -> tf.data.Dataset of batches.

    Args:
        source: a name of the catalog ("mnist", "ratings"); a name and one of its classes
            ("quickdraw_bitmap/cat"); an array of images [n, h, w(, c)], uint8 or floats in [0, 1];
            a dict of arrays with the key "image" or with "source" and "target"; a folder of
            images, of one folder of images per class, or of one .npy or .npz file per class; a
            folder with "train" and "test" (`zoo.data.folders.SPLITS`) that hold these; a .npy or
            .npz file; "AtoB:PATH" or "BtoA:PATH" for a folder of pairs, see `zoo.data.image_pairs`.
            If a folder has the name of a data set, write "./mnist" to mean the folder.
        split: in the syntax of TFDS, e.g. "train", "test[:1000]", "train[90%:]"; `splits` lists
            the names. A slice of class folders is stratified by class, a slice of arrays keeps
            their order; "train.ordered[:90%]" and "train.stratified[:90%]" choose explicitly.
            "train.original[:50000]" of "mnist" is in the order of the original file.
        batch_size: examples in a batch.
        shuffle: whether epochs are shuffled; default: True for the train split of a named data
            set, else False.
        seed: seed of the order, of dynamic binarization and of augmentation.
        binarize: name of the binarization, see the module.
        binarize_seed: seed of "fixed" binarization.
        augment: name of the augmentation, see the module.
        image_size: crop the center square and resize it to this many pixels; default: 64 for
            celeb_a, no change for other sources.
        data_dir: folder of TFDS; default: TFDS_DATA_DIR, else ~/tensorflow_datasets. For generated
            data sets: ZOO_DATA_DIR, else ~/.cache/zoo/data.
        drop_remainder: whether a last batch that is not full is dropped; default: the value of
            `shuffle`.

    Raises:
        UnknownNameError: data set, class, binarization or augmentation.
        DataNotPreparedError: a named data set is not on disk; the message has the command that
            prepares it. Nothing is downloaded.
        UsageError: anything else, including arguments that do not apply to the source.
    """
    environment.import_tensorflow()
    from zoo.data import image_pairs, image_sources, tfds_store
    from zoo.data.array_dataset import ArrayDataset, check_protocols, count_classes
    from zoo.data.image_files import center_square

    if not isinstance(split, str):
        raise UsageError(f"split must be text like 'train' or 'test[:1000]', got {split!r}")
    check_numbers(batch_size=batch_size, seed=seed, binarize_seed=binarize_seed)
    check_optional_numbers(image_size=image_size)
    check_optional_flags(shuffle=shuffle, drop_remainder=drop_remainder)
    check_protocols(binarize, augment)
    named = source_names.is_named(source)
    pairs = source_names.parse_pairs(source)
    function = info(source).load if named else None
    if binarize_seed != BINARIZE_SEED and binarize != "fixed":
        raise UsageError(
            f"binarize_seed={binarize_seed} has no effect with binarize={binarize!r}: leave it out,"
            " or use binarize='fixed'"
        )
    if not named and data_dir is not None:
        raise UsageError("data_dir is the folder of named data sets: leave it out for other data")
    training = named and split.startswith("train")
    shuffle = training if shuffle is None else shuffle
    drop_remainder = training if drop_remainder is None else drop_remainder
    for_images = {"binarize": binarize, "augment": augment, "image_size": image_size}
    if pairs:
        _check_applicable(source, binarize=binarize)
    if function:
        if binarize == "fixed":
            for_images["binarize_seed"] = binarize_seed
        return _load_by_function(
            function,
            source,
            split,
            for_images | {"data_dir": data_dir},
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            drop_remainder=drop_remainder,
        )
    class_names: Sequence[str] | None = None
    num_classes = None
    if named:
        name = source
        arrays = _read_named(source, split, binarize, binarize_seed, image_size, data_dir)
        class_names = tfds_store.class_names(source, data_dir)
    elif pairs:
        name = pairs[1].name
        arrays = image_pairs.read_pairs(*pairs, split, image_size)
    else:
        name = "arrays"
        images = None
        if isinstance(source, (str, os.PathLike)):
            path = user_path(source)
            if not path.exists():
                raise _missing_source_error(source)
            name = path.name
            images = image_sources.from_path(path, split, image_size)
        images = images or image_sources.ImageSource(image_sources.from_arrays(source))
        class_names = images.class_names
        num_classes = count_classes(images.arrays)
        arrays = image_sources.slice_split(
            images.arrays, split, images.splits, name, ordered=class_names is None
        )
        if image_size is not None:
            arrays |= {k: center_square(v, image_size) for k, v in arrays.items() if v.ndim == 4}
    dataset = ArrayDataset(
        arrays,
        name=name,
        split=split,
        batch_size=batch_size,
        shuffle=shuffle,
        seed=seed,
        binarize=binarize,
        binarize_seed=binarize_seed,
        augment=augment,
        drop_remainder=drop_remainder,
        class_names=class_names,
        num_classes=num_classes,
    )
    if isinstance(source, (str, os.PathLike)):
        dataset.source = str(source_names.absolute_source(source))
        dataset.image_size = image_size
    return dataset


def _read_named(
    name: str,
    split: str,
    binarize: str,
    binarize_seed: int,
    image_size: int | None,
    data_dir: str | os.PathLike | None,
) -> dict[str, Any]:
    """The arrays of a named data set, in the order of TFDS or in that of the original file."""
    from zoo.data import original_order, tfds_store

    if not original_order.is_requested(split):
        return tfds_store.read_images(name, split, image_size, data_dir)
    if image_size is not None:
        raise UsageError(
            f"the images of {split!r} are those of the original file and keep their size: leave"
            " image_size out"
        )
    # Binarizing pixels of 0 and 255 a second time, as `ArrayDataset` does, changes nothing.
    seed = binarize_seed if binarize == "fixed" else None
    return original_order.read_images(name, split, seed, data_dir)


def _load_by_function(
    function: str, source: Any, split: str, optional: dict[str, Any], **options: Any
) -> ArrayDataset:
    """The data that the function "module:name" of the catalog loads.

    Args:
        function, source, split: as in `load`.
        optional: options that are passed only if they are not "none" or None.
        **options: other options.

    Raises UsageError for an unknown split, or an option that the function does not take.
    """
    given = {key: value for key, value in optional.items() if value not in ("none", None)}
    if info(source).kind != "images":
        _check_applicable(source, **{k: v for k, v in given.items() if k != "data_dir"})
    for part in split.split("+"):
        name = part.partition("[")[0].partition(".")[0].strip()
        if name not in info(source).splits:
            raise UnknownNameError(f"split of {source}", name, info(source).splits)
    load_split = pkgutil.resolve_name(function)
    for name in {"image_size", "data_dir"} & given.keys():
        if name not in inspect.signature(load_split).parameters:
            raise UsageError(f"{source} has no option {name}: {function} does not take it")
    dataset = load_split(source, split, **options, **given)
    dataset.source = source
    return dataset


def _check_applicable(source: Any, **arguments: Any) -> None:
    """Raises UsageError if an argument for single images is used with other data."""
    for name, value in arguments.items():
        if value not in ("none", None):
            content = info(source).kind if source_names.is_named(source) else "pairs of images"
            raise UsageError(
                f"{name}={value!r} does not apply to {source}, which holds {content}: leave it out"
            )


def _missing_source_error(source: str | os.PathLike) -> UsageError:
    """The error for a source that is neither a name nor an existing path."""
    text = os.fspath(source)
    if isinstance(source, str) and Path(text).name == text and not Path(text).suffix:
        return UnknownNameError("data set", text, names())
    return UsageError(
        f"there is no file or folder {text!r}, and no data set of that name "
        f"(known data sets: {', '.join(names())})"
    )


register_plugins()  # last: their modules use this one
