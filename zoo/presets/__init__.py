"""Presets: trained models by name, from this package, a folder, a hub or a web server.

    model = zoo.get("vae.snowflakes", pretrained=True)     # shipped with the package
    model = zoo.get("presets/mine", pretrained=True)       # a folder that `zoo.save` made
    model = zoo.get("hf://owner/name", pretrained=True)    # on the Hugging Face hub
    encoder = zoo.load_block("vae.snowflakes", "encoder")  # a part, for use in another model

Importing this package, `names` and `info` need no TensorFlow.
"""

import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.presets import download, preset
from zoo.presets.download import shipped_names
from zoo.presets.preset import Preset

if TYPE_CHECKING:
    from zoo.model import Model

__all__ = ["Preset", "info", "load", "names", "save"]


def names(pattern: str = "*") -> list[str]:
    """Sorted names of the presets in this package that match a wildcard pattern."""
    return sorted(fnmatch.filter(shipped_names(), pattern))


def load(reference: str | Path, cache: str | Path | None = None) -> Preset:
    """The `Preset` that a reference names, its files checked against their hashes.

    Args:
        reference: a name of `names()`, a folder, "hf://owner/name" or "hf://owner/name@revision",
            "https://host/folder".
        cache: folder for downloaded presets; default ZOO_CACHE or ~/.cache/zoo.

    Raises UnknownNameError; UsageError for an impossible reference; PresetError for a preset that
    is damaged, incomplete, of a newer version or cannot be downloaded.
    """
    return preset.read(download.locate(str(reference), cache))


def info(reference: str | Path, cache: str | Path | None = None) -> dict[str, Any]:
    """A preset's `name`, `model`, `card` (its text), `license`, and facts about its files."""
    return summary(load(reference, cache))


def summary(preset: Preset) -> dict[str, Any]:
    """`info` of a loaded preset."""
    keys = ("name", "model", "parameters", "dtype", "files", "versions", "digest")
    facts = {key: preset.record[key] for key in keys}
    return facts | {"license": preset.license, "card": preset.card, "folder": str(preset.folder)}


def load_weights(preset: Preset, model: "Model") -> "Model":
    """Loads a preset's weights into `model` and returns it.

    A preset from outside this package must also reproduce its golden outputs. Raises PresetError.
    """
    preset.load_weights(model)
    if preset.folder.parent != download.SHIPPED_FOLDER:
        from zoo.presets import saving

        saving.check_golden_outputs(preset, model)
    return model


def save(
    model: "Model",
    folder: str | Path,
    card: str | dict[str, Any],
    name: str | None = None,
    dtype: str = "float32",
) -> Preset:
    """Saves a trained model as a preset: a folder that `zoo.get` loads, whole or not at all.

    Args:
        model: a registered model with its weights.
        folder: gets config.json, model.weights.h5, card.md and the model's vocabularies; a preset
            there is replaced.
        card: text with a `license` in its header, or a dict of its fields, see `cards.FIELDS`.
        name: name of the preset; default the folder's.
        dtype: dtype of the stored weights: "float32"; "float16" for half the bytes, each weight
            rounded to 11 bits; or "int8" for less than a quarter, each rounded to one of 255
            multiples of a scale of its row or column.

    Returns the `Preset`. Raises UsageError: no license, an unregistered model, a folder that holds
    something else, weights that are not finite or too large for float16.
    """
    from zoo.presets import saving

    return saving.save(model, folder, card, name, dtype)
