"""A transposed convolution that is fast on a CPU for few output channels and for small maps."""

import math
from typing import Any

import keras
import tensorflow as tf

MOST_FILTERS = 4  # output channels for which the sum of taps is considered


@keras.saving.register_keras_serializable("blocks")
class FastConv2DTranspose(keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` with faster algorithms for two cases on a CPU.

    Arguments, weights and, up to rounding, results are those of Keras' layer. `build` chooses how
    the result is computed and stores the choice in `algorithm`:

    - "taps", for stride 1, an odd square window and very few filters. One matrix product of all
      pixels with all taps of the window, then a sum of shifted maps. A CPU's convolution kernel is
      slow with so few output channels.
    - "frequencies", for stride 1, an odd square window and a small map of many channels, in float32
      or float64. One product per frequency, by the convolution theorem (Mathieu, Henaff, LeCun,
      "Fast Training of Convolutional Networks through FFTs", 2014, arXiv 1312.5851). For 7 x 7
      pixels and 5 x 5 taps that is 121 products instead of 1,225.
    - "keras", in every other case and whenever there is a GPU.

    Shapes: [batch, h, w, c] -> [batch, h, w, filters] at stride 1 with "same" padding.

    Args:
        as in Keras.
    """

    def build(self, input_shape: tuple) -> None:
        super().build(input_shape)
        self.algorithm = self._choose_algorithm(input_shape)
        self.frequency_matrices: Any = None
        if self.algorithm == "frequencies":
            rows, columns = input_shape[1:3]
            self.frequency_matrices = _frequency_matrices(rows, columns, self.kernel_size[0])

    def _choose_algorithm(self, input_shape: tuple) -> str:
        _, rows, columns, channels = input_shape
        options = self.strides, self.dilation_rate, self.padding, self.data_format
        supported = options == ((1, 1), (1, 1), "same", "channels_last")
        size, width = self.kernel_size
        odd_square = size == width and size % 2 == 1
        if not (supported and odd_square and rows and columns):
            return "keras"
        if tf.config.list_physical_devices("GPU"):
            return "keras"
        if _taps_pay(size, channels, self.filters):
            return "taps"
        precise = self.compute_dtype in ("float32", "float64")
        if precise and _frequencies_pay(rows, columns, size, channels, self.filters):
            return "frequencies"
        return "keras"

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        if self.algorithm == "keras":
            return super().call(inputs)
        kernel = tf.convert_to_tensor(self.kernel)
        if self.algorithm == "taps":
            outputs = _sum_of_taps(inputs, kernel)
        else:
            outputs = _frequency_products(inputs, kernel, *self.frequency_matrices)
        return self.activation(outputs + self.bias if self.use_bias else outputs)


def _taps_pay(size: int, channels: int, filters: int) -> bool:
    """Whether the matrix product saves more time than the sum of shifted maps costs."""
    return filters == 1 or filters <= MOST_FILTERS and size**2 * filters <= channels


@tf.custom_gradient
def _sum_of_taps(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """y[j] = sum_k x[j - k + r] . kernel[k], with r the window's radius and zeros outside.

    x: [b, h, w, c]; kernel: [2 r + 1, 2 r + 1, filters, c].
    """
    size, _, filters, channels = kernel.shape
    batch = tf.shape(x)[0]
    height = x.shape[1]
    width = x.shape[2]
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

    def gradients(dy: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        dx = tf.nn.conv2d(dy, kernel, 1, "SAME")
        shape = kernel.shape.as_list()
        dkernel = tf.raw_ops.Conv2DBackpropFilter(
            input=dy, filter_sizes=shape, out_backprop=x, strides=[1] * 4, padding="SAME"
        )
        return dx, dkernel

    return tf.transpose(y, (1, 2, 3, 0)), gradients


def _frequencies_pay(rows: int, columns: int, size: int, channels: int, filters: int) -> bool:
    """Whether the products per frequency are less than a third of the direct convolution's work."""
    num_products = (rows + size // 2) * (columns + size // 2) * 3 / 2
    transforms = rows * columns * (1 / channels + 1 / filters)
    return 3 * num_products * (1 + transforms) < rows * columns * size**2


def _frequency_matrices(rows: int, columns: int, size: int) -> tuple[list, list, list]:
    """Three matrices: pixels to factors, taps to factors, and products of both to pixels.

    The map is padded so that the circular convolution equals the linear one. Then the convolution
    is a product at each frequency: a real one where a frequency is its own opposite, else a complex
    one, and one of each pair of opposite frequencies is enough. A complex product is computed as
    three real ones (Gauss): for x = a + bi and w = c + di,
    (a + b) c - b (c + d) + i ((a + b) c + a (d - c)).

    Returns lists of shapes [products, rows * columns], [products, size * size] and
    [rows * columns, products].
    """
    radius = size // 2
    height = rows + radius
    width = columns + radius
    pixels = [(i / height, j / width) for i in range(rows) for j in range(columns)]
    window = range(-radius, radius + 1)
    taps = [(i / height, j / width) for i in window for j in window]
    from_pixels = []
    from_taps = []
    to_pixels = []
    for frequency in [(u, v) for u in range(height) for v in range(width)]:
        opposite = -frequency[0] % height, -frequency[1] % width
        if frequency > opposite:
            continue
        x = _complex_waves(frequency, pixels)
        w = _complex_waves(frequency, taps)
        y = [z.conjugate() / (height * width) for z in x]
        if frequency == opposite:
            from_pixels.append([z.real for z in x])
            from_taps.append([z.real for z in w])
            to_pixels.append([z.real for z in y])
        else:
            from_pixels += [[z.real + z.imag for z in x], [z.real for z in x], [z.imag for z in x]]
            from_taps += [[z.real for z in w], [z.imag - z.real for z in w]]
            from_taps += [[z.real + z.imag for z in w]]
            to_pixels += [[2 * (z.real - z.imag) for z in y], [-2 * z.imag for z in y]]
            to_pixels += [[-2 * z.real for z in y]]
    return from_pixels, from_taps, [*zip(*to_pixels, strict=True)]


def _complex_waves(
    frequency: tuple[int, int], positions: list[tuple[float, float]]
) -> list[complex]:
    """exp(-2 pi i frequency . position) for each position, as a list of complex numbers."""
    u, v = frequency
    angles = [-2 * math.pi * (u * i + v * j) for i, j in positions]
    return [complex(math.cos(angle), math.sin(angle)) for angle in angles]


def _frequency_products(
    x: tf.Tensor, kernel: tf.Tensor, from_pixels: Any, from_taps: Any, to_pixels: Any
) -> tf.Tensor:
    """The same as `_sum_of_taps`, by the matrices of `_frequency_matrices`."""
    from_pixels, from_taps, to_pixels = (
        tf.constant(matrix, x.dtype) for matrix in (from_pixels, from_taps, to_pixels)
    )
    filters, channels = kernel.shape[2:]
    batch = tf.shape(x)[0]
    rows, columns = x.shape[1:3]
    factors = tf.reshape(tf.transpose(x, (1, 2, 0, 3)), (rows * columns, -1))
    factors = tf.reshape(from_pixels @ factors, (-1, batch, channels))
    window = from_taps @ tf.reshape(kernel, (-1, filters * channels))
    window = tf.reshape(window, (-1, filters, channels))
    y = tf.matmul(factors, window, transpose_b=True)
    y = to_pixels @ tf.reshape(y, (-1, batch * filters))
    return tf.transpose(tf.reshape(y, (rows, columns, batch, filters)), (2, 0, 1, 3))
