"""Recurrent cells whose input products are computed outside of the loop.

A step of a Keras LSTM or GRU cell is a product with its input and a product with its state. Only
the second depends on the previous step, so the first is computed for all steps at once, with the
cell's own weights; results agree with Keras to rounding.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

CellStep = Callable[[tf.Tensor, Any, list[tf.Tensor]], tuple[tf.Tensor, list[tf.Tensor]]]


def _lstm(
    cell: keras.layers.Layer, recurrent: tf.Tensor, bias: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """Hochreiter, Schmidhuber (1997): (projected inputs, state) -> (output, state)."""

    def step(projected: tf.Tensor, state: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        h, c = state
        input_gate, forget_gate, new, output_gate = tf.split(
            projected + tf.matmul(h, recurrent), 4, axis=-1
        )
        gate = cell.recurrent_activation
        c = gate(forget_gate) * c + gate(input_gate) * cell.activation(new)
        h = gate(output_gate) * cell.activation(c)
        return h, [h, c]

    return bias, step


def _gru(
    cell: keras.layers.Layer, recurrent: tf.Tensor, bias: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """Cho et al. (2014, arXiv 1406.1078), with the reset after the product, as in Keras."""
    parts = [2 * cell.units, cell.units]

    def step(projected: tf.Tensor, state: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        (h,) = state
        gates, new = tf.split(projected, parts, axis=-1)
        h_gates, h_new = tf.split(tf.matmul(h, recurrent) + bias[1], parts, axis=-1)
        z, r = tf.split(cell.recurrent_activation(gates + h_gates), 2, axis=-1)
        new = cell.activation(new + r * h_new)
        h = new + z * (h - new)
        return h, [h]

    return bias[0], step


_STEPS = {keras.layers.LSTMCell: _lstm, keras.layers.GRUCell: _gru}


def unsplit(cell: keras.layers.Layer) -> CellStep:
    """The step of a cell as step(inputs, feedback, state) -> (output, state).

    The cell's input is the inputs followed by the feedback, which comes from the previous step.
    """
    return lambda inputs, feedback, state: cell(tf.concat([inputs, feedback], axis=-1), state)


def split_cell(
    cell: keras.layers.Layer, feedback_size: int, dtype: str
) -> tuple[Callable[[tf.Tensor], tf.Tensor], CellStep]:
    """A cell's step as (project, step): step(project(inputs), feedback, state).

    `project` takes the inputs of one step or of all steps; `step` is called in a loop. The weights
    are read and split here, once, outside of any loop. Cells other than Keras' LSTM and GRU are not
    split: their `project` only casts.
    """
    if type(cell) not in _STEPS or not cell.use_bias or not getattr(cell, "reset_after", True):
        return lambda inputs: tf.cast(inputs, dtype), unsplit(cell)
    kernel, recurrent, bias = (
        tf.cast(w, dtype) for w in (cell.kernel, cell.recurrent_kernel, cell.bias)
    )
    input_size = kernel.shape[0] - feedback_size
    input_kernel, feedback_kernel = tf.split(kernel, [input_size, feedback_size])
    bias, cell_step = _STEPS[type(cell)](cell, recurrent, bias)

    def project(inputs: tf.Tensor) -> tf.Tensor:
        return tf.tensordot(tf.cast(inputs, dtype), input_kernel, 1) + bias

    def step(
        projected: tf.Tensor, feedback: Any, state: list[tf.Tensor]
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        if feedback_size:
            projected += tf.matmul(feedback, feedback_kernel)
        return cell_step(projected, state)

    return project, step


def state_sizes(cell: keras.layers.Layer) -> list[int]:
    """The sizes of a Keras cell's states; raises ValueError for stacked cells or dropout."""
    sizes = cell.state_size
    sizes = list(sizes) if isinstance(sizes, list | tuple) else [sizes]
    if not all(isinstance(size, int) for size in sizes):
        raise ValueError(f"cell must be a single recurrent cell, got a {type(cell).__name__}")
    if getattr(cell, "dropout", 0) or getattr(cell, "recurrent_dropout", 0):
        raise ValueError(
            "cell must have no dropout inside the loop: put keras.layers.Dropout around it"
        )
    return sizes


def time_major(x: tf.Tensor) -> tf.Tensor:
    """[b, t, d] to [t, b, d], and back."""
    return tf.transpose(x, (1, 0, 2))
