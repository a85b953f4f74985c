"""Replaces a faster part of the zoo by plain Keras or TensorFlow, to measure what the part gains.

The changes last for the process. Tests of each part show that results are equal.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

import zoo
from blocks import attention_decoder, recurrent, recurrent_loop


def keras_adam() -> None:
    """Keras' own Adam updates, without the fused kernel."""
    zoo.optimizers.Adam.update_step = keras.optimizers.Adam.update_step


class LoopKernel:
    """A product rows @ kernel whose kernel gradient is added up inside of the loop."""

    def __init__(self, kernel: tf.Tensor):
        self.kernel = kernel

    def __call__(self, rows: tf.Tensor) -> tf.Tensor:
        return tf.matmul(rows, self.kernel)


def loop_gradients() -> None:
    """Gradients of recurrent kernels as TensorFlow computes them, in each step of the loop."""
    scan = recurrent_loop.scan

    def plain_scan(
        step: Any, inputs: Any, initial_state: Any, kernels: Any, reverse: bool = False
    ) -> list[tf.Tensor]:
        return scan(step, inputs, initial_state, [], reverse)

    recurrent_loop.DeferredKernel = LoopKernel
    for module in (recurrent, attention_decoder):
        module.scan = plain_scan


PLAIN: dict[str, Callable[[], None]] = {
    "adam": keras_adam,
    "kernel_gradients": loop_gradients,
}
