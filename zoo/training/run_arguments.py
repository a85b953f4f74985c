"""The constructor arguments of a model: their defaults, as JSON, and those that the data decide."""

import ast
from typing import TYPE_CHECKING, Any

from zoo import registry
from zoo.errors import UsageError, shorten

if TYPE_CHECKING:
    from zoo.model import Model


def default_arguments(name: str) -> dict[str, Any]:
    """Argument -> default of a model, None where it is not a literal; needs no TensorFlow."""
    sources = registry.info(name)["arguments"]
    values = {key: parse_literal(text) for key, text in sources.items()}
    return {key: None if values[key] == sources[key] else values[key] for key in sources}


def parse_literal(text: str) -> Any:
    """A Python literal, or the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def model_name(model: "Model") -> str:
    """The name that the class of a model is registered with."""
    import keras

    return keras.saving.get_registered_name(type(model)).rpartition(">")[2]


def to_jsonable_arguments(model: "Model") -> dict[str, Any] | None:
    """The constructor arguments of a model as JSON values; None if it cannot be built from them."""
    try:
        config = model.get_config()
    except (NotImplementedError, TypeError, ValueError):  # a class that Keras cannot serialize
        return None
    names = registry.arguments(type(model))
    return {key: config[key] for key in names} if names.keys() <= config.keys() else None


def infer_from_data(
    name: str, config: dict[str, Any], data: Any, trained: bool = False
) -> dict[str, Any]:
    """Adds the arguments that follow from the data to the arguments of a model.

    Args:
        name: name of the model.
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
