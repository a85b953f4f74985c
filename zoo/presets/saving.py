"""From a model to a folder: the same weights and facts give the same bytes."""

import importlib.metadata
import io
import json
import math
from pathlib import Path

import h5py
import keras
import numpy as np
import tensorflow as tf

from zoo import registry, text
from zoo.errors import PresetError, UsageError, one_line
from zoo.files import digest, folder_atomically, sha256, write_atomically, write_json
from zoo.model.evaluation_mode import evaluation_mode
from zoo.presets import cards, preset, quantization
from zoo.presets.weights import numbers, saved
from zoo.version import __version__

LARGEST_IMAGE = 2**18  # pixels times channels: what evaluating three takes no time and memory for

asked = set()  # digests of presets that have answered in this process as they should


def save(model, target, card, name, stored):
    """What `zoo.presets.save` does."""
    target = Path(target)
    name = name or target.resolve().name
    if not name.isprintable() or not 0 < len(name) <= preset.LONGEST:
        raise UsageError(f"a preset's name is a line of printable text, got {name!r:.80}")
    cards.check(card)
    kind = architecture(model)
    check_free(target)
    raw, count = weights(model, stored)
    own = model.get_config()
    config = {key: own[key] for key in registry.arguments(type(model))}
    told = f"{count:,} parameters, {stored}, {len(raw) / 2**20:.2f} MB, sha256 `{sha256(raw)}`"
    files = {
        preset.WEIGHTS: raw,
        preset.CARD: cards.written(card, name, kind, told).encode(),
    }
    versions = {one: importlib.metadata.version(one) for one in ("tensorflow", "keras")}
    record = {
        "format": preset.FORMAT,
        "name": name,
        "model": kind,
        "config": config,
        "parameters": count,
        "stored": stored,
        "files": {key: {"sha256": sha256(x), "size": len(x)} for key, x in files.items()},
        "versions": {"zoo": __version__, **versions},
        **package(type(model)),
    }
    return placed(target, record, files)


def package(cls):
    """{"package": name and version of the distribution} that a plug-in's class comes from."""
    top = cls.__module__.partition(".")[0]
    for name in importlib.metadata.packages_distributions().get(top, ()) if top != "zoo" else ():
        return {"package": {"name": name, "version": importlib.metadata.version(name)}}
    return {}


def placed(target, record, files):
    """Writes all files beside `target`, loads and asks the model, then gives them their name."""
    with folder_atomically(target) as new:
        for key, raw in files.items():
            write_atomically(new / key, lambda file, raw=raw: file.write(raw))
        if len(json.dumps(record)) > preset.LARGEST // 2:
            raise UsageError(
                f"the model's arguments take {len(json.dumps(record)):,} bytes, too many for a"
                f" {preset.CONFIG}: a smaller vocabulary, or network, will do"
            )
        loaded = preset.Preset(target, record, files[preset.CARD].decode(), files[preset.WEIGHTS])
        try:
            preset.check_fields(record, target)
            fresh = loaded.build()
        except PresetError as error:
            raise UsageError(f"the model cannot be a preset: {error}") from error
        loaded.load(fresh)
        record = record | {"golden": answers(fresh)}
        write_json(new / preset.CONFIG, record | {"digest": digest(record)})
    return preset.read(target)


def check_free(target):
    """Raises UsageError if a folder holds anything but a preset, which may be replaced."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    try:
        preset.parse((target / preset.CONFIG).read_bytes(), target)
    except (OSError, UsageError) as error:
        raise UsageError(
            f"{target} holds something that is no preset: choose another folder"
        ) from error
    except PresetError:
        return  # one that is damaged


def architecture(model):
    """The name a model's class is registered under; raises UsageError if it has none."""
    package, _, name = keras.saving.get_registered_name(type(model)).rpartition(">")
    if package != "zoo" or name not in registry.names():
        raise UsageError(
            f"only a registered model can be a preset, got {type(model).__name__}: give its class"
            " @zoo.register('a_name')"
        )
    return name


def weights(model, stored):
    """(bytes of a weights file, how many numbers are in it), stored as `rounding` does it.

    Keras' own file also has the names that layers happened to get in this process.
    """
    if stored not in preset.STORED:
        raise UsageError(f"weights are stored as one of {preset.STORED}, got {stored!r}")
    raw, count = io.BytesIO(), 0
    with saved(model) as had, h5py.File(raw, "w") as has:
        for name, dataset in had.items():
            quantization.write(has, name, numbers(dataset), stored)
            count += dataset.size
    return raw.getvalue(), int(count)


def check_answers(preset, model):
    """Raises PresetError unless a model with a preset's weights answers as it did when made.

    That is asked once a process, in float32 and of images of a size that takes no time.
    """
    golden, key = preset.record.get("golden"), preset.record["digest"]
    pixels = math.prod(getattr(model, "image_shape", None) or ())
    usual = model.dtype_policy.compute_dtype == "float32" and not tf.distribute.has_strategy()
    if golden is None or key in asked or not usual or pixels > LARGEST_IMAGE:
        return
    try:
        there = answers(model)
        wrong = [name for name in {*golden, *there} if not near(there[name], golden[name])]
    except Exception as error:  # golden answers of any type, a model that cannot be evaluated
        raise PresetError(
            f"{preset.folder} cannot be asked what it answered when it was made:"
            f" {type(error).__name__}: {one_line(error)}"
        ) from error
    for name in sorted(wrong):
        versions = ", ".join(f"{k} {v}" for k, v in preset.record["versions"].items())
        raise PresetError(
            f"{preset.folder} does not answer as it did when it was made (with {versions}): the"
            f" {name} of three examples is {there[name]}, not {golden[name]!s:.80}; its weights or"
            " its configuration are others"
        )
    asked.add(key)


def near(values, golden):
    return np.shape(golden) == np.shape(values) and np.allclose(values, golden, 1e-3, 1e-4)


def answers(model):
    """What a model's `eval_step` says of three examples drawn with seed 0: {metric: [3 numbers]}.

    Every weight that matters has a part in them; a model that was loaded right gives them again.
    """
    with tf.device("CPU:0"), evaluation_mode(model, 0):  # a GPU may round more
        found = model.eval_step(examples(model))
    found = {name: [float(x) for x in values] for name, values in found.items()}
    for name, values in found.items():
        if not np.isfinite(values).all():
            raise UsageError(f"the {name} of three examples is {values}: not a model to keep")
    return found


def examples(model, n=3, length=6):
    """A batch that fits a model: noise, sentences of ids between START and END, labels 0."""
    random, batch = np.random.default_rng(0), {}
    for name, spec in model.batch_spec.items():
        shape = [n, *(size or length for size in spec.shape[1:])]
        if spec.dtype.is_floating:
            values = random.random(shape)
        elif spec.shape.rank == 2:
            known = getattr(model, "vocabulary_sizes", {}).get(name, text.END + 2)
            values = random.integers(text.END + 1, known, shape)
            values[:, 0], values[:, -1] = text.START, text.END
        else:
            values = np.zeros(shape)
        batch[name] = tf.constant(values, spec.dtype)
    return batch
