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
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.progress import track

from zoo.checks import check_numbers
from zoo.data.arrays import as_images
from zoo.data.corpora import Corpus
from zoo.data.image_files import center_square
from zoo.errors import UnknownNameError, UsageError, one_line
from zoo.files import check_writable, user_path, write_atomically, write_json


class PretrainedNetwork:
    """A frozen network that maps images [b, h, w, c] to feature maps.

    Called with images of any size, uint8 or floats in [0, 1], it crops the center square, resizes
    it to `size` pixels and returns float32 [b, rows, columns, channels].

    Args:
        network: a name of `keras.applications`, used without its top and with its preprocessing;
            or a Keras model that takes pixels in 0 ... 255.
        weights: weights of a named network: a file, "imagenet" (downloaded by Keras), or None for
            random weights.
        size: side of the network's square input, in pixels.

    Raises:
        UnknownNameError: Keras has no such network.
        UsageError: the weights cannot be loaded, or the output is not a map.
    """

    def __init__(
        self,
        network: str | keras.Model,
        weights: str | os.PathLike | None = "imagenet",
        size: int = 160,
    ):
        check_numbers(size=size)
        self.size = size
        self.name = network if isinstance(network, str) else network.name
        self.model: Any = network
        self.preprocess = tf.identity
        if isinstance(network, str):
            build, preprocess = _find_application(network)
            self.preprocess = functools.partial(preprocess, data_format="channels_last")
            layout = keras.config.image_data_format()
            keras.config.set_image_data_format("channels_last")  # the network has no argument
            try:
                shape = size, size, 3
                self.model = build(include_top=False, weights=weights, input_shape=shape)
            except Exception as error:  # Keras raises plain Exception for a failed download
                raise UsageError(
                    f"cannot load the weights {weights!r} of {network} for {size} pixels:"
                    f" {one_line(error)}; or pass weights=FILE for the network without its top"
                ) from error
            finally:
                keras.config.set_image_data_format(layout)
        self.shape = tuple(self.model.compute_output_shape((None, size, size, 3))[1:])
        if len(self.shape) != 3:
            raise UsageError(
                f"{self.name} must return a feature map (rows, columns, channels), got shape"
                f" {self.shape}: use the network without its top and without pooling"
            )
        self._compiled = tf.function(self.feature_maps, reduce_retracing=True)

    def feature_maps(self, images: tf.Tensor) -> tf.Tensor:
        """Feature maps of float32 images in 0 ... 255; the part that is compiled."""
        return tf.cast(self.model(self.preprocess(images), training=False), tf.float32)

    def __call__(self, images: Any) -> tf.Tensor:
        images = tf.convert_to_tensor(as_images(np.asarray(images)))
        pixels = tf.cast(images, tf.float32) * (1 if images.dtype == tf.uint8 else 255)
        if pixels.shape.rank != 4 or pixels.shape[-1] not in (1, 3):
            raise UsageError(f"images must be [n, h, w, 1 or 3], got shape {tuple(images.shape)}")
        if not len(images):
            return tf.zeros((0, *self.shape))
        pixels = tf.broadcast_to(pixels, (*pixels.shape[:3], 3))
        return self._compiled(center_square(pixels, self.size))

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 in hex of the name, the weights and the size, which determine the maps."""
        digest = hashlib.sha256(f"{self.name} {self.size}".encode())
        for weight in self.model.weights:
            digest.update(_array_sha256(keras.ops.convert_to_numpy(weight)).encode())
        return digest.hexdigest()


def _find_application(name: str) -> tuple[Callable, Callable]:
    """(builder, preprocessing) of a network of `keras.applications`."""
    applications = {
        builder: (getattr(module, builder), module.preprocess_input)
        for module in vars(keras.applications).values()
        if inspect.ismodule(module) and hasattr(module, "preprocess_input")
        for builder in dir(module)
        if builder[0].isupper()
    }
    if name not in applications:
        raise UnknownNameError("network of keras.applications", name, applications)
    return applications[name]


def _array_sha256(array: np.ndarray) -> str:
    """SHA-256 in hex of an array's dtype, shape and values."""
    digest = hashlib.sha256(f"{array.dtype} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def cached_feature_maps(
    images: Any,
    network: PretrainedNetwork,
    folder: str | os.PathLike,
    batch_size: int = 32,
    progress: bool = True,
) -> np.ndarray:
    """Feature maps of images [n, h, w, c]: float16 [n, rows, columns, channels].

    They are read from the folder if an intact file is there; else they are computed and written.
    The file's name depends on the network's weights and size and on the images.

    Args:
        images: uint8, or floats in [0, 1].
        network: the network to apply.
        folder: where the files are kept.
        batch_size: images in a forward pass.
        progress: show a bar on stderr, if that is a terminal.

    Raises:
        UsageError: there are no images, or a feature is NaN or too large for float16.
    """
    check_numbers(batch_size=batch_size)
    images = as_images(np.asarray(images))
    if not len(images):
        raise UsageError("computing features needs one or more images, got none")
    key = hashlib.sha256((network.fingerprint + _array_sha256(images)).encode()).hexdigest()
    path = user_path(folder) / f"{network.name}-{network.size}-{key[:16]}.npy"
    record = path.with_suffix(".json")
    if path.is_file() and record.is_file():
        if _recorded_sha256(record) == _file_sha256(path):
            return np.load(path)
        Console(stderr=True).print(f"{path} is damaged and is computed again")
    check_writable(path)
    maps = np.empty((len(images), *network.shape), np.float16)
    console = Console(stderr=True)
    hidden = not (progress and console.is_terminal)
    starts = range(0, len(images), batch_size)
    for k in track(starts, f"features by {network.name}", console=console, disable=hidden):
        maps[k : k + batch_size] = network(images[k : k + batch_size])
        if not np.isfinite(maps[k : k + batch_size]).all():
            raise UsageError(
                f"{network.name} computes features that are NaN or too large for float16 in the"
                f" batch that begins with image {k:,}; check its weights"
            )
    write_atomically(path, lambda file: np.save(file, maps))
    digest = _file_sha256(path)
    write_json(record, {"sha256": digest, "network": network.name, "size": network.size})
    return maps


def _recorded_sha256(path: Path) -> str | None:
    """The SHA-256 in a record; None if the record is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _file_sha256(path: Path) -> str:
    """SHA-256 in hex of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def with_feature_maps(
    corpus: Corpus, network: PretrainedNetwork, folder: str | os.PathLike, **options: Any
) -> Corpus:
    """A corpus with "features" in place of "image"; options as in `cached_feature_maps`."""
    arrays = dict(corpus.arrays)
    arrays["features"] = cached_feature_maps(arrays.pop("image"), network, folder, **options)
    return replace(corpus, arrays=arrays)
