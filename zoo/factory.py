"""Names to models: architectures of the registry, and presets with their weights.

    model = zoo.get("vae", latent_dim=2)                   # an architecture with fresh weights
    model = zoo.get("vae.snowflakes", pretrained=True)     # a preset: checked, ready to use
    encoder = zoo.load_block("vae.snowflakes", "encoder")  # a part, to put into another model

Importing this module, `names` and `info` need no TensorFlow.
"""

from zoo import presets, registry
from zoo.errors import UnknownNameError
from zoo.log import log_message


def get(name, *, pretrained=False, cache=None, **config):
    """The architecture `name` with the paper's settings, overridden by `config`; built.

    Args:
        name: a registered name, see `names()`; or a preset, see `zoo.presets.load`.
        pretrained: with the preset's weights, their hash checked. With arguments in `config` that
            change weights, what fits is loaded, what can be adapted is adapted, and a note says
            what was left fresh; see `zoo.transfer_weights`.
        cache: the folder for presets that are fetched; default ZOO_CACHE or ~/.cache/zoo.
        **config: constructor arguments of the model, see `info(name)`; also `dtype` (a Keras
            dtype policy such as "mixed_bfloat16").

    Raises:
        UnknownNameError: no such model, or no such argument.
        UsageError: a value that the model cannot take.
        PresetError: a preset that is damaged, too new, or cannot be fetched.
    """
    if not pretrained and registry.is_plain(name):
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


def names(pattern="*", pretrained=False):
    """Sorted names of all models that match a wildcard pattern, as in `names("*vae*")`.

    With `pretrained`, those of the presets in this package: `vae.snowflakes`.
    """
    return presets.names(pattern) if pretrained else registry.names(pattern)


def info(name):
    """What there is to know about a model or a preset without importing TensorFlow.

    Returns a dict: of a model, see `zoo.registry.info`; of a preset, see `zoo.presets.info`.

    Raises:
        UnknownNameError: nothing has that name.
    """
    return registry.info(name) if registry.is_plain(name) else presets.info(name)


def load_block(reference, path, cache=None):
    """A block of a preset with its weights, to put into any Keras model.

    Args:
        reference, cache: as in `zoo.presets.load`.
        path: of a layer, as `zoo.inspection.layers` names them: "encoder", "decoder/0".

    Raises what `zoo.presets.load` raises, and UnknownNameError for a block.
    """
    from zoo import inspection

    found = dict(inspection.layers(get(reference, pretrained=True, cache=cache)))
    if path not in found:
        raise UnknownNameError(f"block of {reference}", path, found)
    return found[path]


def transfer_weights(target, source):
    """Gives a model the weights of another, or of a preset; see `weight_transfer.transfer_weights`.

    Args:
        target: a built model or layer.
        source: another, or the reference of a preset, whose model is then the source.

    Returns a `TransferReport`. Raises UsageError if not one weight could be used.
    """
    from zoo.finetuning import weight_transfer

    if isinstance(source, str):
        source = get(source, pretrained=True)
    return weight_transfer.transfer_weights(target, source)
