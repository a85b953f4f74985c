"""A decorator that checks and converts the arguments of a model's methods.

    @zoo.checked_method(x="image")
    def encode(self, x):
        return self.posterior(x).mean()

Values that are symbolic, as in a graph while a model is exported, are not checked.
"""

import functools
import inspect
import math
import numbers
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from blocks.style import to_rgb_batch
from zoo.checks import MAX_INT32, Interval
from zoo.errors import BatchError, UsageError, one_line

_POSITIVE_INT = Interval(1, math.inf)
Method = TypeVar("Method", bound=Callable[..., Any])


def checked_method(**kinds: str) -> Callable[[Method], Method]:
    """Decorator of a model's method that checks and converts its arguments.

    An empty batch gives an empty result of the right shape. Several batches must have the same
    length; a batch of 1 is repeated to the length of the others.

    Args:
        **kinds: argument -> its kind. Arguments with their default value are not checked. A kind is

            - a feature of the model's `batch_spec`: converted to a tensor of its dtype (uint8
              images are scaled to [0, 1], ids may be any integers);
            - "codes": float32 [n, *model.code_shape], by default [n, latent_dim];
            - "n" or "steps": a number of images;
            - "single_image": one RGB image of any size;
            - "label" or "reference": one class or image, or `n` of them (`n` is an argument, too).

    The decorated method raises:
        UsageError: an impossible value.
        BatchError: a batch that does not fit the model.
    """

    def decorate(method: Method) -> Method:
        signature = inspect.signature(method)

        @functools.wraps(method)
        def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
            call = signature.bind(self, *args, **kwargs)
            values = call.arguments
            batches = []
            for argument, kind in kinds.items():
                default = signature.parameters[argument].default
                if argument not in values or values[argument] is default:
                    continue
                values[argument] = _convert(self, argument, kind, values[argument], values.get("n"))
                if kind == "codes" or kind in self.batch_spec and kind != "label":
                    batches.append(argument)
            length = _common_length(method.__name__, [values[name] for name in batches])
            _check_tensor_size(
                self, values.get("n", length), values.get("steps", 1) if "steps" in kinds else 1
            )
            for name in batches:
                values[name] = _repeat_to(values[name], length)
            result = method(*call.args, **call.kwargs)
            return drop_rows(result) if length == 0 else result

        return checked  # type: ignore[return-value]

    return decorate


def _convert(model: Any, argument: str, kind: str, value: Any, n: Any) -> Any:
    """Checks and converts one argument; `n` is the number of images to generate, or None."""
    if kind in _CONVERTERS:
        return _CONVERTERS[kind](value, argument)
    if kind in _CONVERTERS_WITH_N:
        return _CONVERTERS_WITH_N[kind](model, argument, value, n)
    if kind == "codes":
        return _convert_codes(model, value)
    return convert_feature(model, kind, value)


def convert_feature(model: Any, name: str, value: Any) -> tf.Tensor:
    """Converts a batch of one feature to the dtype in `model.batch_spec`.

    Images may have any float dtype and be in [0, 1], or be uint8, which is scaled. Ids may have any
    integer dtype.

    Raises:
        BatchError: it does not fit.
    """
    spec = model.batch_spec[name]
    x = _numeric_tensor(model, name, value, spec.dtype.name)
    if x.shape == (0,):  # an empty list
        x = tf.zeros((0, *(size or 1 for size in spec.shape[1:])), spec.dtype)
    if x.dtype == tf.uint8 and spec.dtype == tf.float32:
        x = tf.cast(x, tf.float32) / 255
    if x.shape.rank != spec.shape.rank:
        is_single = spec.shape[1:].is_compatible_with(x.shape)
        raise BatchError(
            f"{model.name} expects a batch of {name!r} of shape {tuple(spec.shape)}, got"
            f" {tuple(x.shape)}{'; a single one is a batch of 1: x[None]' if is_single else ''}"
        )
    x = model.cast_batch({name: x})[name]
    model.check_feature(name, x, spec)
    return x


def _convert_single_image(value: Any, argument: str) -> tf.Tensor:
    """One image [h, w, 3] of any size, float32 in [0, 1]."""
    x = _to_tensor(f"{argument} must be an image", value)
    try:
        return to_rgb_batch(x, argument)[0]
    except ValueError as error:
        raise UsageError(one_line(error)) from error


def _convert_codes(model: Any, value: Any) -> tf.Tensor:
    """Latent codes, float32 [n, *code_shape]; the shape of a code is (latent_dim,) by default."""
    z = _numeric_tensor(model, "codes", value)
    shape = getattr(model, "code_shape", None) or (model.latent_dim,)
    if z.shape == (0,):  # an empty list
        z = tf.zeros((0, *shape))
    if z.shape[1:] != shape:
        raise BatchError(
            f"{model.name} expects codes of shape {(None, *shape)}, got {tuple(z.shape)}"
        )
    z = tf.cast(z, tf.float32)
    model.check_range("finite codes", z, tf.float32.min, tf.float32.max)
    return z


