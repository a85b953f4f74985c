"""Records with today's names."""

import json
import re
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import finetuning
from benchmarks.migrate import tables
from zoo import recipes
from zoo.presets import format_1
from zoo.recipes import records

PROSE = ("title", "limitations", "references")  # of a recipe: taken from today's


def migrate_records(old: Path, new: Path, digests: dict[str, str]) -> None:
    """Writes the records of one folder to another, with today's names.

    Args:
        old, new: the folders.
        digests: digests of presets, before -> after.
    """
    for path in sorted(old.glob("*.json")):
        record = json.loads(path.read_text())
        values = read_values(path.with_suffix(".npz"))
        migrated = rename(record, record["kind"])
        if migrated["kind"] == "reproduction":
            migrated, names = migrate_reproduction(record, migrated)
            values = format_1.rename_keys(values, names)
        if migrated["kind"] == "finetuning":
            case, source = finetuning.CASES[migrated["name"]], migrated["source"]
            source["digest"] = digests.get(source["digest"], source["digest"])
            migrated["protocol"] = case.protocol.format(**migrated["settings"])
            migrated["metric"]["name"] = case.metric
        del migrated["digest"]
        migrated.pop("values", None)
        target = new / tables.FILES.get(path.name, path.name)
        records.write(target, migrated, values)
        if target.name != path.name:
            (new / path.name).unlink(missing_ok=True)


def migrate_reproduction(
    old: dict[str, Any], migrated: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """(record of a recipe by today's names, {old metric: new metric}).

    Args:
        old: the record before.
        migrated: with the names of the tables.
    """
    recipe = recipes.get(migrated["name"])
    specs = recipe.metric_specs(migrated["budget"])
    if len(specs) != len(old["metrics"]):
        raise SystemExit(f"{old['name']} has {len(old['metrics'])} metrics, expected {len(specs)}")
    names, entries = {}, {}
    for (key, entry), spec in zip(migrated["metrics"].items(), specs, strict=True):
        names[key] = spec.key
        protocol = protocol_of(recipe, migrated, spec)
        entries[spec.key] = entry | {"unit": spec.metric.unit, "protocol": protocol}
    migrated |= {"protocol": next(iter(entries.values()))["protocol"], "metrics": entries}
    saved, today = migrated["recipe"], json.loads(json.dumps(asdict(recipe)))
    _, saved["config"] = format_1.upgrade_config(old["recipe"]["model"], saved["config"])
    saved |= {"name": recipe.name, "model": recipe.model} | {key: today[key] for key in PROSE}
    for path, value, now in differences(saved, today):
        print(f"{old['name']}: {path} is {value}, in today's recipe {now}")
    return migrated, names


def differences(saved: Any, today: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """[(path, saved value, today's value)] where today's recipe differs from a saved one."""
    if isinstance(saved, dict) and isinstance(today, dict):
        return [
            difference
            for key, value in saved.items()
            for difference in differences(value, today.get(key, "nothing"), f"{path}.{key}")
        ]
    return [] if saved == today else [(path.removeprefix("."), saved, today)]


def protocol_of(recipe: recipes.Recipe, record: dict[str, Any], spec: recipes.MetricSpec) -> str:
    """Today's protocol of a metric, with the data of the record, which may be a file."""
    protocol = recipe.protocol(record["budget"], spec)
    if record["recipe"]["data"] == recipe.data:
        return protocol
    splits = " ".join(["", recipe.splits(record["budget"])[0], "/"])
    return record["protocol"].partition(splits)[0] + protocol.removeprefix(recipe.data)


def rename(value: Any, path: str) -> Any:
    """A JSON value with the keys and texts of the tables.

    Args:
        value: at the path.
        path: the old keys that lead to it, after the kind of the record, joined by dots.
    """
    if isinstance(value, dict):
        return {
            rename_key(key, f"{path}.{key}"): rename(item, f"{path}.{key}")
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [rename(item, f"{path}.{k}") for k, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    for pattern, values in tables.VALUES.items():
        if matches(path, pattern):
            value = values.get(value, value)
    return substitute(value, tables.TEXTS)


def rename_key(key: str, path: str) -> str:
    new = next((name for pattern, name in tables.KEYS.items() if matches(path, pattern)), key)
    return substitute(new, tables.TEXTS)


def matches(path: str, pattern: str) -> bool:
    """Whether a path, whose first part is an old kind, matches a pattern with a new one."""
    kind, dot, rest = path.partition(".")
    return fnmatchcase(f"{tables.KINDS.get(kind, kind)}{dot}{rest}", pattern)


def substitute(text: str, pairs: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in pairs:
        text = re.sub(pattern, replacement, text)
    return text


def read_values(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file; none without the file."""
    if not path.exists():
        return {}
    with np.load(path) as arrays:
        return dict(arrays)
