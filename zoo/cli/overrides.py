"""A model's arguments: from `--set key=value`, checked without TensorFlow, and from the data."""

import ast
import math

from zoo import registry
from zoo.data.text_config import vocabulary_arguments
from zoo.errors import UnknownName, UsageError, shorten

KINDS = {
    int: ("an integer", "integers"),
    float: ("a number", "numbers"),
    str: ("a name", "names"),
    bool: ("True or False", "True or False"),
}

VOCABULARIES = ("source_vocabulary", "target_vocabulary", "caption_vocabulary")
# Arguments that follow from the data.
FITTED = ("image_shape", "source_channels", "num_classes", *VOCABULARIES)


def overrides(name, pairs):
    """`["latent_dim=16", ...]` as a dict, checked against the arguments of the model `name`.

    Values are Python literals, anything else is a string; a value must be of its default's type.
    """
    known = defaults(name)
    found = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        key = key.strip()
        if not equals:
            got = shorten(repr(pair))
            raise UsageError(f"--set takes key=value, as in --set latent_dim=16; got {got}")
        if key in ("dtype", "name"):
            raise UsageError(
                f"--set changes the architecture, not {key!r}; `zoo train` has --precision for that"
            )
        if key not in known:
            raise UnknownName(f"argument of {name}", key, known)
        found[key] = literal(text.strip())
        if not fits(found[key], known[key]):
            got = shorten(repr(found[key]))
            raise UsageError(f"{key} must be {kind(known[key])} like {known[key]!r}, got {got}")
    return found


def defaults(name):
    """Argument -> default of a model, None where it is no plain value; needs no TensorFlow."""
    written = registry.info(name)["arguments"]
    values = {key: literal(text) for key, text in written.items()}
    return {key: None if values[key] == written[key] else values[key] for key in written}


def fitted(name, config, data, trained=False):
    """`config` with the arguments that `data` decide; it must not contradict them.

    Args:
        trained: whether these are the arguments of a trained model, and `data` may have fewer
            classes than that was trained on.
    """
    if hasattr(data, "vocabularies"):
        config = config | vocabulary_arguments(config, data)
    shapes = {key: tuple(spec.shape[1:]) for key, spec in data.spec.items() if len(spec.shape) == 4}
    image = next((shapes[k] for k in ("image", "target", "content") if k in shapes), None)
    found = {
        "image_shape": image,
        "source_channels": shapes.get("source", (None,))[-1],
        "num_classes": num_classes(data),
    }
    known = registry.arguments(registry.get_class(name))
    found = {key: value for key, value in found.items() if key in known and value is not None}
    for key, value in found.items():
        asked = config.get(key, value)
        asked = tuple(asked) if isinstance(asked, list) else asked
        if trained and key == "num_classes" and value < asked:
            found[key] = asked
        elif asked != value:
            raise UsageError(contradiction(name, key, asked, value, data, trained))
    return {**config, **found}


def num_classes(data):
    """How many classes the labels of data name; None without labels."""
    return getattr(data, "num_classes", None)


def contradiction(name, key, asked, value, data, trained):
    """The message where an argument of a model and its data contradict each other."""
    has = {"num_classes": f"has {value} classes"}.get(
        key, f"has images with {key}={shorten(value)}"
    )
    if trained:
        return (
            f"{name} was trained with {key}={shorten(asked)}, and {data.name} {has}: bring the data"
            " to the form of those that it was trained on"
        )
    return f"--set {key}={shorten(asked)} contradicts {data.name}, which {has}: leave {key} out"


def literal(text):
    """A Python literal, or the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def fits(value, default):
    """Whether a value is of a default's type; None as the default says nothing."""
    if isinstance(default, list | tuple):
        same = isinstance(value, list | tuple)
        return same and all(fits(item, default[0]) for item in value if default)
    if type(default) is float:
        return type(value) in (int, float) and math.isfinite(value)
    return default is None or type(value) is type(default)


def kind(default):
    """A default's type in words."""
    if isinstance(default, list | tuple):
        items = KINDS.get(type(default[0]), ("", "items"))[1] if default else "items"
        return f"a tuple of {items}"
    return KINDS.get(type(default), (f"a {type(default).__name__}",))[0]
