"""Arguments and random batches that make models small enough for a test."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

# A value is used if an argument has this name and a default of this type.
IMAGES = (
    ("image_shape", (8, 8, 1)),
    ("filters", (8, 16)),
    ("filters", 8),
    ("discriminator_filters", (8, 16)),
    ("num_components", 4),
    ("num_pseudo_inputs", 4),
    ("num_couplings", 2),
    ("coupling_units", 8),
    ("embedding_dim", 16),
    ("units", 16),
)


def matching_arguments(
    arguments: Mapping[str, inspect.Parameter], values: Iterable[tuple[str, Any]]
) -> dict[str, Any]:
    """The values whose name and type are those of an argument and its default."""
    kinds = {name: type(parameter.default) for name, parameter in arguments.items()}
    return {name: value for name, value in values if kinds.get(name) is type(value)}


def random_feature(random: np.random.Generator, n: int, spec: tf.TensorSpec) -> tf.Tensor:
    """A feature of n examples: floats are 0 or 1, integers below 10."""
    shape = [n, *spec.shape[1:]]
    floats = spec.dtype.is_floating
    values = random.random(shape) > 0.5 if floats else random.integers(0, 10, shape)
    return tf.constant(values, spec.dtype)
