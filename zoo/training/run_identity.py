"""What a run is: its model, optimizers and seed as plain values, compared when it is resumed."""

import hashlib
import json

import keras
import numpy as np

from zoo.errors import UsageError
from zoo.registry import arguments

LONGEST = 60  # characters of a value in a message; a vocabulary has many thousands
FOLLOWS = ("name", "is_legacy_optimizer")  # says nothing about the numbers of a run


def identity(model, seed, micro_batches):
    """Setting -> value: whatever decides the weights of a run, the data aside."""
    config = _config(model) or {name: getattr(model, name, None) for name in arguments(type(model))}
    values = {"model": keras.saving.get_registered_name(type(model)).rpartition(">")[2]}
    values |= {name: config.get(name) for name in arguments(type(model))}
    values |= {"dtype": model.dtype_policy.name, "seed": seed, "micro_batches": micro_batches}
    for part, optimizer in model.optimizers.items():
        prefix = f"{part} " if part else ""
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        values[f"{prefix}optimizer"] = keras.saving.get_registered_name(type(optimizer))
        settings = {k: v for k, v in _config(optimizer).items() if k not in FOLLOWS}
        values |= {f"{prefix}{name}": value for name, value in settings.items()}
    return json.loads(json.dumps({name: _short(value) for name, value in values.items()}))


def learning_rates(model):
    """Setting -> the rate that an optimizer has now, which a callback may have changed."""
    rates = {}
    for part, optimizer in model.optimizers.items():
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        name = f"{part} learning_rate" if part else "learning_rate"
        rates[name] = _short(_config(optimizer).get("learning_rate"))
    return rates


def check_same_run(path, record, wanted):
    """Raises UsageError, with both values, unless a checkpoint is of the run that goes on.

    Args:
        path: the checkpoint.
        record: what it holds beside the arrays; older ones say less, and less is compared.
        wanted: the `identity` of the run.
    """
    had = record.get("identity") or {"seed": record.get("seed", wanted["seed"])}
    rates = record.get("learning_rates", {})
    both = [name for name in wanted if name in had]
    other = [n for n in both if had[n] != wanted[n] and rates.get(n, had[n]) != wanted[n]]
    if other:
        before = ", ".join(f"{name}={_shown(had[name])}" for name in other)
        now = ", ".join(f"{name}={_shown(wanted[name])}" for name in other)
        raise UsageError(
            f"the run of {path} has {before}, got {now}: resume with the same settings; or train in"
            " another workdir, from these weights if need be: restore the run with its own"
            " settings and give its model to a new Trainer"
        )


def batch_digest(batch):
    """A checksum of a batch: whether data are those that an epoch began with."""
    digest = hashlib.sha256()
    for name in sorted(batch):
        value = np.ascontiguousarray(keras.ops.convert_to_numpy(batch[name]))
        digest.update(f"{name} {value.shape} {value.dtype}".encode() + value.tobytes())
    return digest.hexdigest()[:16]


def _config(thing):
    try:
        return thing.get_config()
    except (NotImplementedError, TypeError, ValueError):  # of a class that Keras cannot write down
        return {}


def _short(value):
    """A value as JSON has it: long texts by their checksum, what JSON lacks by its type."""
    text = json.dumps(value, default=lambda other: type(other).__name__, sort_keys=True)
    if len(text) > 10 * LONGEST:
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    return json.loads(text)


def _shown(value):
    text = f"{value:.6g}" if isinstance(value, float) else json.dumps(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
