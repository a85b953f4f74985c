"""The conformance suite: properties of every model, also of those in plug-ins.

    zoo.testing.check("my_model")                 # or: zoo check my_model

A plug-in's test file runs it with one import, for all models of plug-ins or those in `MODELS`:

    from zoo.testing.conformance import *

    MODELS = ["my_model"]

A property is a function of a model's name that raises an error if the model lacks it. The class
defines a small model and its data by `small_config`, `example_batch` and `outputs`; see
`zoo.model.kind`.
"""

from collections.abc import Callable, Iterable

from zoo.errors import UnknownNameError, one_line
from zoo.registry import get_class, names
from zoo.testing import keras_properties, parallel_properties, properties
from zoo.testing.requirements import ConformanceError, all_properties
from zoo.testing.small import (
    forget_models,
    inputs,
    same_bits,
    shared_model,
    shuffled_batches,
    small_model,
    small_trainer,
    two_replicas,
    use_two_devices,
    without_graphs,
)

__all__ = [
    "ConformanceError",
    "PROPERTIES",
    "check",
    "failures",
    "inputs",
    "same_bits",
    "shared_model",
    "shuffled_batches",
    "small_model",
    "small_trainer",
    "two_replicas",
    "use_two_devices",
    "without_graphs",
]

# Name -> function of a model's name.
PROPERTIES: dict[str, Callable[[str], None]] = all_properties(
    properties, keras_properties, parallel_properties
)


def check(name: str, only: Iterable[str] = ()) -> None:
    """Checks all properties of a model.

    Args:
        name: a registered name.
        only: names of the properties to check; default: all of `PROPERTIES`.

    Raises ConformanceError, which lists the properties that the model lacks and why.
    """
    found = failures(name, only)
    if found:
        lines = "".join(f"\n  {key}: {reason}" for key, reason in found.items())
        raise ConformanceError(f"{name} lacks {len(found)} of the properties of a model:{lines}")


def failures(
    name: str, only: Iterable[str] = (), report: Callable[[str], None] = lambda key: None
) -> dict[str, str]:
    """Property -> reason, of the properties that a model lacks.

    Args:
        name: a registered name.
        only: names of the properties to check; default: all.
        report: called with the name of each property before it is checked.

    Raises UnknownNameError: there is no such model or property.
    """
    if name not in names():
        raise UnknownNameError("model", name, names())
    get_class(name)
    forget_models()
    found = {}
    for key in only or PROPERTIES:
        if key not in PROPERTIES:
            raise UnknownNameError("property", key, PROPERTIES)
        report(key)
        try:
            PROPERTIES[key](name)
        except Exception as error:  # a model may fail in any way
            found[key] = f"{type(error).__name__}: {one_line(error)}"
    return found
