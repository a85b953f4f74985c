"""What the configuration of a stranger's model may ask Keras to make; looked at before Keras is.

Only layers, initializers and the like, of Keras or registered by whoever wrote the model's code;
no address and, in a preset, no path of a file; no size that the weights do not bear out.
"""

import copy
import json
import math
import re

from zoo.errors import PresetError, UnknownNameError

DEEPEST = 40  # levels of nesting
MOST_OBJECTS = 4096
SMALL = 2**20  # integers up to this do no harm, however few parameters there are
MOST_LAYERS = 512
LAYERS = ("layers", "couplings", "repeats", "blocks", "depth")  # endings of numbers of layers
LONGEST_LIST = 256  # of numbers, as filters
LARGEST_IMAGE = 2**22  # pixels times channels, where the parameters are fewer
OWN = ("zoo", "blocks")
MODULES = (
    "activations",
    "constraints",
    "initializers",
    "layers",
    "losses",
    "optimizers.schedules",
    "regularizers",
)
NETWORKS = re.compile(  # module and class, as Keras writes precisions and networks
    r"keras (DTypePolicy|Sequential)|keras\.\w+\.models\.functional Functional"
)
READERS = (  # layers that read files or run code of their own
    "FlaxLayer",
    "IntegerLookup",
    "JaxLayer",
    "Lambda",
    "StringLookup",
    "TFSMLayer",
    "TextVectorization",
    "TorchModuleWrapper",
)
MAKERS = ("deserialize", "get", "serialize")  # functions that are no activation and no loss
VALUES = ("__bytes__", "__ellipsis__", "__keras_tensor__", "__numpy__", "__slice__", "__tensor__")
NUMBERS = ("bool", "float16", "float32", "float64", "int32", "int64", "uint8", "uint32", "bfloat16")
FILES = (".h5", ".hdf5", ".json", ".keras", ".npy", ".npz", ".pb", ".pkl", ".tflite", ".txt")


def from_json(raw):
    """What JSON text holds; ValueError for NaN and infinities, which JSON does not have."""

    def refuse(constant):
        raise ValueError(f"{constant} is not JSON")

    return json.loads(raw, parse_constant=refuse)


def deserialized(config):
    """The arguments of a configuration that was checked, as objects."""
    import keras

    return keras.saving.deserialize_keras_object(copy.deepcopy(config))  # Keras takes it apart


def check(config, model, arguments, parameters, where):
    """Raises PresetError unless a preset's configuration is one that may be built.

    Args:
        config: constructor arguments as JSON.
        model: its registered name.
        arguments: those that the model's class has: name -> Parameter.
        parameters: how many the weights file has.
        where: for the errors.
    """
    for key, value in config.items():
        if key not in arguments:
            raise PresetError(
                f"{where}: {UnknownNameError(f'argument of {model}', key, arguments)}"
            )
        check_size(key, value, parameters, where)
    check_objects(config, where)


def check_size(key, value, parameters, where):
    """Raises PresetError if numbers of an argument are out of proportion to the weights."""
    numbers = value if isinstance(value, list) else [value]
    sizes = [abs(n) for n in numbers if type(n) is int]
    most = MOST_LAYERS if key.endswith(LAYERS) else max(parameters, SMALL)
    wide = key == "image_shape" and math.prod(sizes) > max(parameters, LARGEST_IMAGE)
    if wide or len(sizes) > LONGEST_LIST or max(sizes, default=0) > most:
        raise PresetError(
            f"{where} has {key}={value!r:.60}, out of proportion to its {parameters:,} parameters"
        )


def check_objects(config, where, files=False):
    """Raises PresetError if a configuration asks for what it may not.

    Args:
        config: JSON.
        where: for the errors.
        files: whether it may name files of this machine, as a .keras file of one's own does.
    """
    waiting, objects = [("", config, 0)], 0
    while waiting:
        key, value, depth = waiting.pop()
        if isinstance(value, str):
            check_text(key, value, where, files)
        if not isinstance(value, dict | list):
            continue
        if isinstance(value, dict) and "class_name" in value and "config" in value:
            objects += 1
            if not allowed(value):
                named = [value.get(k) for k in ("module", "class_name", "registered_name")]
                named += [value["config"]] if value["class_name"] == "function" else []
                raise PresetError(
                    f"the configuration in {where} is unusable: it asks for {str(named)[:120]},"
                    " which is no layer, initializer, loss or the like of Keras or of the model's"
                    " package"
                )
        if depth > DEEPEST or objects > MOST_OBJECTS:
            raise PresetError(f"the configuration in {where} is unusable: it has too many parts")
        items = value.items() if isinstance(value, dict) else ((key, item) for item in value)
        waiting += [(name, item, depth + 1) for name, item in items]


def check_text(key, text, where, files):
    """Raises PresetError for an address, a path, or the name of what must not be called."""
    import keras

    if key.endswith("vocabulary") and text.startswith("{"):
        return  # whatever words there are
    path = text.startswith(("/", "\\", "~", ".")) or text.lower().endswith(FILES)
    if "://" in text or (path and not files):
        kind = "a path" if path else "an address"
        raise PresetError(f"{where} has {key[:40]}={text!r:.60}: {kind} has no place there")
    there = keras.saving.get_registered_object(text)  # Keras takes it for the object
    if there is not None and not is_ours(there):
        raise PresetError(f"{where} has {key[:40]}={text!r:.60}, which belongs to other code")


def allowed(part):
    """Whether a dict that Keras would make an object of is one it may."""
    import keras

    kind, module = part["class_name"], part.get("module")
    if type(kind) is not str:
        return False
    if kind in VALUES:
        facts = part["config"]
        return type(facts) is not dict or facts.get("dtype", "float32") in NUMBERS
    if kind == "function":
        name = part["config"]
        if type(name) is not str:
            return False
        there = keras.saving.get_registered_object(name)
        if there is not None:
            return is_ours(there)
        places = {"keras.activations": keras.activations, "keras.losses": keras.losses}
        named = any(callable(getattr(place, name, None)) for place in places.values())
        return named and name not in MAKERS and module in ("builtins", *places)
    name = part.get("registered_name", kind)
    if type(name) not in (str, type(None)):
        return False
    there = keras.saving.get_registered_object(name)
    if there is not None:
        return is_ours(there)
    if NETWORKS.fullmatch(f"{module} {kind}"):
        return True
    place = keras
    for step in module.split(".")[1:] if type(module) is str else ():
        place = getattr(place, step, None)
    known = module in [f"keras.{name}" for name in MODULES] and kind not in READERS
    return known and isinstance(getattr(place, kind, None), type)


def is_ours(there):
    """Whether registered code is the zoo's, a plug-in's, or a class that Keras makes by design."""
    import keras

    from zoo import registry

    if there.__module__.partition(".")[0] in {*OWN, *registry.packages()}:
        return True
    bases = (
        keras.layers.Layer,
        keras.initializers.Initializer,
        keras.losses.Loss,
        keras.optimizers.schedules.LearningRateSchedule,
    )
    return isinstance(there, type) and issubclass(there, bases)
