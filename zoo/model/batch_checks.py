"""Batches that a model can take: names, shapes, dtypes and ranges, checked on all of the data.

The same checks serve everywhere. On values that are there they raise BatchError; in a graph they
are assertions with the same message, which `batch_errors` turns into a BatchError again. Data sets
are checked as they are read, by tf.data on the CPU: a training step has no part in it, whether it
is compiled by XLA or runs on several replicas.
"""

import contextlib
import re

import tensorflow as tf

from zoo.errors import BatchError, UsageError, one_line

MARK = "BatchError: "
ASSERTION = re.compile(rf"assertion failed: \[{MARK}([^\n]*)\]")  # of `expect`
EXCEPTION = re.compile(rf"\}}\}} {MARK}([^\n]*)")  # of Python that tf.data runs


class BatchChecks:
    """The part of `zoo.Model` that knows its batches, by its `batch_spec`."""

    def checked(self, dataset):
        """A `tf.data.Dataset` of batches, which are cast and checked as they are read.

        Read it through `reading`, or inside `batch_errors`. What it skips afterwards is checked,
        too.
        """
        return self._mapped(dataset, self.cast_and_check)

    def checked_inputs(self, dataset):
        """`checked`, of what the model is called on only."""
        return self._mapped(dataset, self.cast_and_check_inputs)

    def _mapped(self, dataset, check):
        if isinstance(dataset.element_spec, tuple):  # would be several arguments
            check(dataset.element_spec)
        if check.__name__ not in self._traced:  # once a model, not once an epoch
            self._traced[check.__name__] = tf.function(
                check, autograph=False, reduce_retracing=True
            )
        return dataset.map(self._traced[check.__name__])

    def cast_and_check(self, batch):
        """A batch in the dtypes of `batch_spec`; raises BatchError unless it fits."""
        batch = self.cast_batch(batch)
        self.check_batch(batch)
        return batch

    def cast_and_check_inputs(self, inputs):
        """What the model is called on, as `cast_and_check`: a batch, or the feature alone."""
        feature = self.input_feature
        if feature is None:
            return inputs
        names = feature if isinstance(feature, tuple) else (feature,)
        if isinstance(inputs, dict | tuple) or len(names) > 1:
            inputs = self.cast_batch(inputs)
            self.check_features(inputs, names, least=0)
            return inputs
        alone = self.cast_batch({feature: inputs})
        self.check_features(alone, names, least=0)
        return alone[feature]

    def cast_batch(self, batch):
        """A batch whose features have the dtypes of `batch_spec` where nothing is lost by it.

        Floats of any precision become those of the model, integers those of its ids, and stay out
        of range if they were. All else is as it was, and for `check_batch` to refuse.
        """
        if not isinstance(batch, dict):
            return batch
        known = {name: spec for name, spec in self.batch_spec.items() if name in batch}
        return {**batch, **{name: self._cast(name, batch[name], known[name]) for name in known}}

    def _cast(self, name, value, spec):
        """A feature of a batch as a tensor, of the dtype of its `batch_spec` if it can have it."""
        try:
            value = tf.convert_to_tensor(value)
        except (ValueError, TypeError) as error:
            raise BatchError(f"{self.name} cannot take {name!r}: {one_line(error)}") from error
        new, old = spec.dtype, value.dtype
        if new.is_integer and old.is_integer and new != old:
            value = tf.clip_by_value(value, max(old.min, new.min), min(old.max, new.max))
        castable = new.is_integer and old.is_integer or new.is_floating and old.is_floating
        return tf.cast(value, new) if castable else value

    def check_batch(self, batch):
        """Raises BatchError unless a batch fits `batch_spec`: names, shapes, dtypes, ranges.

        Dtypes fit that `cast_batch` casts. In a graph, ranges are assertions.
        """
        self.check_features(batch, self.batch_spec)

    def check_features(self, batch, names, least=1):
        """`check_batch` of the features of these names, which hold `least` examples or more."""
        if not isinstance(batch, dict):
            raise BatchError(
                f"a batch is a dict with {[*names]}, got {type(batch).__name__};"
                " zoo.data.load gives such batches from names, arrays and folders"
            )
        for name in names:
            if name not in batch:
                raise BatchError(f"{self.name} needs the feature {name!r}, got {[*batch]}")
            spec = self.batch_spec[name]
            value = self._cast(name, batch[name], spec)
            self.check_feature(name, value, spec)
            if value.shape[0] is not None and value.shape[0] < least:
                raise BatchError(f"{self.name} got an empty batch: {name!r} has no example")

    def check_feature(self, name, value, spec):
        """Raises BatchError unless a feature of a batch, a tensor, fits its `batch_spec`."""
        if not spec.shape.is_compatible_with(value.shape):
            another = f": image_shape={tuple(value.shape)[1:]}" if name == "image" else ""
            raise BatchError(
                f"{self.name} expects {name!r} of shape {tuple(spec.shape)}, got"
                f" {tuple(value.shape)}; what has another shape needs another model{another}"
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

    def check_range(self, what, values, least, most, advice=""):
        """Raises BatchError unless all values are in `least` ... `most`, both included."""
        if values.shape.num_elements() == 0:
            return
        low, high = tf.reduce_min(values), tf.reduce_max(values)  # NaN if there is one
        expects = f"{self.name} expects {what}, got "
        fits = (low >= least) & (high <= most)
        expect(fits, lambda: tf.strings.join([expects, text(low), " to ", text(high), advice]))

    def check_labels(self, labels):
        """Raises BatchError unless all labels are in 0 ... `num_classes` - 1."""
        self.check_ids("labels", labels, self.num_classes, "num_classes=N for N of them")

    def check_ids(self, what, ids, count, advice):
        """Raises BatchError, with advice, unless all ids are in 0 ... `count` - 1."""
        what = f"{what} in 0 ... {count - 1}"
        self.check_range(what, tf.convert_to_tensor(ids), 0, count - 1, f"; give it {advice}")


def expect(fits, message):
    """Raises BatchError with `message()`, a string tensor, unless `fits`; asserts it in a graph."""
    if tf.executing_eagerly():
        if not fits:
            raise BatchError(tf.compat.as_str(message().numpy()))
        return

    def fail():
        tf.debugging.Assert(False, [tf.strings.join([MARK, message()])])
        return True

    tf.cond(fits, lambda: True, fail)


def text(number):
    """A number as people write it."""
    how = {"precision": 4, "shortest": True} if number.dtype.is_floating else {}
    return tf.strings.as_string(number, **how)


@contextlib.contextmanager
def batch_errors():
    """While open, what TensorFlow raises where a batch did not fit is a BatchError."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        found = ASSERTION.search(error.message) or EXCEPTION.search(error.message)
        if not found:
            raise
        raise BatchError(re.sub(r"\\(['\"\\])", r"\1", found[1])) from None  # printed with escapes


def reading(batches):
    """The batches of a data set that is `checked`, divided among replicas or not."""
    with batch_errors():
        yield from batches


def check_size(model, batch, count):
    """Raises UsageError if a piece, one of `count`, is too small for `model.train_step`."""
    size = next(iter(batch.values())).shape[0]
    if size // count < model.smallest_batch:
        pieces = f" in {count} pieces" if count > 1 else ""
        raise UsageError(
            f"{model.name} compares the examples of a batch with each other: it needs a batch size"
            f" of {model.smallest_batch * count} or more, got {size}{pieces}"
        )
