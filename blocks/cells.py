"""The step of a recurrent cell, cut in two: what needs no state, and what has to wait for it.

A step of a Keras LSTM or GRU cell is a product with its input and a product with its state. Only
the second must wait for the step before, so the first can be done for all steps at once, with the
cell's own weights and, to rounding, its own numbers.
"""

import keras
import tensorflow as tf


def lstm(cell, kernel, bias):
    """Hochreiter, Schmidhuber (1997): (projected, state) -> (output, state)."""

    def step(projected, state):
        h, c = state
        write, keep, new, read = tf.split(projected + tf.matmul(h, kernel), 4, axis=-1)
        gate = cell.recurrent_activation
        c = gate(keep) * c + gate(write) * cell.activation(new)
        h = gate(read) * cell.activation(c)
        return h, [h, c]

    return bias, step


def gru(cell, kernel, bias):
    """Cho et al. (2014, arXiv 1406.1078), reset after the product as in Keras."""

    def step(projected, state):
        (h,) = state
        z, r, new = tf.split(projected, 3, axis=-1)
        h_z, h_r, h_new = tf.split(tf.matmul(h, kernel) + bias[1], 3, axis=-1)
        gate = cell.recurrent_activation
        z = gate(z + h_z)
        h = z * h + (1 - z) * cell.activation(new + gate(r + h_r) * h_new)
        return h, [h]

    return bias[0], step


STEPS = {keras.layers.LSTMCell: lstm, keras.layers.GRUCell: gru}


def whole(cell):
    """The step of a cell as move(inputs, late, state) -> (output, state).

    `late` are the last columns of its input, those that come out of the step before.
    """
    return lambda x, late, state: cell(tf.concat([x, late], axis=-1), state)


def in_two(cell, late_size, dtype):
    """The same step as (project, move): move(project(inputs), late, state).

    `project` takes the inputs of one step or of all. The weights are read and cut here, once,
    outside of any loop. A cell of another kind stays whole and projects nothing.
    """
    if type(cell) not in STEPS or not cell.use_bias or not getattr(cell, "reset_after", True):
        return lambda inputs: tf.cast(inputs, dtype), whole(cell)
    kernel, recurrent, bias = (
        tf.cast(w, dtype) for w in (cell.kernel, cell.recurrent_kernel, cell.bias)
    )
    early, late_kernel = tf.split(kernel, [kernel.shape[0] - late_size, late_size])
    bias, step = STEPS[type(cell)](cell, recurrent, bias)

    def project(inputs):
        return tf.tensordot(tf.cast(inputs, dtype), early, 1) + bias

    def move(projected, late, state):
        return step(projected + tf.matmul(late, late_kernel) if late_size else projected, state)

    return project, move


def state_sizes(cell):
    """The sizes of a Keras cell's states as a list; raises ValueError for a cell not to be used."""
    sizes = cell.state_size
    sizes = list(sizes) if isinstance(sizes, list | tuple) else [sizes]
    if not all(isinstance(size, int) for size in sizes):
        raise ValueError(f"cell must be a single recurrent cell, got a {type(cell).__name__}")
    if getattr(cell, "dropout", 0) or getattr(cell, "recurrent_dropout", 0):
        raise ValueError("a cell in a loop has no dropout: put keras.layers.Dropout around it")
    return sizes


def time_major(x):
    """[b, t, d] to [t, b, d], and back."""
    return tf.transpose(x, (1, 0, 2))
