"""From arrays in memory to batches: order, scaling, chance; resumable at any batch."""

import numpy as np
import tensorflow as tf

from zoo.checks import check_numbers
from zoo.data.arrays import check_arrays
from zoo.data.augment import AUGMENTATIONS
from zoo.errors import UnknownNameError, UsageError

BINARIZATIONS = ("none", "threshold", "dynamic", "fixed")
NOUNS = {"image": "images", "target": "pairs"}


class ArrayDataset:
    """A data set in memory: call it with an epoch for a tf.data.Dataset of batches.

    arrays: name -> array [n, ...]; those of rank 4 are images, uint8, or floats in [0, 1].
    Batches have the same names; their images are float32 in [0, 1], [b, h, w, c]. `shuffle`
    orders epoch e by numpy.random.default_rng((seed, e)), so batch k of epoch e is a function of
    (seed, e, k) and of nothing else. `binarize`, `augment`: see the package.
    class_names: what the labels 0, 1, ... stand for, if that is known. num_classes: how many
    classes there are, where these arrays are a part that may not have all of them.

    Raises UsageError when there is no batch, and for values that are neither images nor labels.
    """

    def __init__(
        self,
        arrays,
        *,
        name="arrays",
        split="train",
        batch_size=64,
        shuffle=False,
        seed=0,
        binarize="none",
        binarize_seed=777,
        augment="none",
        drop_remainder=False,
        class_names=None,
        num_classes=None,
    ):
        check_numbers(batch_size=batch_size, seed=seed, binarize_seed=binarize_seed)
        check_protocols(binarize, augment)
        arrays = check_arrays(arrays)
        _check_images_for(arrays, binarize, augment)
        self.name, self.split = name, split
        self.class_names = None if class_names is None else tuple(class_names)
        self.num_classes = count_classes(arrays, self.class_names, num_classes)
        self.batch_size, self.drop_remainder = batch_size, drop_remainder
        self.shuffle, self.seed = shuffle, seed
        self.binarize, self.binarize_seed = binarize, binarize_seed
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

    def __len__(self):
        """Batches in an epoch."""
        whole, rest = divmod(self.num_examples, self.batch_size)
        return whole + (rest > 0 and not self.drop_remainder)

    def __iter__(self):
        """The batches of epoch 0."""
        return iter(self(0))

    def __call__(self, epoch):
        """The batches of an epoch; `.skip(k)` of it begins at batch k, at 1 ms a skipped batch."""
        check_numbers(epoch=epoch)
        size = self.batch_size
        order = tf.constant(self.order(epoch))
        even = self.drop_remainder or self.num_examples % size == 0

        def batch(number):
            rows = order[number * size : (number + 1) * size]
            if even:  # a known shape traces once and compiles better
                rows = tf.ensure_shape(rows, [size])
            found = {name: tf.gather(value, rows) for name, value in self._tensors.items()}
            return self._finish(found, epoch, number, AUGMENTATIONS[self.augment])

        return prefetch(tf.data.Dataset.range(len(self)).map(batch))

    def order(self, epoch):
        """Row numbers, int64 [num_examples], in the order of an epoch."""
        if not self.shuffle:
            return np.arange(self.num_examples)
        return np.random.default_rng((self.seed, epoch)).permutation(self.num_examples)

    def _finish(self, batch, epoch, number, augment=None):
        """Scale, move the images, and binarize where the protocol draws anew."""
        images = {name: to_float(value) for name, value in batch.items() if value.ndim == 4}
        key = tf.stack([tf.constant(self.seed, tf.int64), (epoch << 32) + number])
        if augment and images:
            other = tf.random.experimental.stateless_fold_in(key, 1, alg="philox")
            images = augment(images, other)
        if self.binarize == "dynamic":
            grey = images["image"]
            noise = tf.random.stateless_uniform(tf.shape(grey), key, alg="philox")
            images["image"] = tf.cast(noise < grey, tf.float32)
        return batch | images

    def take(self, n):
        """The first n examples (all, if there are fewer) as one batch of arrays.

        Neither shuffled nor augmented.
        """
        check_numbers(n=n)
        batch = {name: value[:n] for name, value in self._tensors.items()}
        return {name: value.numpy() for name, value in self._finish(batch, 0, np.int64(0)).items()}

    @property
    def spec(self):
        """name -> tf.TensorSpec of a batch; the first dimension is None if the last is shorter."""
        return self(0).element_spec

    def describe(self):
        """One line for people."""
        shapes = {name: value.shape[1:] for name, value in self._tensors.items() if value.ndim == 4}
        kind = next((name for name in NOUNS if name in shapes), None)
        noun = NOUNS.get(kind, "examples")
        size = " " + "x".join(map(str, shapes[kind])) if kind else ""
        order = f"shuffled with seed {self.seed}" if self.shuffle else "in order"
        seed = f" with seed {self.binarize_seed}" if self.binarize == "fixed" else ""
        augment = "" if self.augment == "none" else f", augment: {self.augment}"
        return (
            f"{self.name} {self.split}: {self.num_examples:,} {noun}{size}, {order}, "
            f"binarize: {self.binarize}{seed}{augment}"
        )

    def __repr__(self):
        return f"<ArrayDataset {self.describe()}, {len(self)} x {self.batch_size}>"


