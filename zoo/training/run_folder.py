"""`config.json` of a run: its description, and what was built from it.

The model and the optimizers that were built are stored beside the description, so that a run can be
opened without its data. Importing this module needs no TensorFlow.
"""

import importlib.metadata
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import former_arguments, registry
from zoo.data.source_names import fingerprint
from zoo.errors import CheckpointError, UsageError, one_line
from zoo.files import write_json
from zoo.former_arguments import FormerArgumentError
from zoo.log import log_message_once
from zoo.training.run_arguments import default_arguments, to_jsonable_arguments
from zoo.training.run_config import RESUMABLE, RunConfig
from zoo.training.workdir import Workdir, differences
from zoo.version import __version__

if TYPE_CHECKING:
    from zoo.model import Model

OLD_NAMES = {"set": "config", "split": "train", "test_split": "test"}  # of `zoo train`, version 0.1
TRAINER = "zoo.Trainer"
TEXT_NAMES = ("languages", "tokenizer", "vocabulary_size", "lowercase", "max_length", "truncate")


@dataclass(frozen=True)
class Run:
    """A folder with a run.

    Attributes:
        workdir: the folder.
        config: its description.
        arguments: the constructor arguments of the model that was built; None: it cannot be built
            from JSON.
        optimizers: part -> serialized optimizer; None: they follow from the description.
        fingerprint: fingerprint of the data, see `source_names.fingerprint`; None: a named data
            set, or a run of a version that stored no fingerprints.
        made_by: "zoo train", "zoo.Trainer", or "zoo reproduce NAME --budget BUDGET".
    """

    workdir: Path
    config: RunConfig
    arguments: dict[str, Any] | None = None
    optimizers: dict[str, Any] | None = None
    fingerprint: str | None = None
    made_by: str = "zoo train"

    @property
    def recipe(self) -> tuple[str, str] | None:
        """(name, budget) of the recipe that it is a run of; None for other runs."""
        words = self.made_by.removeprefix("zoo reproduce ").split(" --budget ")
        return (words[0], words[1]) if len(words) == 2 else None


def write(workdir: Path | str, config: RunConfig, model: "Model", made_by: str) -> Run:
    """Writes `config.json`; the caller has locked the folder.

    Args:
        workdir: the folder.
        config: the description.
        model: the model, prepared for training.
        made_by: as in `Run`.
    """
    from zoo.training.run_identity import serialize_optimizers

    run = Run(
        Path(workdir),
        config,
        to_jsonable_arguments(model),
        serialize_optimizers(model),
        fingerprint(config.data, config.languages) if config.data else None,
        made_by,
    )
    record = {
        **asdict(config),
        "arguments": run.arguments,
        "optimizers": run.optimizers,
        "data_fingerprint": run.fingerprint,
        "made_by": made_by,
        "versions": {
            "zoo": __version__,
            **{name: importlib.metadata.version(name) for name in ("tensorflow", "keras")},
        },
    }
    write_json(Workdir(workdir).config, record)
    return run


def read(workdir: Path | str) -> Run:
    """The `Run` in a folder; raises CheckpointError if it cannot be read, or opened.

    Runs of version 0.1 are read too: `config.json` of `zoo train`, `recipe.json` of `zoo
    reproduce`.
    """
    folder = Workdir(workdir)
    path = folder.config if folder.config.exists() else folder.old_recipe
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        arguments = record.get("arguments")
        if path == folder.old_recipe:
            record = _from_old_recipe(record)
        elif "set" in record:
            arguments = dict(record["config"])
            record = _from_old_options(record)
        if arguments is not None:
            _, arguments = former_arguments.translate(record["model"], arguments)
        return Run(
            Path(workdir),
            RunConfig(**_fields(record)),
            arguments,
            record.get("optimizers"),
            record.get("data_fingerprint"),
            record.get("made_by", "zoo train"),
        )
    except FormerArgumentError as error:
        raise CheckpointError(f"the run in {workdir} cannot be opened: {error}") from error
    except Exception as error:  # a damaged file may contain anything
        raise CheckpointError(
            f"{path} is damaged or not from a run ({type(error).__name__}: {one_line(error)}):"
            f" move {workdir} away to train again, or use another --workdir"
        ) from error


