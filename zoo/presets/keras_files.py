"""Models in .keras files, which are checked before Keras reads them."""

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import former_arguments, registry
from zoo.errors import UsageError, one_line
from zoo.presets import building, configuration, weights

if TYPE_CHECKING:
    from zoo.model import Model

MAX_EXPANSION = 20  # uncompressed bytes per compressed byte of an archive's file


def load(file: Path) -> "Model":
    """The model in a .keras file, not compiled; raises UsageError if it is invalid or unsafe.

    The objects that its configuration names and its weights file are checked before Keras reads it.
    """
    import keras

    for name in registry.names():
        registry.get_class(name)  # Keras finds classes that are imported
    try:
        with zipfile.ZipFile(file) as archive:
            config = configuration.parse_json(_read_member(archive, "config.json"))
            raw = _read_member(archive, weights.FILE)
        _, arguments = former_arguments.translate(_model_name(config), config["config"])
        checked = {**config, "config": arguments, "compile_config": None}
        configuration.check_objects(checked, file, files=True)
        weights.check_file(raw)
        with building.limited_variables(len(raw)):
            return keras.models.load_model(file, compile=False)
    except Exception as error:  # zip, JSON, HDF5 and Keras raise many types
        raise UsageError(f"{file} cannot be read as a Keras model: {one_line(error)}") from error


def _model_name(config: dict[str, Any]) -> str:
    """The registered name of a serialized model of the zoo; Keras translates no other."""
    return str(config.get("registered_name")).removeprefix("zoo>")


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of a file in an archive; raises ValueError if they are many more than it stores."""
    info = archive.getinfo(name)  # Keras does not compress
    if info.file_size > MAX_EXPANSION * info.compress_size:
        raise ValueError(f"its {name} unpacks {info.compress_size:,} bytes to {info.file_size:,}")
    return archive.read(name)
