"""Inspection: layers by path, their outputs, and one training step as a table.

`layers(model)` follows attributes, so paths mirror the code: `encoder/0/1` is
`model.encoder.layers[0].layers[1]`. `record_outputs` records the output of every layer while it is
open.
"""

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo.errors import UnknownNameError
from zoo.inspection.tables import Inspection

if TYPE_CHECKING:
    from zoo.model import Model

__all__ = [
    "Inspection",
    "activations",
    "inspect_step",
    "is_finite",
    "layers",
    "record_outputs",
    "variable_paths",
]


def layers(root: Any) -> list[tuple[str, keras.layers.Layer]]:
    """Every layer inside `root`, each once: [(path, layer)], in the order of definition."""
    pairs: list[tuple[str, keras.layers.Layer]] = []

    def walk(value: Any, path: list[str]) -> None:
        children: Iterable[tuple[Any, Any]]
        if isinstance(value, keras.layers.Layer):
            if any(value is layer for _, layer in pairs):
                return
            if path:
                pairs.append(("/".join(path), value))
            if isinstance(value, keras.Sequential) or type(value) is keras.Model:
                children = enumerate(value.layers)
            else:
                children = ((k, v) for k, v in vars(value).items() if not k.startswith("_"))
        elif isinstance(value, dict):
            children = value.items()
        elif isinstance(value, list | tuple):
            children = enumerate(value)
        else:
            return
        inside_stack = isinstance(value, list | tuple) and path[-1:] == ["layers"]
        for key, child in children:
            walk(child, [*(path[:-1] if inside_stack else path), str(key)])

    walk(root, [])
    return pairs


@contextlib.contextmanager
def record_outputs(model: keras.layers.Layer) -> Iterator[list[Any]]:
    """Records the outputs of all layers: yields a list with (path, layer, output) for each call."""
    calls: list[Any] = []
    recorded_layers = layers(model)

    def with_recording(path: str, layer: keras.layers.Layer, call: Any) -> Any:
        def recorded(*args: Any, **kwargs: Any) -> Any:
            index = len(calls)
            calls.append(None)
            output = call(*args, **kwargs)
            calls[index] = (path, layer, output)
            return output

        return recorded

    for path, layer in recorded_layers:
        layer.call = with_recording(path, layer, layer.call)
    try:
        yield calls
    finally:
        for _, layer in recorded_layers:
            del layer.call


def activations(
    model: keras.layers.Layer,
    inputs: Any,
    paths: Iterable[str] | None = None,
    training: bool = False,
) -> dict[str, Any]:
    """Intermediate outputs of `model(inputs)`: {path: tensor}.

    Args:
        model: a model of the zoo, or any Keras layer that contains layers.
        inputs: the inputs of `model`.
        paths: the layers, see `layers`; default: all.
        training: passed to the call.

    Raises:
        UnknownNameError: there is no layer with that path.
    """
    with record_outputs(model) as calls:
        model(inputs, training=training)
    outputs = {path: output for path, _, output in calls}
    for path in paths or ():
        if path not in outputs:
            raise UnknownNameError("layer", path, outputs)
    return {path: outputs[path] for path in paths or outputs}


def inspect_step(model: "Model", batch: dict[str, Any]) -> Inspection:
    """Runs one eager `train_step` on a prepared model and returns its `Inspection`.

    The step changes the weights; `Trainer.inspect` restores them.
    """
    batch = model.cast_batch(batch)
    before = {id(v): keras.ops.convert_to_numpy(v) for v in model.trainable_variables}
    updates: list[Any] = []
    minimize = model.minimize

    def recorded(loss: Any, tape: Any, part: str = "") -> list[Any]:
        scale = float(model.optimizers[part].scale_loss(1.0))
        pairs = minimize(loss, tape, part)
        updates.extend((part, gradient, variable, scale) for gradient, variable in pairs)
        return pairs

    model.minimize = recorded  # type: ignore[method-assign]
    try:
        with record_outputs(model) as calls:
            losses = {name: float(value) for name, value in model.train_step(batch).items()}
    finally:
        del model.minimize

    paths = variable_paths(model)
    rows = []
    for part, gradient, variable, scale in updates:
        old = before[id(variable)].astype("float64")
        new = keras.ops.convert_to_numpy(variable).astype("float64")
        norm = float(np.linalg.norm(old))
        change = float(np.linalg.norm(new - old))
        if gradient is not None:
            gradient = keras.ops.convert_to_numpy(gradient).astype("float64") / scale
        rows.append(
            {
                "path": paths[id(variable)],
                "part": part,
                "shape": tuple(variable.shape),
                "norm": norm,
                "gradient_norm": None if gradient is None else float(np.linalg.norm(gradient)),
                "update_ratio": change / norm if norm else float(change > 0),
            }
        )
    return Inspection(
        losses, [row for call in calls if call for row in _output_statistics(*call)], rows
    )


def variable_paths(model: keras.layers.Layer) -> dict[int, str]:
    """id(variable) -> path, such as `encoder/0/0/kernel`."""
    paths: dict[int, str] = {}
    for path, layer in [*reversed(layers(model)), ("", model)]:
        for variable in layer.variables:
            paths.setdefault(id(variable), f"{path}/{variable.name}".lstrip("/"))
    return paths


def is_finite(variable: keras.Variable) -> bool:
    """Whether a variable contains no NaN and no infinity; True for integers."""
    if not keras.backend.is_float_dtype(variable.dtype):
        return True
    return bool(keras.ops.all(keras.ops.isfinite(variable)))


def _output_statistics(
    path: str, layer: keras.layers.Layer, output: Any
) -> Iterator[dict[str, Any]]:
    """The rows of one layer call, one for each output."""
    tensors = keras.tree.flatten(output)
    for tensor in tensors:
        values = keras.ops.convert_to_numpy(tensor).astype("float64")
        finite = values[np.isfinite(values)]
        yield {
            "path": path,
            "type": type(layer).__name__,
            "shape": values.shape,
            "mean": float(finite.mean()) if finite.size else float("nan"),
            "std": float(finite.std()) if finite.size else float("nan"),
            "zeros": float((values == 0).mean()) if values.size else 0.0,
            "nan": int(np.isnan(values).sum()),
            "inf": int(np.isinf(values).sum()),
        }
