"""The arguments of a model's verbs: one decorator checks and converts them.

    @zoo.checked_method(x="image")
    def encode(self, x):
        return self.posterior(x).mean()

What a graph does not know yet, such as values while a model is exported, is not checked.
"""

import functools
import inspect
import math
import numbers

import numpy as np
import tensorflow as tf

from blocks.style import to_rgb_batch
from zoo.checks import LARGEST, Interval
from zoo.errors import BatchError, UsageError, one_line

COUNT = Interval(1, math.inf)


def checked_method(**kinds):
    """A method of a model whose arguments are checked and converted before it runs.

    An empty batch gives an empty result of the right shape. Several batches must have one length;
    a batch of 1 goes with any.

    Args:
        **kinds: argument -> what it is: a feature of the model's `batch_spec`, as tensors of its
            dtype (images may be uint8, and are scaled; ids may be any integers); "codes", float32
            [n, latent_dim]; "n" or "steps", how many images; "picture", one of any size; "label" or
            "reference", one class or image, or `n` of them, after `n`. An argument left at its
            default is not looked at.

    Raises (the method, when called):
        UsageError: a value that is not possible. BatchError: a batch that does not fit the model.
    """

    def decorate(method):
        signature = inspect.signature(method)

        @functools.wraps(method)
        def checked(self, *args, **kwargs):
            call = signature.bind(self, *args, **kwargs)
            values, batches = call.arguments, []
            for argument, kind in kinds.items():
                default = signature.parameters[argument].default
                if argument not in values or values[argument] is default:
                    continue
                values[argument] = read(self, argument, kind, values[argument], values.get("n"))
                if kind == "codes" or kind in self.batch_spec and kind != "label":
                    batches.append(argument)
            length = common_length(method.__name__, [values[name] for name in batches])
            check_size(self, values.get("n", length), values.get("steps", 1))
            for name in batches:
                values[name] = as_long(values[name], length)
            found = method(*call.args, **call.kwargs)
            return cut(found) if length == 0 else found

        return checked

    return decorate


def read(model, argument, kind, value, n):
    """An argument of a verb as its method wants it; `n`: how many images are drawn."""
    if kind in READERS:
        return READERS[kind](value, argument)
    if kind in PER_SAMPLE:
        return PER_SAMPLE[kind](model, argument, value, n)
    if kind == "codes":
        return read_codes(model, value)
    return read_feature(model, kind, value)


def read_feature(model, name, value):
    """A feature of a batch as `model.batch_spec` wants it; raises BatchError.

    Images may be of any float type in [0, 1], or uint8, which are scaled; ids of any integer type.
    """
    spec = model.batch_spec[name]
    x = read_array(model, name, value, spec.dtype.name)
    if x.shape == (0,):  # an empty list
        x = tf.zeros((0, *(size or 1 for size in spec.shape[1:])), spec.dtype)
    if x.dtype == tf.uint8 and spec.dtype == tf.float32:
        x = tf.cast(x, tf.float32) / 255
    if x.shape.rank != spec.shape.rank:
        alone = spec.shape[1:].is_compatible_with(x.shape)
        raise BatchError(
            f"{model.name} expects a batch of {name!r} of shape {tuple(spec.shape)}, got"
            f" {tuple(x.shape)}{'; a single one is a batch of 1: x[None]' if alone else ''}"
        )
    x = model.cast_batch({name: x})[name]
    model.check_feature(name, x, spec)
    return x


def read_picture(value, argument):
    """One picture [h, w, 3] of any size, float32 in [0, 1]."""
    x = as_tensor(f"{argument} must be a picture", value)
    try:
        return to_rgb_batch(x, argument)[0]
    except ValueError as error:
        raise UsageError(one_line(error)) from error


def read_codes(model, value):
    z = read_array(model, "codes", value)
    if z.shape == (0,):  # an empty list
        z = tf.zeros((0, model.latent_dim))
    if z.shape.rank != 2 or z.shape[-1] != model.latent_dim:
        raise BatchError(
            f"{model.name} expects codes of shape (None, {model.latent_dim}), got"
            f" {tuple(z.shape)}: each of latent_dim={model.latent_dim} numbers"
        )
    z = tf.cast(z, tf.float32)
    model.check_range("finite codes", z, tf.float32.min, tf.float32.max)
    return z