def prefetch(batches):
    """The dataset, four batches ahead of who asks, each divided among replicas.

    Without TensorFlow's tuner: nothing here is left to it, and an epoch's end waits for it.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return batches.prefetch(4).with_options(options)


def _binarize(images, protocol, seed):
    """Images of 0 and 255 (uint8), by a protocol that is the same in every epoch."""
    random = np.random.RandomState(seed)
    pixels = np.empty(images.shape, np.uint8)
    for i in range(0, len(images), 1000):  # one stream of draws; pieces only to save memory
        part = images[i : i + 1000].astype(np.float32)
        part = part / 255 if images.dtype == np.uint8 else part
        drawn = part >= 0.5 if protocol == "threshold" else random.binomial(1, part)
        pixels[i : i + 1000] = drawn * 255
    return pixels


def to_float(images):
    """Images as float32 in [0, 1]."""
    return tf.cast(images, tf.float32) / 255 if images.dtype == tf.uint8 else images


def check_protocols(binarize, augment):
    """Raises UnknownNameError or UsageError for protocols that do not exist or do not go
    together."""
    if binarize not in BINARIZATIONS:
        raise UnknownNameError("binarization", binarize, BINARIZATIONS)
    if augment not in AUGMENTATIONS:
        raise UnknownNameError("augmentation", augment, AUGMENTATIONS)
    if augment != "none" and binarize in ("threshold", "fixed"):
        raise UsageError(
            f"augment={augment!r} would make pixels grey again that binarize={binarize!r} has made"
            " 0 or 1: use binarize='dynamic', which comes after it, or leave one of them out"
        )


def _check_images_for(arrays, binarize, augment):
    """Raises UsageError for a binarization or augmentation of arrays that are not images."""
    there = ", ".join(arrays)
    if binarize != "none" and "image" not in arrays:
        raise UsageError(f"binarize={binarize!r} is for 'image', got {there}: leave binarize out")
    if augment != "none" and not any(value.ndim == 4 for value in arrays.values()):
        raise UsageError(f"augment={augment!r} is for images, got {there}: leave augment out")


def count_classes(arrays, class_names=None, num_classes=None):
    """The number of classes: of names, or as given, or one more than the largest label."""
    if class_names is not None:
        return len(class_names)
    if num_classes is None and "label" in arrays:
        return int(arrays["label"].max(initial=-1)) + 1
    return num_classes


def as_tf_dataset(data, epoch=0):
    """The `tf.data.Dataset` behind what a user may give; raises UsageError."""
    dataset = data(epoch) if callable(data) else data
    if not isinstance(dataset, tf.data.Dataset):
        raise UsageError(
            "data must be a tf.data.Dataset or a callable epoch -> Dataset, got"
            f" {type(dataset).__name__}; zoo.data.load makes one of names, arrays and folders"
        )
    return dataset
