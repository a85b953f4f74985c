"""A model as it is evaluated: moving averages in place of weights, random numbers of a seed."""

import contextlib

import keras
import numpy as np
from keras.src.random.seed_generator import global_seed_generator  # no public way to its state

from zoo import inspection
from zoo.model import all_trainable


def seed_states(model):
    """Variables that hold the state of a model's random numbers (noise, dropout)."""
    everything = [model, *(layer for _, layer in inspection.layers(model))]
    return [
        value.state
        for layer in everything
        for value in vars(layer).values()
        if isinstance(value, keras.random.SeedGenerator)
    ]


def state_variables(model):
    """Key -> variable: weights, optimizer slots, seeds of noise and dropout.

    Explicit lists, since Keras' own tracking misses seeds and layers in lists.
    """
    groups = {"model": model.variables, "seed": [global_seed_generator().state]}
    for part, optimizer in model.optimizers.items():
        groups[f"optimizer:{part}"] = optimizer.variables
    return {f"{name}/{i:04d}": v for name, group in groups.items() for i, v in enumerate(group)}


@contextlib.contextmanager
def preserved(model):
    """Whatever happens to the variables of a model and its optimizers while open is undone."""
    variables = [*state_variables(model).values(), *seed_states(model)]
    values = [(variable, keras.ops.copy(variable)) for variable in variables]
    try:
        yield
    finally:
        for variable, value in values:
            variable.assign(value)


@contextlib.contextmanager
def evaluation_mode(model, seed):
    """While open: moving averages in place of weights, and always the same random numbers."""
    with preserved(model):
        averaged = [_average(model, part) for part in model.optimizers]
        if any(averaged):
            model.on_weights_averaged()
        for index, state in enumerate(seed_states(model)):
            state.assign(np.array([seed + 1, index], np.uint32))
        yield model


def _average(model, part):
    """Moving averages in place of a part's weights, if there are any; frozen ones stay as is."""
    optimizer = model.optimizers[part]
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if not inner.use_ema or not int(inner.iterations):
        return False
    layer = model.part(part)
    learning = {id(v) for v in layer.trainable_variables}
    with all_trainable(layer):
        variables = layer.trainable_variables  # all that the optimizer was built with
    frozen = [(v, keras.ops.copy(v)) for v in variables if id(v) not in learning]
    optimizer.finalize_variable_values(variables)
    for variable, value in frozen:
        variable.assign(value)
    return True
