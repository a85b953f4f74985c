"""A transposed convolution to very few channels, the way a CPU likes it."""

import keras
import tensorflow as tf

from blocks.checks import at_least_one


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
        if at_least_one(kernel_size, "kernel_size") % 2 == 0:
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
