"""The data arguments of Keras' `fit`, `evaluate` and `predict`, cast and checked."""

from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.checks import check_optional_numbers
from zoo.errors import BatchError, UsageError, one_line, short_repr

NUMBERS = {  # arguments of `fit`, `evaluate` and `predict`
    *("epochs", "initial_epoch", "steps_per_epoch", "batch_size", "steps"),
    *("validation_steps", "validation_batch_size", "validation_freq", "validation_split"),
}
_CHUNK_ROWS = 1024  # rows of arrays checked at a time


def check_arguments(values: Mapping[str, Any]) -> None:
    """Raises UsageError for a number out of its interval; None means "not given"."""
    if values.get("steps") == 0:
        raise UsageError("steps must be an integer >= 1, got 0: leave it out for all of the data")
    numbers = {name: values[name] for name in sorted(NUMBERS & values.keys())}
    if isinstance(numbers.get("validation_freq"), Container):  # a list of epochs
        del numbers["validation_freq"]
    check_optional_numbers(**numbers)


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
            f" got {type(data).__name__}; tf.data.Dataset.from_generator takes a generator"
        )
    if callable(data):
        raise UsageError(
            "a data set of zoo.data has a new order for each epoch, which Keras cannot request:"
            " pass data(0), whose order is fixed, or train with zoo.Trainer"
        )
    arrays = _to_arrays(data)
    with tf.device("CPU:0"):
        casts = [check(rows) for rows in _chunks(arrays)]
    return keras.tree.map_structure(_merge_casts, arrays, *casts)


def _to_arrays(data: Any) -> Any:
    """Data with an array for each feature, which may be a list of examples; raises BatchError."""
    if isinstance(data, dict):
        return {name: _to_array(values) for name, values in data.items()}
    if isinstance(data, tuple):
        return keras.tree.map_structure(_to_array, data)
    return _to_array(data)


def _to_array(values: Any) -> Any:
    try:
        array = values if hasattr(values, "dtype") else np.asarray(values)
    except ValueError as error:
        raise BatchError(f"examples must have one shape: {one_line(error)}") from error
    dtype = np.dtype(getattr(array.dtype, "as_numpy_dtype", array.dtype))
    if array.ndim == 0 or dtype.kind not in "biufV":  # V: bfloat16
        raise BatchError(
            f"data must be arrays [n, ...] of numbers, got {short_repr(values)}; leave out other"
            " features"
        )
    return array


def _num_examples(arrays: Any) -> int:
    """The number of examples; raises BatchError if arrays have different numbers."""
    lengths = {name: len(array) if array.ndim else 0 for name, array in _by_name(arrays).items()}
    if len(set(lengths.values())) != 1:
        raise BatchError(f"all features must have the same number of examples, got {lengths}")
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
                "batches of a PyDataset with use_multiprocessing cannot be checked: leave"
                " use_multiprocessing out; workers=N then starts N threads"
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
