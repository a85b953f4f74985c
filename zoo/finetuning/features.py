"""Feature extraction: the outputs of inner layers of a trained network."""

from collections.abc import Sequence
from typing import Any

import keras

from zoo import inspection
from zoo.errors import UnknownNameError, UsageError


def feature_extractor(model: keras.layers.Layer, layers: str | Sequence[str]) -> "FeatureExtractor":
    """A Keras layer that maps the inputs of a model to the outputs of layers inside it.

    In a graph (`fit`, `predict`), layers that these outputs do not depend on are not computed. The
    extractor is in inference mode unless called with `training=True`; `model.trainable = False`
    freezes it.

    Args:
        model: a model of the zoo, or a block of one (`zoo.load_block`).
        layers: path of a layer, whose output is the result; or a list of paths, for a dict
            {path: output}.

    Raises:
        UnknownNameError: there is no layer with that path.
        UsageError: no path.
    """
    paths = dict(inspection.layers(model))
    if not layers:
        raise UsageError(f"give one or more layers of {model.name}, such as {[*paths][:3]}")
    for path in [layers] if isinstance(layers, str) else layers:
        if path not in paths:
            raise UnknownNameError(f"layer of {model.name}", path, paths)
    return FeatureExtractor(model, layers if isinstance(layers, str) else tuple(layers))


class FeatureExtractor(keras.layers.Layer):
    """The layer returned by `feature_extractor`.

    Args:
        model: the network.
        paths: the path of a layer, or a tuple of paths.
        **kwargs: as for any Keras layer.
    """

    def __init__(self, model: keras.layers.Layer, paths: str | tuple[str, ...], **kwargs: Any):
        super().__init__(**kwargs)
        self.model = model
        self.paths = paths

    def build(self, input_shape: Any = None) -> None:
        if not self.model.built:
            self.model.build(input_shape)

    def call(self, inputs: Any, training: bool = False) -> Any:
        if isinstance(self.paths, str):
            return inspection.activations(self.model, inputs, [self.paths], training)[self.paths]
        return inspection.activations(self.model, inputs, self.paths, training)

    def compute_output_shape(self, input_shape: Any) -> Any:
        spec = keras.Operation.compute_output_spec(self, keras.KerasTensor(input_shape))
        return keras.tree.map_structure(lambda tensor: tuple(tensor.shape), spec)
