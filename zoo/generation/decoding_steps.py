"""One step of decoding, and the operations on rows that all searches share."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from zoo.checks import check_numbers
from zoo.errors import UsageError

Step = Callable[[tf.Tensor, Any], tuple]


def call_step(
    step: Step,
    time: tf.Tensor,
    token: tf.Tensor,
    state: Any,
    arrays: Any,
    max_length: int | tf.Tensor,
) -> tuple[tf.Tensor, Any, Any]:
    """(float32 logits, new state, arrays with aux written) of one step."""
    logits, new, *rest = step(token, state)
    aux = rest[0] if rest else ()
    if arrays is None:  # the first step defines the structure of aux and the shapes of the state
        arrays = tf.nest.map_structure(lambda x: tf.TensorArray(x.dtype, max_length), aux)
    else:
        new = tf.nest.map_structure(_with_shape, new, state)
    arrays = tf.nest.map_structure(lambda array, x: array.write(time, x), arrays, aux)
    return tf.cast(logits, tf.float32), new, arrays


def _with_shape(x: tf.Tensor, old: tf.Tensor) -> tf.Tensor:
    """A tensor of the next state with the static shape that the loop of a graph needs."""
    return x if x is old or tf.executing_eagerly() else tf.ensure_shape(x, old.shape)


def count_sequences(state: Any, max_length: int | tf.Tensor) -> int | tf.Tensor:
    """Number of sequences, an int if it is static."""
    if not tf.is_tensor(max_length):
        check_numbers(max_length=max_length)
    tensors = tf.nest.flatten(state)
    if not tensors:
        raise UsageError("the state must contain a tensor [n, ...] for n sequences, got none")
    return tf.shape(tensors[0])[0] if tensors[0].shape[0] is None else tensors[0].shape[0]


def gather_rows(x: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
    """x [n, k, ...] at indices [n, j] -> [n, j, ...], or at [n] -> [n, ...]."""
    return tf.gather(x, indices, axis=1, batch_dims=1)


def exchange_axes(x: tf.Tensor, a: int, b: int) -> tf.Tensor:
    """x with the axes a and b exchanged."""
    axes = list(range(len(x.shape)))
    axes[a], axes[b] = axes[b], axes[a]
    return tf.transpose(x, axes)
