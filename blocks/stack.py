"""A list of layers that are applied one after another."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import keras
import tensorflow as tf

from blocks.checks import require_attribute


@keras.saving.register_keras_serializable("blocks")
class Stack(keras.layers.Layer):
    """Applies `layers` in order; the building block of sequential networks.

    `keras.Sequential` is a model: it casts its input to the global dtype policy, which no argument
    changes, and cannot be part of a layer with another policy. A `Stack` is a plain layer.

    Shapes: those of its layers. `training` is passed to every layer that takes it. With
    `return_features=True` the call returns the output and the input of the last layer.

    Args:
        layers: list of built or unbuilt Keras layers.
    """

    def __init__(self, layers: Sequence[keras.layers.Layer], **kwargs: Any):
        super().__init__(**kwargs)
        self.layers = [
            require_attribute(
                layer, "compute_output_shape", "every item of layers", "a Keras layer"
            )
            for layer in layers
        ]

    def build(self, input_shape: tuple) -> None:
        for layer in self.layers:
            if not layer.built:
                layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, return_features: bool = False
    ) -> Any:
        if inputs.shape[0] == 0:
            return call_on_empty_batch(lambda x: self.call(x, False, return_features), inputs)
        features = _apply_layers(self.layers[:-1], inputs, training)
        outputs = _apply_layers(self.layers[-1:], features, training)
        return (outputs, features) if return_features else outputs

    def distribution(self, inputs: tf.Tensor, training: bool | None = None) -> Any:
        """The output distribution, for a stack whose last layer is a head."""
        return self.layers[-1].distribution(self(inputs, training=training))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        for layer in self.layers:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def get_config(self) -> dict[str, Any]:
        layers = [keras.saving.serialize_keras_object(layer) for layer in self.layers]
        return {**super().get_config(), "layers": layers}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        layers = [keras.saving.deserialize_keras_object(layer) for layer in config.pop("layers")]
        return cls(layers, **config)


def call_on_empty_batch(call: Callable[[tf.Tensor], Any], inputs: tf.Tensor) -> Any:
    """The outputs of `call` for an empty batch, for which TensorFlow's convolutions fail.

    Calls it on one example of zeros and removes that example from the outputs.
    """
    outputs = call(tf.zeros((1, *inputs.shape[1:]), inputs.dtype))
    return tf.nest.map_structure(lambda x: x[:0], outputs)


def _apply_layers(
    layers: Sequence[keras.layers.Layer], x: tf.Tensor, training: bool | None = None
) -> tf.Tensor:
    for layer in layers:
        x = layer(x, training=training) if _takes_training(layer) else layer(x)
    return x


def _takes_training(layer: keras.layers.Layer) -> bool:
    """Whether the layer's `call` has a `training` argument."""
    return "training" in layer.call_signature_parameters
