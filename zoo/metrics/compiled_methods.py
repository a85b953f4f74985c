"""A model's methods as graphs that are traced once per model, not once per call."""

import weakref
from collections.abc import Callable
from typing import Any

import tensorflow as tf

PLAIN = (bool, int, float, str, tuple)
# model -> {key: ((variables, settings) when traced, graph)}
_graphs: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()


def compile_method(
    model: Any, key: str, function: Callable, fixed_shapes: bool = False
) -> Callable:
    """`function(model, ...)` as a `tf.function`, which is reused for the same model.

    A model is traced again if its variables (LoRA, another vocabulary) or a number or text among
    its attributes have changed. The graph does not keep the model alive.

    Args:
        model: a model.
        key: a string that identifies the function among those of the model.
        function: called with the model and with tensors.
        fixed_shapes: trace each shape separately, for functions that need static shapes.
    """
    graphs = _graphs.setdefault(model, {})
    variables = list(model.variables)
    settings = _settings(model)
    before, graph = graphs.get(key, (None, None))
    if graph is None or before[1] != settings or not _same(before[0], variables):
        reference = weakref.ref(model)
        graph = tf.function(
            lambda *args: function(reference(), *args), reduce_retracing=not fixed_shapes
        )
        graphs[key] = (variables, settings), graph
    return graph


def _settings(model: Any) -> dict[str, Any]:
    """The attributes of a model that are plain values."""
    return {
        name: value
        for name, value in vars(model).items()
        if isinstance(value, PLAIN) and not name.startswith("_")
    }


def _same(before: list, now: list) -> bool:
    return len(before) == len(now) and all(a is b for a, b in zip(before, now, strict=True))
