"""From a model to a preset's folder; the same weights and facts give the same bytes."""

import importlib.metadata
import io
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import keras
import numpy as np
import tensorflow as tf

from zoo import registry, text
from zoo.errors import PresetError, UsageError, one_line
from zoo.evaluation_mode import evaluation_mode
from zoo.files import digest, expand_home, folder_atomically, sha256, write_atomically, write_json
from zoo.presets import cards, preset, preset_record, quantization, vocabulary_files
from zoo.presets.download import SHIPPED_FOLDER
from zoo.presets.weights import saved_arrays, to_numpy
from zoo.version import __version__

if TYPE_CHECKING:
    from zoo.model import Model

MAX_IMAGE = 2**18  # pixels times channels: three larger images would take time to evaluate

verified: set[str] = (
    set()
)  # digests of presets whose golden outputs were reproduced in this process


def save(
    model: "Model", target: str | Path, card: str | dict[str, Any], name: str | None, dtype: str
) -> preset.Preset:
    """Implements `zoo.presets.save`."""
    target = expand_home(target)
    name = name or target.resolve().name
    if not name.isprintable() or not 0 < len(name) <= preset_record.MAX_NAME:
        raise UsageError(f"a preset's name must be a line of printable text, got {name!r:.80}")
    cards.check(card)
    architecture = _registered_name(model)
    _check_replaceable(target)
    raw, count = _weights_bytes(model, dtype)
    own = model.get_config()
    arguments = {key: own[key] for key in registry.arguments(type(model))}
    config, vocabularies = vocabulary_files.split(arguments)
    package = package_of(type(model))
    text = cards.render(
        card,
        name,
        architecture,
        weight_facts(count, dtype, raw),
        shipped=target.resolve().parent == SHIPPED_FOLDER,
        package=package.get("package", {}).get("name"),
    )
    files = {preset.WEIGHTS: raw, preset.CARD: text.encode(), **vocabularies}
    versions = {package: importlib.metadata.version(package) for package in ("tensorflow", "keras")}
    record = {
        "format": preset_record.FORMAT,
        "name": name,
        "model": architecture,
        "config": config,
        "parameters": count,
        "dtype": dtype,
        "files": file_facts(files),
        "versions": {"zoo": __version__, **versions},
        **package,
    }
    return write_folder(target, record, files)


def weight_facts(parameters: int, dtype: str, raw: bytes) -> str:
    """The line of a card about the weights: how many, dtype, bytes, hash."""
    return f"{parameters:,} parameters, {dtype}, {len(raw) / 2**20:.2f} MB, sha256 `{sha256(raw)}`"


