"""Comparison and modification of presets, for tests."""

import json

import keras

from zoo.presets import preset, saving
from zoo.recipes.records import digest

CARD = {"license": "apache-2.0", "data": "noise", "title": "A small network that knows nothing"}


def arrays(model):
    return [keras.ops.convert_to_numpy(v) for v in model.weights]


def same(a, b):
    return all(x.tobytes() == y.tobytes() for x, y in zip(arrays(a), arrays(b), strict=True))


def rewrite(place, **changes):
    """Changes a config.json and updates the digest."""
    path = place / preset.CONFIG
    record = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(record | {"digest": digest(record)}))


def replace_file(place, name, raw):
    """Changes another file and updates size and hash."""
    (place / name).write_bytes(raw)
    files = json.loads((place / preset.CONFIG).read_text())["files"]
    rewrite(place, files=files | {name: {"sha256": saving.sha256(raw), "size": len(raw)}})
