"""Recurrent sequences: an encoder, and decoder cells that ask an attention at each step.

The loops over all steps give the numbers of `keras.layers.RNN` over the same cells and are faster:
what needs no state is computed for all steps in one product, and so is what the weights learn
(`blocks.recurrent_loop`).
"""

import keras
import tensorflow as tf

from blocks.checks import boolean, one_of, positive_int, require_attribute
from blocks.recurrent_loop import in_two, scan, state_sizes, time_major, whole

CELLS = {"gru": keras.layers.GRUCell, "lstm": keras.layers.LSTMCell}


@keras.saving.register_keras_serializable("blocks")
class SequenceEncoder(keras.layers.Layer):
    """Reads a sequence with recurrent cells, in both directions by default.

    Shapes: [b, s, d] to outputs [b, s, n] and each state of the cell, [b, n], with n = 2 units or,
    in one direction, units: `outputs, *state = encoder(inputs, mask=mask)`. The backward half comes
    last. A direction's state is the one after its last kept step.

    The mask [b, s] is boolean and True keeps: a masked step leaves the state as it is, and its
    outputs are zeros.

    Args:
        units: size of each direction's state.
        cell: "gru" or "lstm"; an LSTM has two states.
        bidirectional: whether to read backwards too.
    """

    def __init__(self, units, cell="gru", bidirectional=True, **kwargs):
        super().__init__(**kwargs)
        self.units = positive_int(units, "units")
        self.cell = one_of(cell, CELLS, "cell")
        self.bidirectional = boolean(bidirectional, "bidirectional")
        self.cells = [CELLS[cell](units, dtype=self.dtype_policy) for _ in range(1 + bidirectional)]
        self.supports_masking = True

    def build(self, inputs_shape):
        for cell in self.cells:
            cell.build((inputs_shape[0], inputs_shape[-1]))

    def call(self, inputs, mask=None):
        mask = tf.ones(tf.shape(inputs)[:2], tf.bool) if mask is None else tf.cast(mask, tf.bool)
        runs = [self.read(cell, inputs, mask, i == 1) for i, cell in enumerate(self.cells)]
        return tuple(tf.concat(halves, axis=-1) for halves in zip(*runs, strict=True))

    def read(self, cell, inputs, mask, backwards):
        """One direction: [outputs, *state]."""
        project, move, products = in_two(cell, 0, self.compute_dtype)
        keep = time_major(mask[..., None])

        def step(state, now):
            projected, keep = now
            _, new = move(projected, None, state)
            return [tf.where(keep, a, b) for a, b in zip(new, state, strict=True)]

        nothing = tf.zeros((tf.shape(inputs)[0], self.units), self.compute_dtype)
        start = [nothing for _ in state_sizes(cell)]
        steps = (time_major(project(inputs)), keep)
        states = scan(step, steps, start, products, reverse=backwards)
        outputs = tf.where(keep, states[0], tf.zeros((), self.compute_dtype))
        return [time_major(outputs), *(state[0 if backwards else -1] for state in states)]

    def compute_output_shape(self, inputs_shape):
        batch, steps, _ = inputs_shape
        width = len(self.cells) * self.units
        return ((batch, steps, width), *((batch, width) for _ in state_sizes(self.cells[0])))

    def get_config(self):
        config = {"units": self.units, "cell": self.cell, "bidirectional": self.bidirectional}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable("blocks")
class AttentionCell(keras.layers.Layer):
    """Bahdanau's step: look at the memory with the last state, then move on with what was seen.

    Bahdanau, Cho, Bengio (2014, arXiv 1409.0473), section 3.1. A cell for `keras.layers.RNN`, for
    `AttentionDecoder`, or for a loop of your own. The states hold all that a step needs, the memory
    too:

        cell.build((None, d), (None, None, dv))  # what a step reads, what the memory is made of
        states = cell.start(cell.attention.memorize(values, mask))
        output, states = cell(inputs, states)
        weights = cell.alignment(states)  # of this step, [b, s]

    Shapes: inputs [b, d] and states [*state of the cell, weights, memory] to outputs
    [b, units + dv], the cell's output beside the context, and the next states.

    Args:
        cell: a Keras cell without dropout; its first state is what it asks with.
        attention: a layer such as `AdditiveAttention`.

    Raises:
        ValueError: a stack of cells, or one with dropout.
    """

    def __init__(self, cell, attention, **kwargs):
        super().__init__(**kwargs)
        self.cell = require_attribute(
            cell, "state_size", "cell", "a Keras cell, as keras.layers.GRUCell(64)"
        )
        self.attention = require_attribute(
            attention, "memorize", "attention", "a layer of blocks.attention"
        )
        self.own_sizes = state_sizes(cell)
        self.state_size = [*self.own_sizes, None, None]

    def build(self, inputs_shape, values_shape):
        query = (None, self.own_sizes[0])
        if not self.attention.built:
            self.attention.build(query, values_shape)
        self.context_size = self.attention.compute_output_shape(query, values_shape)[-1]
        if not self.cell.built:
            self.cell.build((None, inputs_shape[-1] + self.late_size))

    @property
    def late_size(self):
        """Width of what the cell reads beside its inputs."""
        return self.context_size

    @property
    def output_size(self):
        return self.cell.output_size + self.context_size

    def call(self, inputs, states):
        return self.step(inputs, states, whole(self.cell))

    def step(self, x, states, move):
        """What happens in a step; `move` is the inner cell's, see `blocks.recurrent_loop.whole`."""
        *state, _, memory = states
        context, weights = self.look(state[0], memory)  # c_i from s_{i-1}
        output, state = move(x, context, state)  # s_i from y_{i-1}, c_i, s_{i-1}
        return tf.concat([output, context], axis=-1), [*state, weights, memory]

    def look(self, query, memory):
        """(context, weights) of a query [b, units]."""
        return self.attention.attend(query, memory)

    def start(self, memory, state=None):
        """The states before the first step; `state` is the inner cell's list, else zeros."""
        batch, dtype = tf.shape(memory["mask"])[0], self.compute_dtype

        def zeros(sizes):
            return [tf.zeros((batch, size), dtype) for size in sizes]

        own = zeros(self.own_sizes) if state is None else [tf.cast(x, dtype) for x in state]
        widths = [x.shape[-1] for x in own]
        if widths != [*self.own_sizes]:
            raise ValueError(f"state must have the sizes {[*self.own_sizes]}, got {widths}")
        fed = zeros(self.state_size[len(own) : -2])
        return [*own, *fed, tf.zeros(tf.shape(memory["mask"]), dtype), memory]

    def get_initial_state(self, batch_size=None):
        raise ValueError("this cell starts from a memory: initial_state=cell.start(memory)")

    def alignment(self, states):
        """The attention weights [b, s] of the step that led to these states."""
        return states[-2]

    def get_config(self):
        layers = {"cell": self.cell, "attention": self.attention}
        return {**super().get_config(), **keras.saving.serialize_keras_object(layers)}

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))


