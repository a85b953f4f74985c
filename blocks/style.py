"""What a picture's content and style are, seen through a network: Gatys, Ecker, Bethge, "A Neural
Algorithm of Artistic Style" (2015, arXiv 1508.06576).
"""

import keras
import tensorflow as tf

from blocks.checks import int_tuple

GREY = 0.5  # of an untouched canvas


def gram_matrix(features):
    """Which features occur together, wherever they do: [batch, h, w, n] -> [batch, n, n].

    Eq. 3, as a mean over the h * w positions instead of a sum: the matrices of pictures of two
    sizes compare.
    """
    features = tf.reshape(features, (tf.shape(features)[0], -1, features.shape[-1]))
    positions = tf.cast(tf.shape(features)[1], features.dtype)
    return tf.matmul(features, features, transpose_a=True) / positions


def total_variation(images):
    """Mean square difference of neighbours, down plus across: [batch, h, w, c] -> [batch].

    Of neighbouring pixels, channel by channel; h and w must be 2 or more.
    """
    down, across = images[:, 1:] - images[:, :-1], images[:, :, 1:] - images[:, :, :-1]
    return sum(tf.reduce_mean(tf.square(d), axis=(1, 2, 3)) for d in (down, across))


def relative_error(found, wanted):
    """Square error in units of the square of what is wanted: [batch, ...] twice -> [batch].

    0 where both are equal, 1 where nothing was found: so layers of any width and scale weigh alike.
    A batch of 1 is compared with each of the other.
    """
    axes = range(1, found.shape.rank)
    error = tf.reduce_mean(tf.math.squared_difference(found, wanted), axis=axes)
    return error / (tf.reduce_mean(tf.square(wanted), axis=axes) + keras.config.epsilon())


def layer_error(found, wanted):
    """Mean over layers of `relative_error`: {layer: [batch, ...]} twice -> [batch]."""
    errors = [relative_error(found[layer], features) for layer, features in wanted.items()]
    return tf.add_n(errors) / len(errors)


def to_rgb_batch(image, argument):
    """One picture [h, w, 1 or 3], uint8 or floats in [0, 1], as float32 RGB [1, h, w, 3]."""
    x = tf.convert_to_tensor(image)
    if (
        x.shape.rank != 3
        or x.shape[-1] not in (1, 3)
        or not (x.dtype.is_floating or x.dtype == tf.uint8)
    ):
        raise ValueError(
            f"{argument} must be a picture [h, w, 1 or 3], floats in [0, 1] or uint8, got"
            f" {x.dtype.name} {tuple(x.shape)}"
        )
    x = tf.cast(x, tf.float32) / (255 if x.dtype == tf.uint8 else 1)
    low, high = float(tf.reduce_min(x)), float(tf.reduce_max(x))
    if not (low >= 0 and high <= 1):
        raise ValueError(f"{argument} must have pixels in [0, 1], got {low:.4g} to {high:.4g}")
    return tf.broadcast_to(x, (*x.shape[:2], 3))[None]


class Canvas(keras.layers.Layer):
    """A picture that is a weight: `canvas()` is [1, h, w, c], grey at first, without bounds.

    Args:
        image_shape: (rows, columns, channels).
    """

    def __init__(self, image_shape, **kwargs):
        super().__init__(**kwargs)
        self.image_shape = int_tuple(image_shape, "image_shape", 3)

    def build(self, input_shape=None):
        grey = keras.initializers.Constant(GREY)
        shape = (1, *self.image_shape)
        self.pixels = self.add_weight(shape=shape, initializer=grey, autocast=False, name="pixels")

    def call(self, inputs=None):
        return tf.convert_to_tensor(self.pixels)

    def is_blank(self):
        """Whether nothing has been painted on it."""
        return bool(tf.reduce_all(self.pixels == GREY))
