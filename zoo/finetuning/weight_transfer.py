"""Transfer of weights between networks that differ: copies, adaptations, and a report."""

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from zoo import inspection
from zoo.errors import UsageError


@dataclass
class TransferReport:
    """The result of `transfer_weights`. Weights are named by paths, such as `encoder/0/0/kernel`.

    Attributes:
        loaded: paths of weights that were copied.
        adapted: path -> how the weight was changed.
        missing: path -> why a weight of the target keeps its previous value.
        unexpected: paths of weights of the source that the target does not have.
    """

    loaded: list[str] = field(default_factory=list)
    adapted: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    unexpected: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{len(self.loaded)} weights loaded"]
        lines += [f"  adapted: {path} ({change})" for path, change in self.adapted.items()]
        lines += [f"  missing: {path} ({reason})" for path, reason in self.missing.items()]
        lines += [f"  unexpected: {path}" for path in self.unexpected]
        return "\n".join(lines)


def transfer_weights(target: keras.layers.Layer, source: keras.layers.Layer) -> TransferReport:
    """Copies the weights of `source` to the weights of `target` with the same paths.

    Weights of another shape are adapted if there is a single sensible way; others do not change:

    - image channels: a kernel with other input channels gets the mean over the old ones, scaled so
      that a gray image gives the same output; one with other output channels gets their mean.
    - a vocabulary: the embeddings of words in both vocabularies are copied; other words keep their
      own.

    Args:
        target: a built model or layer.
        source: another one.

    Returns:
        A report on all weights.

    Raises:
        UsageError: not a single weight could be used.
    """
    report = TransferReport()
    available = weights_by_path(source)
    wanted = weights_by_path(target)
    transposed = {
        path
        for path, layer in inspection.layers(target)
        if isinstance(layer, keras.layers.Conv2DTranspose)
    }
    for path, variable in wanted.items():
        if path not in available:
            report.missing[path] = "not in the source"
            continue
        old = keras.ops.convert_to_numpy(available.pop(path))
        new = keras.ops.convert_to_numpy(variable)
        is_transposed = path.rpartition("/")[0] in transposed
        adapted = adapt_vocabulary(path, old, new, source, target)
        value, change = adapted or adapt_channels(old, new, source, target, is_transposed)
        if value is None:
            report.missing[path] = change
            continue
        variable.assign(value)
        if change:
            report.adapted[path] = change
        else:
            report.loaded.append(path)
    report.unexpected = list(available)
    if not report.loaded and not report.adapted:
        raise UsageError(
            f"no weight of {source.name} fits {target.name}: they have"
            f" {_first_shapes(weights_by_path(source))} and {_first_shapes(wanted)}"
        )
    return report


def _first_shapes(weights: dict[str, keras.Variable], n: int = 3) -> str:
    """The paths and shapes of the first weights, for a message."""
    shapes = [f"{path} {tuple(weight.shape)}" for path, weight in weights.items()]
    return ", ".join(shapes[:n]) + (", ..." if len(shapes) > n else "")


def weights_by_path(root: keras.layers.Layer) -> dict[str, keras.Variable]:
    """Path -> variable, for all weights of a layer except the states of seed generators."""
    paths = inspection.variable_paths(root)
    weights: dict[str, keras.Variable] = {}
    for variable in root.weights:
        path = paths[id(variable)]
        number = 1
        while path in weights:
            number += 1
            path = f"{paths[id(variable)]}#{number}"
        weights[path] = variable
    return weights


def adapt_vocabulary(
    path: str, old: np.ndarray, new: np.ndarray, source: Any, target: Any
) -> tuple[np.ndarray, str] | None:
    """The weight of a vocabulary as (value, change); None for other weights.

    Args:
        path: path of the weight.
        old, new: its values in the source and in the target.
        source, target: the networks.
    """
    old_vocabularies = getattr(source, "vocabularies", {})
    new_vocabularies = getattr(target, "vocabularies", {})
    only = next(iter(new_vocabularies)) if len(new_vocabularies) == 1 else "target"
    side = next((side for side in new_vocabularies if side in path), only)
    old_words = old_vocabularies.get(side)
    new_words = new_vocabularies.get(side)
    if old_words is None or new_words is None or old_words == new_words:
        return None
    axes = [
        axis
        for axis in range(min(old.ndim, new.ndim))
        if (old.shape[axis], new.shape[axis]) == (len(old_words), len(new_words))
    ]
    if len(axes) != 1 or np.delete(old.shape, axes).tolist() != np.delete(new.shape, axes).tolist():
        return None
    old_ids = {word: i for i, word in enumerate(old_words.tokens(range(len(old_words))))}
    words = new_words.tokens(range(len(new_words)))
    pairs = [(i, old_ids[word]) for i, word in enumerate(words) if word in old_ids]
    value = np.moveaxis(new.copy(), axes[0], 0)
    to_rows, from_rows = map(list, zip(*pairs, strict=True))
    value[to_rows] = np.moveaxis(old, axes[0], 0)[from_rows]
    change = f"{len(pairs):,} of {len(words):,} tokens are in the source"
    return np.moveaxis(value, 0, axes[0]), change


def adapt_channels(
    old: np.ndarray, new: np.ndarray, source: Any, target: Any, is_transposed: bool
) -> tuple[np.ndarray | None, str]:
    """A weight adapted to other image channels as (value, change).

    The change is empty for equal shapes; the value is None if the weight cannot be adapted.

    Args:
        old, new: values in the source and in the target.
        source, target: the networks.
        is_transposed: whether it belongs to a transposed convolution.
    """
    if old.shape == new.shape:
        return old, ""
    old_channels: Any = getattr(source, "image_shape", (None,))[-1]
    new_channels: Any = getattr(target, "image_shape", (None,))[-1]
    axes = [
        axis for axis in range(old.ndim) if old.shape[axis : axis + 1] != new.shape[axis : axis + 1]
    ]
    reason = f"{old.shape} in the source, {new.shape} here"
    if old.ndim != new.ndim or len(axes) != 1 or old.ndim not in (1, 4):
        return None, reason
    axis = axes[0]
    if (old.shape[axis], new.shape[axis]) != (old_channels, new_channels):
        return None, reason
    mean = np.broadcast_to(old.mean(axis, keepdims=True), new.shape)
    if old.ndim == 4 and axis == (3 if is_transposed else 2):
        scaled = mean * (old_channels / new_channels)
        return scaled, f"{new_channels} input channels instead of {old_channels}"
    return mean, f"{new_channels} output channels instead of {old_channels}"
