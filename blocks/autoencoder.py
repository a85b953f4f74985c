"""The two halves of an image auto-encoder, as lists of blocks."""

import keras

from blocks.gated import GatedDense
from blocks.heads import GaussianHead
from blocks.resample import Downsample, Upsample, feature_map_sizes
from blocks.stack import Stack


def image_encoder(filters, units, latent_dim, dtype):
    """Images to the parameters of q(z|x): convolutions that halve, then gated dense layers.

    Args:
        filters: channels of the convolutions; () for none.
        units: widths of the gated dense layers; () for none.
    """
    return Stack(
        [Downsample(n, dtype=dtype) for n in filters]
        + [keras.layers.Flatten(data_format="channels_last", dtype=dtype)]
        + [GatedDense(n, dtype=dtype) for n in units]
        + [GaussianHead(latent_dim, dtype=dtype)],
        dtype=dtype,
    )


def image_decoder(image_shape, filters, base_filters, units, head, dtype):
    """Codes to the parameters of p(x|z): the encoder's mirror image.

    Args:
        base_filters: channels of the smallest feature map; not used without `filters`, where a
            dense layer gives the parameters of every pixel.
        head: class of the last layer, as `blocks.BernoulliHead`.
    """
    *size, channels = image_shape
    *scales, (rows, columns) = feature_map_sizes(size, len(filters))
    depth = base_filters if filters else channels
    activation = "relu" if filters else None
    upsampled = zip(filters[::-1], scales[::-1], strict=True)
    return Stack(
        [GatedDense(n, dtype=dtype) for n in units[::-1]]
        + [
            keras.layers.Dense(rows * columns * depth, activation=activation, dtype=dtype),
            keras.layers.Reshape((rows, columns, depth), dtype=dtype),
        ]
        + [Upsample(n, output_size=scale, dtype=dtype) for n, scale in upsampled]
        + [head(channels, kernel_size=3 if filters else None, dtype=dtype)],
        dtype=dtype,
    )
