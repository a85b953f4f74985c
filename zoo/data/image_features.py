"""Feature maps of images by a frozen pretrained network, computed once and cached on disk.

network = PretrainedNetwork("MobileNetV2", weights="mobilenet_v2_notop.h5", size=160)
corpus = corpora.load_captions("flickr8k", "train")
train = with_feature_maps(corpus, network, folder="features")
train.arrays["features"]        # float16 [6000, 5, 5, 1280], replaces "image"
"""

import functools
import hashlib
import inspect
import json
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.progress import track

from zoo.checks import check_numbers
from zoo.data.arrays import as_images
from zoo.data.image_files import center_square
from zoo.errors import UnknownNameError, UsageError, one_line
from zoo.files import check_writable, user_path, write_atomically, write_json


class PretrainedNetwork:
    """A network that maps images to what it sees at each place: [b, h, w, c] to a map.

    Called with images of any size, uint8 or floats in [0, 1], it cuts the centre square out, scales
    it to `size` pixels and gives float32 [b, rows, columns, channels].

    Args:
        network: a name of `keras.applications`, taken without its top and with the scaling of
            pixels that it wants; or a Keras model that takes pixels in 0 ... 255.
        weights: of a named one: a file, "imagenet" (which Keras downloads), or None for untrained.
        size: side of the square that it sees, in pixels.

    Raises:
        UnknownNameError: Keras has no such network.
        UsageError: the weights do not fit, or what comes out is no map.
    """

    def __init__(self, network, weights="imagenet", size=160):
        check_numbers(size=size)
        self.size = size
        self.name = network if isinstance(network, str) else network.name
        self.model, self.scale = network, tf.identity
        if isinstance(network, str):
            build, scale = _find_application(network)
            self.scale = functools.partial(scale, data_format="channels_last")
            layout = keras.config.image_data_format()
            keras.config.set_image_data_format("channels_last")  # nothing else tells the network
            try:
                shape = size, size, 3
                self.model = build(include_top=False, weights=weights, input_shape=shape)
            except Exception as error:  # Keras raises bare ones where it cannot download
                raise UsageError(
                    f"{network} cannot be had with the weights {weights!r} for {size} pixels:"
                    f" {one_line(error)}; give weights= a file of it without its top"
                ) from error
            finally:
                keras.config.set_image_data_format(layout)
        self.shape = tuple(self.model.compute_output_shape((None, size, size, 3))[1:])
        if len(self.shape) != 3:
            raise UsageError(
                f"{self.name} gives {self.shape} for an image; a map (rows, columns, channels) is"
                " needed: take it without pooling and without its top"
            )
        self._see = tf.function(self.see, reduce_retracing=True)

    def see(self, images):
        """What is run or compiled; images are float32 in 0 ... 255."""
        return tf.cast(self.model(self.scale(images), training=False), tf.float32)

    def __call__(self, images):
        images = tf.convert_to_tensor(as_images(np.asarray(images)))
        pixels = tf.cast(images, tf.float32) * (1 if images.dtype == tf.uint8 else 255)
        if pixels.shape.rank != 4 or pixels.shape[-1] not in (1, 3):
            raise UsageError(f"images are [n, h, w, 1 or 3], got {tuple(images.shape)}")
        if not len(images):
            return tf.zeros((0, *self.shape))
        return self._see(center_square(tf.broadcast_to(pixels, (*pixels.shape[:3], 3)), self.size))

    @functools.cached_property
    def fingerprint(self):
        """SHA-256 in hex of all that decides what it sees: its name, weights and size."""
        found = hashlib.sha256(f"{self.name} {self.size}".encode())
        for weight in self.model.weights:
            found.update(_array_sha256(keras.ops.convert_to_numpy(weight)).encode())
        return found.hexdigest()


def _find_application(name):
    """(what builds a network of `keras.applications`, how it wants its pixels)."""
    known = {
        builder: (getattr(module, builder), module.preprocess_input)
        for module in vars(keras.applications).values()
        if inspect.ismodule(module) and hasattr(module, "preprocess_input")
        for builder in dir(module)
        if builder[0].isupper()
    }
    if name not in known:
        raise UnknownNameError("network of keras.applications", name, known)
    return known[name]


def _array_sha256(array):
    """SHA-256 in hex of an array: its type, shape and values."""
    found = hashlib.sha256(f"{array.dtype} {array.shape}".encode())
    found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def cached_feature_maps(images, network, folder, batch_size=32, progress=True):
    """What `network` sees in images [n, h, w, c]: float16 [n, rows, columns, channels].

    Read from the folder if it is there, whole and unchanged; else computed and written. The file's
    name hangs on the network's weights, its size, and the images: any other makes another file.

    Args:
        images: uint8, or floats in [0, 1].
        network: a `Network`.
        folder: where files are kept.
        batch_size: images that are looked at at a time.
        progress: show a bar on stderr, if that is a terminal.

    Raises:
        UsageError: there are no images, or a feature is too large for float16.
    """
    check_numbers(batch_size=batch_size)
    images = as_images(np.asarray(images))
    if not len(images):
        raise UsageError("there are no images to look at")
    key = hashlib.sha256((network.fingerprint + _array_sha256(images)).encode()).hexdigest()
    path = user_path(folder) / f"{network.name}-{network.size}-{key[:16]}.npy"
    record = path.with_suffix(".json")
    if path.is_file() and record.is_file():
        if _recorded_sha256(record) == _file_sha256(path):
            return np.load(path)
        Console(stderr=True).print(f"{path} is damaged and is made anew")
    check_writable(path)
    found = np.empty((len(images), *network.shape), np.float16)
    console = Console(stderr=True)
    hidden = not (progress and console.is_terminal)
    starts = range(0, len(images), batch_size)
    for k in track(starts, f"features by {network.name}", console=console, disable=hidden):
        found[k : k + batch_size] = network(images[k : k + batch_size])
        if not np.isfinite(found[k : k + batch_size]).all():
            raise UsageError(
                f"{network.name} sees values in the images from {k:,} on that are NaN or too large"
                " for float16; look at its weights"
            )
    write_atomically(path, lambda file: np.save(file, found))
    write_json(
        record, {"sha256": _file_sha256(path), "network": network.name, "size": network.size}
    )
    return found


def _recorded_sha256(path):
    """The SHA-256 in a record; None if the record is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _file_sha256(path):
    """SHA-256 in hex of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def with_feature_maps(corpus, network, folder, **how):
    """A `corpora.Corpus` with "features" in place of "image"; see `features`."""
    arrays = dict(corpus.arrays)
    arrays["features"] = cached_feature_maps(arrays.pop("image"), network, folder, **how)
    return replace(corpus, arrays=arrays)
