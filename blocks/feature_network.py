"""Frozen networks that say what is to be seen in a picture, layer by layer.

VGG19: Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition"
(2014, arXiv 1409.1556). With random filters: He, Wang, Hopcroft, "A Powerful Generative Model Using
Random Weights for the Deep Image Representation" (2016, arXiv 1606.04801).
"""

import math

import keras
import tensorflow as tf

from blocks.stack import call_on_empty_batch

BLOCKS = (2, 2, 4, 4, 4)  # convolutions of VGG19, block by block
FILTERS = (64, 128, 256, 512, 512)
RANDOM_FILTERS = (16, 32, 64, 64, 64)
MEANS = (103.939, 116.779, 123.68)  # of ImageNet: blue, green, red
CACHED = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"  # as Keras calls the file it keeps
KNOWN = "'random', 'vgg19', an .h5 file of VGG19's weights, a .keras file or a Keras model"


class FeatureNetwork(keras.layers.Layer):
    """Feature maps of a network that never learns, by the names of its layers.

    Shapes: [batch, h, w, c] in [0, 1] -> {layer: [batch, rows, columns, n] in float32}. Grey
    pictures are repeated to the colours that the network takes. The network is always in inference
    mode, and its weights are none of this layer's: no optimizer sees them, no file holds them.

    Args:
        network: "random" (VGG19's shape, narrow, with filters drawn from fixed seeds), "vgg19"
            (ImageNet's weights out of Keras' cache), the path of an .h5 file with the weights of
            VGG19 or of its first blocks, the path of a .keras file, or a functional or sequential
            Keras model; the latter two are given pictures in [0, 1].
        names: the layers asked for. What lies behind the deepest of them is left out.

    Raises:
        ValueError: weights that cannot be had, a layer that is not there (with those that are),
            channels or a size that the network cannot take.
    """

    def __init__(self, network, names, **kwargs):
        super().__init__(**kwargs)
        whole = resolve(network, self.dtype_policy)
        known = {x.name: x for x in whole.layers if not isinstance(x, keras.layers.InputLayer)}
        for name in names:
            if name not in known:
                raise ValueError(f"the network has no layer {name!r}; it has {', '.join(known)}")
        outputs = {name: known[name].output for name in names}
        for name, output in outputs.items():
            if len(output.shape) != 4:
                raise ValueError(f"layer {name!r} gives no feature maps, but {output.shape}")
        part = keras.Model(whole.inputs, outputs)
        layers = {name: layer for name, layer in known.items() if layer in part.layers}
        # Past Keras' bookkeeping: what is frozen is no part of what learns and is saved.
        vars(self).update(_network=part, layers=layers)

    def __dir__(self):
        """Without the network: Keras saves the layers it finds here."""
        return set(super().__dir__()) - {"_network", "layers"}

    def build(self, input_shape):
        self.check(input_shape)

    def check(self, input_shape):
        """Raises ValueError if the network cannot take pictures of that shape."""
        *size, channels = input_shape[1:]
        *fixed, colours = self._network.inputs[0].shape[1:]
        if channels not in (1, colours):
            raise ValueError(f"the network takes pictures of {colours} channels, got {channels}")
        if any(want and want != have for want, have in zip(fixed, size, strict=True)):
            raise ValueError(f"the network takes pictures of {fixed} pixels, got {size}")
        if not self.fits(size):
            side = next(n for n in range(1, 10_000) if self.fits((n, n)))
            raise ValueError(
                f"pictures of {size[0]} x {size[1]} pixels are too small for {[*self.layers][-1]}:"
                f" {side} x {side} is the least"
            )

    def fits(self, size):
        """Whether every layer asked for has something left of pictures of that size."""
        try:
            shapes = self.compute_output_shape((1, *size, 1)).values()
        except ValueError:  # Keras' own words for less than nothing
            return False
        return all(math.prod(shape) > 0 for shape in shapes)

    def call(self, images):
        if images.shape[0] == 0:
            return call_on_empty_batch(self.call, images)
        images = tf.repeat(images, self._network.inputs[0].shape[-1] // images.shape[-1], axis=-1)
        found = self._network(images, training=False)
        return {name: tf.cast(features, tf.float32) for name, features in found.items()}

    def compute_output_shape(self, input_shape):
        colours = self._network.inputs[0].shape[-1]
        return self._network.compute_output_shape((*input_shape[:-1], colours))


@keras.saving.register_keras_serializable("blocks")
class CaffePreprocessing(keras.layers.Layer):
    """Colours as VGG has seen them: RGB in [0, 1] to BGR in 0 .. 255 around ImageNet's mean."""

    def call(self, images):
        return 255 * images[..., ::-1] - tf.constant(MEANS, images.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape


def frozen_copy(network):
    """A network as it is now, with weights of its own that do not learn; raises ValueError."""
    if not getattr(network, "inputs", None):
        raise ValueError(
            f"feature_network must be a functional or built sequential model: {network}"
        )
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    copy.trainable = False
    return copy


def resolve(network, dtype=None):
    """The Keras model that `FeatureNetwork` means by its argument; raises ValueError."""
    if isinstance(network, keras.Model):
        return network
    if isinstance(network, str) and network == "random":
        return random_vgg(dtype)
    if isinstance(network, str) and network == "vgg19":
        return trained_vgg(cached(), dtype)
    if not isinstance(network, str) or not network.endswith((".h5", ".keras")):
        raise ValueError(f"feature_network must be {KNOWN}; got {network!r}")
    if "://" in network or not tf.io.gfile.exists(network):  # nothing is fetched unasked
        raise ValueError(f"there is no file {network!r} to take the feature network from")
    if network.endswith(".keras"):
        return keras.saving.load_model(network)
    return trained_vgg(network, dtype)


def vgg(filters, initializer, first, dtype):
    """VGG19 without its dense layers, behind `first`; with means in place of maxima.

    Average pooling is what Gatys et al. use. `initializer` maps a convolution's number to its own.
    """
    pixels = x = keras.Input((None, None, 3))
    x, number = first(x), 0
    for block, (count, width) in enumerate(zip(BLOCKS, filters, strict=True), 1):
        for k in range(1, count + 1):
            x = keras.layers.Conv2D(
                width,
                3,
                padding="same",
                data_format="channels_last",
                activation="relu",
                kernel_initializer=initializer(number),
                name=f"block{block}_conv{k}",
                dtype=dtype,
            )(x)
            number += 1
        pool = keras.layers.AveragePooling2D(
            2, data_format="channels_last", name=f"block{block}_pool", dtype=dtype
        )
        x = pool(x)
    return keras.Model(pixels, x)


def random_vgg(dtype):
    """Filters from fixed seeds. Pictures come in as -1.5 .. 2.5, so that grey is not nothing."""
    first = keras.layers.Rescaling(4.0, offset=-1.5, name="pixels", dtype=dtype)
    return vgg(RANDOM_FILTERS, keras.initializers.HeNormal, first, dtype)


def trained_vgg(path, dtype=None):
    """VGG19 as far as the file at `path` has weights for it; raises ValueError if it has none."""
    unknown = keras.initializers.Constant(math.nan)
    network = vgg(FILTERS, lambda _: unknown, CaffePreprocessing(name="pixels", dtype=dtype), dtype)
    try:
        network.load_weights(path, by_name=True)  # in silence leaves out what the file lacks
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path} holds no weights of VGG19: {error}") from error
    depth = 0
    for layer in network.layers:
        if hasattr(layer, "kernel") and math.isnan(layer.kernel[0, 0, 0, 0]):
            break
        depth += hasattr(layer, "kernel")
        last = layer
    if not depth:
        raise ValueError(f"{path} holds no weights of VGG19: it has no layer 'block1_conv1'")
    return keras.Model(network.inputs, last.output)


def cached():
    """The file that Keras keeps of VGG19's weights; raises ValueError if there is none yet."""
    talkative = keras.config.is_interactive_logging_enabled()
    keras.config.disable_interactive_logging()  # it would announce a download
    try:
        return keras.utils.get_file(CACHED, "file:", cache_subdir="models")
    except Exception as error:  # Keras raises just that
        raise ValueError(
            "Keras has no weights of VGG19 yet, and nothing is downloaded unasked. With a network:"
            " python -c 'import keras; keras.applications.VGG19(include_top=False)'; without one,"
            " give the path of an .h5 file, or feature_network='random'"
        ) from error
    finally:
        if talkative:
            keras.config.enable_interactive_logging()
