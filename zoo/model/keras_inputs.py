"""The data arguments of Keras' `fit`, `evaluate` and `predict`, cast and checked."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.errors import BatchError, UsageError

_CHUNK_ROWS = 1024  # rows of arrays checked at a time


def check_data(
    data: Any,
    check: Callable[[Any], Any],
    check_dataset: Callable[[tf.data.Dataset], tf.data.Dataset],
) -> Any:
    """Casts and checks data: a data set while it is read, arrays immediately.

    Args:
        data: a `tf.data.Dataset` or `keras.utils.PyDataset` of batches; an array, or a dict of
            arrays.
        check: casts and checks a batch; raises BatchError.
        check_dataset: the same for a `tf.data.Dataset`.

    Raises:
        UsageError: other data, or an empty data set.
        BatchError: arrays that do not fit the model.
    """
    if isinstance(data, tf.data.Dataset):
        if data.cardinality() == 0:
            raise UsageError("the data hold zero batches; is the batch size too large?")
        return check_dataset(data)
    if isinstance(data, keras.utils.PyDataset):
        return _CheckedPyDataset(data, check)
    if data is None or hasattr(data, "__next__"):
        raise UsageError(
            "data must be a dict of arrays, or batches in a tf.data.Dataset or a PyDataset,"
            f" got {type(data).__name__}; tf.data.Dataset.from_generator makes one of a generator"
        )
    arrays = keras.tree.map_structure(_to_array, data)
    with tf.device("CPU:0"):
        casts = [check(rows) for rows in _chunks(arrays)]
    return keras.tree.map_structure(_merge_casts, arrays, *casts)


def _to_array(values: Any) -> Any:
    return values if hasattr(values, "dtype") else np.asarray(values)


def _num_examples(arrays: Any) -> int:
    """The number of examples; raises BatchError if arrays have different numbers."""
    lengths = {name: len(array) if array.ndim else 0 for name, array in _by_name(arrays).items()}
    if len(set(lengths.values())) != 1:
        raise BatchError(f"all features must have as many examples as each other, got {lengths}")
    return next(iter(lengths.values()))


def is_empty(data: Any) -> bool:
    """Whether `data` are arrays without examples."""
    return not isinstance(data, tf.data.Dataset | keras.utils.PyDataset) and not _num_examples(data)


def _by_name(arrays: Any) -> dict[Any, Any]:
    return arrays if isinstance(arrays, dict) else dict(enumerate(keras.tree.flatten(arrays)))


def _chunks(arrays: Any) -> Iterator[Any]:
    """Consecutive chunks of `_CHUNK_ROWS` examples; one empty chunk without examples."""
    for start in range(0, max(_num_examples(arrays), 1), _CHUNK_ROWS):
        yield keras.tree.map_structure(lambda x, k=start: x[k : k + _CHUNK_ROWS], arrays)


def _merge_casts(array: Any, *casts: Any) -> Any:
    """The array itself if it has the right dtype, else its cast chunks concatenated."""
    same = keras.backend.standardize_dtype(array.dtype) == casts[0].dtype.name
    return array if same else np.concatenate(casts)


class _CheckedPyDataset(keras.utils.PyDataset):
    """A `PyDataset` whose batches are cast and checked in the threads that read them."""

    def __init__(self, data: keras.utils.PyDataset, check: Callable[[Any], Any]):
        if data.use_multiprocessing:
            raise UsageError(
                "batches of a PyDataset cannot be checked in its processes: leave"
                " use_multiprocessing out; workers=N are then N threads"
            )
        super().__init__(workers=data.workers, max_queue_size=data.max_queue_size)
        self.data = data
        self.check = check

    def __getitem__(self, index: int) -> Any:
        return keras.tree.map_structure(np.asarray, self.check(self.data[index]))

    @property
    def num_batches(self) -> int | None:
        return self.data.num_batches

    def on_epoch_begin(self) -> None:
        self.data.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self.data.on_epoch_end()