def _fields(record: dict[str, Any]) -> dict[str, Any]:
    """The fields of `RunConfig` in the record of a run, with the current arguments."""
    names = {each.name for each in fields(RunConfig)}
    values = {key: record[key] for key in names & record.keys()}
    model, config = former_arguments.translate(values["model"], values.get("config", {}))
    return values | {"model": model, "config": config}


def _from_old_options(record: dict[str, Any]) -> dict[str, Any]:
    """The record of a run of `zoo train` of version 0.1 with today's names."""
    arguments = record["config"]
    new = {OLD_NAMES.get(key, key): value for key, value in record.items() if key != "config"}
    new["valid"] = new["test"]
    if record.get("tokenizer") is not None:
        new["text_config"] = {key: record[key] for key in TEXT_NAMES if key in record}
        if "caption_vocabulary" in arguments:
            new["text_config"]["image_size"] = new.pop("image_size", None)
    return new


def _from_old_recipe(record: dict[str, Any]) -> dict[str, Any]:
    """The record of a run of `zoo reproduce` of version 0.1 with today's names."""
    own = record["learning_rate"] is None
    return {
        **record,
        "optimizer": None if own else "adam",
        "drop_remainder": True,
        "made_by": "zoo reproduce",
    }


def check_same(workdir: Path | str, config: RunConfig) -> Run | None:
    """The `Run` in a folder, or None; raises UsageError if its description differs.

    Data at another path are the same data if the fingerprints are equal. A warning is printed if
    the data at the same path have changed.

    Args:
        workdir: the folder.
        config: the requested description.
    """
    folder = Workdir(workdir)
    if not folder.checkpoints.paths():
        return None
    if not folder.config.exists() and not folder.old_recipe.exists():
        raise UsageError(
            f"{workdir} has checkpoints of an unknown run (there is no config.json): use another"
            " --workdir"
        )
    run = read(workdir)
    differing = differences(_comparable(run.config, config), _comparable(config, run.config))
    if not has_same_data(run, config.data):
        differing += differences({"data": run.config.data}, {"data": config.data})
    if config.model == run.config.model:
        differing += _argument_differences(run, config)
    if differing:
        old, new = (", ".join(texts) for texts in zip(*differing, strict=True))
        raise UsageError(
            f"the run in {workdir} has {old}, got {new}: resume it with the same settings; or"
            " use another --workdir for a new run, which starts from these weights with --init"
            f" {workdir}"
        )
    now = fingerprint(config.data, run.config.languages) if config.data == run.config.data else None
    if now and run.fingerprint and now != run.fingerprint:
        log_message_once(
            f"warning: {config.data} has changed since the run in {workdir} began or was last"
            " resumed; training continues with the changed data"
        )
    return run


def has_same_data(run: Run, data: str | None) -> bool:
    """Whether data are those of a run, even if they were moved."""
    if data is None or data == run.config.data:
        return data == run.config.data
    return (
        run.fingerprint is not None and fingerprint(data, run.config.languages) == run.fingerprint
    )


def _comparable(config: RunConfig, other: RunConfig) -> dict[str, Any]:
    """The fields that must not change on resume; those of `text_config` are listed with the others.

    The total number of epochs or steps is one of them if either description depends on it.
    """
    values = asdict(config)
    text_config = values.pop("text_config") or {}
    fixed = {"epochs", "steps"} if config.decays or other.decays else set()
    left_out = {"config", "data", *RESUMABLE} - fixed
    return {k: v for k, v in (values | text_config).items() if k not in left_out}


def _argument_differences(run: Run, config: RunConfig) -> list[tuple[str, str]]:
    """Differences of the model's arguments, as `differences` returns them."""
    defaults = default_arguments(config.model)
    inferred = registry.get_class(config.model).inferred_arguments
    defaults = {k: v for k, v in defaults.items() if v is not None and k not in inferred}
    # A value that was given as a name is stored as an object (a dict) in the arguments.
    arguments = run.arguments or {}
    literals = {key: value for key, value in arguments.items() if not isinstance(value, dict)}
    return differences(defaults | literals | run.config.config, defaults | config.config)
