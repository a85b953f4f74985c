"""The step of a recurrent cell, cut in two: what needs no state, and what has to wait for it.

A step of a Keras LSTM or GRU cell is a product with its input and a product with its state. Only
the second must wait for the step before, so the first can be done for all steps at once, with the
cell's own weights and, to rounding, its own numbers. On the way back no weight has to wait: each
learns from all steps at once (`Deferred`).
"""

import keras
import tensorflow as tf


class Deferred:
    """A product in a loop, rows @ kernel, whose kernel learns after the loop, from all steps.

    What a step teaches a kernel is as large as the kernel, and a loop that goes back adds it up
    step by step. The sum is one product of the rows of all steps, which is faster, above all with
    few rows a step. In the loop a ticket stands in for the kernel: the gradients of the tickets are
    those of the products. `scan` hands out the tickets and puts the rows aside.
    """

    def __init__(self, kernel):
        self.kernel = kernel
        self.ticket = None  # of a step, [b, n]
        self.rows = None  # of a step, [b, m]; after the loop, of all steps, [t, b, m]

    def tickets(self, steps, batch):
        """[t, b, n], for a loop."""

        @tf.custom_gradient
        def owe(kernel):
            return tf.zeros((steps, batch, kernel.shape[1]), kernel.dtype), self.learn

        return owe(self.kernel)

    def learn(self, gradients):
        """The gradient of the kernel from those of all products, [t, b, n]."""
        rows, gradients = (tf.reshape(x, (-1, x.shape[-1])) for x in (self.rows, gradients))
        return tf.matmul(rows, gradients, transpose_a=True)

    def __call__(self, rows):
        @tf.custom_gradient
        def product(rows, kernel, ticket):
            def gradients(g):
                return tf.matmul(g, kernel, transpose_b=True), None, g

            return tf.matmul(rows, kernel), gradients

        self.rows = rows
        return product(rows, self.kernel, self.ticket)


def scan(step, steps, start, products, reverse=False):
    """`tf.scan` of step(states, now) -> states, each a list, in which all `products` are asked."""
    length, batch = tf.shape(tf.nest.flatten(steps)[0])[0], tf.shape(start[0])[0]
    tickets = [product.tickets(length, batch) for product in products]
    nothing = [tf.zeros((batch, p.kernel.shape[0]), p.kernel.dtype) for p in products]

    def each(last, now):
        now, given = now
        for product, ticket in zip(products, given, strict=True):
            product.ticket = ticket
        states = step(last[: len(start)], now)
        return [*states, *(product.rows for product in products)]

    found = tf.scan(each, (steps, tickets), [*start, *nothing], reverse=reverse)
    for product, rows in zip(products, found[len(start) :], strict=True):
        product.rows = rows
    return found[: len(start)]


def lstm(cell, recurrent, bias):
    """Hochreiter, Schmidhuber (1997): (projected, state) -> (output, state)."""

    def step(projected, state):
        h, c = state
        write, keep, new, read = tf.split(projected + recurrent(h), 4, axis=-1)
        gate = cell.recurrent_activation
        c = gate(keep) * c + gate(write) * cell.activation(new)
        h = gate(read) * cell.activation(c)
        return h, [h, c]

    return bias, step


def gru(cell, recurrent, bias):
    """Cho et al. (2014, arXiv 1406.1078), reset after the product as in Keras."""
    parts = [2 * cell.units, cell.units]

    def step(projected, state):
        (h,) = state
        gates, new = tf.split(projected, parts, axis=-1)
        h_gates, h_new = tf.split(recurrent(h) + bias[1], parts, axis=-1)
        z, r = tf.split(cell.recurrent_activation(gates + h_gates), 2, axis=-1)
        new = cell.activation(new + r * h_new)
        h = new + z * (h - new)
        return h, [h]

    return bias[0], step


STEPS = {keras.layers.LSTMCell: lstm, keras.layers.GRUCell: gru}


def whole(cell):
    """The step of a cell as move(inputs, late, state) -> (output, state).

    `late` are the last columns of its input, those that come out of the step before.
    """
    return lambda x, late, state: cell(tf.concat([x, late], axis=-1), state)


def in_two(cell, late_size, dtype):
    """The same step as (project, move, products): move(project(inputs), late, state), in a `scan`.

    `project` takes the inputs of one step or of all. The weights are read and cut here, once,
    outside of any loop. A cell of another kind stays whole: it projects nothing, defers nothing.
    """
    if type(cell) not in STEPS or not cell.use_bias or not getattr(cell, "reset_after", True):
        return lambda inputs: tf.cast(inputs, dtype), whole(cell), []
    kernel, recurrent, bias = (
        tf.cast(w, dtype) for w in (cell.kernel, cell.recurrent_kernel, cell.bias)
    )
    early, late_kernel = tf.split(kernel, [kernel.shape[0] - late_size, late_size])
    recurrent, fed = Deferred(recurrent), Deferred(late_kernel)
    bias, step = STEPS[type(cell)](cell, recurrent, bias)

    def project(inputs):
        return tf.tensordot(tf.cast(inputs, dtype), early, 1) + bias

    def move(projected, late, state):
        return step(projected + fed(late) if late_size else projected, state)

    return project, move, [recurrent, fed] if late_size else [recurrent]


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
