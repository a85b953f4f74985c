"""A model's arguments from `--set key=value`, checked without TensorFlow."""

import math
from collections.abc import Iterable
from typing import Any

from zoo import former_arguments, registry
from zoo.errors import UsageError, shorten
from zoo.training.run_arguments import default_arguments, parse_literal

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
                f"--set changes the architecture, not {key!r}; for the dtype, use --precision"
            )
        value = parse_literal(text.strip())
        if former_arguments.has_no_effect(name, key, value):
            continue
        if key not in defaults:
            raise registry.unknown_argument(name, key, defaults)
        if key in overrides:
            raise UsageError(f"--set {key} is given twice: use one of them")
        if not matches_type(value, defaults[key]):
            expected = f"{type_name(defaults[key])} like {defaults[key]!r}"
            raise UsageError(f"{key} must be {expected}, got {shorten(repr(value))}")
        overrides[key] = value
    return overrides


def matches_type(value: Any, default: Any) -> bool:
    """Whether a value has the type of a default; None is accepted; the model checks it."""
    if value is None:
        return True
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
