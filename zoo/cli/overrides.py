"""A model's arguments: from `--set key=value`, checked without TensorFlow, and from the data."""

import ast
import math
from collections.abc import Iterable
from typing import Any

from zoo import registry
from zoo.errors import UsageError, shorten

TYPE_NAMES = {  # type -> (one value, several values)
    int: ("an integer", "integers"),
    float: ("a number", "numbers"),
    str: ("a name", "names"),
    bool: ("True or False", "True or False"),
}


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
        data: a data set of the model's `load_data`.
        trained: whether these are the arguments of a trained model; then counts, such as
            `num_classes`, may be lower in the data than in the model.

    Raises UsageError.
    """
    cls = registry.get_class(name)
    inferred = cls.arguments_from_data(data)
    for key, value in inferred.items():
        requested = config.get(key, value)
        requested = tuple(requested) if isinstance(requested, list) else requested
        if trained and key.startswith("num_") and value < requested:
            inferred[key] = requested
        elif requested != value and key in cls.fitted_arguments:
            options = ", ".join(f"--{name.replace('_', '-')}" for name in cls.data_options)
            raise UsageError(
                f"{key} is computed from {data.name}, got {shorten(requested)}: leave it out; these"
                f" options decide it: {options}"
            )
        elif requested != value:
            actual = f"{cls.data_kind} with {key}={shorten(value)}"
            raise UsageError(_contradiction_message(name, key, requested, data, actual, trained))
    return {**config, **inferred}


def _contradiction_message(
    name: str, key: str, requested: Any, data: Any, actual: str, trained: bool
) -> str:
    """The message for an argument of a model that contradicts the data."""
    if trained:
        return (
            f"{name} was trained with {key}={shorten(requested)}, but {data.name} has {actual}:"
            " convert the data to the form of the training data"
        )
    return (
        f"--set {key}={shorten(requested)} contradicts {data.name}, which has {actual}: leave {key}"
        " out"
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
