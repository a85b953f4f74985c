"""Recurrent cells whose input products and kernel gradients are computed outside of the loop.

A step of a Keras LSTM or GRU cell is a product with its input and a product with its state. Only
the second depends on the previous step, so the first is computed for all steps at once, with the
cell's own weights; results agree with Keras to rounding. In the backward pass each kernel gets its
gradient in one product over all steps, after the loop (`DeferredKernel`).
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

CellStep = Callable[[tf.Tensor, Any, list[tf.Tensor]], tuple[tf.Tensor, list[tf.Tensor]]]


class DeferredKernel:
    """A product rows @ kernel in a loop whose kernel gradient is computed after the loop.

    By default a backward loop adds up one gradient per step, each as large as the kernel. The sum
    is a single product over the rows of all steps, which is faster, above all with few rows per
    step. In the loop a slot [b, n] of zeros stands in for the kernel: the gradient of a slot is
    the gradient of that step's product. `scan` distributes the slots and collects the rows.
    """

    def __init__(self, kernel: tf.Tensor):
        self.kernel = kernel
        self.slot: Any = None  # of a step, [b, n]
        self.rows: Any = None  # of a step, [b, m]; after the loop, of all steps, [t, b, m]

    def gradient_slots(self, steps: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
        """Zeros [t, b, n] for a loop; their gradient becomes that of the kernel."""

        @tf.custom_gradient
        def _slots(kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
            zeros = tf.zeros((steps, batch, kernel.shape[1]), kernel.dtype)
            return zeros, self.kernel_gradient

        return _slots(self.kernel)

    def kernel_gradient(self, gradients: tf.Tensor) -> tf.Tensor:
        """The gradient of the kernel from those of all products, [t, b, n]."""
        rows, gradients = (tf.reshape(x, (-1, x.shape[-1])) for x in (self.rows, gradients))
        return tf.matmul(rows, gradients, transpose_a=True)

    def __call__(self, rows: tf.Tensor) -> tf.Tensor:
        @tf.custom_gradient
        def product(
            rows: tf.Tensor, kernel: tf.Tensor, slot: tf.Tensor
        ) -> tuple[tf.Tensor, Callable]:
            def gradients(g: tf.Tensor) -> tuple[tf.Tensor, None, tf.Tensor]:
                return tf.matmul(g, kernel, transpose_b=True), None, g

            return tf.matmul(rows, kernel), gradients

        self.rows = rows
        return product(rows, self.kernel, self.slot)


def scan(
    step: Callable[[list[tf.Tensor], Any], list[tf.Tensor]],
    inputs: Any,
    initial_state: list[tf.Tensor],
    kernels: list[DeferredKernel],
    reverse: bool = False,
) -> list[tf.Tensor]:
    """`tf.scan` of step(states, inputs of one step) -> states, with kernels that `step` uses.

    Args:
        step: a function of lists of states.
        inputs: a nest of tensors, time first.
        initial_state: the states before the first step.
        kernels: every `DeferredKernel` that `step` calls, once per step.
        reverse: whether to go from the last step to the first.

    Returns the states of all steps, each [t, b, ...].
    """
    length = tf.shape(tf.nest.flatten(inputs)[0])[0]
    batch = tf.shape(initial_state[0])[0]
    slots = [kernel.gradient_slots(length, batch) for kernel in kernels]
    zeros = [tf.zeros((batch, k.kernel.shape[0]), k.kernel.dtype) for k in kernels]
    count = len(initial_state)

    def step_with_slots(last: list[tf.Tensor], now: Any) -> list[tf.Tensor]:
        step_inputs, step_slots = now
        for kernel, slot in zip(kernels, step_slots, strict=True):
            kernel.slot = slot
        states = step(last[:count], step_inputs)
        return [*states, *(kernel.rows for kernel in kernels)]

    results = tf.scan(step_with_slots, (inputs, slots), [*initial_state, *zeros], reverse=reverse)
    for kernel, rows in zip(kernels, results[count:], strict=True):
        kernel.rows = rows
    return results[:count]


def _lstm(
    cell: keras.layers.Layer, recurrent: Callable, bias: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """Hochreiter, Schmidhuber (1997): (projected inputs, state) -> (output, state)."""

    def step(projected: tf.Tensor, state: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        h, c = state
        input_gate, forget_gate, new, output_gate = tf.split(projected + recurrent(h), 4, axis=-1)
        gate = cell.recurrent_activation
        c = gate(forget_gate) * c + gate(input_gate) * cell.activation(new)
        h = gate(output_gate) * cell.activation(c)
        return h, [h, c]

    return bias, step


def _gru(
    cell: keras.layers.Layer, recurrent: Callable, bias: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """Cho et al. (2014, arXiv 1406.1078), with the reset after the product, as in Keras."""
    parts = [2 * cell.units, cell.units]

    def step(projected: tf.Tensor, state: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        (h,) = state
        gates, new = tf.split(projected, parts, axis=-1)
        h_gates, h_new = tf.split(recurrent(h) + bias[1], parts, axis=-1)
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
) -> tuple[Callable[[tf.Tensor], tf.Tensor], CellStep, list[DeferredKernel]]:
    """A cell's step as (project, step, kernels): step(project(inputs), feedback, state).

    `project` takes the inputs of one step or of all steps; `step` is called inside `scan`, which
    is given the kernels. The weights are read and split here, once, outside of any loop. Cells
    other than Keras' LSTM and GRU are not split: their `project` only casts, without kernels.
    """
    if type(cell) not in _STEPS or not cell.use_bias or not getattr(cell, "reset_after", True):
        return lambda inputs: tf.cast(inputs, dtype), unsplit(cell), []
    kernel, recurrent, bias = (
        tf.cast(w, dtype) for w in (cell.kernel, cell.recurrent_kernel, cell.bias)
    )
    input_size = kernel.shape[0] - feedback_size
    input_kernel, feedback_kernel = tf.split(kernel, [input_size, feedback_size])
    recurrent = DeferredKernel(recurrent)
    feedback_product = DeferredKernel(feedback_kernel)
    bias, cell_step = _STEPS[type(cell)](cell, recurrent, bias)

    def project(inputs: tf.Tensor) -> tf.Tensor:
        return tf.tensordot(tf.cast(inputs, dtype), input_kernel, 1) + bias

    def step(
        projected: tf.Tensor, feedback: Any, state: list[tf.Tensor]
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        return cell_step(
            projected + feedback_product(feedback) if feedback_size else projected, state
        )

    return project, step, [recurrent, feedback_product] if feedback_size else [recurrent]


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
