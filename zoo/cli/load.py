"""Trained models by what people call them: runs, presets, files of Keras, `zoo reproduce`."""

import contextlib
import zipfile

from zoo import factory, registry
from zoo.cli import runs
from zoo.cli.terminal import import_tensorflow
from zoo.errors import UsageError, one_line
from zoo.files import user_path

EXPANDED = 20  # times: what an archive may hold of the bytes that it stores


def finished(place, best=False, begin=import_tensorflow):
    """The model with its weights that `place` stands for; None if that can only be a run.

    Args:
        place: a preset (a name, a folder, "hf://owner/name", "https://host/folder"), a .keras file,
            or a folder made by `zoo reproduce`.
        best: whether the best epoch was asked for, which only runs of `zoo train` have.
        begin: called before TensorFlow runs anything, if there is such a model.

    Raises UsageError: a file that Keras cannot read, or `best`.
    """
    path = user_path(place)
    file = path if path.suffix == ".keras" else path / "model.keras"
    preset = runs.is_preset(place)
    if not preset and not file.is_file():
        return None
    if best:
        raise UsageError(f"--best goes with a run of `zoo train`; {place} is one model")
    begin()
    return factory.get(place, pretrained=True) if preset else load(file)


@contextlib.contextmanager
def ready(place, best=False, check=lambda cls: None, begin=import_tensorflow):
    """(model with the weights to use, where it comes from, its `Settings`) of whatever is trained.

    Args:
        place: a run's folder, a model's name, which means its newest run, or as in `finished`.
        best: take the best epoch of a run.
        check: called with the model's class before a run is opened: raises if it will not do.
        begin: as in `finished`; such as `runs.one_thread_each`.

    A model without any run has fresh weights, and comes from None; one that is no run has None for
    settings.
    """
    if model := finished(place, best, begin):
        check(type(model))
        yield model, place, None
        return
    settings, where = runs.taken(place, best=best)
    begin()
    check(registry.get_class(settings.model))
    data = None if where else settings.load(settings.test_split)  # brings vocabularies along
    with runs.opened(settings, where, best, data).averaged() as model:
        yield model, where, settings


def load(file):
    """The model in a .keras file, not compiled; raises UsageError if it is none, or hostile.

    What it asks for, and what its weights file is made of, is checked before Keras reads it.
    """
    import keras

    from zoo.presets import building, configuration, weights

    for name in registry.names():
        registry.get_class(name)  # Keras finds what has been imported
    try:
        with zipfile.ZipFile(file) as archive:
            config, raw = (part(archive, name) for name in ("config.json", weights.FILE))
        config = configuration.parse_json(config)
        configuration.check_objects({**config, "compile_config": None}, file, files=True)
        weights.check_file(raw)
        with building.limited_variables(len(raw)):
            return keras.models.load_model(file, compile=False)
    except Exception as error:  # zip, JSON, HDF5 and Keras raise what they like
        raise UsageError(f"{file} cannot be read as a model of Keras: {one_line(error)}") from error


def part(archive, name):
    """The bytes of a file in an archive; raises ValueError if they are many more than it stores."""
    facts = archive.getinfo(name)  # Keras does not compress
    if facts.file_size > EXPANDED * facts.compress_size:
        raise ValueError(f"its {name} has {facts.file_size:,} bytes in {facts.compress_size:,}")
    return archive.read(name)
