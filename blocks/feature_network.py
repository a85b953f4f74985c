"""Frozen image classifiers as feature extractors, layer by layer.

VGG19: Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition"
(2014, arXiv 1409.1556). With random filters: He, Wang, Hopcroft, "A Powerful Generative Model Using
Random Weights for the Deep Image Representation" (2016, arXiv 1606.04801).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from blocks.stack import call_on_empty_batch

BLOCKS = (2, 2, 4, 4, 4)  # convolutions of VGG19, block by block
FILTERS = (64, 128, 256, 512, 512)
RANDOM_FILTERS = (16, 32, 64, 64, 64)
MEANS = (103.939, 116.779, 123.68)  # of ImageNet: blue, green, red
CACHED_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"  # Keras' name in its cache
CHOICES = "'random', 'vgg19', an .h5 file of VGG19's weights, a .keras file or a Keras model"


class FeatureNetwork(keras.layers.Layer):
    """Feature maps of a frozen network, by the names of its layers.

    Shapes: [batch, h, w, c] in [0, 1] -> {layer: [batch, rows, columns, n] in float32}. Grayscale
    images are repeated to the number of channels of the network. The network is always in inference
    mode. Its weights do not belong to this layer: no optimizer trains them, no file stores them.

    Args:
        network: "random" (the architecture of VGG19 with fewer filters, from fixed seeds), "vgg19"
            (ImageNet weights from Keras' cache), the path of an .h5 file with the weights of VGG19
            or of its first blocks, the path of a .keras file, or a functional or sequential Keras
            model; the latter two receive images in [0, 1].
        layer_names: the layers to return. Layers after the deepest of them are dropped.

    Raises:
        ValueError: weights that cannot be loaded, an unknown layer, or a number of channels or a
            size that the network does not accept.
    """

    def __init__(self, network: str | keras.Model, layer_names: list[str], **kwargs: Any):
        super().__init__(**kwargs)
        full = resolve(network, self.dtype_policy)
        layers = {x.name: x for x in full.layers if not isinstance(x, keras.layers.InputLayer)}
        for name in layer_names:
            if name not in layers:
                raise ValueError(f"the network has no layer {name!r}; it has {', '.join(layers)}")
        outputs = {name: layers[name].output for name in layer_names}
        for name, output in outputs.items():
            if len(output.shape) != 4:
                raise ValueError(
                    f"layer {name!r} must return feature maps, got shape {output.shape}"
                )
        truncated = keras.Model(full.inputs, outputs)
        layers = {name: layer for name, layer in layers.items() if layer in truncated.layers}
        # Bypasses Keras' tracking: frozen weights are neither trained nor saved.
        self.__dict__.update(_network=truncated, layers=layers)

    def __dir__(self) -> set[str]:
        """Leaves out the network: Keras saves the layers that it finds here."""
        return set(super().__dir__()) - {"_network", "layers"}

    def build(self, input_shape: tuple) -> None:
        self.check(input_shape)

    def check(self, input_shape: tuple) -> None:
        """Raises ValueError if the network does not accept images [batch, h, w, c] of a shape."""
        *size, channels = input_shape[1:]
        *fixed_size, num_channels = self._network.inputs[0].shape[1:]
        if channels not in (1, num_channels):
            raise ValueError(f"the network takes images of {num_channels} channels, got {channels}")
        pairs = zip(fixed_size, size, strict=True)
        if any(expected and expected != actual for expected, actual in pairs):
            raise ValueError(f"the network takes images of {fixed_size} pixels, got {size}")
        if not self.fits(size):
            side = next(n for n in range(1, 10_000) if self.fits((n, n)))
            raise ValueError(
                f"images of {size[0]} x {size[1]} pixels are too small for {[*self.layers][-1]}:"
                f" it needs at least {side} x {side}"
            )

    def fits(self, size: Sequence[int]) -> bool:
        """Whether every requested layer has a non-empty output for images of a size."""
        try:
            shapes = self.compute_output_shape((1, *size, 1)).values()
        except ValueError:  # Keras raises it for negative sizes
            return False
        return all(math.prod(shape) > 0 for shape in shapes)

    def call(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        if images.shape[0] == 0:
            return call_on_empty_batch(self.call, images)
        images = tf.repeat(images, self._network.inputs[0].shape[-1] // images.shape[-1], axis=-1)
        feature_maps = self._network(images, training=False)
        return {name: tf.cast(features, tf.float32) for name, features in feature_maps.items()}

    def compute_output_shape(self, input_shape: tuple) -> dict[str, tuple]:
        num_channels = self._network.inputs[0].shape[-1]
        return self._network.compute_output_shape((*input_shape[:-1], num_channels))


@keras.saving.register_keras_serializable("blocks")
class CaffePreprocessing(keras.layers.Layer):
    """VGG's input format: RGB in [0, 1] to BGR in 0 .. 255 minus the mean color of ImageNet."""

    def call(self, images: tf.Tensor) -> tf.Tensor:
        return 255 * images[..., ::-1] - tf.constant(MEANS, images.dtype)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape


def frozen_copy(network: keras.Model) -> keras.Model:
    """A copy of a network with frozen weights of its own.

    Raises ValueError for a network that is neither functional nor a built sequential model.
    """
    if not getattr(network, "inputs", None):
        raise ValueError(
            f"feature_network must be a functional or built sequential model: {network}"
        )
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    copy.trainable = False
    return copy


def resolve(network: str | keras.Model, dtype: keras.DTypePolicy | None = None) -> keras.Model:
    """The Keras model for the argument of `FeatureNetwork`; raises ValueError."""
    if isinstance(network, keras.Model):
        return network
    if isinstance(network, str) and network == "random":
        return _random_vgg(dtype)
    if isinstance(network, str) and network == "vgg19":
        return _trained_vgg(_cached_weights(), dtype)
    if not isinstance(network, str) or not network.endswith((".h5", ".keras")):
        raise ValueError(f"feature_network must be {CHOICES}; got {network!r}")
    if "://" in network or not tf.io.gfile.exists(network):  # never downloads
        raise ValueError(f"there is no file {network!r} to load the feature network from")
    if network.endswith(".keras"):
        return keras.saving.load_model(network)
    return _trained_vgg(network, dtype)


def _vgg(
    filters: tuple[int, ...],
    initializer: Callable[[int], keras.initializers.Initializer],
    preprocessing: keras.layers.Layer,
    dtype: keras.DTypePolicy | None,
) -> keras.Model:
    """VGG19 without its dense layers, with average pooling as in Gatys et al.

    Args:
        filters: channels of each block.
        initializer: index of a convolution -> initializer of its kernel.
        preprocessing: the first layer.
        dtype: dtype policy of the layers.
    """
    pixels = x = keras.Input((None, None, 3))
    x = preprocessing(x)
    index = 0
    for block, (count, width) in enumerate(zip(BLOCKS, filters, strict=True), 1):
        for k in range(1, count + 1):
            x = keras.layers.Conv2D(
                width,
                3,
                padding="same",
                data_format="channels_last",
                activation="relu",
                kernel_initializer=initializer(index),
                name=f"block{block}_conv{k}",
                dtype=dtype,
            )(x)
            index += 1
        pool = keras.layers.AveragePooling2D(
            2, data_format="channels_last", name=f"block{block}_pool", dtype=dtype
        )
        x = pool(x)
    return keras.Model(pixels, x)


def _random_vgg(dtype: keras.DTypePolicy | None) -> keras.Model:
    """VGG19 with filters from fixed seeds; inputs are scaled to -1.5 .. 2.5, so gray is not 0."""
    preprocessing = keras.layers.Rescaling(4.0, offset=-1.5, name="pixels", dtype=dtype)
    return _vgg(RANDOM_FILTERS, keras.initializers.HeNormal, preprocessing, dtype)


def _trained_vgg(path: str, dtype: keras.DTypePolicy | None = None) -> keras.Model:
    """VGG19 up to the last layer that the file has weights for; raises ValueError without any."""
    missing = keras.initializers.Constant(math.nan)
    preprocessing = CaffePreprocessing(name="pixels", dtype=dtype)
    network = _vgg(FILTERS, lambda _: missing, preprocessing, dtype)
    try:
        network.load_weights(path, by_name=True)  # silently skips layers that the file lacks
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path} has no weights of VGG19: {error}") from error
    depth = 0
    for layer in network.layers:
        if hasattr(layer, "kernel") and math.isnan(layer.kernel[0, 0, 0, 0]):
            break
        depth += hasattr(layer, "kernel")
        last = layer
    if not depth:
        raise ValueError(f"{path} has no weights of VGG19: it has no layer 'block1_conv1'")
    return keras.Model(network.inputs, last.output)


def _cached_weights() -> str:
    """The path of VGG19's weights in Keras' cache; raises ValueError if they are not there."""
    was_logging = keras.config.is_interactive_logging_enabled()
    keras.config.disable_interactive_logging()  # would announce a download
    try:
        return keras.utils.get_file(CACHED_FILE, "file:", cache_subdir="models")
    except Exception as error:  # Keras raises exactly this class
        raise ValueError(
            "the weights of VGG19 are not in Keras' cache, and they are not downloaded"
            " automatically. With internet access, run: python -c 'import keras;"
            " keras.applications.VGG19(include_top=False)'. Without it, give the path of an .h5"
            " file, or feature_network='random'"
        ) from error
    finally:
        if was_logging:
            keras.config.enable_interactive_logging()
