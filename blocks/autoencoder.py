"""The encoder and the decoder of an image auto-encoder, as stacks of blocks."""

from collections.abc import Callable

import keras

from blocks.gated import GatedDense
from blocks.heads import GaussianHead, ImageHead
from blocks.resample import Downsample, Upsample, feature_map_sizes
from blocks.residual import ResidualConv2D
from blocks.stack import Stack


def image_encoder(
    filters: tuple[int, ...],
    dense_units: tuple[int, ...],
    latent_dim: int,
    dtype: keras.DTypePolicy,
    residual_blocks: int = 0,
) -> Stack:
    """A stack that maps images to the parameters of q(z|x).

    Args:
        filters: channels of the convolutions, each of which halves the size; () for none.
        dense_units: widths of the gated dense layers after the convolutions; () for none.
        latent_dim: number of dimensions of z.
        dtype: dtype policy of the layers.
        residual_blocks: number of residual blocks after each convolution.
    """
    return Stack(
        [
            layer
            for n in filters
            for layer in (
                Downsample(n, dtype=dtype),
                *(ResidualConv2D(n, dtype=dtype) for _ in range(residual_blocks)),
            )
        ]
        + [keras.layers.Flatten(data_format="channels_last", dtype=dtype)]
        + [GatedDense(n, dtype=dtype) for n in dense_units]
        + [GaussianHead(latent_dim, dtype=dtype)],
        dtype=dtype,
    )


def image_decoder(
    image_shape: tuple[int, ...],
    filters: tuple[int, ...],
    dense_units: tuple[int, ...],
    base_filters: int,
    head_class: Callable[..., ImageHead],
    dtype: keras.DTypePolicy,
    residual_blocks: int = 0,
) -> Stack:
    """A stack that maps latents to the parameters of p(x|z): the mirror of `image_encoder`.

    Args:
        image_shape: (rows, columns, channels) of the images.
        filters: channels of the encoder's convolutions.
        dense_units: widths of the encoder's gated dense layers.
        base_filters: channels of the smallest feature map; unused if `filters` is empty, where a
            dense layer outputs the parameters of every pixel.
        head_class: class of the last layer, such as `blocks.BernoulliHead`.
        dtype: dtype policy of the layers.
        residual_blocks: number of residual blocks before each convolution.
    """
    *size, channels = image_shape
    *scales, (rows, columns) = feature_map_sizes(size, len(filters))
    depth = base_filters if filters else channels
    activation = "relu" if filters else None
    inputs = (base_filters, *filters[:0:-1])  # channels before each upsampling
    upsampled = zip(inputs, filters[::-1], scales[::-1], strict=True) if filters else ()
    return Stack(
        [GatedDense(n, dtype=dtype) for n in dense_units[::-1]]
        + [
            keras.layers.Dense(rows * columns * depth, activation=activation, dtype=dtype),
            keras.layers.Reshape((rows, columns, depth), dtype=dtype),
        ]
        + [
            layer
            for before, n, scale in upsampled
            for layer in (
                *(ResidualConv2D(before, dtype=dtype) for _ in range(residual_blocks)),
                Upsample(n, output_size=scale, dtype=dtype),
            )
        ]
        + [head_class(channels, kernel_size=3 if filters else None, dtype=dtype)],
        dtype=dtype,
    )
