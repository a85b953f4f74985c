"""Losses and tensors of style transfer: Gram matrices, total variation, the trainable image.

Gatys, Ecker, Bethge, "A Neural Algorithm of Artistic Style" (2015, arXiv 1508.06576).
"""

from typing import Any

import keras
import tensorflow as tf

from blocks.checks import int_tuple

GRAY = 0.5  # pixels of an unchanged canvas


def gram_matrix(features: tf.Tensor) -> tf.Tensor:
    """Mean products of features over all positions: [batch, h, w, n] -> [batch, n, n].

    Eq. 3, with a mean over the h * w positions instead of a sum, so that matrices of images of
    different sizes are comparable.
    """
    features = tf.reshape(features, (tf.shape(features)[0], -1, features.shape[-1]))
    positions = tf.cast(tf.shape(features)[1], features.dtype)
    return tf.matmul(features, features, transpose_a=True) / positions


def total_variation(images: tf.Tensor) -> tf.Tensor:
    """Mean squared difference of neighboring pixels, per direction: [batch, h, w, c] -> [batch].

    The sum of the vertical and the horizontal mean; h and w must be at least 2.
    """
    down = images[:, 1:] - images[:, :-1]
    across = images[:, :, 1:] - images[:, :, :-1]
    return sum(tf.reduce_mean(tf.square(d), axis=(1, 2, 3)) for d in (down, across))


def relative_error(values: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Mean squared error divided by the mean square of the targets: [batch, ...] twice -> [batch].

    0 for equal values, 1 for values of 0. The normalization gives layers of any width and scale the
    same weight. A batch of 1 is broadcast against the other.
    """
    axes = range(1, values.shape.rank)
    error = tf.reduce_mean(tf.math.squared_difference(values, targets), axis=axes)
    return error / (tf.reduce_mean(tf.square(targets), axis=axes) + keras.config.epsilon())


def layer_error(values: dict[str, tf.Tensor], targets: dict[str, tf.Tensor]) -> tf.Tensor:
    """Mean of `relative_error` over layers: {layer: [batch, ...]} twice -> [batch]."""
    errors = [relative_error(values[layer], features) for layer, features in targets.items()]
    return tf.add_n(errors) / len(errors)


def to_rgb_batch(image: Any, argument: str) -> tf.Tensor:
    """Converts one image to a float32 RGB batch [1, h, w, 3] in [0, 1].

    Args:
        image: [h, w, 1 or 3], uint8 or floats in [0, 1].
        argument: the argument's name, for the error message.

    Raises:
        ValueError: another shape or dtype, or pixels outside [0, 1].
    """
    x = tf.convert_to_tensor(image)
    if (
        x.shape.rank != 3
        or x.shape[-1] not in (1, 3)
        or not (x.dtype.is_floating or x.dtype == tf.uint8)
    ):
        raise ValueError(
            f"{argument} must be an image [h, w, 1 or 3], floats in [0, 1] or uint8, got"
            f" {x.dtype.name} {tuple(x.shape)}"
        )
    x = tf.cast(x, tf.float32) / (255 if x.dtype == tf.uint8 else 1)
    low = float(tf.reduce_min(x))
    high = float(tf.reduce_max(x))
    if not (low >= 0 and high <= 1):
        raise ValueError(f"{argument} must have pixels in [0, 1], got {low:.4g} to {high:.4g}")
    return tf.broadcast_to(x, (*x.shape[:2], 3))[None]


class Canvas(keras.layers.Layer):
    """An image as a trainable weight: `canvas()` is [1, h, w, c], initially gray, unbounded.

    Args:
        image_shape: (rows, columns, channels).
    """

    def __init__(self, image_shape: tuple[int, ...], **kwargs: Any):
        super().__init__(**kwargs)
        self.image_shape = int_tuple(image_shape, "image_shape", 3)

    def build(self, input_shape: tuple | None = None) -> None:
        gray = keras.initializers.Constant(GRAY)
        shape = (1, *self.image_shape)
        self.pixels = self.add_weight(shape=shape, initializer=gray, autocast=False, name="pixels")

    def call(self, inputs: None = None) -> tf.Tensor:
        return tf.convert_to_tensor(self.pixels)

    def is_blank(self) -> bool:
        """Whether the pixels still have their initial value."""
        return bool(tf.reduce_all(self.pixels == GRAY))
