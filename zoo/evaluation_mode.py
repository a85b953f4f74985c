"""Evaluation mode: averaged weights and a fixed seed; contexts that restore a model's state."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras.src.random.seed_generator import global_seed_generator  # its state has no public access

from zoo import inspection

if TYPE_CHECKING:
    from zoo.model import Model


def seed_states(model: keras.layers.Layer) -> list[keras.Variable]:
    """The state variables of a model's random number generators (noise, dropout)."""
    all_layers = [model, *(layer for _, layer in inspection.layers(model))]
    return [
        value.state
        for layer in all_layers
        for value in vars(layer).values()
        if isinstance(value, keras.random.SeedGenerator)
    ]


def state_variables(model: "Model") -> dict[str, keras.Variable]:
    """Key -> variable: weights, optimizer slots, and the global seed generator.

    Keys are numbered lists, since Keras' own tracking misses seeds and layers in lists.
    """
    groups = {"model": model.variables, "seed": [global_seed_generator().state]}
    for part, optimizer in model.optimizers.items():
        groups[f"optimizer:{part}"] = optimizer.variables
    return {f"{name}/{i:04d}": v for name, group in groups.items() for i, v in enumerate(group)}


@contextlib.contextmanager
def preserved(model: "Model") -> Iterator[None]:
    """Context that restores all variables of a model and its optimizers on exit."""
    variables = [*state_variables(model).values(), *seed_states(model)]
    values = [(variable, keras.ops.copy(variable)) for variable in variables]
    try:
        yield
    finally:
        for variable, value in values:
            variable.assign(value)


@contextlib.contextmanager
def evaluation_mode(model: "Model", seed: int) -> "Iterator[Model]":
    """Context in which the model has averaged weights and random numbers of a fixed seed.

    Args:
        model: the model, which the context yields.
        seed: the seed of training; evaluation uses `seed + 1`.
    """
    with preserved(model):
        averaged_parts = [_load_averages(model, part) for part in model.optimizers]
        if any(averaged_parts):
            model.on_weights_averaged()
        for index, state in enumerate(seed_states(model)):
            state.assign(np.array([seed + 1, index], np.uint32))
        yield model


def _load_averages(model: "Model", part: str) -> bool:
    """Sets a part's trainable weights to their moving averages; False without averages."""
    optimizer = model.optimizers[part]
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if not inner.use_ema or not keras.ops.convert_to_numpy(inner.iterations):
        return False
    layer = model.part(part)
    trainable = {id(v) for v in layer.trainable_variables}
    with all_trainable(layer):
        variables = layer.trainable_variables  # those that the optimizer was built with
    frozen = [(v, keras.ops.copy(v)) for v in variables if id(v) not in trainable]
    optimizer.finalize_variable_values(variables)
    for variable, value in frozen:
        variable.assign(value)
    return True


@contextlib.contextmanager
def all_trainable(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """Context in which `layer` and all layers inside it are trainable."""
    inner_layers = [layer, *(inner for _, inner in inspection.layers(layer))]
    flags = [(inner, inner.trainable) for inner in inner_layers]
    variables = [(variable, variable.trainable) for variable in layer.variables]
    for inner in inner_layers:
        inner.trainable = True
    try:
        yield layer
    finally:
        for item, trainable in [*flags, *variables]:  # outer layers first: they set inner ones
            item.trainable = trainable
