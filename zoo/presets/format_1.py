"""Presets of format 1: tables of their old names, and the translation to those of format 2.

Format 1 had vocabularies inside config.json, and other names of fields, models, arguments, values,
metrics and layers. A folder of format 1 is first checked as it is, its digest over the old names;
then `upgrade` and `weight_renamer` translate it in memory. Its files are not changed. `upgrade`
also translates the arguments of models that were split later, in presets of format 2.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from zoo import former_arguments
from zoo.errors import PresetError, UsageError
from zoo.former_arguments import rename_keys

FIELDS = {"stored": "dtype", "golden": "golden_outputs"}  # of config.json

# New argument -> {old value: new value}.
VALUES: dict[str, dict[str, str]] = {}

# Old -> new keys of a vocabulary, and old -> new values of its `kind`.
VOCABULARY_KEYS: dict[str, str] = {}
VOCABULARY_KINDS: dict[str, str] = {}

# Old -> new metrics in the golden outputs.
METRICS: dict[str, str] = {
    "uneven": "doubly_stochastic_penalty",
    "variation": "total_variation",
}

# New model -> ((pattern, replacement), ...) of paths in its weights file, such as
# "decoder/cell/attention/vars/0"; applied one after the other by `re.sub`. "*" is for all models.
WEIGHTS: dict[str, tuple[tuple[str, str], ...]] = {
    "*": (
        (r"(transformer_(?:en|de)coder_layer(?:_\d+)?)/own(_norm)?/", r"\1/self_attention\2/"),
        (r"(transformer_decoder_layer(?:_\d+)?)/cross(_norm)?/", r"\1/cross_attention\2/"),
        (r"(transformer_(?:en|de)coder_layer(?:_\d+)?)/feed(_norm)?/", r"\1/feed_forward\2/"),
        (r"cell/mix/", "cell/attention_layer/"),
        (r"(upsample(?:_\d+)?/layers)/(?:thin_)?conv2d_transpose/", r"\1/fast_conv2d_transpose/"),
    ),
    "captioning": (
        (r"^annotate/", "image_encoder/"),
        (r"^layers/dense/", "initial_state_layers/dense/"),
    ),
    "simple_dot": ((r"^item_points/", "item_embedding/"),),
}

# (new model, new argument, its value) -> further patterns of models that have this value.
CONDITIONAL_WEIGHTS: dict[tuple[str, str, str], tuple[tuple[str, str], ...]] = {
    ("captioning", "cell", "lstm"): ((r"^layers/dense_1/", "initial_state_layers/dense_1/"),),
}


def upgrade(record: dict[str, Any]) -> dict[str, Any]:
    """A config.json of format 1 or 2 with the current names; `format` and `digest` are kept.

    Args:
        record: its content, whose digest was checked. Its fields may be of any type; what cannot
            be translated is left for `preset_record.check_fields` to refuse.

    Raises PresetError if an argument has a value that no model takes any more.
    """
    record = rename_keys(record, FIELDS)
    model = record.get("model")
    config = record.get("config")
    if isinstance(model, str) and isinstance(config, dict):
        try:
            model, config = upgrade_config(model, config)
        except RecursionError as error:
            raise PresetError("its configuration has too many parts") from error
        record |= {"model": model, "config": config}
    golden = record.get("golden_outputs")
    if isinstance(golden, dict):
        record["golden_outputs"] = rename_keys(golden, METRICS)
    return record


def upgrade_config(model: str, config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The new name of a model, and its arguments by their new names; raises PresetError."""
    try:
        model, config = former_arguments.translate(model, config)
    except UsageError as error:
        raise PresetError(str(error)) from error
    return model, {name: _upgrade_value(name, value) for name, value in config.items()}


def weight_renamer(record: dict[str, Any]) -> Callable[[str], str] | None:
    """The function from a path in a preset's weights file to that in today's model.

    Args:
        record: the upgraded content of its config.json.

    Returns None if the paths have not changed.
    """
    patterns = WEIGHTS.get("*", ()) + WEIGHTS.get(record["model"], ())
    for (model, argument, value), more in CONDITIONAL_WEIGHTS.items():
        if record["model"] == model and record["config"].get(argument) == value:
            patterns += more
    if record["format"] != 1 or not patterns:
        return None

    def rename(path: str) -> str:
        for pattern, replacement in patterns:
            path = re.sub(pattern, replacement, path)
        return path

    return rename


def _upgrade_value(name: str, value: Any) -> Any:
    """The value of an argument with the current names."""
    if isinstance(value, str) and name.endswith("vocabulary") and value.startswith("{"):
        return _upgrade_vocabulary(value)
    if isinstance(value, str):
        return VALUES.get(name, {}).get(value, value)
    return value


def _upgrade_vocabulary(text: str) -> str:
    try:
        vocabulary = rename_keys(json.loads(text), VOCABULARY_KEYS)
        kind = vocabulary["kind"]
        return json.dumps(vocabulary | {"kind": VOCABULARY_KINDS.get(kind, kind)})
    except (AttributeError, KeyError, TypeError, ValueError):
        return text  # not a vocabulary: the model refuses it
