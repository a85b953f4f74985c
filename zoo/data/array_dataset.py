"""Batches of arrays in memory: order, scaling, binarization; resumable at any batch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.checks import check_flags, check_numbers, check_optional_numbers
from zoo.data.arrays import check_arrays
from zoo.data.augment import AUGMENTATIONS
from zoo.errors import UnknownNameError, UsageError

BINARIZATIONS = ("none", "threshold", "dynamic", "fixed")
NOUNS = {"image": "images", "target": "pairs"}


class ArrayDataset:
    """A data set in memory: call it with an epoch for a tf.data.Dataset of batches.

    Batches have the names of the arrays; images are float32 in [0, 1], [b, h, w, c]. `shuffle`
    orders epoch e by numpy.random.default_rng((seed, e)), so batch k of epoch e is a function of
    (seed, e, k) alone. `binarize` and `augment`: see the package.

    Args:
        arrays: name -> array [n, ...]; those of rank 4 are images, uint8 or floats in [0, 1].
        name: name of the data set.
        split: which part of it this is.
        batch_size: examples in a batch.
        shuffle: whether epochs are shuffled.
        seed: seed of the order, of dynamic binarization and of augmentation.
        binarize: name of the binarization.
        binarize_seed: seed of "fixed" binarization.
        augment: name of the augmentation.
        drop_remainder: whether a last batch that is not full is dropped.
        class_names: names of the labels 0, 1, ..., if known.
        num_classes: number of classes, if the arrays may lack some of them.

    Attributes:
        source, image_size: the name or path, and the size, that `zoo.data.load` was called with;
            the description of a run stores both.

    Raises:
        UsageError: there is no batch, or values are neither images nor labels.
        UnknownNameError: binarization or augmentation.
    """

    source: str | None = None
    image_size: int | None = None

    def __init__(
        self,
        arrays: Mapping[str, Any],
        *,
        name: str = "arrays",
        split: str = "train",
        batch_size: int = 64,
        shuffle: bool = False,
        seed: int = 0,
        binarize: str = "none",
        binarize_seed: int = 777,
        augment: str = "none",
        drop_remainder: bool = False,
        class_names: Sequence[str] | None = None,
        num_classes: int | None = None,
    ):
        check_numbers(batch_size=batch_size, seed=seed, binarize_seed=binarize_seed)
        check_flags(shuffle=shuffle, drop_remainder=drop_remainder)
        check_optional_numbers(num_classes=num_classes)
        check_protocols(binarize, augment)
        arrays = check_arrays(arrays)
        _check_images_for(arrays, binarize, augment)
        self.name = name
        self.split = split
        self.class_names = None if class_names is None else tuple(class_names)
        self.num_classes = count_classes(arrays, self.class_names, num_classes)
        self.batch_size = batch_size
        self.drop_remainder = drop_remainder
        self.shuffle = shuffle
        self.seed = seed
        self.binarize = binarize
        self.binarize_seed = binarize_seed
        self.augment = augment
        self.num_examples = len(next(iter(arrays.values())))
        if not len(self):
            raise UsageError(
                f"{name} {split} has {self.num_examples:,} examples, not enough for one batch of "
                f"{batch_size}; use a smaller batch_size or drop_remainder=False"
            )
        if binarize in ("threshold", "fixed"):
            arrays["image"] = _binarize(arrays["image"], binarize, binarize_seed)
        with tf.device("CPU:0"):
            self._tensors = {name: tf.constant(value) for name, value in arrays.items()}

    def __len__(self) -> int:
        """Batches in an epoch."""
        full, rest = divmod(self.num_examples, self.batch_size)
        return full + (rest > 0 and not self.drop_remainder)

    def __iter__(self) -> Iterator[dict[str, tf.Tensor]]:
        """The batches of epoch 0."""
        return iter(self(0))

    def __call__(self, epoch: int) -> tf.data.Dataset:
        """The batches of an epoch; `.skip(k)` starts at batch k, in 1 ms per skipped batch."""
        check_numbers(epoch=epoch)
        size = self.batch_size
        order = tf.constant(self.order(epoch))
        even = self.drop_remainder or self.num_examples % size == 0

        def make_batch(number: tf.Tensor) -> dict[str, tf.Tensor]:
            rows = order[number * size : (number + 1) * size]
            if even:  # a static shape traces once and compiles better
                rows = tf.ensure_shape(rows, [size])
            batch = {name: tf.gather(value, rows) for name, value in self._tensors.items()}
            return self._finish(batch, epoch, number, AUGMENTATIONS[self.augment])

        return prefetch(tf.data.Dataset.range(len(self)).map(make_batch))

    def order(self, epoch: int) -> np.ndarray:
        """Row numbers, int64 [num_examples], in the order of an epoch."""
        if not self.shuffle:
            return np.arange(self.num_examples)
        return np.random.default_rng((self.seed, epoch)).permutation(self.num_examples)

    def _finish(
        self,
        batch: dict[str, tf.Tensor],
        epoch: int,
        number: tf.Tensor | np.int64,
        augment: Callable[..., dict[str, tf.Tensor]] | None = None,
    ) -> dict[str, tf.Tensor]:
        """Scales and augments the images, and binarizes them if the protocol is dynamic."""
        images = {name: to_float(value) for name, value in batch.items() if value.ndim == 4}
        key = tf.stack([tf.constant(self.seed, tf.int64), (epoch << 32) + number])
        if augment and images:
            augment_key = tf.random.experimental.stateless_fold_in(key, 1, alg="philox")
            images = augment(images, augment_key)
        if self.binarize == "dynamic":
            gray = images["image"]
            noise = tf.random.stateless_uniform(tf.shape(gray), key, alg="philox")
            images["image"] = tf.cast(noise < gray, tf.float32)
        return batch | images

    def take(self, n: int) -> dict[str, np.ndarray]:
        """The first n examples (all, if there are fewer) as one batch of arrays.

        Neither shuffled nor augmented.
        """
        check_numbers(n=n)
        batch = {name: value[:n] for name, value in self._tensors.items()}
        return {name: value.numpy() for name, value in self._finish(batch, 0, np.int64(0)).items()}

    @property
    def spec(self) -> dict[str, tf.TensorSpec]:
        """name -> tf.TensorSpec of a batch; the batch size is None if the last is not full."""
        return self(0).element_spec

    def describe(self) -> str:
        """A summary in one line."""
        shapes = {name: value.shape[1:] for name, value in self._tensors.items() if value.ndim == 4}
        kind = next((name for name in NOUNS if name in shapes), None)
        noun = NOUNS[kind] if kind else "examples"
        size = " " + "x".join(map(str, shapes[kind])) if kind else ""
        order = f"shuffled with seed {self.seed}" if self.shuffle else "in order"
        seed = f" with seed {self.binarize_seed}" if self.binarize == "fixed" else ""
        augment = "" if self.augment == "none" else f", augment: {self.augment}"
        return (
            f"{self.name} {self.split}: {self.num_examples:,} {noun}{size}, {order}, "
            f"binarize: {self.binarize}{seed}{augment}"
        )

    def __repr__(self) -> str:
        return f"<ArrayDataset {self.describe()}, {len(self)} x {self.batch_size}>"


def prefetch(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The dataset with four batches prefetched and batches split among replicas.

    Autotuning is off: no stage uses it, and the end of an epoch would wait for it.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.prefetch(4).with_options(options)


def _binarize(images: np.ndarray, protocol: str, seed: int) -> np.ndarray:
    """Images of 0 and 255 (uint8) by "threshold" or "fixed", the same in every epoch."""
    if protocol == "fixed":
        return draw_bits(images, np.random.RandomState(seed))
    half = 127.5 if images.dtype == np.uint8 else 0.5
    return np.where(images >= half, np.uint8(255), np.uint8(0))


def draw_bits(images: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """Images of 0 and 255 (uint8), each pixel x ~ Bernoulli(gray), from one random stream."""
    pixels = np.empty(images.shape, np.uint8)
    for i in range(0, len(images), 1000):  # in chunks to save memory
        part: np.ndarray = images[i : i + 1000].astype(np.float32)
        part = part / 255 if images.dtype == np.uint8 else part
        pixels[i : i + 1000] = random.binomial(1, part) * 255
    return pixels


def to_float(images: tf.Tensor) -> tf.Tensor:
    """Images as float32 in [0, 1]."""
    return tf.cast(images, tf.float32) / 255 if images.dtype == tf.uint8 else images


def check_protocols(binarize: str, augment: str) -> None:
    """Raises UnknownNameError or UsageError for unknown or incompatible protocols."""
    if binarize not in BINARIZATIONS:
        raise UnknownNameError("binarization", binarize, BINARIZATIONS)
    if augment not in AUGMENTATIONS:
        raise UnknownNameError("augmentation", augment, AUGMENTATIONS)
    if augment != "none" and binarize in ("threshold", "fixed"):
        raise UsageError(
            f"augment={augment!r} would turn the 0/1 pixels of binarize={binarize!r} gray again:"
            " use binarize='dynamic', which is applied after it, or leave one of them out"
        )


def _check_images_for(arrays: Mapping[str, np.ndarray], binarize: str, augment: str) -> None:
    """Raises UsageError for a binarization or augmentation of arrays that are not images."""
    keys = ", ".join(arrays)
    if binarize != "none" and "image" not in arrays:
        raise UsageError(f"binarize={binarize!r} needs 'image', got {keys}: leave binarize out")
    if augment != "none" and not any(value.ndim == 4 for value in arrays.values()):
        raise UsageError(f"augment={augment!r} needs images, got {keys}: leave augment out")


def count_classes(
    arrays: Mapping[str, np.ndarray],
    class_names: Sequence[str] | None = None,
    num_classes: int | None = None,
) -> int | None:
    """The number of classes: of names, or as given, or one more than the largest label.

    Raises UsageError: there are more labels.
    """
    used = int(arrays["label"].max(initial=-1)) + 1 if "label" in arrays else 0
    count = num_classes if class_names is None else len(class_names)
    if count is not None and used > count:
        raise UsageError(
            f"the labels must be in 0 ... {count - 1}, for {count} classes, got {used - 1}"
        )
    return count or used or None


def as_tf_dataset(
    data: tf.data.Dataset | Callable[[int], tf.data.Dataset], epoch: int = 0, first: int = 0
) -> tf.data.Dataset:
    """The `tf.data.Dataset` of an epoch of any accepted data, from batch `first` on.

    Data with a method `batches_from(epoch, first)` begin there, others skip the batches before.

    Raises UsageError.
    """
    if first and hasattr(data, "batches_from"):
        return data.batches_from(epoch, first)
    dataset = data(epoch) if callable(data) else data
    if not isinstance(dataset, tf.data.Dataset):
        raise UsageError(
            "data must be a tf.data.Dataset or a callable epoch -> Dataset, got"
            f" {type(dataset).__name__}; zoo.data.load makes one from names, arrays or folders"
        )
    return dataset.skip(first) if first else dataset
