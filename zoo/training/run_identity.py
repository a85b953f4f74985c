"""The identity of a run: its model, optimizers and seed as JSON, compared on resume."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo import former_arguments
from zoo.errors import UsageError
from zoo.optimizers import unwrap_loss_scale
from zoo.registry import arguments

if TYPE_CHECKING:
    from zoo.model import Model

_MAX_LENGTH = 60  # characters of a value in a message; vocabularies have thousands
_IGNORED = ("name", "is_legacy_optimizer")  # settings that do not change the numbers of a run


def identity(model: "Model", seed: int) -> dict[str, Any]:
    """Setting -> value, for all settings that determine the weights of a run, except the data.

    `TrainState` adds the number of micro-batches when it is known.
    """
    config = _config(model) or {name: getattr(model, name, None) for name in arguments(type(model))}
    values = {"model": keras.saving.get_registered_name(type(model)).rpartition(">")[2]}
    values |= {name: config.get(name) for name in arguments(type(model))}
    values |= {"dtype": model.dtype_policy.name, "seed": seed}
    for part, optimizer in model.optimizers.items():
        prefix = f"{part} " if part else ""
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        values[f"{prefix}optimizer"] = keras.saving.get_registered_name(type(optimizer))
        settings = {k: v for k, v in _config(optimizer).items() if k not in _IGNORED}
        values |= {f"{prefix}{name}": value for name, value in settings.items()}
    return json.loads(json.dumps({name: _short(value) for name, value in values.items()}))


def serialize_optimizers(model: "Model") -> dict[str, Any] | None:
    """Part -> optimizer as JSON values; None if Keras cannot serialize one."""
    try:
        parts = {
            part: keras.optimizers.serialize(unwrap_loss_scale(optimizer))
            for part, optimizer in model.optimizers.items()
        }
        return json.loads(json.dumps(parts))
    except (NotImplementedError, TypeError, ValueError):
        return None


def learning_rates(model: "Model") -> dict[str, Any]:
    """Setting -> current learning rate of an optimizer, which a callback may have changed."""
    rates = {}
    for part, optimizer in model.optimizers.items():
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        name = f"{part} learning_rate" if part else "learning_rate"
        rates[name] = _short(_config(optimizer).get("learning_rate"))
    return rates


def check_same_run(path: Path, record: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Checks that a checkpoint belongs to the run that is being resumed.

    Args:
        path: the checkpoint.
        record: its JSON record; settings that older records lack are not compared.
        wanted: the `identity` of the run.

    Raises:
        UsageError: a setting differs; the message has both values.
    """
    saved = record.get("identity") or {"seed": record.get("seed", wanted["seed"])}
    if "model" in saved:
        model, saved = former_arguments.translate(saved["model"], saved)
        saved["model"] = model
    rates = record.get("learning_rates", {})
    different = [
        name
        for name in wanted
        if name in saved
        and saved[name] != wanted[name]
        and rates.get(name, saved[name]) != wanted[name]
    ]
    if different:
        before = ", ".join(f"{name}={_format_value(saved[name])}" for name in different)
        now = ", ".join(f"{name}={_format_value(wanted[name])}" for name in different)
        raise UsageError(
            f"the run of {path} has {before}, got {now}: resume with the same settings; or train in"
            " another workdir. To start from these weights, give the model of zoo.load(run) to a"
            " new Trainer, or use --init of `zoo train`"
        )


def batch_digest(batch: dict[str, Any]) -> str:
    """A checksum of a batch, to detect that the data of an epoch have changed."""
    digest = hashlib.sha256()
    for name in sorted(batch):
        value = np.ascontiguousarray(keras.ops.convert_to_numpy(batch[name]))
        digest.update(f"{name} {value.shape} {value.dtype}".encode() + value.tobytes())
    return digest.hexdigest()[:16]


def _config(item: Any) -> dict[str, Any]:
    try:
        return item.get_config()
    except (NotImplementedError, TypeError, ValueError):  # a class that Keras cannot serialize
        return {}


def _short(value: Any) -> Any:
    """A value as JSON: long texts as a checksum, values that JSON lacks as their type."""
    text = json.dumps(value, default=lambda other: type(other).__name__, sort_keys=True)
    if len(text) > 10 * _MAX_LENGTH:
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    return json.loads(text)


def _format_value(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else json.dumps(value)
    return text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 3] + "..."
