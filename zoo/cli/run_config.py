"""`config.json` of a run: the options of `zoo train`, and whether a command repeats them."""

import importlib.metadata
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import registry
from zoo.checks import check_numbers, check_optional_numbers
from zoo.cli.overrides import default_arguments
from zoo.cli.train_config import TrainConfig
from zoo.errors import CheckpointError, UsageError, one_line
from zoo.files import write_json
from zoo.log import log_message_once
from zoo.training.workdir import Workdir, differences
from zoo.version import __version__

if TYPE_CHECKING:
    from zoo.model import Model

FINGERPRINT = "data_fingerprint"


@dataclass(frozen=True)
class Run:
    """A folder that `zoo train` made.

    Attributes:
        workdir: the folder.
        config: the options of `zoo train`.
        model_config: the constructor arguments of the model.
        fingerprint: of the data, as `source_names.fingerprint` returns it; None: a named data set,
            or a run that is older than fingerprints.
    """

    workdir: Path
    config: TrainConfig
    model_config: dict[str, Any]
    fingerprint: str | None = None


def write(
    workdir: Path | str, config: TrainConfig, model: "Model", fingerprint: str | None = None
) -> None:
    """Writes `config.json`; the caller holds the folder."""
    model_config = model.get_config()
    record = {
        **asdict(config),
        FINGERPRINT: fingerprint,
        "config": {key: model_config[key] for key in registry.arguments(type(model))},
        "versions": {
            "zoo": __version__,
            **{name: importlib.metadata.version(name) for name in ("tensorflow", "keras")},
        },
    }
    write_json(Workdir(workdir).config, record)


def read(workdir: Path | str) -> Run:
    """The `Run` in a folder; raises CheckpointError if its `config.json` cannot be read."""
    path = Workdir(workdir).config
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        config = _parse_config(record)
        return Run(Path(workdir), config, dict(record["config"]), record.get(FINGERPRINT))
    except Exception as error:  # a damaged file may contain anything
        raise CheckpointError(
            f"{path} is damaged or was not made by `zoo train` ({type(error).__name__}:"
            f" {one_line(error)}); train again in another --workdir"
        ) from error


def _parse_config(record: dict[str, Any]) -> TrainConfig:
    """The `TrainConfig` in a record of `config.json`, with types and numbers checked."""
    keys = {field.name for field in fields(TrainConfig)}  # older runs lack the newer ones
    values = {key: record[key] for key in keys & record.keys()}
    if values.get("languages") is not None:
        values["languages"] = tuple(values["languages"])
    if values.get("learning_rate") is not None:
        values["learning_rate"] = float(values["learning_rate"])
    config = TrainConfig(**values)
    for field in fields(TrainConfig):
        value = getattr(config, field.name)
        kind: Any = field.type
        if not isinstance(value, kind):
            raise TypeError(f"{field.name} is {value!r:.60}")
    check_numbers(
        batch_size=config.batch_size,
        vocabulary_size=config.vocabulary_size,
        max_length=config.max_length,
        seed=config.seed,
        micro_batches=config.micro_batches,
    )
    check_optional_numbers(image_size=config.image_size, learning_rate=config.learning_rate)
    return config


def check_same(
    workdir: Path | str, config: TrainConfig, fingerprint: str | None = None
) -> Run | None:
    """The `Run` in a folder, or None; raises UsageError if its configuration is another one.

    Data that were moved are the same data if both fingerprints are known. A warning is printed if
    data have changed at the same path.

    Args:
        workdir: the folder.
        config: what was requested now.
        fingerprint: of the data.
    """
    if not Workdir(workdir).checkpoints.paths():
        return None
    if not Workdir(workdir).config.exists():
        raise UsageError(
            f"{workdir} has checkpoints that `zoo train` did not make (there is no config.json):"
            " use another --workdir"
        )
    run = read(workdir)
    differing = differences(_without_set(run.config), _without_set(config))
    if run.fingerprint and fingerprint:
        differing = [pair for pair in differing if not pair[0].startswith("data=")]
        if run.fingerprint != fingerprint and run.config.data == config.data:
            log_message_once(
                f"warning: {config.data} has changed since the run in {workdir} began or was last"
                " resumed; training continues with the changed data"
            )
        elif run.fingerprint != fingerprint:
            differing += differences({"data": run.config.data}, {"data": config.data})
    if config.model == run.config.model:
        differing += _argument_differences(run, config)
    if differing:
        old, new = (", ".join(texts) for texts in zip(*differing, strict=True))
        raise UsageError(
            f"the run in {workdir} has {old}, got {new}: use another --workdir or the same options"
        )
    return run


def _argument_differences(run: Run, config: TrainConfig) -> list[tuple[str, str]]:
    """Differences of the model's arguments, as `differences` returns them."""
    defaults = default_arguments(config.model)
    inferred = registry.get_class(config.model).inferred_arguments
    defaults = {k: v for k, v in defaults.items() if v is not None and k not in inferred}
    # What was given as a name is an object in the arguments.
    literals = {
        key: value for key, value in run.model_config.items() if not isinstance(value, dict)
    }
    return differences(defaults | literals | run.config.set, defaults | config.set)


def _without_set(config: TrainConfig) -> dict[str, Any]:
    """The configuration without the model's arguments, which are compared with its defaults."""
    return {key: value for key, value in asdict(config).items() if key != "set"}
