"""`config.json` of a run: what `zoo train` was asked for, and whether it is asked for it again."""

import importlib.metadata
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from zoo import registry
from zoo.checks import check_numbers, check_optional_numbers
from zoo.cli.overrides import FITTED, defaults
from zoo.cli.train_config import Settings
from zoo.errors import CheckpointError, UsageError, one_line
from zoo.files import write_json
from zoo.log import log_message_once
from zoo.training.workdir import Workdir, differences
from zoo.version import __version__

FINGERPRINT = "data_fingerprint"


@dataclass(frozen=True)
class Run:
    """A folder that `zoo train` made.

    Attributes:
        workdir: the folder.
        settings: what was asked for.
        config: the constructor arguments of the model.
        fingerprint: of the data, as `location.fingerprint` has it; None: a named data set, or a
            run that is older than fingerprints.
    """

    workdir: Path
    settings: Settings
    config: dict
    fingerprint: str | None = None


def write(workdir, settings, model, fingerprint=None):
    """Writes `config.json`; for whoever holds the folder."""
    own = model.get_config()
    record = {
        **asdict(settings),
        FINGERPRINT: fingerprint,
        "config": {key: own[key] for key in registry.arguments(type(model))},
        "versions": {
            "zoo": __version__,
            **{name: importlib.metadata.version(name) for name in ("tensorflow", "keras")},
        },
    }
    write_json(Workdir(workdir).config, record)


def read(workdir):
    """The `Run` in a folder; raises CheckpointError if its `config.json` cannot be read."""
    path = Workdir(workdir).config
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        settings = _settings(record)
        return Run(Path(workdir), settings, dict(record["config"]), record.get(FINGERPRINT))
    except Exception as error:  # whatever a damaged file may hold
        raise CheckpointError(
            f"{path} is damaged or was not made by `zoo train` ({type(error).__name__}:"
            f" {one_line(error)}); train again in another --workdir"
        ) from error


def _settings(record):
    """The `Settings` in a record of `config.json`, their types and numbers checked."""
    keys = {field.name for field in fields(Settings)}  # older runs lack the newer ones
    values = {key: record[key] for key in keys & record.keys()}
    if values.get("languages") is not None:
        values["languages"] = tuple(values["languages"])
    if values.get("learning_rate") is not None:
        values["learning_rate"] = float(values["learning_rate"])
    settings = Settings(**values)
    for field in fields(Settings):
        value = getattr(settings, field.name)
        if not isinstance(value, field.type):
            raise TypeError(f"{field.name} is {value!r:.60}")
    check_numbers(
        batch_size=settings.batch_size,
        vocabulary_size=settings.vocabulary_size,
        max_length=settings.max_length,
        seed=settings.seed,
        sub_batches=settings.sub_batches,
    )
    check_optional_numbers(image_size=settings.image_size, learning_rate=settings.learning_rate)
    return settings


def check_same(workdir, settings, fingerprint=None):
    """The `Run` in a folder, or None; raises UsageError, listing what differs from the settings.

    Data that have moved are the same data, where fingerprints are known; a note says if they have
    changed in their place.
    """
    if not Workdir(workdir).checkpoints.paths():
        return None
    if not Workdir(workdir).config.exists():
        raise UsageError(
            f"{workdir} holds checkpoints that `zoo train` did not make (there is no config.json):"
            " use another --workdir"
        )
    run = read(workdir)
    other = differences(_plain(run.settings), _plain(settings))
    if run.fingerprint and fingerprint:
        other = [pair for pair in other if not pair[0].startswith("data=")]
        if run.fingerprint != fingerprint and run.settings.data == settings.data:
            log_message_once(
                f"warning: {settings.data} has changed since the run in {workdir} began or was"
                " resumed; training goes on with the data as they are"
            )
        elif run.fingerprint != fingerprint:
            other += differences({"data": run.settings.data}, {"data": settings.data})
    if settings.model == run.settings.model:
        written = {k: v for k, v in defaults(settings.model).items() if v is not None}
        written = {key: value for key, value in written.items() if key not in FITTED}
        # What was said by name stands in the configuration as the object it means.
        plain = {key: value for key, value in run.config.items() if not isinstance(value, dict)}
        had = written | plain | run.settings.set
        other += differences(had, written | settings.set)
    if other:
        had, wanted = (", ".join(texts) for texts in zip(*other, strict=True))
        raise UsageError(
            f"the run in {workdir} has {had}, got {wanted}: use another --workdir or the same"
            " settings"
        )
    return run


def _plain(settings):
    """The settings without the model's arguments, which are compared with its defaults."""
    return {key: value for key, value in asdict(settings).items() if key != "set"}
