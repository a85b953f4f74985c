"""Bundled classifiers: the networks of the Frechet classifier distance.

Their features are the inputs of the last layer. `python -m benchmarks.train_classifiers` trains
such networks again; the new weights are not the same to the bit, so they get a new name.
"""

import hashlib
import io
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.errors import CheckpointError, UnknownNameError, UsageError

WEIGHTS = Path(__file__).parent / "weights"
SHAPE = (28, 28, 1)
CLASSIFIERS = {  # name -> SHA-256 of the weights
    "mnist-classifier-v1": "44d1cf991550be1c4a4472fc2f44805ba847ca4cb422c05f9b9c37f52dae9650",
    "fashion_mnist-classifier-v1": (
        "7777e83eb17822471f1b128504d245cfb0874c4197009d190cc603fe574ba840"
    ),
}


class Classifier:
    """Maps images [n, 28, 28, 1] in [0, 1] to (features [n, 64], logits [n, 10]).

    An argument for `metrics.extract_features`, with its `name`.

    Args:
        name: with the hash of the weights, as "mnist-classifier-v1 sha256:ab12cd34".
        network: the Keras model.
    """

    num_classes = 10

    def __init__(self, name: str, network: keras.Model):
        self.name = name
        self.network = network

    def __call__(self, images: Any) -> tuple[tf.Tensor, tf.Tensor]:
        self.check(images)
        return self.network(images, training=False)

    def check(self, images: Any) -> None:
        """Raises UsageError unless the images have the expected shape and range."""
        images = np.asarray(images)
        if images.shape[1:] != SHAPE:
            raise UsageError(
                f"{self.name} takes images {SHAPE}, got the shape {images.shape}; give"
                " metrics.extract_features a network for your images"
            )
        if not len(images):
            raise UsageError(f"{self.name} got no images; give one or more")
        if images.dtype.kind != "f" or not 0 <= images.min() <= images.max() <= 1:
            raise UsageError(
                f"{self.name} takes floats in [0, 1], got {images.dtype} from {images.min()} to"
                f" {images.max()}; divide uint8 by 255, and look for NaN"
            )


def load_classifier(name: str) -> Classifier:
    """The `Classifier` of that name; the hash of its weights is verified at each call.

    Raises:
        UnknownNameError: there is none.
        CheckpointError: its weights are missing or differ from the published ones.
    """
    if not isinstance(name, str) or name not in CLASSIFIERS:
        raise UnknownNameError("classifier", name, CLASSIFIERS)
    path = WEIGHTS / f"{name}.npz"
    advice = "install the library again"
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"the weights of {name} are missing ({error}); {advice}") from error
    actual = hashlib.sha256(raw).hexdigest()
    expected = CLASSIFIERS[name]
    if actual != expected:
        raise CheckpointError(
            f"{path} is damaged or another file: its SHA-256 is {actual[:8]}..., that of {name}"
            f" is {expected[:8]}...; {advice}"
        )
    return Classifier(f"{name} sha256:{expected[:8]}", unpack_classifier(raw))


def pack_weights(network: keras.Model) -> bytes:
    """The weights of a network as the bytes of an .npz file, in half precision."""
    raw = io.BytesIO()
    weights = [np.asarray(value, np.float16) for value in network.get_weights()]
    arrays: dict[str, Any] = {f"{k:02d}": value for k, value in enumerate(weights)}
    np.savez_compressed(raw, **arrays)
    return raw.getvalue()


def unpack_classifier(raw: bytes) -> keras.Model:
    """The network with the weights of `pack_weights`."""
    network = build_network()
    with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
        network.set_weights([arrays[key].astype(np.float32) for key in arrays.files])
    return network


def build_network(dropout: float = 0.0) -> keras.Model:
    """The untrained network, of Keras layers only: changes to `blocks` do not affect it."""
    layers = keras.layers
    options = {"dtype": "float32"}
    spatial = {**options, "data_format": "channels_last"}
    image = x = keras.Input(SHAPE, **options)
    for filters, size in ((32, 5), (64, 3), (64, 3)):
        x = layers.Conv2D(filters, size, 2, padding="same", use_bias=False, **spatial)(x)
        x = layers.BatchNormalization(**options)(x)
        x = layers.ReLU(**options)(x)
    x = layers.Flatten(**spatial)(x)
    x = layers.Dropout(dropout, **options)(x)
    features = layers.Dense(64, activation="relu", **options)(x)
    logits = layers.Dense(Classifier.num_classes, **options)(
        layers.Dropout(dropout, **options)(features)
    )
    return keras.Model(image, (features, logits))
