"""A limit to what the building of a stranger's model may take."""

import contextlib
import math

import numpy as np
import tensorflow as tf

from zoo.errors import PresetError

HIDDEN = 2**25  # numbers that no weights file holds: VGG19's, copies, states of random numbers
MOST_VARIABLES = 8192
ADAPTED = 16  # times: what other arguments of one's own may make of a preset


@contextlib.contextmanager
def limited_variables(parameters, adapted=False):
    """Context that raises PresetError before variables take more than there are parameters.

    Args:
        parameters: as many as the weights file has.
        adapted: whether the model gets other arguments than those of the preset.
    """
    most = (parameters + HIDDEN) * (ADAPTED if adapted else 1)
    count = total = 0

    def create(next_creator, **kwargs):
        nonlocal count, total
        count += 1
        total += size_of(kwargs["initial_value"])
        if total > most or count > MOST_VARIABLES:
            raise PresetError(
                f"its arguments make {count:,} arrays of {total:,} numbers or more, and its weights"
                f" file has {parameters:,}: refused"
            )
        return next_creator(**kwargs)

    with tf.variable_creator_scope(create):
        yield


def size_of(value):
    """How many numbers an initial value has, without making them."""
    try:
        with tf.Graph().as_default():
            shape = np.shape(value) if not callable(value) else value().shape
    except Exception:  # an initializer that needs eager execution, which only other code's has
        return 0
    return tf.TensorShape(shape).num_elements() or 0


def parameters(model):
    """How many numbers a weights file of a model holds."""
    return sum(math.prod(variable.shape) for variable in model.weights)
