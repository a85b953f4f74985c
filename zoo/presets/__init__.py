"""Presets: trained models by name, from this package, a folder, a hub or a web server.

    model = zoo.get("vae.snowflakes", pretrained=True)     # shipped; checked, ready to use
    model = zoo.get("presets/mine", pretrained=True)       # a folder that `zoo.save` made
    model = zoo.get("hf://owner/name", pretrained=True)    # of the Hugging Face hub
    encoder = zoo.load_block("vae.snowflakes", "encoder")  # a part, to put into another model

Importing this package, listing and `info` need no TensorFlow.
"""

import fnmatch

from zoo.presets import download, preset
from zoo.presets.download import shipped
from zoo.presets.preset import Preset

__all__ = ["Preset", "info", "names", "open", "save"]


def names(pattern="*"):
    """Sorted names of the presets in this package that match a wildcard pattern."""
    return sorted(fnmatch.filter(shipped(), pattern))


def open(reference, cache=None):
    """The `Preset` behind a reference, its files checked against their hashes.

    Args:
        reference: a name of `names()`, a folder, "hf://owner/name" or "hf://owner/name@revision",
            "https://host/folder".
        cache: where what was fetched is kept; default ZOO_CACHE or ~/.cache/zoo.

    Raises UnknownNameError, UsageError for what cannot be a reference, PresetError for what is
    damaged, incomplete, of a newer version or cannot be fetched.
    """
    return preset.read(download.locate(str(reference), cache))


def info(reference, cache=None):
    """What there is to know of a preset: `name`, `model`, `card` (its text), facts of its files."""
    return facts(open(reference, cache))


def facts(preset):
    """`info` of a preset that is open."""
    told = ("name", "model", "parameters", "stored", "files", "versions", "digest")
    found = {key: preset.record[key] for key in told}
    return found | {"license": preset.license, "card": preset.card, "folder": str(preset.folder)}


def loaded(preset, model):
    """`model` with the weights of a preset; one from elsewhere must answer as when it was made."""
    preset.load(model)
    if preset.folder.parent != download.SHIPPED:
        from zoo.presets import saving

        saving.check_answers(preset, model)
    return model


def save(model, folder, card, name=None, stored="float32"):
    """Makes a preset of a trained model: a folder that `zoo.get` takes, whole or not at all.

    Args:
        model: a registered model with its weights.
        folder: gets config.json, model.weights.h5 and card.md; a preset there is replaced.
        card: text with a `license` in its header, or a dict of its facts, see `cards.FACTS`.
        name: of the preset; default the folder's.
        stored: "float32"; "float16" for half the bytes, each weight rounded to 11 bits; or "int8"
            for less than a quarter, each rounded to one of 255 steps of its row or column.

    Returns the `Preset`. Raises UsageError: no licence, an unregistered model, a folder that holds
    something else, weights that are not finite or too large for float16.
    """
    from zoo.presets import saving

    return saving.save(model, folder, card, name, stored)
