"""A model's methods as graphs that are traced once for a model, not once for each call."""

import weakref

import tensorflow as tf

PLAIN = (bool, int, float, str, tuple)
_graphs = weakref.WeakKeyDictionary()  # model -> {key: (what it was traced with, the graph)}


def compile_method(model, key, function, fixed_shapes=False):
    """`function(model, ...)` as a `tf.function`, the same one as long as the model is the same.

    A model with other variables than before (by LoRA, another vocabulary), or another number or
    text among its attributes, is traced again. The graph does not keep the model alive.

    Args:
        model: a model.
        key: a string that tells the function from others of this model.
        function: called with the model, and with tensors.
        fixed_shapes: trace each shape anew, for functions that want to know it.
    """
    graphs = _graphs.setdefault(model, {})
    variables, settings = list(model.variables), _settings(model)
    before, graph = graphs.get(key, (None, None))
    if graph is None or before[1] != settings or not _same(before[0], variables):
        reference = weakref.ref(model)
        graph = tf.function(
            lambda *args: function(reference(), *args), reduce_retracing=not fixed_shapes
        )
        graphs[key] = (variables, settings), graph
    return graph


def _settings(model):
    """The attributes of a model that are plain values."""
    return {
        name: value
        for name, value in vars(model).items()
        if isinstance(value, PLAIN) and not name.startswith("_")
    }


def _same(before, now):
    return len(before) == len(now) and all(a is b for a, b in zip(before, now, strict=True))
