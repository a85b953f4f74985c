"""Transposed convolutions that are fast on a CPU: few output channels, or small maps."""

import math

import keras
import tensorflow as tf

from blocks.checks import positive_int


@keras.saving.register_keras_serializable("blocks")
class ThinConv2DTranspose(keras.layers.Conv2DTranspose):
    """`Conv2DTranspose` of stride 1 and odd window: one thin product, then shifted sums.

    Same weights and, to rounding, the same numbers. With one output channel a CPU's convolution
    kernel reaches a few percent of its speed; the product of every pixel with every tap of the
    window, [taps, pixels], reaches most of it, and the taps are then added where they belong.

    Shapes: [batch, h, w, c] -> [batch, h, w, filters].

    Args:
        filters: channels of the result.
        kernel_size: side of the window, in pixels; odd.
    """

    def __init__(self, filters, kernel_size=3, **kwargs):
        if positive_int(kernel_size, "kernel_size") % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {kernel_size}")
        super().__init__(
            filters, kernel_size, padding="same", data_format="channels_last", **kwargs
        )

    def call(self, inputs):
        return thin(inputs, tf.convert_to_tensor(self.kernel)) + self.bias

    def get_config(self):
        config = keras.layers.Layer.get_config(self)
        return {**config, "filters": self.filters, "kernel_size": self.kernel_size[0]}


