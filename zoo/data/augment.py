"""Training images moved at random, each picture of a pair alike."""

import keras
import tensorflow as tf


def jitter(images, seed):
    """Enlarges by 286/256, cuts the old size out at a random place, mirrors every other one.

    The random jitter and mirroring of pix2pix, section 6.2: Isola et al. (2017, arXiv 1611.07004).

    Args:
        images: name -> float images [batch, h, w, c]; example i of each is moved in the same way.
        seed: int64[2]; the same seed moves the same way.

    Returns name -> images of the same shapes.
    """
    batch = tf.shape(next(iter(images.values())))[0]
    draws = tf.random.stateless_uniform((batch, 3), seed, alg="philox")
    return {name: _transform(value, draws) for name, value in images.items()}


def _transform(images, draws):
    """Images [batch, h, w, c], moved as `draws` [batch, 3] in [0, 1) say: down, right, mirrored.

    Enlarging, cutting and mirroring are one affine map from pixels of the result to places in the
    image, which is interpolated bilinearly there.
    """
    rows, columns = images.shape[1:3]
    down, right, mirrored = tf.unstack(draws, axis=1)
    scale_y, shift_y = _axis_map(rows, down)
    scale_x, shift_x = _axis_map(columns, right)
    turn = mirrored < 0.5
    shift_x = tf.where(turn, scale_x * (columns - 1) + shift_x, shift_x)
    scale_x = tf.where(turn, -scale_x, scale_x)
    none = tf.zeros_like(draws[:, 0])
    maps = [scale_x, none, shift_x, none, scale_y + none, shift_y, none, none]
    how = {"fill_mode": "nearest", "data_format": "channels_last"}
    return keras.ops.image.affine_transform(images, tf.stack(maps, axis=1), **how)


def _axis_map(size, draw):
    """Scale and shift from a pixel of the result to one of the image, along one axis."""
    large = round(size * 286 / 256)
    offset = tf.floor(draw * (large - size + 1))
    scale = size / large
    return scale, (offset + 0.5) * scale - 0.5  # pixels are squares: their centres are at 0.5


AUGMENTATIONS = {"none": None, "jitter": jitter}
