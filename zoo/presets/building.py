"""A limit on the memory that building an untrusted model may take."""

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.errors import PresetError

EXTRA_NUMBERS = 2**25  # not in the weights file: VGG19's weights, copies, states of generators
MAX_VARIABLES = 8192
ADAPTED_FACTOR = 16  # how much larger a preset may become if the user overrides its arguments


@contextlib.contextmanager
def limited_variables(parameters: int, adapted: bool = False) -> Iterator[None]:
    """Context that raises PresetError before variables take much more than the weights file.

    Args:
        parameters: number of parameters in the weights file.
        adapted: whether the user overrides arguments of the preset.
    """
    most = (parameters + EXTRA_NUMBERS) * (ADAPTED_FACTOR if adapted else 1)
    count = total = 0

    def create(next_creator: Callable, **kwargs: Any) -> Any:
        nonlocal count, total
        count += 1
        total += _size_of(kwargs["initial_value"])
        if total > most or count > MAX_VARIABLES:
            raise PresetError(
                f"its arguments make {count:,} or more arrays with {total:,} numbers, but its"
                f" weights file has {parameters:,}: the model is not built"
            )
        return next_creator(**kwargs)

    with tf.variable_creator_scope(create):
        yield


def _size_of(value: Any) -> int:
    """How many numbers an initial value has, without computing them."""
    try:
        with tf.Graph().as_default():
            shape = np.shape(value) if not callable(value) else value().shape
    except Exception:  # an initializer that needs eager execution; only other code has one
        return 0
    return tf.TensorShape(shape).num_elements() or 0


def count_parameters(model: keras.Layer) -> int:
    """How many numbers the weights file of a model holds."""
    return sum(math.prod(variable.shape) for variable in model.weights)
