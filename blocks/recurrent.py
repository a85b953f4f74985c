"""Recurrent layers: a sequence encoder, and decoder cells with attention.

The encoder gives the results of `keras.layers.RNN` over the same cells and is faster: products that
need no state are computed for all steps at once (`blocks.recurrent_loop`).
`blocks.AttentionDecoder` does the same for the decoder cells.
"""

from typing import Any, Self

import keras
import tensorflow as tf

from blocks.checks import boolean, one_of, positive_int, require_attribute
from blocks.recurrent_loop import CellStep, split_cell, state_sizes, time_major, unsplit

CELLS = {"gru": keras.layers.GRUCell, "lstm": keras.layers.LSTMCell}


@keras.saving.register_keras_serializable("blocks")
class SequenceEncoder(keras.layers.Layer):
    """Encodes a sequence with recurrent cells, in both directions by default.

    Shapes: [b, s, d] to outputs [b, s, n] and each state of the cell, [b, n], with n = 2 units or,
    in one direction, units: `outputs, *state = encoder(inputs, mask=mask)`. The backward half comes
    last. The state of a direction is the one after its last kept step.

    The mask [b, s] is boolean; True means "keep". A masked step leaves the state unchanged, and its
    outputs are zeros.

    Args:
        units: size of each direction's state.
        cell: "gru" or "lstm"; an LSTM has two states.
        bidirectional: whether to process the sequence backward too.
    """

    def __init__(self, units: int, cell: str = "gru", bidirectional: bool = True, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = positive_int(units, "units")
        self.cell = one_of(cell, CELLS, "cell")
        self.bidirectional = boolean(bidirectional, "bidirectional")
        self.cells = [CELLS[cell](units, dtype=self.dtype_policy) for _ in range(1 + bidirectional)]
        self.supports_masking = True

    def build(self, inputs_shape: tuple) -> None:
        for cell in self.cells:
            cell.build((inputs_shape[0], inputs_shape[-1]))

    def call(self, inputs: tf.Tensor, mask: tf.Tensor | None = None) -> tuple[tf.Tensor, ...]:
        mask = tf.ones(tf.shape(inputs)[:2], tf.bool) if mask is None else tf.cast(mask, tf.bool)
        directions = [
            self._run_direction(cell, inputs, mask, backward=i == 1)
            for i, cell in enumerate(self.cells)
        ]
        return tuple(tf.concat(halves, axis=-1) for halves in zip(*directions, strict=True))

    def _run_direction(
        self, cell: keras.layers.Layer, inputs: tf.Tensor, mask: tf.Tensor, backward: bool
    ) -> list[tf.Tensor]:
        """One direction: [outputs, *state]."""
        project, cell_step = split_cell(cell, 0, self.compute_dtype)
        mask = time_major(mask[..., None])

        def step(
            state: list[tf.Tensor], step_inputs: tuple[tf.Tensor, tf.Tensor]
        ) -> list[tf.Tensor]:
            projected, keep = step_inputs
            _, new_state = cell_step(projected, None, state)
            return [tf.where(keep, new, old) for new, old in zip(new_state, state, strict=True)]

        zeros = tf.zeros((tf.shape(inputs)[0], self.units), self.compute_dtype)
        initial_state = [zeros for _ in state_sizes(cell)]
        inputs = (time_major(project(inputs)), mask)
        states = tf.scan(step, inputs, initial_state, reverse=backward)
        outputs = tf.where(mask, states[0], tf.zeros((), self.compute_dtype))
        return [time_major(outputs), *(state[0 if backward else -1] for state in states)]

    def initial_state(self, batch_size: int | tf.Tensor) -> list[tf.Tensor]:
        """The state of one direction before its first step: zeros [b, units]."""
        zeros = tf.zeros((batch_size, self.units), self.compute_dtype)
        return [zeros for _ in state_sizes(self.cells[0])]

    def step(self, inputs: tf.Tensor, state: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """One forward step of inputs [b, d]: (output [b, units], next state)."""
        output, new_state = self.cells[0](tf.cast(inputs, self.compute_dtype), state)
        return output, [*new_state]

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        batch, steps, _ = inputs_shape
        width = len(self.cells) * self.units
        return ((batch, steps, width), *((batch, width) for _ in state_sizes(self.cells[0])))

    def get_config(self) -> dict[str, Any]:
        config = {"units": self.units, "cell": self.cell, "bidirectional": self.bidirectional}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable("blocks")
class AttentionCell(keras.layers.Layer):
    """Bahdanau's decoder step: attend with the previous state, then update it with the context.

    Bahdanau, Cho, Bengio (2014, arXiv 1409.0473), section 3.1. A cell for `keras.layers.RNN`, for
    `AttentionDecoder`, or for a loop of your own. The states hold everything that a step needs,
    including the memory:

        cell.build((None, d), (None, None, dv))  # shapes of an input and of the memory's values
        states = cell.initial_state(cell.attention.prepare_memory(values, mask))
        output, states = cell(inputs, states)
        weights = cell.attention_weights(states)  # of this step, [b, s]

    Shapes: inputs [b, d] and states [*states of the inner cell, weights, memory] to outputs
    [b, units + dv], the inner cell's output and the context, and the next states.

    Args:
        cell: a Keras cell without dropout; its first state is the query.
        attention: a layer such as `AdditiveAttention`.

    Raises:
        ValueError: a stack of cells, or one with dropout.
    """

    def __init__(self, cell: keras.layers.Layer, attention: keras.layers.Layer, **kwargs: Any):
        super().__init__(**kwargs)
        self.cell = require_attribute(
            cell, "state_size", "cell", "a Keras cell, as keras.layers.GRUCell(64)"
        )
        self.attention = require_attribute(
            attention, "prepare_memory", "attention", "a layer of blocks.attention"
        )
        self.cell_state_sizes = state_sizes(cell)
        self.state_size = [*self.cell_state_sizes, None, None]

    def build(self, inputs_shape: tuple, values_shape: tuple) -> None:
        query = (None, self.cell_state_sizes[0])
        if not self.attention.built:
            self.attention.build(query, values_shape)
        self.context_size = self.attention.compute_output_shape(query, values_shape)[-1]
        if not self.cell.built:
            self.cell.build((None, inputs_shape[-1] + self.feedback_size))

    @property
    def feedback_size(self) -> int:
        """Width of what the inner cell receives in addition to the inputs."""
        return self.context_size

    @property
    def output_size(self) -> int:
        return self.cell.output_size + self.context_size

    def call(self, inputs: tf.Tensor, states: list[Any]) -> tuple[tf.Tensor, list[Any]]:
        return self.step(inputs, states, unsplit(self.cell))

    def step(
        self, inputs: tf.Tensor, states: list[Any], cell_step: CellStep
    ) -> tuple[tf.Tensor, list[Any]]:
        """(output, next states) of one step.

        Args:
            cell_step: the step of the inner cell, see `blocks.recurrent_loop.unsplit`.
        """
        *state, _, memory = states
        context, weights = self.attend(state[0], memory)  # c_i from s_{i-1}
        output, state = cell_step(inputs, context, state)  # s_i from y_{i-1}, c_i, s_{i-1}
        return tf.concat([output, context], axis=-1), [*state, weights, memory]

    def attend(self, query: tf.Tensor, memory: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """(context, weights) of a query [b, units]."""
        return self.attention.attend(query, memory)

    def initial_state(
        self, memory: dict[str, tf.Tensor], state: list[tf.Tensor] | None = None
    ) -> list[Any]:
        """The states before the first step.

        Args:
            memory: from `attention.prepare_memory`.
            state: the states of the inner cell; None: zeros.
        """
        batch = tf.shape(memory["mask"])[0]
        dtype = self.compute_dtype

        def zeros(sizes: list[Any]) -> list[tf.Tensor]:
            return [tf.zeros((batch, size), dtype) for size in sizes]

        if state is None:
            state = zeros(self.cell_state_sizes)
        else:
            state = [tf.cast(x, dtype) for x in state]
        widths = [x.shape[-1] for x in state]
        if widths != [*self.cell_state_sizes]:
            raise ValueError(f"state must have the sizes {[*self.cell_state_sizes]}, got {widths}")
        feedback = zeros(self.state_size[len(state) : -2])
        return [*state, *feedback, tf.zeros(tf.shape(memory["mask"]), dtype), memory]

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """Keras' hook; raises ValueError, since the state depends on a memory."""
        raise ValueError(
            "this cell needs a memory: pass initial_state=cell.initial_state(memory) to the RNN"
        )

    def attention_weights(self, states: list[Any]) -> tf.Tensor:
        """The attention weights [b, s] of the step that led to these states."""
        return states[-2]

    def get_config(self) -> dict[str, Any]:
        layers = {"cell": self.cell, "attention": self.attention}
        return {**super().get_config(), **keras.saving.serialize_keras_object(layers)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**keras.saving.deserialize_keras_object(config))


@keras.saving.register_keras_serializable("blocks")
class GatedAttentionCell(AttentionCell):
    """As `AttentionCell`, with a gate in [0, 1], predicted from the state, that scales the context.

    Xu et al., "Show, Attend and Tell" (2015, arXiv 1502.03044), section 4.2.1: beta_t.
    """

    def __init__(self, cell: keras.layers.Layer, attention: keras.layers.Layer, **kwargs: Any):
        super().__init__(cell, attention, **kwargs)
        self.gate = keras.layers.Dense(1, activation="sigmoid", dtype=self.dtype_policy)

    def build(self, inputs_shape: tuple, values_shape: tuple) -> None:
        super().build(inputs_shape, values_shape)
        self.gate.build((None, self.cell_state_sizes[0]))

    def attend(self, query: tf.Tensor, memory: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        context, weights = super().attend(query, memory)
        return self.gate(query) * context, weights


@keras.saving.register_keras_serializable("blocks")
class InputFeedingCell(AttentionCell):
    """Luong's decoder step: update the state, attend with it, feed the result to the next step.

    Luong, Pham, Manning (2015, arXiv 1508.04025), sections 3 and 3.3. As `AttentionCell`, with the
    attentional vector h~ as its output [b, units]. (Without input feeding no step depends on an
    attention: use `SequenceEncoder(bidirectional=False)` and attend with all its outputs.)

    Args:
        cell, attention: as in `AttentionCell`.
        units: width of the attentional vector.
    """

    def __init__(
        self, cell: keras.layers.Layer, attention: keras.layers.Layer, units: int, **kwargs: Any
    ):
        super().__init__(cell, attention, **kwargs)
        self.units = positive_int(units, "units")
        self.attention_layer = keras.layers.Dense(
            units, activation="tanh", use_bias=False, dtype=self.dtype_policy
        )
        self.state_size = [*self.cell_state_sizes, units, None, None]

    def build(self, inputs_shape: tuple, values_shape: tuple) -> None:
        super().build(inputs_shape, values_shape)
        self.attention_layer.build((None, self.context_size + self.cell.output_size))

    @property
    def feedback_size(self) -> int:
        return self.units

    @property
    def output_size(self) -> int:
        return self.units

    def step(
        self, inputs: tf.Tensor, states: list[Any], cell_step: CellStep
    ) -> tuple[tf.Tensor, list[Any]]:
        *state, feedback, _, memory = states
        output, state = cell_step(inputs, feedback, state)
        context, weights = self.attend(output, memory)  # c_t from h_t
        attentional = self.attention_layer(tf.concat([context, output], axis=-1))  # eq. 5
        return attentional, [*state, attentional, weights, memory]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}
