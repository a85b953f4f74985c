"""Weights of one network for another that is not quite the same: what fits, and what can be made
to fit; and a report of what became of every weight.
"""

from dataclasses import dataclass, field

import keras
import numpy as np

from zoo import inspection
from zoo.errors import UsageError


@dataclass
class TransferReport:
    """What became of the weights, each by its path, such as `encoder/0/0/kernel`.

    Attributes:
        loaded: taken as they are.
        adapted: path -> what was done to them.
        missing: path -> why these of the target have what they had before.
        unexpected: of the source, nothing in the target answers to.
    """

    loaded: list = field(default_factory=list)
    adapted: dict = field(default_factory=dict)
    missing: dict = field(default_factory=dict)
    unexpected: list = field(default_factory=list)

    def __str__(self):
        lines = [f"{len(self.loaded)} weights loaded"]
        for what, paths in (("adapted", self.adapted), ("left fresh", self.missing)):
            lines += [f"  {what}: {path} ({how})" for path, how in paths.items()]
        lines += [f"  not used: {path}" for path in self.unexpected]
        return "\n".join(lines)


def transfer_weights(target, source):
    """Gives `target` the weights of `source` that have the same path; returns a `TransferReport`.

    What has another shape is adapted where that has one meaning, and else left as it was:

    - image channels: a kernel that sees other channels is spread evenly over them, so that a grey
      picture gives what it gave; one that draws them draws the mean in each.
    - a vocabulary: the vectors of words that both know are copied; the other words keep theirs.

    Args:
        target: a built model or layer.
        source: another.

    Raises UsageError if not one weight could be used: these networks have nothing in common.
    """
    report, have, want = TransferReport(), weights_by_path(source), weights_by_path(target)
    transposed = {
        path
        for path, layer in inspection.layers(target)
        if isinstance(layer, keras.layers.Conv2DTranspose)
    }
    for path, variable in want.items():
        if path not in have:
            report.missing[path] = "the source has none"
            continue
        old, new = (keras.ops.convert_to_numpy(v) for v in (have.pop(path), variable))
        flipped = path.rpartition("/")[0] in transposed
        words = adapt_vocabulary(path, old, new, source, target)
        value, how = words or adapt_channels(old, new, source, target, flipped)
        if value is None:
            report.missing[path] = how
            continue
        variable.assign(value)
        if how:
            report.adapted[path] = how
        else:
            report.loaded.append(path)
    report.unexpected = list(have)
    if not report.loaded and not report.adapted:
        raise UsageError(
            f"no weight of {source.name} fits {target.name}: they have"
            f" {[*weights_by_path(source)][:3]} and {[*want][:3]} ..."
        )
    return report


def weights_by_path(root):
    """Path -> variable, of every weight of a layer; the state of random numbers is none."""
    paths, found = inspection.variable_paths(root), {}
    for variable in root.weights:
        path, again = paths[id(variable)], 1
        while path in found:
            path, again = f"{paths[id(variable)]}#{again + 1}", again + 1
        found[path] = variable
    return found


def adapt_vocabulary(path, old, new, source, target):
    """(value, what was done) of a table of words, None if the vocabularies are no reason."""
    theirs, ours = (getattr(one, "vocabularies", {}) for one in (source, target))
    side = next((side for side in ours if side in path), "target")
    was, now = theirs.get(side), ours.get(side)
    if was is None or now is None or was == now:
        return None
    axes = [
        axis
        for axis in range(min(old.ndim, new.ndim))
        if (old.shape[axis], new.shape[axis]) == (len(was), len(now))
    ]
    if len(axes) != 1 or np.delete(old.shape, axes).tolist() != np.delete(new.shape, axes).tolist():
        return None
    known = {word: i for i, word in enumerate(was.tokens(range(len(was))))}
    words = now.tokens(range(len(now)))
    pairs = [(i, known[word]) for i, word in enumerate(words) if word in known]
    value = np.moveaxis(new.copy(), axes[0], 0)
    ours_at, theirs_at = map(list, zip(*pairs, strict=True))
    value[ours_at] = np.moveaxis(old, axes[0], 0)[theirs_at]
    how = f"{len(pairs):,} of {len(words):,} words are known"
    return np.moveaxis(value, 0, axes[0]), how


def adapt_channels(old, new, source, target, transposed):
    """(value, what was done) of a weight; value is None where none has a meaning."""
    if old.shape == new.shape:
        return old, None
    was, now = (getattr(one, "image_shape", (None,))[-1] for one in (source, target))
    differ = [
        axis for axis in range(old.ndim) if old.shape[axis : axis + 1] != new.shape[axis : axis + 1]
    ]
    shapes = f"{old.shape} there, {new.shape} here"
    if old.ndim != new.ndim or len(differ) != 1 or old.ndim not in (1, 4):
        return None, shapes
    axis = differ[0]
    if (old.shape[axis], new.shape[axis]) != (was, now):
        return None, shapes
    mean = np.broadcast_to(old.mean(axis, keepdims=True), new.shape)
    if old.ndim == 4 and axis == (3 if transposed else 2):
        return mean * (was / now), f"sees {now} channels in place of {was}"
    return mean, f"draws {now} channels in place of {was}"
