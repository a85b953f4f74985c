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

from zoo.errors import PresetError

FIELDS = {"stored": "dtype", "golden": "golden_outputs"}  # of config.json

# Old model -> (old argument, new model): the new model where the argument is not 0 or None.
MODELS: dict[str, tuple[str, str]] = {"dcgan": ("components", "deligan")}

# New model -> {old argument: new}; "*" is for all models. With None in place of the new name, the
# argument is dropped; it must be 0, None, False or empty.
_GAN: dict[str, str | None] = {
    "matching": "feature_matching_weight",
    "finest": "full_size_filters",
    "components": None,
}
_VAE = {"units": "dense_units", "head": "output_distribution", "kl": "kl_estimator"}
_TRANSLATOR = {"tied": "tie_embeddings", "own_words": "scheduled_sampling"}
ARGUMENTS: dict[str, dict[str, str | None]] = {
    "captioning": {"tied": "tie_embeddings", "doubly_stochastic": "doubly_stochastic_weight"},
    "conditional_dcgan": {"classes": "num_classes", **_GAN},
    "dcgan": {**_GAN},
    "deligan": {**_GAN, "components": "num_components"},
    "flow_vae": {"couplings": "num_couplings", **_VAE},
    "instance_dcgan": {
        "features": "num_features",
        "spread": "feature_noise_std",
        "instances": "num_instances",
        **_GAN,
    },
    "mixture_vae": {"components": "num_components", **_VAE},
    "mmd_vae": {**_VAE},
    "seq2seq": {"alignment": "attention", "order": "attention_order", **_TRANSLATOR},
    "simple_dot": {
        "users": "num_users",
        "items": "num_items",
        "penalty": "l2_weight",
        "scale": "rating_range",
    },
    "style_transfer": {
        "features": "feature_network",
        "variation_weight": "total_variation_weight",
    },
    "transformer": {
        "units": "hidden_dim",
        "hidden_units": "intermediate_dim",
        "encoder_layers": "num_encoder_layers",
        "decoder_layers": "num_decoder_layers",
        **_TRANSLATOR,
    },
    "vae": {**_VAE},
    "vamp_vae": {"components": "num_pseudo_inputs", **_VAE},
}

# New argument -> {old value: new value}.
VALUES: dict[str, dict[str, str]] = {}

# Registered name of an object among the arguments -> {old argument: new}.
OBJECT_ARGUMENTS: dict[str, dict[str, str]] = {}

# Old -> new name of a serialized object: its module, class name or registered name.
OBJECT_NAMES: dict[str, str] = {}

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
    """A config.json of format 1 or 2 with today's names; `format` and `digest` stay.

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
    """The new name of a model, and its arguments by their new names."""
    argument, other = MODELS.get(model, ("", model))
    model = other if argument and config.get(argument) else model
    names = ARGUMENTS.get("*", {}) | ARGUMENTS.get(model, {})
    upgraded = {}
    for key, value in config.items():
        name = names.get(key, key)
        if name is not None:
            upgraded[name] = _upgrade_value(name, value)
        elif value:
            raise PresetError(f"{model} no longer has the argument {key}={str(value)[:60]}")
    return model, upgraded


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


def rename_keys(items: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """A dict in the same order, its keys renamed by a table."""
    return {names.get(key, key): value for key, value in items.items()}


def _upgrade_value(name: str, value: Any) -> Any:
    """The value of an argument with the names of today."""
    if isinstance(value, str) and name.endswith("vocabulary") and value.startswith("{"):
        return _upgrade_vocabulary(value)
    if isinstance(value, str):
        return VALUES.get(name, {}).get(value, value)
    return _upgrade_objects(value)


def _upgrade_vocabulary(text: str) -> str:
    try:
        vocabulary = rename_keys(json.loads(text), VOCABULARY_KEYS)
        kind = vocabulary["kind"]
        return json.dumps(vocabulary | {"kind": VOCABULARY_KINDS.get(kind, kind)})
    except (AttributeError, KeyError, TypeError, ValueError):
        return text  # not a vocabulary: the model refuses it


def _upgrade_objects(value: Any) -> Any:
    """Serialized objects, at any depth, by their new names."""
    if isinstance(value, list):
        return [_upgrade_objects(item) for item in value]
    if not isinstance(value, dict):
        return value
    value = {key: _upgrade_objects(item) for key, item in value.items()}
    registered = value.get("registered_name")
    arguments = value.get("config")
    if isinstance(registered, str) and isinstance(arguments, dict):
        value["config"] = rename_keys(arguments, OBJECT_ARGUMENTS.get(registered, {}))
    for key in ("module", "class_name", "registered_name"):
        if isinstance(value.get(key), str):
            value[key] = OBJECT_NAMES.get(value[key], value[key])
    return value
