"""Looking inside: layers by path, what flows through them, and one step as a table.

`layers(model)` walks attributes, so a path reads as the code does: `encoder/0/1` is
`model.encoder.layers[0].layers[1]`. `record_outputs` records what every layer puts out while it is
open.
"""

import contextlib
import math
from dataclasses import dataclass, field

import keras
import numpy as np

from zoo.errors import UnknownNameError


def layers(root):
    """Every layer inside `root`, each once: [(path, layer)], in the order of definition."""
    found = []

    def walk(value, path):
        if isinstance(value, keras.layers.Layer):
            if any(value is layer for _, layer in found):
                return
            if path:
                found.append(("/".join(path), value))
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
    return found


@contextlib.contextmanager
def record_outputs(model):
    """Records every layer's output: yields a list of (path, layer, output), a call each."""
    calls = []
    watched = layers(model)

    def recording(path, layer, call):
        def recorded(*args, **kwargs):
            index = len(calls)
            calls.append(None)
            output = call(*args, **kwargs)
            calls[index] = (path, layer, output)
            return output

        return recorded

    for path, layer in watched:
        layer.call = recording(path, layer, layer.call)
    try:
        yield calls
    finally:
        for _, layer in watched:
            del layer.call


def activations(model, inputs, paths=None, training=False):
    """Intermediate outputs by name: {path: tensor} of `model(inputs)`.

    Args:
        model: any model of the zoo, or any Keras layer made of layers.
        inputs: what `model` is called with.
        paths: which ones; all by default. See `layers`.
        training: passed to the call.

    Raises:
        UnknownNameError: there is no layer of that path.
    """
    with record_outputs(model) as calls:
        model(inputs, training=training)
    found = {path: output for path, _, output in calls}
    for path in paths or ():
        if path not in found:
            raise UnknownNameError("layer", path, found)
    return {path: found[path] for path in paths or found}


@dataclass
class Inspection:
    """One training step, looked at: `losses`, `layers` and `variables` as data; prints as tables.

    Attributes:
        losses: name -> value, as `train_step` logs them.
        layers: one dict a layer call, in order of the calls: `path`, `type`, `shape`, `mean`,
            `std`, `zeros` (share of exact zeros), `nan`, `inf` (counts).
        variables: one dict a trained variable: `path`, `part` (which optimizer), `shape`,
            `norm`, `gradient_norm` (None if no gradient came), `update_ratio` (norm of the
            change over the norm).
    """

    losses: dict
    layers: list = field(default_factory=list)
    variables: list = field(default_factory=list)

    def first_bad_layer(self):
        """The row of the first layer call with a NaN or infinite output, or None."""
        bad = [row for row in self.layers if row["nan"] or row["inf"]]
        # A layer made of layers begins before the one inside it that went wrong.
        inner = [row for row in bad if not any(is_inside(other, row) for other in bad)]
        return next(iter(inner), None)

    def explain_non_finite(self):
        """In words, where NaN or infinity came from."""
        row = self.first_bad_layer()
        if row is None:
            bad = [r["path"] for r in self.variables if not math.isfinite(r["gradient_norm"] or 0)]
            where = f"the gradient of {bad[0]} is not" if bad else "look at the loss itself"
            return f"every layer's output is finite; {where}"
        counts = f"{row['nan']} NaN, {row['inf']} infinite"
        return f"the first bad layer is {row['path']} ({row['type']}: {counts})"

    def __rich__(self):
        from rich.console import Group
        from rich.table import Table

        losses = Table(title="losses", title_justify="left")
        for name in self.losses:
            losses.add_column(name, justify="right")
        losses.add_row(*(f"{value:.6g}" for value in self.losses.values()))

        outputs = Table(title="layer outputs, in order of the calls", title_justify="left")
        for name in ("layer", "type"):
            outputs.add_column(name)
        for name in ("shape", "mean", "std", "zeros", "NaN/Inf"):
            outputs.add_column(name, justify="right")
        for row in self.layers:
            bad = row["nan"] + row["inf"]
            outputs.add_row(
                indented(row["path"]),
                row["type"],
                "x".join(map(str, row["shape"])),
                f"{row['mean']:.4g}",
                f"{row['std']:.4g}",
                f"{row['zeros']:.0%}",
                f"[bold red]{row['nan']}/{row['inf']}[/]" if bad else "-",
                style="red" if bad else None,
            )

        weights = Table(title="variables and their gradients", title_justify="left")
        for name in ("variable", "optimizer", "shape", "norm", "gradient norm", "update ratio"):
            weights.add_column(
                name, justify="left" if name in ("variable", "optimizer") else "right"
            )
        for row in self.variables:
            gradient = row["gradient_norm"]
            weights.add_row(
                row["path"],
                row["part"] or "all",
                "x".join(map(str, row["shape"])) or "scalar",
                f"{row['norm']:.4g}",
                "[bold red]none[/]" if gradient is None else f"{gradient:.4g}",
                f"{row['update_ratio']:.2e}",
            )
        return Group(losses, outputs, weights)

    def __str__(self):
        from rich.console import Console

        console = Console(width=120, no_color=True)
        with console.capture() as capture:
            console.print(self)
        return capture.get()


def inspect_step(model, batch):
    """Runs one eager `train_step` on a prepared model and returns its `Inspection`.

    The step is real: weights move. The trainer's `inspect` puts them back.
    """
    batch = model.cast_batch(batch)
    before = {id(v): keras.ops.convert_to_numpy(v) for v in model.trainable_variables}
    updates = []
    minimize = model.minimize

    def recorded(loss, tape, part=""):
        scale = float(model.optimizers[part].scale_loss(1.0))
        pairs = minimize(loss, tape, part)
        updates.extend((part, gradient, variable, scale) for gradient, variable in pairs)
        return pairs

    model.minimize = recorded
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
    return Inspection(losses, [row for call in calls if call for row in statistics(*call)], rows)


def variable_paths(model):
    """id(variable) -> path by attributes, such as `encoder/0/0/kernel`."""
    found = {}
    for path, layer in [*reversed(layers(model)), ("", model)]:
        for variable in layer.variables:
            found.setdefault(id(variable), f"{path}/{variable.name}".lstrip("/"))
    return found


def is_finite(variable):
    """Whether no number in a variable is NaN or infinite."""
    if not keras.backend.is_float_dtype(variable.dtype):
        return True
    return bool(keras.ops.all(keras.ops.isfinite(variable)))


def statistics(path, layer, output):
    """Rows of one layer call; a layer with several outputs has several rows."""
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


def is_inside(row, other):
    """Whether the layer of `row` lies inside the layer of `other`."""
    return row["path"].startswith(other["path"] + "/")


def indented(path):
    """A path as a line of a tree: the last name, shifted by its depth."""
    depth = path.count("/")
    return "  " * depth + (path if not depth else path.rpartition("/")[2])
