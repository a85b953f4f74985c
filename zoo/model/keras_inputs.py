"""What people give to Keras' `fit`, `evaluate` and `predict`: all of it checked."""

import keras
import numpy as np
import tensorflow as tf

from zoo.errors import BatchError, UsageError

ROWS = 1024  # of arrays that are checked at a time


def checked_data(data, check, check_dataset):
    """A data set, or arrays, cast and checked: a data set as it is read, arrays at once.

    Args:
        data: a `tf.data.Dataset` or `keras.utils.PyDataset` of batches; an array, or a dict of
            them.
        check: takes some of the rows and returns them cast, or raises BatchError.
        check_dataset: does the same with a `tf.data.Dataset`.
    """
    if isinstance(data, tf.data.Dataset):
        if data.cardinality() == 0:
            raise UsageError("the data hold zero batches; is the batch size too large?")
        return check_dataset(data)
    if isinstance(data, keras.utils.PyDataset):
        return CheckedPyDataset(data, check)
    if data is None or hasattr(data, "__next__"):
        raise UsageError(
            "data must be a dict of arrays, or batches in a tf.data.Dataset or a PyDataset,"
            f" got {type(data).__name__}; tf.data.Dataset.from_generator makes one of a generator"
        )
    arrays = keras.tree.map_structure(array, data)
    with tf.device("CPU:0"):
        casts = [check(rows) for rows in pieces(arrays)]
    return keras.tree.map_structure(together, arrays, *casts)


def array(values):
    return values if hasattr(values, "dtype") else np.asarray(values)


def length(arrays):
    """How many examples there are; raises BatchError if that is not one number."""
    lengths = {name: len(one) if one.ndim else 0 for name, one in named(arrays).items()}
    if len(set(lengths.values())) != 1:
        raise BatchError(f"all features must have as many examples as each other, got {lengths}")
    return next(iter(lengths.values()))


def is_empty(data):
    """Whether data are arrays without an example."""
    return not isinstance(data, tf.data.Dataset | keras.utils.PyDataset) and not length(data)


def named(arrays):
    return arrays if isinstance(arrays, dict) else dict(enumerate(keras.tree.flatten(arrays)))


def pieces(arrays):
    """`ROWS` of all examples after the other; one piece at least, be it empty."""
    for start in range(0, max(length(arrays), 1), ROWS):
        yield keras.tree.map_structure(lambda one, k=start: one[k : k + ROWS], arrays)


def together(whole, *casts):
    """An array as it is if it has the right dtype, else its cast pieces."""
    same = keras.backend.standardize_dtype(whole.dtype) == casts[0].dtype.name
    return whole if same else np.concatenate(casts)


class CheckedPyDataset(keras.utils.PyDataset):
    """A `PyDataset` whose batches are cast and checked by the threads that read them."""

    def __init__(self, data, check):
        if data.use_multiprocessing:
            raise UsageError(
                "the processes of a PyDataset cannot check its batches: leave use_multiprocessing"
                " out, workers=N are N threads then"
            )
        super().__init__(workers=data.workers, max_queue_size=data.max_queue_size)
        self.data = data
        self.check = check

    def __getitem__(self, index):
        return keras.tree.map_structure(np.asarray, self.check(self.data[index]))

    @property
    def num_batches(self):
        return self.data.num_batches

    def on_epoch_begin(self):
        self.data.on_epoch_begin()

    def on_epoch_end(self):
        self.data.on_epoch_end()
