"""Arguments of models, and objects in them, that were renamed or removed.

Files keep the old names: presets, .keras files and the `config.json` of runs are translated when
they are read (`translate`). In code an old name is an error that gives the current name.
"""

from typing import Any

from zoo.errors import UsageError


class FormerArgumentError(UsageError):
    """An argument that the model no longer has; the message has what to use instead."""


# Former model -> (former argument, the model to use now if that argument is not 0 or None).
MODELS: dict[str, tuple[str, str]] = {"dcgan": ("components", "deligan")}

# Model -> {former argument: current name}. None: the argument was dropped; its value in a file must
# be 0, None, False or empty.
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

# Dropped argument -> what to use instead.
INSTEAD = {
    "components": (
        "a mixture of Gaussians as noise is now a separate model: use deligan with num_components"
    ),
}

# Registered name of an object among the arguments -> {former argument: current name}.
OBJECT_ARGUMENTS: dict[str, dict[str, str]] = {"blocks>FreeBits": {"kl": "kl_estimator"}}

# Former -> current name of a serialized object: its module, class name or registered name.
OBJECT_NAMES: dict[str, str] = {
    "Caffe": "CaffePreprocessing",
    "blocks>Caffe": "blocks>CaffePreprocessing",
}

# Bounds of VAEs that were objects with their number of samples -> their name.
BOUNDS = {"blocks>IWAE": "iwae", "blocks>DReG": "dreg"}
BOUND_SAMPLES = 5  # of the named ones, before `num_samples` was an argument


def translate(model: str, config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A model and its arguments by their current names.

    Args:
        model: the name in a file.
        config: the arguments in that file, as JSON values; other keys are kept.

    Raises FormerArgumentError: a removed argument is not 0, None, False or empty.
    """
    argument, successor = MODELS.get(model, ("", model))
    model = successor if argument and config.get(argument) else model
    names = ARGUMENTS.get(model, {})
    translated = {}
    for key, value in config.items():
        name = names.get(key, key)
        if name is not None:
            translated[name] = _translate_objects(value)
        elif value:
            raise FormerArgumentError(_message(model, key, f"{key}={str(value)[:60]}"))
    return model, _translate_bound(translated)


def has_no_effect(model: str, key: str, value: Any) -> bool:
    """Whether a removed argument of `model` had no effect with this value."""
    return ARGUMENTS.get(model, {}).get(key, key) is None and not value


def error(model: str, key: str) -> FormerArgumentError | None:
    """The error of a former argument in code; None if `model` has never had it."""
    is_former = key in ARGUMENTS.get(model, {})
    return FormerArgumentError(_message(model, key, key)) if is_former else None


def rename_keys(items: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """A dict in the same order, its keys renamed by a table."""
    return {names.get(key, key): value for key, value in items.items()}


def _message(model: str, key: str, written: str) -> str:
    """What to use instead of a former argument, which the message shows as it was written."""
    new = ARGUMENTS[model][key]
    advice = f"it is called {new} now" if new else INSTEAD[key]
    return f"{model} no longer has the argument {written}: {advice}"


def _translate_bound(config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a VAE with the number of samples beside the name of its bound."""
    bound = config.get("bound")
    if "num_samples" in config:
        return config
    if bound in ("iwae", "dreg"):
        return config | {"num_samples": BOUND_SAMPLES}
    if not isinstance(bound, dict) or bound.get("registered_name") not in [*BOUNDS]:
        return config
    samples = bound.get("config", {}).get("samples", BOUND_SAMPLES)
    name = "stl" if samples == 1 else BOUNDS[bound["registered_name"]]
    return config | {"bound": name, "num_samples": samples}


def _translate_objects(value: Any) -> Any:
    """Serialized objects, at any depth, by their current names."""
    if isinstance(value, list):
        return [_translate_objects(item) for item in value]
    if not isinstance(value, dict):
        return value
    value = {key: _translate_objects(item) for key, item in value.items()}
    registered = value.get("registered_name")
    arguments = value.get("config")
    if isinstance(registered, str) and isinstance(arguments, dict):
        value["config"] = rename_keys(arguments, OBJECT_ARGUMENTS.get(registered, {}))
    for key in ("module", "class_name", "registered_name"):
        if isinstance(value.get(key), str):
            value[key] = OBJECT_NAMES.get(value[key], value[key])
    return value
