"""The generator and the discriminator of a convolutional GAN, as stacks of blocks."""

import keras

from blocks.resample import Downsample, Upsample, feature_map_sizes
from blocks.stack import Stack


def image_generator(
    image_shape: tuple[int, ...],
    filters: tuple[int, ...],
    full_size_filters: int,
    dtype: keras.DTypePolicy,
) -> Stack:
    """A stack that maps noise to images in [-1, 1].

    Args:
        image_shape: (rows, columns, channels) of the images.
        filters: channels of the discriminator's convolutions, which the generator mirrors.
        full_size_filters: channels of an additional layer at full size; 0 for none.
        dtype: dtype policy of the layers.
    """
    *size, channels = image_shape
    *scales, (rows, columns) = feature_map_sizes(size, len(filters))
    base = 2 * filters[-1]
    up = {"kernel_size": 5, "norm": "batch", "activation": "leaky_relu", "dtype": dtype}
    mirrored = [*zip(filters[-2::-1], scales[:0:-1], strict=True)]
    mirrored.append((full_size_filters, tuple(size)))
    last = {"kernel_size": 5, "activation": "tanh", "dtype": dtype}
    last["strides"] = 1 if full_size_filters else 2
    return Stack(
        [
            keras.layers.Dense(rows * columns * base, use_bias=False, dtype=dtype),
            keras.layers.BatchNormalization(dtype=dtype),
            keras.layers.LeakyReLU(0.2, dtype=dtype),
            keras.layers.Reshape((rows, columns, base), dtype=dtype),
            Upsample(filters[-1], strides=1, **up),
        ]
        + [Upsample(n, output_size=scale, **up) for n, scale in mirrored if n]
        + [Upsample(channels, output_size=size, **last)],
        dtype=dtype,
    )


def image_discriminator(
    filters: tuple[int, ...], dropout: float, outputs: int, dtype: keras.DTypePolicy
) -> Stack:
    """A stack that maps images to `outputs` numbers, by a dense layer of the features.

    Args:
        filters: channels of the convolutions, each of which halves the size.
        dropout: dropout rate after each convolution.
        outputs: number of outputs; 1 is a logit.
        dtype: dtype policy of the layers.
    """
    down = {"kernel_size": 5, "activation": "leaky_relu", "dropout": dropout, "dtype": dtype}
    return Stack(
        [Downsample(n, **down) for n in filters]
        + [
            keras.layers.Flatten(data_format="channels_last", dtype=dtype),
            keras.layers.Dense(outputs, dtype=dtype),
        ],
        dtype=dtype,
    )
