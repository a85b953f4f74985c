"""The constructor arguments of a model: their defaults, as JSON, and those that the data decide."""

import ast
from typing import TYPE_CHECKING, Any

from zoo import registry
from zoo.data.text_config import vocabulary_arguments
from zoo.errors import UsageError, shorten

if TYPE_CHECKING:
    from zoo.model import Model

VOCABULARY_ARGUMENTS = ("source_vocabulary", "target_vocabulary", "caption_vocabulary")
# Arguments that follow from the data.
INFERRED = ("image_shape", "source_channels", "num_classes", *VOCABULARY_ARGUMENTS)


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


def vocabularies_in(model_config: dict[str, Any]) -> dict[str, Any] | None:
    """The vocabularies in a model's arguments, {"source": ..., "target": ...}; None without any."""
    from zoo import text

    vocabularies = {
        key.removesuffix("_vocabulary"): text.from_json(value)
        for key, value in model_config.items()
        if key in VOCABULARY_ARGUMENTS and isinstance(value, str)
    }
    return vocabularies or None
