"""Presets of format 2 with today's names."""

import io
import json
import re
from pathlib import Path

import h5py

from zoo import recipes
from zoo.cli.save import note_rounding, recipe_card
from zoo.files import digest, folder_atomically, write_atomically, write_json
from zoo.presets import cards, format_1, preset, preset_record, saving, vocabulary_files, weights
from zoo.recipes import records


def migrate_presets(old: Path, new: Path, results: Path) -> dict[str, str]:
    """Writes the presets of one folder to another, as format 2.

    Args:
        old, new: the folders.
        results: folder of the migrated records.

    Returns {digest before: digest after}.
    """
    digests = {}
    for folder in preset_folders(old):
        before = json.loads((folder / preset.CONFIG).read_text())
        loaded = preset.read(folder)
        raw = rename_weights(loaded)
        config, vocabularies = vocabulary_files.split(loaded.config())
        card = render_card(loaded, raw, results).encode()
        files = {preset.WEIGHTS: raw, preset.CARD: card, **vocabularies}
        record = {key: value for key, value in loaded.record.items() if key != "digest"}
        record |= {"format": preset_record.FORMAT, "config": config}
        record |= {"files": saving.file_facts(files)}
        preset_record.check_fields(record, folder)
        with folder_atomically(new / folder.name) as target:
            for name, content in files.items():
                write_atomically(target / name, lambda file, content=content: file.write(content))
            write_json(target / preset.CONFIG, record | {"digest": digest(record)})
        digests[before["digest"]] = digest(record)
    return digests


def preset_folders(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.glob(f"*/{preset.CONFIG}"))


def rename_weights(loaded: preset.Preset) -> bytes:
    """The weights file of a preset with today's paths; the same bytes if none has changed."""
    renamer = format_1.weight_renamer(loaded.record)
    with h5py.File(io.BytesIO(loaded.weights)) as file:
        old = dict(weights.datasets(file))
        names = {name: renamer(name) if renamer else name for name in old}
        if list(names) == list(names.values()):
            return loaded.weights
        raw = io.BytesIO()
        with h5py.File(raw, "w") as target:
            for name in sorted(old, key=names.get):
                options = {"track_times": False, "compression": old[name].compression}
                target.create_dataset(names[name], data=old[name][()], **options)
    return raw.getvalue()


def render_card(loaded: preset.Preset, raw: bytes, results: Path) -> str:
    """The card of a preset, from its migrated record."""
    name, budget = re.search(r"`zoo reproduce (\S+) --budget (\S+)`", loaded.card).groups()
    record = records.read(results / f"{name}.{budget}.json")
    license = "other" if cards.header(loaded.card)["license"] == "other" else None
    dtype, parameters = loaded.record["dtype"], loaded.record["parameters"]
    card = recipe_card(recipes.get(name), budget, record, license)
    note_rounding(card, dtype)
    facts = saving.weight_facts(parameters, dtype, raw)
    return cards.render(card, loaded.name, loaded.model, facts, shipped=True)