def file_facts(files: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    """File name -> its `sha256` and `size`, as config.json has them."""
    return {name: {"sha256": sha256(raw), "size": len(raw)} for name, raw in files.items()}


def package_of(cls: type) -> dict[str, dict[str, str]]:
    """{"package": name and version of the distribution} of a plug-in's class, {} of the zoo's."""
    top = cls.__module__.partition(".")[0]
    for name in importlib.metadata.packages_distributions().get(top, ()) if top != "zoo" else ():
        return {"package": {"name": name, "version": importlib.metadata.version(name)}}
    return {}


def _write_bytes(path: Path, raw: bytes) -> None:
    write_atomically(path, lambda file: file.write(raw))


def write_folder(target: Path, record: dict[str, Any], files: dict[str, bytes]) -> preset.Preset:
    """Writes a preset's folder, whole or not at all, after a model was loaded from its files.

    Args:
        target: the folder.
        record: the content of config.json without `golden_outputs` and `digest`, which are added.
        files: name -> bytes of the other files.

    Raises UsageError if no model can be built from them.
    """
    with folder_atomically(target) as new:
        for key, raw in files.items():
            _write_bytes(new / key, raw)
        size = len(json.dumps(record))
        if size > preset_record.MAX_CONFIG_BYTES // 2:
            raise UsageError(
                f"the model's arguments take {size:,} bytes, too many for a {preset.CONFIG}: use a"
                " smaller network"
            )
        loaded = preset.from_files(target, record, files)
        try:
            preset_record.check_fields(record, target)
            model = loaded.build()
        except PresetError as error:
            raise UsageError(f"the model cannot be a preset: {error}") from error
        loaded.load_weights(model)
        record = record | {"golden_outputs": golden_outputs(model)}
        write_json(new / preset.CONFIG, record | {"digest": digest(record)})
    return preset.read(target)


def _check_replaceable(target: Path) -> None:
    """Raises UsageError if a folder holds anything but a preset, which may be replaced."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    try:
        preset_record.parse((target / preset.CONFIG).read_bytes(), target)
    except (OSError, UsageError) as error:
        raise UsageError(
            f"{target} holds something that is not a preset: choose another folder"
        ) from error
    except PresetError:
        return  # a damaged preset


def _registered_name(model: Any) -> str:
    """The name a model's class is registered under; raises UsageError if it has none."""
    package, _, name = keras.saving.get_registered_name(type(model)).rpartition(">")
    if package != "zoo" or name not in registry.names():
        raise UsageError(
            f"only a registered model can be a preset, got {type(model).__name__}: give its class"
            " @zoo.register('a_name')"
        )
    return name


def _weights_bytes(model: Any, dtype: str) -> tuple[bytes, int]:
    """(bytes of a weights file, number of parameters), stored as `quantization` does it.

    Keras' own file also has the names that layers happen to have in this process.
    """
    if dtype not in preset_record.DTYPES:
        raise UsageError(
            f"dtype of the weights must be one of {preset_record.DTYPES}, got {dtype!r}"
        )
    raw = io.BytesIO()
    count = 0
    with saved_arrays(model) as arrays, h5py.File(raw, "w") as file:
        for name, dataset in arrays.items():
            quantization.write(file, name, to_numpy(dataset), dtype)
            count += dataset.size
    return raw.getvalue(), int(count)


def check_golden_outputs(preset: preset.Preset, model: "Model") -> None:
    """Raises PresetError unless a model with a preset's weights reproduces its golden outputs.

    Done once per process, in float32, and only for images small enough to take no time.
    """
    golden = preset.record.get("golden_outputs")
    key = preset.record["digest"]
    pixels = math.prod(getattr(model, "image_shape", None) or ())
    usual = model.dtype_policy.compute_dtype == "float32" and not tf.distribute.has_strategy()
    if golden is None or key in verified or not usual or pixels > MAX_IMAGE:
        return
    try:
        outputs = golden_outputs(model)
        wrong = [name for name in {*golden, *outputs} if not _is_close(outputs[name], golden[name])]
    except Exception as error:  # golden outputs of any type, a model that cannot be evaluated
        raise PresetError(
            f"{preset.folder}: its golden outputs cannot be checked:"
            f" {type(error).__name__}: {one_line(error)}"
        ) from error
    for name in sorted(wrong):
        versions = ", ".join(f"{k} {v}" for k, v in preset.record["versions"].items())
        raise PresetError(
            f"{preset.folder} does not reproduce its golden outputs (of {versions}): the {name}"
            f" of three examples is {outputs[name]}, not {golden[name]!s:.80}; its weights or its"
            " configuration were changed"
        )
    verified.add(key)


def _is_close(values: Any, golden: Any) -> bool:
    return np.shape(golden) == np.shape(values) and np.allclose(values, golden, 1e-3, 1e-4)


def golden_outputs(model: "Model") -> dict[str, list[float]]:
    """The metrics of `eval_step` on three examples drawn with seed 0: {metric: [3 numbers]}.

    Every weight in use affects them, so a model that was loaded correctly reproduces them.
    Raises UsageError if one is not finite.
    """
    with tf.device("CPU:0"), evaluation_mode(model, 0):  # a GPU may round more
        metrics = model.eval_step(_example_batch(model))
    outputs = {name: [float(x) for x in values] for name, values in metrics.items()}
    for name, values in outputs.items():
        if not np.isfinite(values).all():
            raise UsageError(f"the {name} of three examples is {values}: this model is not usable")
    return outputs


def _example_batch(model: Any, n: int = 3) -> dict[str, tf.Tensor]:
    """A batch that fits a model: random images and ids between START and END, labels 0."""
    random = np.random.default_rng(0)
    length = min(6, 1 + getattr(model, "context_length", 6))  # of texts
    batch = {}
    values: np.ndarray
    for name, spec in model.batch_spec.items():
        shape = [n, *(size or length for size in spec.shape[1:])]
        if spec.dtype.is_floating:
            values = random.random(shape)
        elif spec.shape.rank == 2:
            size = getattr(model, "vocabulary_sizes", {}).get(name, text.END + 2)
            values = random.integers(text.END + 1, size, shape)
            values[:, 0] = text.START
            values[:, -1] = text.END
        else:
            values = np.zeros(shape)
        batch[name] = tf.constant(values, spec.dtype)
    return batch
