"""A dense layer with a multiplicative gate."""

from typing import Any

import keras
import tensorflow as tf

from blocks.checks import positive_int


@keras.saving.register_keras_serializable("blocks")
class GatedDense(keras.layers.Layer):
    """Gated linear unit, (x A + a) * sigmoid(x B + b): [batch, features] -> [batch, units].

    Dauphin et al., "Language Modeling with Gated Convolutional Networks" (2017, arXiv 1612.08083),
    equation 1; the hidden layer of the VAE networks in Tomczak and Welling (2018, arXiv
    1705.07120). Both products are computed as one matrix product.

    Args:
        units: width of the output.
    """

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = positive_int(units, "units")
        self.dense = keras.layers.Dense(
            2 * units, kernel_initializer="he_normal", dtype=self.dtype_policy
        )

    def build(self, input_shape: tuple) -> None:
        self.dense.build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        values, gates = tf.split(self.dense(inputs), 2, axis=-1)
        return values * tf.sigmoid(gates)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}
