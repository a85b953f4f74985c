"""Models by name: architectures of the registry, and presets with their weights.

    model = zoo.get("vae", latent_dim=2)                   # an architecture with initial weights
    model = zoo.get("vae.snowflakes", pretrained=True)     # a preset: checked and ready to use
    encoder = zoo.load_block("vae.snowflakes", "encoder")  # a part, for use in another model

Importing this module, `names` and `info` do not need TensorFlow.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import presets, registry
from zoo.errors import UnknownNameError
from zoo.log import log_message

if TYPE_CHECKING:
    import keras

    from zoo.finetuning.weight_transfer import TransferReport
    from zoo.model import Model


def get(
    name: str, *, pretrained: bool = False, cache: str | Path | None = None, **config: Any
) -> Model:
    """Builds the architecture `name`: the paper's settings, overridden by `config`.

    Args:
        name: a registered name, see `names()`; or a preset, see `zoo.presets.load`.
        pretrained: load the preset's weights, after checking their hash. If `config` changes
            weights, those that fit are loaded, those that can be adapted are adapted, and a message
            lists those that keep their initial values; see `zoo.transfer_weights`.
        cache: folder for downloaded presets; default ZOO_CACHE or ~/.cache/zoo.
        **config: constructor arguments of the model, see `info(name)`; also `dtype` (a Keras
            dtype policy such as "mixed_bfloat16").

    Raises:
        UnknownNameError: no such model, or no such argument.
        UsageError: a value that the model does not accept.
        PresetError: a preset that is damaged, too new, or cannot be fetched.
    """
    if not pretrained and registry.is_model_name(name):
        return registry.build(name, **config)
    preset = presets.load(name, cache)
    model = preset.build(config)
    if not pretrained:
        return model
    if set(config) <= {"dtype", "name"}:
        return presets.load_weights(preset, model)
    report = transfer_weights(model, presets.load_weights(preset, preset.build()))
    if report.adapted or report.missing:
        log_message(f"{name}, {report}")
    return model


def names(pattern: str = "*", pretrained: bool = False) -> list[str]:
    """Sorted names of all models that match a wildcard pattern, as in `names("*vae*")`.

    Args:
        pattern: wildcards as in `fnmatch`.
        pretrained: list the presets of this package instead, such as `vae.snowflakes`.
    """
    return presets.names(pattern) if pretrained else registry.names(pattern)


def info(name: str) -> dict[str, Any]:
    """Describes a model or a preset without importing TensorFlow.

    Returns:
        For a model, the dict of `zoo.registry.info`; for a preset, that of `zoo.presets.info`.

    Raises:
        UnknownNameError: there is no such model or preset.
    """
    return registry.info(name) if registry.is_model_name(name) else presets.info(name)


def load_block(reference: str, path: str, cache: str | Path | None = None) -> keras.layers.Layer:
    """A part of a preset with its weights, for use in any Keras model.

    Args:
        reference, cache: as in `zoo.presets.load`.
        path: path of a layer as in `zoo.inspection.layers`: "encoder", "decoder/0".

    Raises:
        UnknownNameError: no such preset, or no layer with that path.
        PresetError: as in `zoo.presets.load`.
    """
    from zoo import inspection

    layers = dict(inspection.layers(get(reference, pretrained=True, cache=cache)))
    if path not in layers:
        raise UnknownNameError(f"block of {reference}", path, layers)
    return layers[path]


def transfer_weights(
    target: keras.layers.Layer, source: keras.layers.Layer | str
) -> TransferReport:
    """Loads the weights of another model or of a preset where they fit or can be adapted.

    See `zoo.finetuning.weight_transfer.transfer_weights` for the rules.

    Args:
        target: a built model or layer.
        source: another one, or the reference of a preset.

    Returns:
        A `TransferReport`: loaded, adapted, missing and unexpected weights.

    Raises:
        UsageError: not a single weight could be used.
    """
    from zoo.finetuning import weight_transfer

    if isinstance(source, str):
        source = get(source, pretrained=True)
    return weight_transfer.transfer_weights(target, source)
