"""Data sets by name, as dictionaries of batches.

    train = zoo.data.load("mnist", "train", batch_size=256, binarize="dynamic")
    for batch in train(epoch):                  # {"image": float32 [256, 28, 28, 1], "label": ...}

One convention everywhere: images are floats in [0, 1], channels last, and the order of an epoch
is a function of (seed, epoch) alone.

Binarization is a named protocol. Grey values under a Bernoulli are not a likelihood, and the
number of nats depends on how the pixels were made 0 or 1: results on images drawn once and on
images drawn anew differ by about 2 nats on MNIST, so a number means nothing without the name.

    none       grey values, as they are
    threshold  1 where x >= 0.5
    dynamic    x ~ Bernoulli(grey), drawn anew in every epoch (from seed, epoch and batch number)
    once       x ~ Bernoulli(grey), drawn once over the images loaded, in the data set's order:
               numpy.random.RandomState(binarize_seed).binomial(1, images), usually with seed 777

Larochelle's static binarization, which older papers report on, is the data set "binarized_mnist".

Augmentation moves training images at random, drawn from seed, epoch and batch number:

    none       as they are
    jitter     enlarged by 286/256, cut back at a random place, every other one mirrored (pix2pix)

Only `prepare` touches the network. Importing this package imports neither TensorFlow nor TFDS.
"""

import os
from pathlib import Path

from zoo import environment
from zoo.checks import check_numbers, check_optional_numbers
from zoo.data import source_names
from zoo.data.catalog import info, names
from zoo.data.source_names import splits
from zoo.data.storage import directory, generated_directory, is_prepared
from zoo.data.tfds_store import prepare
from zoo.errors import UnknownNameError, UsageError
from zoo.files import user_path

__all__ = [
    "ArrayDataset",
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


def __getattr__(name):
    if name == "ArrayDataset":  # comes with TensorFlow
        environment.import_tensorflow()
        from zoo.data.array_dataset import ArrayDataset

        return ArrayDataset
    raise AttributeError(f"module 'zoo.data' has no attribute {name!r}")


def load(
    source,
    split="train",
    *,
    batch_size=64,
    shuffle=None,
    seed=0,
    binarize="none",
    binarize_seed=BINARIZE_SEED,
    augment="none",
    image_size=None,
    data_dir=None,
    drop_remainder=None,
):
    """Load `source` into memory and return it as an `ArrayDataset`: epoch -> tf.data.Dataset of
    batches.

    source: a name of the catalog ("mnist", "ratings"); a name and one class of it
      ("quickdraw_bitmap/cat"); an array of images [n, h, w(, c)], uint8 or floats in [0, 1]; a
      dict of arrays with the key "image" or with "source" and "target"; a folder of images, of one
      folder of images per class, or of one .npy or .npz file per class; a folder with "train" and
      "test" (`zoo.data.folders.SPLITS`) that hold these; a .npy or .npz file; "AtoB:PATH" or
      "BtoA:PATH" for a folder of pairs, see `zoo.data.image_pairs`.
      Where a name is also a folder here, the name wins: write "./mnist" for the folder.
    split: as TFDS writes it, e.g. "train", "test[:1000]", "train[90%:]"; `splits` says which
      there are. Parts of class folders have each class in its share, parts of arrays are in their
      order; "train.ordered[:90%]" and "train.stratified[:90%]" ask for one or the other.
    shuffle, drop_remainder: True for the train split of a named data set, else False.
    seed: of the order, of dynamic binarization and of augmentation. binarize, binarize_seed,
      augment: see the package.
    image_size: cut the center square out and scale it to this many pixels; celeb_a has 64 if
      not told otherwise, other sources stay as they are.
    data_dir: where TFDS keeps its data; default TFDS_DATA_DIR, else ~/tensorflow_datasets; of what
      this library generates ZOO_DATA_DIR, else ~/.cache/zoo/data.

    Raises UnknownNameError (data set, class, binarization), DataNotPreparedError (with the command
    that prepares it) and UsageError (all else, also arguments that mean nothing for the source);
    nothing is downloaded.
    """
    environment.import_tensorflow()
    from zoo.data import image_pairs, image_sources, tfds_store
    from zoo.data.array_dataset import ArrayDataset, check_protocols, count_classes
    from zoo.data.image_files import center_square

    if not isinstance(split, str):
        raise UsageError(f"split must be text like 'train' or 'test[:1000]', got {split!r}")
    check_numbers(batch_size=batch_size, seed=seed, binarize_seed=binarize_seed)
    check_optional_numbers(image_size=image_size)
    check_protocols(binarize, augment)
    named, pairs = source_names.is_named(source), source_names.parse_pairs(source)
    ratings = named and info(source).kind == "ratings"
    if binarize_seed != BINARIZE_SEED and binarize != "fixed":
        raise UsageError(
            f"binarize_seed={binarize_seed} means nothing with binarize={binarize!r}: leave it out,"
            " or use binarize='fixed'"
        )
    if not named and data_dir is not None:
        raise UsageError("data_dir is where named data sets are kept: leave it out for other data")
    if ratings or pairs:
        _check_meaning(source, binarize=binarize)
    if ratings:
        _check_meaning(source, augment=augment, image_size=image_size)
        from zoo.data.builders import ratings

        how = {"batch_size": batch_size, "shuffle": shuffle, "seed": seed, "data_dir": data_dir}
        return ratings.load(source, split, drop_remainder=drop_remainder, **how)
    names, count = None, None
    if named:
        name, arrays = source, tfds_store.read_images(source, split, image_size, data_dir)
        names = tfds_store.class_names(source, data_dir)
    elif pairs:
        name, arrays = pairs[1].name, image_pairs.read_pairs(*pairs, split, image_size)
    else:
        name, own = "arrays", None
        if isinstance(source, (str, os.PathLike)):
            path = user_path(source)
            if not path.exists():
                raise _missing(source)
            name, own = path.name, image_sources.from_path(path, split, image_size)
        own = own or image_sources.ImageSource(image_sources.from_arrays(source))
        names, count = own.class_names, count_classes(own.arrays)
        arrays = image_sources.slice_split(
            own.arrays, split, own.splits, name, ordered=names is None
        )
        if image_size is not None:
            arrays |= {k: center_square(v, image_size) for k, v in arrays.items() if v.ndim == 4}
    training = named and split.startswith("train")
    return ArrayDataset(
        arrays,
        name=name,
        split=split,
        batch_size=batch_size,
        shuffle=training if shuffle is None else shuffle,
        seed=seed,
        binarize=binarize,
        binarize_seed=binarize_seed,
        augment=augment,
        drop_remainder=training if drop_remainder is None else drop_remainder,
        class_names=names,
        num_classes=count,
    )


def _check_meaning(source, **arguments):
    """Raises UsageError for what was asked of images and means nothing for this source."""
    for name, value in arguments.items():
        if value not in ("none", None):
            holds = "ratings" if source_names.is_named(source) else "pairs of images"
            raise UsageError(
                f"{source} holds {holds}, for which {name}={value!r} means nothing: leave it out"
            )


def _missing(source):
    """The error for a source that is neither a name nor an existing path."""
    text = os.fspath(source)
    if isinstance(source, str) and Path(text).name == text and not Path(text).suffix:
        return UnknownNameError("data set", text, names())
    return UsageError(
        f"there is no file or folder {text!r}, and no data set of that name "
        f"(there are: {', '.join(names())})"
    )