@tf.custom_gradient
def thin(x, kernel):
    """y[j] = sum_k x[j - k + r] . kernel[k], with r the window's radius, zeros outside."""
    size, _, filters, channels = kernel.shape
    batch, height, width = tf.shape(x)[0], x.shape[1], x.shape[2]
    taps = tf.reshape(kernel, (size * size * filters, channels))
    products = tf.matmul(tf.reshape(x, (-1, channels)), taps, transpose_b=True)
    products = tf.reshape(tf.transpose(products), (size, size, filters, batch, height, width))
    edge = [size // 2] * 2
    products = tf.pad(products, [[0, 0]] * 4 + [edge, edge])
    last = size - 1
    y = tf.add_n(
        [
            products[i, j, ..., last - i : last - i + height, last - j : last - j + width]
            for i in range(size)
            for j in range(size)
        ]
    )

    def gradients(dy):
        dx = tf.nn.conv2d(dy, kernel, 1, "SAME")
        shape = kernel.shape.as_list()
        dkernel = tf.raw_ops.Conv2DBackpropFilter(
            input=dy, filter_sizes=shape, out_backprop=x, strides=[1] * 4, padding="SAME"
        )
        return dx, dkernel

    return tf.transpose(y, (1, 2, 3, 0)), gradients


@keras.saving.register_keras_serializable("blocks")
class Conv2DTranspose(keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose`; of stride 1 and a wide window, by the convolution theorem.

    Mathieu, Henaff, LeCun, "Fast Training of Convolutional Networks through FFTs" (2014, arXiv
    1312.5851). Same weights and, to rounding, the same numbers. Where the map is small and has many
    channels, as where a generator begins, there are far fewer frequencies than pairs of a pixel and
    a tap of the window: 7 x 7 pixels and 5 x 5 taps are 121 products for 1,225, and take a quarter
    of the time on a CPU.

    Args:
        as in Keras.
    """

    def build(self, input_shape):
        super().build(input_shape)
        _, rows, columns, channels = input_shape
        size = self.kernel_size[0]
        sized = self.plain and rows and columns
        pays = sized and fewer(rows, columns, size, channels, self.filters)
        self.plan = frequencies(rows, columns, size) if pays else None

    @property
    def plain(self):
        """Whether it is of the kind that `products` computes."""
        rows, columns = self.kernel_size
        moves = self.strides, self.dilation_rate, self.padding, self.data_format
        odd = rows == columns and rows % 2 == 1
        precise = self.compute_dtype in ("float32", "float64")
        return odd and precise and moves == ((1, 1), (1, 1), "same", "channels_last")

    def call(self, inputs):
        if self.plan is None:
            return super().call(inputs)
        y = products(inputs, tf.convert_to_tensor(self.kernel), *self.plan)
        return self.activation(y + self.bias if self.use_bias else y)


def fewer(rows, columns, size, channels, filters):
    """Whether the way by frequencies is less than a third of the work of the direct one."""
    found = (rows + size // 2) * (columns + size // 2) * 3 / 2
    there_and_back = rows * columns * (1 / channels + 1 / filters)
    return 3 * found * (1 + there_and_back) < rows * columns * size**2


def frequencies(rows, columns, size):
    """What turns pixels into factors, taps into factors, and products of both into pixels.

    On a torus wide enough that nothing comes back into the map from its other side, a convolution
    is a product at each frequency: real at a frequency that is its own opposite, else complex, one
    of each pair of opposites being enough. A complex product is three real ones (Gauss): of
    x = a + bi and w = c + di, (a + b) c - b (c + d) + i ((a + b) c + a (d - c)).

    Returns three matrices as lists: [products, rows * columns], [products, size * size],
    [rows * columns, products].
    """
    radius = size // 2
    height, width = rows + radius, columns + radius
    pixels = [(i / height, j / width) for i in range(rows) for j in range(columns)]
    window = range(-radius, radius + 1)
    taps = [(i / height, j / width) for i in window for j in window]
    of_pixels, of_taps, to_pixels = [], [], []
    for here in [(u, v) for u in range(height) for v in range(width)]:
        opposite = -here[0] % height, -here[1] % width
        if here > opposite:
            continue
        x, w = wave(here, pixels), wave(here, taps)
        y = [z.conjugate() / (height * width) for z in x]
        if here == opposite:
            of_pixels.append([z.real for z in x])
            of_taps.append([z.real for z in w])
            to_pixels.append([z.real for z in y])
        else:
            of_pixels += [[z.real + z.imag for z in x], [z.real for z in x], [z.imag for z in x]]
            of_taps += [[z.real for z in w], [z.imag - z.real for z in w]]
            of_taps += [[z.real + z.imag for z in w]]
            to_pixels += [[2 * (z.real - z.imag) for z in y], [-2 * z.imag for z in y]]
            to_pixels += [[-2 * z.real for z in y]]
    return of_pixels, of_taps, [*zip(*to_pixels, strict=True)]


def wave(frequency, places):
    """exp(-2 pi i frequency . place) of each place, as complex numbers."""
    u, v = frequency
    angles = [-2 * math.pi * (u * i + v * j) for i, j in places]
    return [complex(math.cos(angle), math.sin(angle)) for angle in angles]


def products(x, kernel, of_pixels, of_taps, to_pixels):
    """y[j] = sum_k x[j - k + r] . kernel[k], with r the window's radius, zeros outside.

    x: [b, h, w, c]; kernel: [2 r + 1, 2 r + 1, filters, c]; the matrices are `frequencies`'.
    """
    of_pixels, of_taps, to_pixels = (
        tf.constant(matrix, x.dtype) for matrix in (of_pixels, of_taps, to_pixels)
    )
    filters, channels = kernel.shape[2:]
    batch, rows, columns = tf.shape(x)[0], *x.shape[1:3]
    factors = tf.reshape(tf.transpose(x, (1, 2, 0, 3)), (rows * columns, -1))
    factors = tf.reshape(of_pixels @ factors, (-1, batch, channels))
    window = of_taps @ tf.reshape(kernel, (-1, filters * channels))
    window = tf.reshape(window, (-1, filters, channels))
    y = tf.matmul(factors, window, transpose_b=True)
    y = to_pixels @ tf.reshape(y, (-1, batch * filters))
    return tf.transpose(tf.reshape(y, (rows, columns, batch, filters)), (2, 0, 1, 3))
