"""Comparison of presets and records before and after the migration."""

import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks.migrate import tables
from benchmarks.migrate.preset_files import preset_folders
from benchmarks.migrate.record_files import read_values
from zoo.presets import format_1, preset, quantization, saving, weights
from zoo.recipes import records

PRESETS, RESULTS = Path("zoo/presets"), records.RESULTS


def compare(old: Path, new: Path) -> list[str]:
    """Differences of two folders in numbers, weights or golden outputs; prints changed texts."""
    faults, texts = [], {}
    for path in sorted((old / RESULTS).glob("*.json")):
        target = new / RESULTS / tables.FILES.get(path.name, path.name)
        before, after = json.loads(path.read_text()), dict(records.read(target))
        faults += compare_numbers(path.name, before, after)
        texts |= changed_texts(before, after)
        a, b = read_values(path.with_suffix(".npz")), read_values(target.with_suffix(".npz"))
        same = [x.tobytes() for x in a.values()] == [x.tobytes() for x in b.values()]
        faults += [] if same else [f"{path.name}: the values of single images differ"]
    for folder in preset_folders(old / PRESETS):
        before, after = preset.read(folder), preset.read(new / PRESETS / folder.name)
        faults += compare_presets(before, after)
        texts |= changed_texts(before.card, after.card)
    for before, after in texts.items():
        print(f"- {before}\n+ {after}")
    return faults


def compare_numbers(name: str, before: Any, after: Any) -> list[str]:
    """Faults if two JSON values do not have the same numbers in the same order."""
    old, new = ([repr(x) for x in leaves(v) if not isinstance(x, str)] for v in (before, after))
    if old == new:
        print(f"{name}: {len(new):,} numbers are the same")
        return []
    pairs = [(a, b) for a, b in zip(old, new, strict=False) if a != b][:3]
    return [f"{name}: {len(old)} numbers before, {len(new)} after; first differences {pairs}"]


def changed_texts(before: Any, after: Any) -> dict[str, str]:
    """Text before -> after, of all texts that differ; lines of texts are compared one by one."""
    old, new = ([x for x in leaves(value) if isinstance(x, str)] for value in (before, after))
    if len(old) != len(new):
        print(f"{len(old)} texts before, {len(new)} after: compared up to the shorter")
    return {a: b for a, b in zip(old, new, strict=False) if a != b}


def leaves(value: Any) -> Iterator[Any]:
    """All values in JSON, and lines of texts, in order; digests and checksums left out."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in ("digest", "sha256"):
                yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, str):
        yield from value.splitlines()
    else:
        yield value


def compare_presets(before: preset.Preset, after: preset.Preset) -> list[str]:
    """Faults if two presets do not have the same weights, vocabularies and golden outputs."""
    renamer = format_1.weight_renamer(before.record) or (lambda name: name)
    old, new = stored_arrays(before.weights, renamer), stored_arrays(after.weights, lambda n: n)
    same = {
        "weights": old == new,
        "arguments": before.config() == after.config(),
        "golden outputs": before.record["golden_outputs"] == after.record["golden_outputs"],
        "numbers in the card": card_numbers(before.card) == card_numbers(after.card),
    }
    scales = sum(quantization.is_scale(name, after.record["dtype"]) for name in new)
    print(f"{after.name}: {len(new)} arrays, {scales} of them scales, {after.record['dtype']}")
    return [f"{after.name}: other {what}" for what, equal in same.items() if not equal]


def stored_arrays(raw: bytes, rename: Callable[[str], str]) -> dict[str, tuple]:
    """Path -> (shape, dtype, bytes) of all arrays of a weights file, as stored."""
    with h5py.File(io.BytesIO(raw)) as file:
        return {
            rename(name): (item.shape, str(item.dtype), item[()].tobytes())
            for name, item in weights.datasets(file)
        }


def card_numbers(card: str) -> list[str]:
    """The numbers in the results of a card."""
    return [
        number
        for line in card.splitlines()
        if line.startswith("| ") and line.count("|") == 6
        for number in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", "|".join(line.split("|")[2:4]))
    ]


def build_presets(root: Path) -> list[str]:
    """Faults of presets that do not reproduce their golden outputs with today's code."""
    faults = []
    for folder in preset_folders(root):
        loaded = preset.read(folder)
        model = loaded.build()
        loaded.load_weights(model)
        golden, outputs = loaded.record["golden_outputs"], saving.golden_outputs(model)
        worst = max(
            (np.abs(np.subtract(outputs[key], golden[key])) / np.abs(golden[key]).clip(1e-3)).max()
            if key in outputs
            else np.inf
            for key in {*golden, *outputs}
            if key in golden
        )
        equal = golden.keys() == outputs.keys() and worst < 1e-4
        print(f"{loaded.name}: golden outputs differ by {worst:.1e} at most")
        faults += [] if equal else [f"{loaded.name}: {outputs} instead of {golden}"]
    return faults
