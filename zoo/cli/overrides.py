"""A model's arguments: from `--set key=value`, checked without TensorFlow, and from the data."""

import ast
import math
from collections.abc import Iterable
from typing import Any

from zoo import registry
from zoo.data.text_config import vocabulary_arguments
from zoo.errors import UsageError, shorten

TYPE_NAMES = {  # type -> (one value, several values)
    int: ("an integer", "integers"),
    float: ("a number", "numbers"),
    str: ("a name", "names"),
    bool: ("True or False", "True or False"),
}

VOCABULARY_ARGUMENTS = ("source_vocabulary", "target_vocabulary", "caption_vocabulary")
# Arguments that follow from the data.
INFERRED = ("image_shape", "source_channels", "num_classes", *VOCABULARY_ARGUMENTS)


def parse_overrides(name: str, pairs: Iterable[str]) -> dict[str, Any]:
    """Parses `["latent_dim=16", ...]` into a dict of arguments of the model `name`.

    Values are Python literals; anything else is a string. A value must have the type of the
    argument's default. Raises UsageError.
    """
    defaults = default_arguments(name)
    overrides = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        key = key.strip()
        if not equals:
            pair = shorten(repr(pair))
            raise UsageError(f"--set takes key=value, as in --set latent_dim=16; got {pair}")
        if key in ("dtype", "name"):
            raise UsageError(
                f"--set changes the architecture, not {key!r}; `zoo train` has --precision for that"
            )
        if key not in defaults:
            raise registry.unknown_argument(name, key, defaults)
        value = parse_literal(text.strip())
        if not matches_type(value, defaults[key]):
            expected = f"{type_name(defaults[key])} like {defaults[key]!r}"
            raise UsageError(f"{key} must be {expected}, got {shorten(repr(value))}")
        overrides[key] = value
    return overrides


def default_arguments(name: str) -> dict[str, Any]:
    """Argument -> default of a model, None where it is not a literal; needs no TensorFlow."""
    sources = registry.info(name)["arguments"]
    values = {key: parse_literal(text) for key, text in sources.items()}
    return {key: None if values[key] == sources[key] else values[key] for key in sources}


def infer_from_data(
    name: str, config: dict[str, Any], data: Any, trained: bool = False
) -> dict[str, Any]:
    """Adds the arguments that follow from the data to the arguments of a model.

    Args:
        name: of the model.
        config: its arguments; they must not contradict the data.
        data: a data set of `zoo.data.load`.
        trained: whether these are the arguments of a trained model; then the data may have fewer
            classes than the model.

    Raises UsageError.
    """
    if hasattr(data, "vocabularies"):
        config = config | vocabulary_arguments(config, data)
    shapes = {key: tuple(spec.shape[1:]) for key, spec in data.spec.items() if len(spec.shape) == 4}
    image_shape = next((shapes[k] for k in ("image", "target", "content") if k in shapes), None)
    inferred = {
        "image_shape": image_shape,
        "source_channels": shapes.get("source", (None,))[-1],
        "num_classes": _num_classes(data),
    }
    arguments = registry.arguments(registry.get_class(name))
    inferred = {k: value for k, value in inferred.items() if k in arguments and value is not None}
    for key, value in inferred.items():
        requested = config.get(key, value)
        requested = tuple(requested) if isinstance(requested, list) else requested
        if trained and key == "num_classes" and value < requested:
            inferred[key] = requested
        elif requested != value:
            raise UsageError(_contradiction_message(name, key, requested, value, data, trained))
    return {**config, **inferred}


def _num_classes(data: Any) -> int | None:
    """The number of classes in the labels of data; None without labels."""
    return getattr(data, "num_classes", None)


def _contradiction_message(
    name: str, key: str, requested: Any, value: Any, data: Any, trained: bool
) -> str:
    """The message for an argument of a model that contradicts the data."""
    if key == "num_classes":
        actual = f"has {value} classes"
    else:
        actual = f"has images with {key}={shorten(value)}"
    if trained:
        return (
            f"{name} was trained with {key}={shorten(requested)}, but {data.name} {actual}: convert"
            " the data to the form of the training data"
        )
    return (
        f"--set {key}={shorten(requested)} contradicts {data.name}, which {actual}: leave {key} out"
    )


def parse_literal(text: str) -> Any:
    """A Python literal, or the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def matches_type(value: Any, default: Any) -> bool:
    """Whether a value has the type of a default; a default of None accepts any value."""
    if isinstance(default, list | tuple):
        sequence = isinstance(value, list | tuple)
        return sequence and all(matches_type(item, default[0]) for item in value if default)
    if type(default) is float:
        return type(value) in (int, float) and math.isfinite(value)
    return default is None or type(value) is type(default)


def type_name(default: Any) -> str:
    """The type of a default in words."""
    if isinstance(default, list | tuple):
        items = TYPE_NAMES.get(type(default[0]), ("", "items"))[1] if default else "items"
        return f"a tuple of {items}"
    return TYPE_NAMES.get(type(default), (f"a {type(default).__name__}",))[0]
