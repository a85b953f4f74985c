"""All steps of a decoder cell with attention, for teacher forcing."""

from typing import Any, Self

import keras
import tensorflow as tf

from blocks.checks import require_attribute
from blocks.recurrent import AttentionCell
from blocks.recurrent_loop import split_cell, time_major


@keras.saving.register_keras_serializable("blocks")
class AttentionDecoder(keras.layers.Layer):
    """All steps of an `AttentionCell`, for teacher forcing.

    The same results as `keras.layers.RNN(cell, return_sequences=True)`, with everything that needs
    no state computed at once.

    Shapes: inputs [b, t, d] and values [b, s, dv] to [b, t, output size of the cell]; with
    `return_weights`, also the attention weights [b, t, s].

    The mask of the values [b, s] is boolean; True means "keep". Inputs need no mask: steps after
    the last kept one do not change the steps before it.

    Args:
        cell: an `AttentionCell` or a subclass.
    """

    def __init__(self, cell: AttentionCell, **kwargs: Any):
        super().__init__(**kwargs)
        self.cell = require_attribute(
            cell, "attention", "cell", "a cell with attention, as AttentionCell(...)"
        )
        self.supports_masking = True

    def build(self, inputs_shape: tuple, values_shape: tuple) -> None:
        if not self.cell.built:
            self.cell.build((None, inputs_shape[-1]), values_shape)

    def call(
        self,
        inputs: tf.Tensor,
        values: tf.Tensor,
        values_mask: tf.Tensor | None = None,
        initial_state: list[tf.Tensor] | None = None,
        return_weights: bool = False,
    ) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
        memory = self.cell.attention.prepare_memory(values, values_mask)
        outputs, weights, _ = self.decode(inputs, self.cell.initial_state(memory, initial_state))
        return (outputs, weights) if return_weights else outputs

    def decode(
        self, inputs: tf.Tensor, states: list[Any]
    ) -> tuple[tf.Tensor, tf.Tensor, list[Any]]:
        """All steps from the states of `cell.initial_state`.

        Returns (outputs [b, t, n], weights [b, t, s], states after the last step).
        """
        dtype = self.cell.compute_dtype
        project, cell_step = split_cell(self.cell.cell, self.cell.feedback_size, dtype)
        *state, memory = states

        def step(last: list[tf.Tensor], projected: tf.Tensor) -> list[tf.Tensor]:
            output, [*state, _] = self.cell.step(projected, [*last[1:], memory], cell_step)
            return [output, *state]

        zeros = tf.zeros((tf.shape(inputs)[0], self.cell.output_size), dtype)
        inputs = time_major(project(inputs))
        outputs, *step_states = tf.scan(step, inputs, [zeros, *state])
        last_states = [*(x[-1] for x in step_states), memory]
        return time_major(outputs), time_major(step_states[-1]), last_states

    def compute_output_shape(self, inputs_shape: tuple, values_shape: tuple) -> tuple:
        return (*inputs_shape[:-1], self.cell.output_size)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cell": keras.saving.serialize_keras_object(self.cell)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**keras.saving.deserialize_keras_object(config))
