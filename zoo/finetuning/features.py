"""A trained network as the beginning of another: its inner outputs are features."""

import keras

from zoo import inspection
from zoo.errors import UnknownNameError, UsageError


def feature_extractor(model, layers):
    """A Keras layer that maps the model's inputs to what layers inside of it put out.

    What the model would compute beyond them is not computed in a graph (`fit`, `predict`).

    Args:
        model: a model of the zoo, or a block of one (`zoo.load_block`).
        layers: the path of one, whose output is the result; or a list of them, and the result is
            a dict {path: output}. In inference mode unless called with `training=True`;
            `model.trainable = False` freezes it.

    Raises:
        UnknownNameError: there is no layer of that path.
        UsageError: none is named.
    """
    known = dict(inspection.layers(model))
    if not layers:
        raise UsageError(f"name a layer of {model.name}, or several: {[*known][:3]} ...")
    for path in [layers] if isinstance(layers, str) else layers:
        if path not in known:
            raise UnknownNameError(f"layer of {model.name}", path, known)
    return FeatureExtractor(model, layers if isinstance(layers, str) else tuple(layers))


class FeatureExtractor(keras.layers.Layer):
    """A network that puts out what is inside it; see `feature_extractor`."""

    def __init__(self, model, paths, **kwargs):
        super().__init__(**kwargs)
        self.model = model
        self.paths = paths

    def build(self, input_shape=None):
        if not self.model.built:
            self.model.build(input_shape)

    def call(self, inputs, training=False):
        alone = isinstance(self.paths, str)
        paths = [self.paths] if alone else self.paths
        found = inspection.activations(self.model, inputs, paths, training)
        return found[self.paths] if alone else found

    def compute_output_shape(self, input_shape):
        found = keras.Operation.compute_output_spec(self, keras.KerasTensor(input_shape))
        return keras.tree.map_structure(lambda one: tuple(one.shape), found)
