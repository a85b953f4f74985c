"""Loads trained models: runs, presets, .keras files, folders made by `zoo reproduce`."""

import contextlib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import factory, registry
from zoo.cli import runs
from zoo.cli.terminal import import_tensorflow
from zoo.cli.train_config import TrainConfig
from zoo.errors import UsageError, one_line
from zoo.files import user_path

if TYPE_CHECKING:
    from zoo.model import Model

MAX_EXPANSION = 20  # uncompressed bytes per compressed byte of an archive's file


def load_model(
    name: str, best: bool = False, setup: Callable[[], None] = import_tensorflow
) -> "Model | None":
    """The trained model of a preset, a file or a folder; None if it can only be a run.

    Args:
        name: a preset (a name, a folder, "hf://owner/name", "https://host/folder"), a .keras file,
            or a folder made by `zoo reproduce`.
        best: whether the best epoch was requested, which only runs of `zoo train` have.
        setup: called before TensorFlow computes anything, if there is such a model.

    Raises UsageError: a file that Keras cannot read, or `best`.
    """
    path = user_path(name)
    file = path if path.suffix == ".keras" else path / "model.keras"
    preset = runs.is_preset(name)
    if not preset and not file.is_file():
        return None
    if best:
        raise UsageError(f"--best needs a run of `zoo train`; {name} is a single model")
    setup()
    return factory.get(name, pretrained=True) if preset else load_keras_file(file)


@contextlib.contextmanager
def open_model(
    name: str,
    best: bool = False,
    check: Callable[[type], None] = lambda cls: None,
    setup: Callable[[], None] = import_tensorflow,
) -> "Iterator[tuple[Model, Any, TrainConfig | None]]":
    """(model with its trained weights, its origin, its configuration) of anything trained.

    Args:
        name: a run's folder, a model's name (its newest run), or as in `load_model`.
        best: use the best epoch of a run.
        check: called with the model's class before a run is opened: raises if it is unsuitable.
        setup: as in `load_model`, such as `runs.use_single_threaded_ops`.

    A model without a run has random weights and its origin is None. What is not a run has the
    configuration None.
    """
    if model := load_model(name, best, setup):
        check(type(model))
        yield model, name, None
        return
    config, workdir = runs.resolve_run(name, best=best)
    setup()
    check(registry.get_class(config.model))
    data = None if workdir else config.load_data(config.test_split)  # for its vocabularies
    with runs.restore_trainer(config, workdir, best, data).averaged_weights() as model:
        yield model, workdir, config


def require_method(method: str, purpose: str) -> Callable[[type], None]:
    """The `check` of `open_model` that accepts only classes with a method.

    Args:
        method: its name.
        purpose: what it does, for the message: "translate text".
    """

    def check(cls: type) -> None:
        if not hasattr(cls, method):
            names = registry.names()
            others = [name for name in names if hasattr(registry.get_class(name), method)]
            raise UsageError(f"this model does not {purpose}; these do: {', '.join(others)}")

    return check


def load_keras_file(file: Path) -> "Model":
    """The model in a .keras file, not compiled; raises UsageError if it is invalid or hostile.

    The objects that its configuration names and its weights file are checked before Keras reads it.
    """
    import keras

    from zoo.presets import building, configuration, weights

    for name in registry.names():
        registry.get_class(name)  # Keras finds classes that are imported
    try:
        with zipfile.ZipFile(file) as archive:
            config = configuration.parse_json(_read_member(archive, "config.json"))
            raw = _read_member(archive, weights.FILE)
        configuration.check_objects({**config, "compile_config": None}, file, files=True)
        weights.check_file(raw)
        with building.limited_variables(len(raw)):
            return keras.models.load_model(file, compile=False)
    except Exception as error:  # zip, JSON, HDF5 and Keras raise many types
        raise UsageError(f"{file} cannot be read as a Keras model: {one_line(error)}") from error


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of a file in an archive; raises ValueError if they are many more than it stores."""
    info = archive.getinfo(name)  # Keras does not compress
    if info.file_size > MAX_EXPANSION * info.compress_size:
        raise ValueError(f"its {name} has {info.file_size:,} bytes in {info.compress_size:,}")
    return archive.read(name)