@keras.saving.register_keras_serializable("blocks")
class GatedAttentionCell(AttentionCell):
    """As `AttentionCell`, and a gate in [0, 1] says how much of what was seen matters now.

    Xu et al., "Show, Attend and Tell" (2015, arXiv 1502.03044), section 4.2.1: beta_t.
    """

    def __init__(self, cell, attention, **kwargs):
        super().__init__(cell, attention, **kwargs)
        self.gate = keras.layers.Dense(1, activation="sigmoid", dtype=self.dtype_policy)

    def build(self, inputs_shape, values_shape):
        super().build(inputs_shape, values_shape)
        self.gate.build((None, self.own_sizes[0]))

    def look(self, query, memory):
        context, weights = super().look(query, memory)
        return self.gate(query) * context, weights


@keras.saving.register_keras_serializable("blocks")
class InputFeedingCell(AttentionCell):
    """Luong's step: move on, look at the memory with the new state, feed what was seen to the next.

    Luong, Pham, Manning (2015, arXiv 1508.04025), sections 3 and 3.3. As `AttentionCell`, with the
    attentional vector h~ as its output [b, units]. (Without input feeding no step waits for an
    attention: read with `SequenceEncoder(bidirectional=False)` and attend with all its outputs.)

    Args:
        cell, attention: as in `AttentionCell`.
        units: width of the attentional vector.
    """

    def __init__(self, cell, attention, units, **kwargs):
        super().__init__(cell, attention, **kwargs)
        self.units = positive_int(units, "units")
        self.mix = keras.layers.Dense(
            units, activation="tanh", use_bias=False, dtype=self.dtype_policy
        )
        self.state_size = [*self.own_sizes, units, None, None]

    def build(self, inputs_shape, values_shape):
        super().build(inputs_shape, values_shape)
        self.mix.build((None, self.context_size + self.cell.output_size))

    @property
    def late_size(self):
        return self.units

    @property
    def output_size(self):
        return self.units

    def step(self, x, states, move):
        *state, fed, _, memory = states
        output, state = move(x, fed, state)
        context, weights = self.look(output, memory)  # c_t from h_t
        attentional = self.mix(tf.concat([context, output], axis=-1))  # eq. 5
        return attentional, [*state, attentional, weights, memory]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("blocks")
class AttentionDecoder(keras.layers.Layer):
    """All steps of an `AttentionCell`, for teacher forcing.

    The same numbers as `keras.layers.RNN(cell, return_sequences=True)`, with all that needs no
    state computed at once.

    Shapes: inputs [b, t, d] and values [b, s, dv] to [b, t, output size of the cell]; with
    `return_weights` to that and the attention's weights [b, t, s].

    The mask of the values [b, s] is boolean and True keeps. Inputs need none: what comes after the
    last kept step changes nothing before it.

    Args:
        cell: an `AttentionCell` or one of its kind.
    """

    def __init__(self, cell, **kwargs):
        super().__init__(**kwargs)
        self.cell = require_attribute(
            cell, "attention", "cell", "a cell with attention, as AttentionCell(...)"
        )
        self.supports_masking = True

    def build(self, inputs_shape, values_shape):
        if not self.cell.built:
            self.cell.build((None, inputs_shape[-1]), values_shape)

    def call(self, inputs, values, values_mask=None, initial_state=None, return_weights=False):
        memory = self.cell.attention.memorize(values, values_mask)
        outputs, weights, _ = self.decode(inputs, self.cell.start(memory, initial_state))
        return (outputs, weights) if return_weights else outputs

    def decode(self, inputs, states):
        """From the states of `cell.start`: (outputs, weights [b, t, s], states after the last)."""
        dtype = self.cell.compute_dtype
        project, move, products = in_two(self.cell.cell, self.cell.late_size, dtype)
        *state, memory = states

        def step(last, projected):
            output, [*state, _] = self.cell.step(projected, [*last[1:], memory], move)
            return [output, *state]

        nothing = tf.zeros((tf.shape(inputs)[0], self.cell.output_size), dtype)
        steps = time_major(project(inputs))
        outputs, *run = scan(step, steps, [nothing, *state], products)
        after = [*(x[-1] for x in run), memory]
        return time_major(outputs), time_major(run[-1]), after

    def compute_output_shape(self, inputs_shape, values_shape):
        return (*inputs_shape[:-1], self.cell.output_size)

    def get_config(self):
        return {**super().get_config(), "cell": keras.saving.serialize_keras_object(self.cell)}

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))