def read_count(value, argument):
    if is_symbolic(value):
        return value
    whole = value.numpy() if tf.is_tensor(value) else value
    if not COUNT.accepts(whole):
        raise UsageError(f"{argument} must be {COUNT}, got {value!r}")
    return int(whole)


def read_label(model, argument, value, n):
    """Classes, one for all images or one for each."""
    labels = read_array(model, "labels", value)
    fits = labels.shape.rank == 0 or labels.shape.rank == 1 and labels.shape[0] in (1, None, n)
    if not labels.dtype.is_integer or not (fits or is_symbolic(n)):
        raise UsageError(f"{argument} must be an integer, or {n} of them, got {value!r}")
    inside = tf.clip_by_value(tf.cast(labels, tf.int64), -1, LARGEST)
    if not is_symbolic(inside) and not tf.reduce_all((inside >= 0) & (inside < model.num_classes)):
        raise UsageError(f"labels must be in 0 ... {model.num_classes - 1}, got {value}")
    return inside


def read_reference(model, argument, value, n):
    """Images to draw around, one for all or one for each."""
    shape = read_array(model, "image", value).shape
    if shape[1:] != model.image_shape or shape[0] not in (1, n):
        raise UsageError(f"reference: 1 or {n} images {model.image_shape}, got shape {shape}")
    return read_feature(model, "image", value)


READERS = {"n": read_count, "steps": read_count, "picture": read_picture}
PER_SAMPLE = {"label": read_label, "reference": read_reference}  # these go with `n`


def read_array(model, what, value, dtype="numbers"):
    """A tensor of numbers; raises BatchError for anything else, naming the `dtype` expected."""
    x = as_tensor(f"{model.name} expects {what!r} as one array of numbers", value)
    if not (x.dtype.is_floating or x.dtype.is_integer):
        raise BatchError(f"{model.name} expects {what!r} as {dtype}, got {x.dtype.name}")
    return x


def as_tensor(expected, value):
    """A value as a tensor; raises BatchError, which says what was expected."""
    try:
        if isinstance(value, list | tuple) and not any(map(tf.is_tensor, value)):
            value = np.asarray(value)  # of uint8 arrays in a list, TensorFlow would make int32
        return tf.convert_to_tensor(value)
    except (ValueError, TypeError) as error:
        raise BatchError(f"{expected}, got {describe(value)}") from error


def describe(value):
    """What a person passed, in a few words."""
    if isinstance(value, list | tuple):
        shapes = sorted({str(np.shape(item)) for item in value if not isinstance(item, list)})
        what = f" of arrays {' and '.join(shapes[:3])}" if len(shapes) > 1 else ""
        return f"a {type(value).__name__}{what}"
    if value is None or isinstance(value, numbers.Number | str | bytes):
        return repr(value)[:60]
    return type(value).__name__


def common_length(name, batches):
    """How many rows the batches of a verb have; None where there are none or it is not known."""
    lengths = {batch.shape[0] for batch in batches} - {None}
    if len(lengths - {1}) > 1:
        raise UsageError(f"{name} needs batches of one length, got {sorted(lengths)}")
    return next(iter(lengths - {1} or lengths), None)


def check_size(model, n, steps):
    """Raises UsageError for more images than fit into one tensor."""
    if not isinstance(n, int) or not isinstance(steps, int) or not hasattr(model, "image_shape"):
        return
    pixels = math.prod(model.image_shape)
    if n * steps * pixels > LARGEST:
        raise UsageError(
            f"{n * steps:,} images of {model.image_shape} do not fit into one tensor; at most"
            f" {LARGEST // pixels:,} at a time"
        )


def is_symbolic(value):
    """Whether a value is a tensor inside a graph, which is not known yet."""
    return tf.is_tensor(value) and not hasattr(value, "numpy")


def as_long(batch, length):
    """A batch of 1 repeated to a length; of an empty one, where nothing is asked, one row."""
    if length == 0:
        return one_row(batch)
    alone = batch.shape[0] == 1 and length is not None
    return tf.repeat(batch, length, axis=0) if alone else batch


def one_row(x):
    """A batch of one that stands in for an empty one."""
    return tf.zeros((1, *x.shape[1:]), x.dtype)


def cut(found):
    """The same results, of no row."""
    return tf.nest.map_structure(lambda x: x[:0], found)
