"""Checks the configuration of an untrusted model before Keras builds anything from it.

It may contain layers, initializers and similar objects of Keras or of the model's own package. It
must not contain a URL, a path of a file (in a preset), or a size out of proportion to the weights.
"""

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from zoo import registry
from zoo.errors import PresetError

MAX_DEPTH = 40  # levels of nesting
MAX_OBJECTS = 4096
SMALL_INTEGER = 2**20  # integers up to this are harmless, however few the parameters
MAX_LAYERS = 512
LAYER_COUNT_ENDINGS = ("layers", "couplings", "repeats", "blocks", "depth")
MAX_LIST = 256  # length of a list of numbers, such as filters
MAX_IMAGE = 2**22  # pixels times channels, if the parameters are fewer
OWN_PACKAGES = ("zoo", "blocks")
KERAS_MODULES = (
    "activations",
    "constraints",
    "initializers",
    "layers",
    "losses",
    "optimizers.schedules",
    "regularizers",
)
NETWORKS = re.compile(  # "module class" of dtype policies and networks of Keras
    r"keras (DTypePolicy|Sequential)|keras\.\w+\.models\.functional Functional"
)
FORBIDDEN_LAYERS = (  # they read files or run arbitrary code
    "FlaxLayer",
    "IntegerLookup",
    "JaxLayer",
    "Lambda",
    "StringLookup",
    "TFSMLayer",
    "TextVectorization",
    "TorchModuleWrapper",
)
# Functions in keras.activations and keras.losses that are neither.
FORBIDDEN_FUNCTIONS = ("deserialize", "get", "serialize")
KERAS_VALUES = (
    "__bytes__",
    "__ellipsis__",
    "__keras_tensor__",
    "__numpy__",
    "__slice__",
    "__tensor__",
)
DTYPES = ("bool", "float16", "float32", "float64", "int32", "int64", "uint8", "uint32", "bfloat16")
FILE_ENDINGS = (".h5", ".hdf5", ".json", ".keras", ".npy", ".npz", ".pb", ".pkl", ".tflite", ".txt")


def parse_json(raw: str | bytes) -> Any:
    """The value of JSON text; raises ValueError also for NaN and infinities."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    return json.loads(raw, parse_constant=refuse)


def check(
    config: dict[str, Any],
    model: str,
    arguments: Iterable[str],
    parameters: int,
    where: str | Path,
) -> None:
    """Raises PresetError unless a preset's configuration may be built.

    Args:
        config: constructor arguments as JSON.
        model: its registered name.
        arguments: names of the arguments that the model's class has.
        parameters: number of parameters in the weights file.
        where: the preset, for error messages.
    """
    for key, value in config.items():
        if key not in arguments:
            raise PresetError(f"{where}: {registry.unknown_argument(model, key, arguments)}")
        _check_size(key, value, parameters, where)
    check_objects(config, where)


def _check_size(key: str, value: Any, parameters: int, where: Any) -> None:
    """Raises PresetError if numbers in an argument are out of proportion to the weights."""
    numbers = value if isinstance(value, list) else [value]
    sizes = [abs(n) for n in numbers if type(n) is int]
    most = MAX_LAYERS if key.endswith(LAYER_COUNT_ENDINGS) else max(parameters, SMALL_INTEGER)
    wide = key == "image_shape" and math.prod(sizes) > max(parameters, MAX_IMAGE)
    if wide or len(sizes) > MAX_LIST or max(sizes, default=0) > most:
        raise PresetError(
            f"{where} has {key}={value!r:.60}, out of proportion to its {parameters:,} parameters"
        )


def check_objects(config: Any, where: str | Path, files: bool = False) -> None:
    """Raises PresetError if a configuration contains an object, URL or path that is not allowed.

    Args:
        config: JSON.
        where: the preset or file, for error messages.
        files: whether it may contain paths, as local .keras files do.
    """
    registry.import_models(config)
    waiting = [("", config, 0)]
    objects = 0
    while waiting:
        key, value, depth = waiting.pop()
        if isinstance(value, str):
            _check_text(key, value, where, files)
        if not isinstance(value, dict | list):
            continue
        if isinstance(value, dict) and "class_name" in value and "config" in value:
            objects += 1
            if not _is_allowed(value):
                named = [value.get(k) for k in ("module", "class_name", "registered_name")]
                named += [value["config"]] if value["class_name"] == "function" else []
                raise PresetError(
                    f"the configuration in {where} is unusable: it asks for {str(named)[:120]},"
                    " which is not a layer, initializer, loss or similar object of Keras or of the"
                    " model's package"
                )
        if depth > MAX_DEPTH or objects > MAX_OBJECTS:
            raise PresetError(f"the configuration in {where} is unusable: it has too many parts")
        items = value.items() if isinstance(value, dict) else ((key, item) for item in value)
        waiting += [(name, item, depth + 1) for name, item in items]


def _check_text(key: str, text: str, where: Any, files: bool) -> None:
    """Raises PresetError for a URL, a path, or the name of an object of other code."""
    import keras

    if key.endswith("vocabulary") and text.startswith("{"):
        return  # any words are allowed
    path = text.startswith(("/", "\\", "~", ".")) or text.lower().endswith(FILE_ENDINGS)
    if "://" in text or (path and not files):
        kind = "a path" if path else "a URL"
        raise PresetError(f"{where} has {key[:40]}={text!r:.60}: {kind} is not allowed there")
    registered = keras.saving.get_registered_object(text)  # Keras would use the object
    if registered is not None and not _is_trusted(registered):
        raise PresetError(f"{where} has {key[:40]}={text!r:.60}, which belongs to untrusted code")


def _is_allowed(part: dict[str, Any]) -> bool:
    """Whether Keras may make an object of a dict with a `class_name` and a `config`."""
    import keras

    kind = part["class_name"]
    module = part.get("module")
    if type(kind) is not str:
        return False
    if kind in KERAS_VALUES:
        facts = part["config"]
        return type(facts) is not dict or facts.get("dtype", "float32") in DTYPES
    if kind == "function":
        name = part["config"]
        if type(name) is not str:
            return False
        registered = keras.saving.get_registered_object(name)
        if registered is not None:
            return _is_trusted(registered)
        modules = {"keras.activations": keras.activations, "keras.losses": keras.losses}
        exists = any(callable(getattr(module, name, None)) for module in modules.values())
        return exists and name not in FORBIDDEN_FUNCTIONS and module in ("builtins", *modules)
    name = part.get("registered_name", kind)
    if type(name) not in (str, type(None)):
        return False
    registered = keras.saving.get_registered_object(name)
    if registered is not None:
        return _is_trusted(registered)
    if NETWORKS.fullmatch(f"{module} {kind}"):
        return True
    if module not in [f"keras.{name}" for name in KERAS_MODULES] or kind in FORBIDDEN_LAYERS:
        return False
    namespace = keras
    for step in module.split(".")[1:]:
        namespace = getattr(namespace, step, None)
    return isinstance(getattr(namespace, kind, None), type)


def _is_trusted(registered: Any) -> bool:
    """Whether a registered object is the zoo's, a plug-in's, or a kind of class Keras allows."""
    import keras

    from zoo import registry

    if registered.__module__.partition(".")[0] in {*OWN_PACKAGES, *registry.packages()}:
        return True
    bases = (
        keras.layers.Layer,
        keras.initializers.Initializer,
        keras.losses.Loss,
        keras.optimizers.schedules.LearningRateSchedule,
    )
    return isinstance(registered, type) and issubclass(registered, bases)
