"""A list of layers applied one after another."""

import keras
import tensorflow as tf

from blocks.checks import require_attribute


@keras.saving.register_keras_serializable("blocks")
class Stack(keras.layers.Layer):
    """Applies `layers` in order: what a network that is a list of blocks is made of.

    `keras.Sequential` is a model: it casts its input to its own dtype policy, which no argument
    sets, and cannot live inside a layer of another policy. A `Stack` is a plain layer.

    Shapes: whatever its layers map to one another. `training` reaches every layer that takes it.
    With `return_features=True` the call gives two: the output, and what the last layer made it of.

    Args:
        layers: list of built or unbuilt Keras layers.
    """

    def __init__(self, layers, **kwargs):
        super().__init__(**kwargs)
        self.layers = [
            require_attribute(one, "compute_output_shape", "every item of layers", "a Keras layer")
            for one in layers
        ]

    def build(self, input_shape):
        for layer in self.layers:
            if not layer.built:
                layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)

    def call(self, inputs, training=None, return_features=False):
        if inputs.shape[0] == 0:
            return call_on_empty_batch(lambda one: self.call(one, False, return_features), inputs)
        seen = _apply_layers(self.layers[:-1], inputs, training)
        outputs = _apply_layers(self.layers[-1:], seen, training)
        return (outputs, seen) if return_features else outputs

    def distribution(self, inputs, training=None):
        """The distribution behind the output of a stack that ends in a head."""
        return self.layers[-1].distribution(self(inputs, training=training))

    def compute_output_shape(self, input_shape):
        for layer in self.layers:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def get_config(self):
        layers = [keras.saving.serialize_keras_object(layer) for layer in self.layers]
        return {**super().get_config(), "layers": layers}

    @classmethod
    def from_config(cls, config):
        layers = [keras.saving.deserialize_keras_object(layer) for layer in config.pop("layers")]
        return cls(layers, **config)


def call_on_empty_batch(call, inputs):
    """What a call gives for an empty batch, whose shape TensorFlow's convolutions get wrong."""
    outputs = call(tf.zeros((1, *inputs.shape[1:]), inputs.dtype))
    return tf.nest.map_structure(lambda x: x[:0], outputs)


def _apply_layers(layers, x, training=None):
    for layer in layers:
        x = layer(x, training=training) if _takes_training(layer) else layer(x)
    return x


def _takes_training(layer):
    """Whether the layer's `call` has a `training` argument."""
    return "training" in layer.call_signature_parameters
