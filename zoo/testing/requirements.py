"""Properties as functions of a model's name, and the error of a model that lacks one."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from zoo.errors import ZooError


class ConformanceError(ZooError, AssertionError):
    """A model lacks a property that every model has."""


def require(condition: Any, message: str) -> None:
    """Raises ConformanceError with the message unless the condition is true."""
    if not condition:
        raise ConformanceError(message)


def all_properties(*modules: ModuleType) -> dict[str, Callable[[str], None]]:
    """Name -> function of the public functions that are defined in these modules."""
    return {
        name: function
        for module in modules
        for name, function in vars(module).items()
        if callable(function)
        and not name.startswith("_")
        and getattr(function, "__module__", None) == module.__name__
        and not isinstance(function, type)
    }
