"""Checks of batches: names, shapes, dtypes and ranges of all features.

The same checks are used everywhere. On eager values they raise BatchError; in a graph they are
assertions with the same message, which `batch_errors` converts to BatchError. Data sets are checked
while they are read, by tf.data on the CPU, and not in the training step, which may be compiled by
XLA or run on several replicas.
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import tensorflow as tf

from zoo.errors import BatchError, UsageError, one_line

_MARK = "BatchError: "
_ASSERTION = re.compile(rf"assertion failed: \[{_MARK}([^\n]*)\]")  # of `_assert_fits`
_EXCEPTION = re.compile(rf"\}}\}} {_MARK}([^\n]*)")  # of Python code in tf.data


class BatchChecks:
    """The methods of `zoo.Model` that check batches against its `batch_spec`."""

    name: str
    input_feature: str | tuple[str, ...] | None
    batch_spec: Any
    num_classes: int
    _traced_checks: dict[str, Any]
    check_trainable: Callable[[], None]

    def check_dataset(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """The data set with batches that are cast and checked while they are read.

        Read it with `iterate_batches`, or inside `batch_errors`. Batches that are skipped later are
        checked, too.
        """
        return self._map_check(dataset, self.cast_and_check)

    def check_input_dataset(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """`check_dataset` for the inputs of `call` only."""
        return self._map_check(dataset, self.cast_and_check_inputs)

    def _map_check(self, dataset: tf.data.Dataset, check: Callable[..., Any]) -> tf.data.Dataset:
        if isinstance(dataset.element_spec, tuple):  # map would pass several arguments
            check(dataset.element_spec)
        if check.__name__ not in self._traced_checks:  # trace once for a model, not each epoch
            self._traced_checks[check.__name__] = tf.function(
                check, autograph=False, reduce_retracing=True
            )
        return dataset.map(self._traced_checks[check.__name__])

    def cast_and_check(self, batch: Any) -> dict[str, tf.Tensor]:
        """Casts a batch to the dtypes of `batch_spec` and checks it.

        Raises:
            BatchError: it does not fit `batch_spec`.
        """
        batch = self.cast_batch(batch)
        self.check_batch(batch)
        return batch

    def cast_and_check_inputs(self, inputs: Any) -> Any:
        """`cast_and_check` for the inputs of `call`: a batch, or the single feature."""
        feature = self.input_feature
        if feature is None:
            return inputs
        names = feature if isinstance(feature, tuple) else (feature,)
        if isinstance(inputs, dict | tuple) or len(names) > 1:
            inputs = self.cast_batch(inputs)
            self.check_features(inputs, names, min_size=0)
            return inputs
        batch = self.cast_batch({feature: inputs})
        self.check_features(batch, names, min_size=0)
        return batch[feature]

    def cast_batch(self, batch: Any) -> Any:
        """Casts the features of a batch to the dtypes of `batch_spec` where this loses nothing.

        Casts between float types and between integer types; integers out of range stay out of
        range. Other features are unchanged, and `check_batch` rejects them.
        """
        if not isinstance(batch, dict):
            return batch
        specs = {name: spec for name, spec in self.batch_spec.items() if name in batch}
        return {**batch, **{name: self._cast(name, batch[name], specs[name]) for name in specs}}

    def _cast(self, name: str, value: Any, spec: tf.TensorSpec) -> tf.Tensor:
        """A feature as a tensor, cast to the dtype of `spec` if possible."""
        try:
            value = tf.convert_to_tensor(value)
        except (ValueError, TypeError) as error:
            raise BatchError(f"{self.name} cannot take {name!r}: {one_line(error)}") from error
        new = spec.dtype
        old = value.dtype
        if new.is_integer and old.is_integer and new != old:
            value = tf.clip_by_value(value, max(old.min, new.min), min(old.max, new.max))
        castable = new.is_integer and old.is_integer or new.is_floating and old.is_floating
        return tf.cast(value, new) if castable else value

    def check_batch(self, batch: Any) -> None:
        """Checks a batch against `batch_spec`: names, shapes, dtypes, ranges.

        Accepts dtypes that `cast_batch` casts. In a graph, ranges are assertions.

        Raises:
            BatchError: it does not fit.
        """
        self.check_features(batch, self.batch_spec)

    def check_features(self, batch: Any, names: Iterable[str], min_size: int = 1) -> None:
        """`check_batch` for some features, which need `min_size` examples or more."""
        if not isinstance(batch, dict):
            raise BatchError(
                f"a batch must be a dict with {[*names]}, got {type(batch).__name__};"
                " zoo.data.load makes such batches from names, arrays or folders"
            )
        for name in names:
            if name not in batch:
                raise BatchError(f"{self.name} needs the feature {name!r}, got {[*batch]}")
            spec = self.batch_spec[name]
            value = self._cast(name, batch[name], spec)
            self.check_feature(name, value, spec)
            if value.shape[0] is not None and value.shape[0] < min_size:
                raise BatchError(f"{self.name} got an empty batch: {name!r} has no example")

    def check_feature(self, name: str, value: tf.Tensor, spec: tf.TensorSpec) -> None:
        """Checks one feature of a batch.

        Raises:
            BatchError: it does not fit `spec`, or its range is wrong.
        """
        if not spec.shape.is_compatible_with(value.shape):
            setting = f": image_shape={tuple(value.shape)[1:]}" if name == "image" else ""
            raise BatchError(
                f"{self.name} expects {name!r} of shape {tuple(spec.shape)}, got"
                f" {tuple(value.shape)}; another shape needs another model{setting}"
            )
        is_image = spec.dtype.is_floating and spec.shape.rank == 4 and name != "features"
        if value.dtype != spec.dtype:
            pixels = is_image and value.dtype.is_integer
            scale = "; images are in [0, 1], so divide 0..255 by 255" if pixels else ""
            raise BatchError(
                f"{self.name} expects {name!r} as {spec.dtype.name}, got {value.dtype.name}{scale}"
            )
        if is_image:
            self.check_range(f"{name!r} in [0, 1]", value, 0, 1)
        elif value.dtype.is_floating:
            self.check_range(f"finite {name!r}", value, value.dtype.min, value.dtype.max)
        if name == "label":
            self.check_labels(value)

    def check_range(
        self, expected: str, values: tf.Tensor, minimum: Any, maximum: Any, advice: str = ""
    ) -> None:
        """Checks that all values are in [minimum, maximum].

        Args:
            expected: the beginning of the message: what is expected.
            values: a tensor.
            minimum, maximum: ends of the range, both included.
            advice: the end of the message.

        Raises:
            BatchError: a value is out of range.
        """
        if values.shape.num_elements() == 0:
            return
        low = tf.reduce_min(values)  # NaN if any value is
        high = tf.reduce_max(values)
        expects = f"{self.name} expects {expected}, got "
        fits = (low >= minimum) & (high <= maximum)
        _assert_fits(
            fits,
            lambda: tf.strings.join(
                [expects, _number_text(low), " to ", _number_text(high), advice]
            ),
        )

    def check_labels(self, labels: tf.Tensor) -> None:
        """Raises BatchError unless all labels are in 0 ... `num_classes` - 1."""
        self.check_ids("labels", labels, self.num_classes, "num_classes=N for N classes")

    def check_ids(self, kind: str, ids: Any, count: int, advice: str) -> None:
        """Raises BatchError, with `advice`, unless all ids are in 0 ... `count` - 1."""
        expected = f"{kind} in 0 ... {count - 1}"
        self.check_range(expected, tf.convert_to_tensor(ids), 0, count - 1, f"; pass {advice}")


def _assert_fits(fits: tf.Tensor, message: Callable[[], tf.Tensor]) -> None:
    """Raises BatchError with `message()`, a string tensor, unless `fits`; asserts it in a graph."""
    if tf.executing_eagerly():
        if not fits:
            raise BatchError(tf.compat.as_str(message().numpy()))
        return

    def fail() -> bool:
        tf.debugging.Assert(False, [tf.strings.join([_MARK, message()])])
        return True

    tf.cond(fits, lambda: True, fail)


def _number_text(number: tf.Tensor) -> tf.Tensor:
    """A number as text, floats with 4 digits."""
    options = {"precision": 4, "shortest": True} if number.dtype.is_floating else {}
    return tf.strings.as_string(number, **options)


@contextlib.contextmanager
def batch_errors() -> Iterator[None]:
    """Context that converts TensorFlow's errors of failed batch checks to BatchError."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        match = _ASSERTION.search(error.message) or _EXCEPTION.search(error.message)
        if not match:
            raise
        message = re.sub(r"\\(['\"\\])", r"\1", match[1])  # TensorFlow escapes quotes
        raise BatchError(message) from None


def iterate_batches(batches: Iterable[Any]) -> Iterator[Any]:
    """Iterates over a data set of `check_dataset`, distributed to replicas or not.

    Raises:
        BatchError: a batch does not fit the model.
    """
    with batch_errors():
        yield from batches


def check_batch_size(model: Any, batch: dict[str, Any], count: int) -> None:
    """Checks that a micro-batch is large enough for `model.train_step`.

    Args:
        model: the model.
        batch: the whole batch.
        count: number of micro-batches.

    Raises:
        UsageError: it has fewer than `model.min_batch_size` examples.
    """
    size = next(iter(batch.values())).shape[0]
    if size // count < model.min_batch_size:
        division = f" in {count} micro-batches" if count > 1 else ""
        raise UsageError(
            f"{model.name} compares the examples of a batch with each other: it needs a batch size"
            f" of {model.min_batch_size * count} or more, got {size}{division}"
        )
