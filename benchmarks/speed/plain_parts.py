"""Replaces a faster part of the zoo by plain Keras, to measure what the part gains.

The changes last for the process. Tests of each part show that results are equal.
"""

from collections.abc import Callable

import keras

import zoo


def keras_adam() -> None:
    """Keras' own Adam updates, without the fused kernel."""
    zoo.optimizers.Adam.update_step = keras.optimizers.Adam.update_step


PLAIN: dict[str, Callable[[], None]] = {"adam": keras_adam}
