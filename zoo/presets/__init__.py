"""Presets: trained models by name, from this package, a folder, a hub or a web server.

    model = zoo.get("vae.snowflakes", pretrained=True)     # shipped; checked, ready to use
    model = zoo.get("presets/mine", pretrained=True)       # a folder that `zoo.save` made
    model = zoo.get("hf://owner/name", pretrained=True)    # of the Hugging Face hub
    encoder = zoo.load_block("vae.snowflakes", "encoder")  # a part, to put into another model

Importing this package, listing and `info` need no TensorFlow.
"""

import fnmatch

from zoo.errors import UnknownName
from zoo.presets import folder, sources
from zoo.presets.folder import Preset
from zoo.presets.sources import shipped
from zoo.terminal import note

__all__ = ["Preset", "get", "info", "load_block", "names", "open", "save"]


def names(pattern="*"):
    """Sorted names of the presets in this package that match a wildcard pattern."""
    return sorted(fnmatch.filter(shipped(), pattern))


def open(reference, cache=None):
    """The `Preset` behind a reference, its files checked against their hashes.

    Args:
        reference: a name of `names()`, a folder, "hf://owner/name" or "hf://owner/name@revision",
            "https://host/folder".
        cache: where what was fetched is kept; default ZOO_CACHE or ~/.cache/zoo.

    Raises UnknownName, UsageError for what cannot be a reference, PresetError for what is damaged,
    incomplete, of a newer version or cannot be fetched.
    """
    return folder.read(sources.locate(str(reference), cache))


def info(reference, cache=None):
    """What there is to know of a preset: `name`, `model`, `card` (its text), facts of its files."""
    return facts(open(reference, cache))


def facts(preset):
    """`info` of a preset that is open."""
    told = ("name", "model", "parameters", "stored", "files", "versions", "digest")
    found = {key: preset.record[key] for key in told}
    return found | {"license": preset.license, "card": preset.card, "folder": str(preset.folder)}


def get(reference, pretrained=False, cache=None, **config):
    """The model of a preset, with fresh weights or its own; what `zoo.get` does.

    With arguments in `config` that change weights, what fits is loaded, what can be adapted is
    adapted, and a note says what was left fresh; see `zoo.transfer`.
    """
    preset = open(reference, cache)
    model = preset.build(config)
    if not pretrained:
        return model
    if set(config) <= {"dtype", "name"}:
        return loaded(preset, model)
    from zoo.adapting import transfer

    report = transfer(model, loaded(preset, preset.build()))
    if report.adapted or report.fresh:
        note(f"{reference}, {report}")
    return model


def loaded(preset, model):
    """`model` with the weights of a preset; one from elsewhere must answer as when it was made."""
    preset.load(model)
    if preset.folder.parent != sources.SHIPPED:
        from zoo.presets import making

        making.check_answers(preset, model)
    return model


def load_block(reference, path, cache=None):
    """A block of a preset with its weights, to put into any Keras model.

    Args:
        reference, cache: as in `open`.
        path: of a layer, as `zoo.inspection.layers` names them: "encoder", "decoder/0".

    Raises what `open` raises, and UnknownName for a block.
    """
    from zoo import inspection

    found = dict(inspection.layers(get(reference, pretrained=True, cache=cache)))
    if path not in found:
        raise UnknownName(f"block of {reference}", path, found)
    return found[path]


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
    from zoo.presets import making

    return making.save(model, folder, card, name, stored)
