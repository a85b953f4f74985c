"""Random augmentation of training images; all images of an example are transformed alike."""

import keras
import tensorflow as tf


def jitter(images: dict[str, tf.Tensor], seed: tf.Tensor) -> dict[str, tf.Tensor]:
    """Resizes by 286/256, crops back to size at random, flips with probability 1/2.

    The random jitter and mirroring of pix2pix, section 6.2: Isola et al. (2017, arXiv 1611.07004).

    Args:
        images: name -> float images [batch, h, w, c]; example i of each is transformed alike.
        seed: int64[2]; the same seed gives the same transformation.

    Returns:
        name -> images of the same shapes.
    """
    batch = tf.shape(next(iter(images.values())))[0]
    draws = tf.random.stateless_uniform((batch, 3), seed, alg="philox")
    return {name: _transform(value, draws) for name, value in images.items()}


def _transform(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Images [batch, h, w, c] moved down and right and flipped by `draws` [batch, 3] in [0, 1).

    Resizing, cropping and flipping are one affine map from pixels of the result to positions in
    the image, with bilinear interpolation.
    """
    rows, columns = images.shape[1:3]
    down, right, flip = tf.unstack(draws, axis=1)
    scale_y, shift_y = _axis_map(rows, down)
    scale_x, shift_x = _axis_map(columns, right)
    flipped = flip < 0.5
    shift_x = tf.where(flipped, scale_x * (columns - 1) + shift_x, shift_x)
    scale_x = tf.where(flipped, -scale_x, scale_x)
    zeros = tf.zeros_like(draws[:, 0])
    maps = [scale_x, zeros, shift_x, zeros, scale_y + zeros, shift_y, zeros, zeros]
    options = {"fill_mode": "nearest", "data_format": "channels_last"}
    return keras.ops.image.affine_transform(images, tf.stack(maps, axis=1), **options)


def _axis_map(size: int, draw: tf.Tensor) -> tuple[float, tf.Tensor]:
    """Scale and shift from a pixel of the result to one of the image, along one axis."""
    large = round(size * 286 / 256)
    offset = tf.floor(draw * (large - size + 1))
    scale = size / large
    return scale, (offset + 0.5) * scale - 0.5  # pixels are squares: their centers are at 0.5


AUGMENTATIONS = {"none": None, "jitter": jitter}