def _convert_count(value: Any, argument: str) -> Any:
    """A number of images; a symbolic one stays a tensor."""
    if _is_symbolic(value):
        return value
    number = value.numpy() if tf.is_tensor(value) else value
    if not _POSITIVE_INT.accepts(number):
        raise UsageError(f"{argument} must be {_POSITIVE_INT}, got {value!r}")
    return int(number)


def convert_labels(model: Any, argument: str, value: Any, n: Any) -> tf.Tensor:
    """Classes, int64: one for all images, or one for each. Raises UsageError or BatchError."""
    if not model.num_classes:
        raise UsageError(f"{model.name} has no classes: leave out {argument}={value!r:.40}")
    labels = _numeric_tensor(model, "labels", value)
    fits = labels.shape.rank == 0 or labels.shape.rank == 1 and labels.shape[0] in (1, None, n)
    if not labels.dtype.is_integer or not (fits or _is_symbolic(n)):
        raise UsageError(f"{argument} must be an integer, or {n} of them, got {value!r}")
    clipped = tf.clip_by_value(tf.cast(labels, tf.int64), -1, MAX_INT32)
    in_range = (clipped >= 0) & (clipped < model.num_classes)
    if not _is_symbolic(clipped) and not tf.reduce_all(in_range):
        raise UsageError(f"labels must be in 0 ... {model.num_classes - 1}, got {value}")
    return clipped


def _convert_references(model: Any, argument: str, value: Any, n: Any) -> tf.Tensor:
    """Reference images: one for all generated images, or one for each."""
    shape = _numeric_tensor(model, "image", value).shape
    if shape[1:] != model.image_shape or shape[0] not in (1, n):
        raise UsageError(f"reference must be 1 or {n} images {model.image_shape}, got {shape}")
    return convert_feature(model, "image", value)


_CONVERTERS = {"n": _convert_count, "steps": _convert_count, "single_image": _convert_single_image}
_CONVERTERS_WITH_N = {"label": convert_labels, "reference": _convert_references}  # used with `n`


def _numeric_tensor(model: Any, name: str, value: Any, dtype: str = "numbers") -> tf.Tensor:
    """A tensor of numbers; otherwise raises BatchError, whose message has the expected `dtype`."""
    x = _to_tensor(f"{model.name} expects {name!r} as one array of numbers", value)
    if not (x.dtype.is_floating or x.dtype.is_integer):
        raise BatchError(f"{model.name} expects {name!r} as {dtype}, got {x.dtype.name}")
    return x


def _to_tensor(expected: str, value: Any) -> tf.Tensor:
    """A value as a tensor; otherwise raises BatchError, whose message begins with `expected`."""
    try:
        if isinstance(value, list | tuple) and not any(map(tf.is_tensor, value)):
            value = np.asarray(value)  # TensorFlow would convert a list of uint8 arrays to int32
        return tf.convert_to_tensor(value)
    except (ValueError, TypeError) as error:
        raise BatchError(f"{expected}, got {_describe(value)}") from error


def _describe(value: Any) -> str:
    """A short description of a value, for an error message."""
    if isinstance(value, list | tuple):
        shapes = sorted({str(np.shape(item)) for item in value if not isinstance(item, list)})
        content = f" of arrays {' and '.join(shapes[:3])}" if len(shapes) > 1 else ""
        return f"a {type(value).__name__}{content}"
    if value is None or isinstance(value, numbers.Number | str | bytes):
        return repr(value)[:60]
    return type(value).__name__


def _common_length(method: str, batches: Iterable[tf.Tensor]) -> int | None:
    """The number of rows of all batches; None without batches, or if it is not known."""
    lengths = {batch.shape[0] for batch in batches} - {None}
    if len(lengths - {1}) > 1:
        raise UsageError(f"{method} needs batches of one length, got {sorted(lengths)}")
    return next(iter(lengths - {1} or lengths), None)


def _check_tensor_size(model: Any, n: Any, steps: Any) -> None:
    """Raises UsageError for more images than fit into one tensor."""
    if not isinstance(n, int) or not isinstance(steps, int) or not hasattr(model, "image_shape"):
        return
    pixels = math.prod(model.image_shape)
    if n * steps * pixels > MAX_INT32:
        raise UsageError(
            f"{n * steps:,} images of {model.image_shape} do not fit into one tensor; at most"
            f" {MAX_INT32 // pixels:,} at a time"
        )


def _is_symbolic(value: Any) -> bool:
    """Whether a value is a tensor of a graph, which has no value yet."""
    return tf.is_tensor(value) and not hasattr(value, "numpy")


def _repeat_to(batch: tf.Tensor, length: int | None) -> tf.Tensor:
    """Repeats a batch of 1 to `length`; for length 0 returns one row of zeros."""
    if length == 0:
        return zero_row(batch)
    is_single = batch.shape[0] == 1 and length is not None
    return tf.repeat(batch, length, axis=0) if is_single else batch


def zero_row(batch: tf.Tensor) -> tf.Tensor:
    """A batch of one row of zeros, to compute with in place of an empty batch."""
    return tf.zeros((1, *batch.shape[1:]), batch.dtype)


def drop_rows(results: Any) -> Any:
    """The same nested results without rows."""
    return tf.nest.map_structure(lambda x: x[:0], results)
