"""Classifiers that come with the library: networks for the Frechet classifier distance.

The features are those before the last layer. `python -m benchmarks.train_classifiers` made the
weights, and makes them again.
"""

import hashlib
import io
from pathlib import Path

import keras
import numpy as np

from zoo.errors import CheckpointError, UnknownNameError, UsageError

WEIGHTS = Path(__file__).parent / "weights"
SHAPE = (28, 28, 1)
CLASSIFIERS = {  # the SHA-256 of the weights: what has other weights is another classifier
    "mnist-classifier-v1": "44d1cf991550be1c4a4472fc2f44805ba847ca4cb422c05f9b9c37f52dae9650",
    "fashion_mnist-classifier-v1": (
        "7777e83eb17822471f1b128504d245cfb0874c4197009d190cc603fe574ba840"
    ),
}


class Classifier:
    """Maps images [n, 28, 28, 1] in [0, 1] to (features [n, 64], logits [n, 10]).

    That is what `metrics.extract_features` takes, and `name` is the one to give it.

    Args:
        name: with the hash of the weights, as "mnist-classifier-v1 sha256:ab12cd34".
        network: a Keras model that does it.
    """

    classes = 10

    def __init__(self, name, network):
        self.name = name
        self.network = network

    def __call__(self, images):
        self.check(images)
        return self.network(images, training=False)

    def check(self, images):
        """Raises UsageError unless these are images that it was made for."""
        images = np.asarray(images)
        if images.shape[1:] != SHAPE:
            raise UsageError(
                f"{self.name} sees images {SHAPE}, got the shape {images.shape}; give"
                " metrics.extract_features a network for yours"
            )
        if not len(images):
            raise UsageError(f"{self.name} got no image; give one or more")
        if images.dtype.kind != "f" or not 0 <= images.min() <= images.max() <= 1:
            raise UsageError(
                f"{self.name} sees floats in [0, 1], got {images.dtype} from {images.min()} to"
                f" {images.max()}; divide bytes by 255, and look for NaN"
            )


def load_classifier(name):
    """The `Classifier` of that name; its weights are checked at each call.

    Raises:
        UnknownNameError: there is none.
        CheckpointError: its weights are missing, or are not those that were published.
    """
    if not isinstance(name, str) or name not in CLASSIFIERS:
        raise UnknownNameError("classifier", name, CLASSIFIERS)
    path, again = WEIGHTS / f"{name}.npz", "install the library anew"
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{name} has lost its weights ({error}); {again}") from error
    found, wanted = hashlib.sha256(raw).hexdigest(), CLASSIFIERS[name]
    if found != wanted:
        raise CheckpointError(
            f"{path} is damaged or another: its SHA-256 is {found[:8]}..., that of {name} is"
            f" {wanted[:8]}...; {again}"
        )
    return Classifier(f"{name} sha256:{wanted[:8]}", unpack_classifier(raw))


def pack_weights(network):
    """The weights of a network as the bytes of an .npz file, in half precision."""
    raw = io.BytesIO()
    weights = [np.asarray(one, np.float16) for one in network.get_weights()]
    np.savez_compressed(raw, **{f"{k:02d}": one for k, one in enumerate(weights)})
    return raw.getvalue()


def unpack_classifier(raw):
    """The network with the weights that `packed` wrote."""
    network = build_network()
    with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
        network.set_weights([arrays[key].astype(np.float32) for key in arrays.files])
    return network


def build_network(dropout=0.0):
    """The network without its weights, of plain Keras layers: whatever becomes of our blocks."""
    layers = keras.layers
    plain = {"dtype": "float32"}
    maps = {**plain, "data_format": "channels_last"}
    image = x = keras.Input(SHAPE, **plain)
    for filters, size in ((32, 5), (64, 3), (64, 3)):
        x = layers.Conv2D(filters, size, 2, padding="same", use_bias=False, **maps)(x)
        x = layers.BatchNormalization(**plain)(x)
        x = layers.ReLU(**plain)(x)
    x = layers.Flatten(**maps)(x)
    x = layers.Dropout(dropout, **plain)(x)
    features = layers.Dense(64, activation="relu", **plain)(x)
    logits = layers.Dense(Classifier.classes, **plain)(layers.Dropout(dropout, **plain)(features))
    return keras.Model(image, (features, logits))
