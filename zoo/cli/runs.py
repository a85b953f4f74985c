"""Runs of the command line: their configuration, where they are found, how they are resumed."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import presets, recipes, registry
from zoo.cli import evaluation_data
from zoo.cli.overrides import parse_overrides
from zoo.cli.run_config import Run, read
from zoo.cli.terminal import import_tensorflow
from zoo.cli.train_config import TrainConfig, validate
from zoo.data import source_names
from zoo.errors import CheckpointError, UnknownNameError, UsageError
from zoo.files import user_path
from zoo.log import log_message
from zoo.training.workdir import RUNS, Workdir

if TYPE_CHECKING:
    from zoo.model import Model
    from zoo.training.trainer import Trainer

WEIGHTS = "model.weights.h5"  # in a preset's folder


def config_from_options(
    model: str,
    data: str | None = None,
    overrides: Iterable[str] = (),
    test_split: str | None = None,
    micro_batches: int | None = None,
    **options: Any,
) -> TrainConfig:
    """The `TrainConfig` that options describe; checks everything that needs no data.

    Args:
        model: a model's name.
        data: as `--data`; default: the model's example data.
        overrides: "key=value" for arguments of the model.
        test_split: default: the test split, if the data have one.
        micro_batches: default: the model's, where it is faster.
        options: further fields of `TrainConfig`.

    Raises UsageError.
    """
    _check_model_name(model)
    arguments = parse_overrides(model, overrides)
    import_tensorflow()
    cls = registry.get_class(model)
    data = source_names.absolute_source(cls.default_dataset if data is None else data)
    if test_split is None:
        split = options.get("split", "train")
        test_split = evaluation_data.default_test_split(data, split, cls, options)
    config = validate(TrainConfig(model, arguments, data, test_split=test_split, **options))
    if micro_batches is None:
        micro_batches = _default_micro_batches(config)
    return replace(config, micro_batches=micro_batches)


def _check_model_name(name: str) -> None:
    """Raises UsageError unless it is a model's name; the message says what it is instead."""
    if name in registry.names():
        return
    if name in recipes.names():
        raise UsageError(f"{name} is a recipe, not a model: zoo reproduce {name}")
    if Workdir(user_path(name)).config.is_file() and not is_preset(name):
        model = read(user_path(name)).config.model
        raise UsageError(
            f"{name} is a run, not a model; to resume it: zoo train {model} --workdir {name}, with"
            " the run's other options"
        )
    if is_preset(name):
        raise UsageError(
            f"{name} is a preset, not a model; `zoo list` lists the models. To fine-tune a preset,"
            " use Python: see docs/finetuning.md"
        )
    raise UnknownNameError("model", name, registry.names())


def is_preset(reference: str) -> bool:
    """Whether a reference is that of a preset: a name, an address, or a folder with weights."""
    if "://" in reference or reference in presets.names():
        return True
    return (user_path(reference) / WEIGHTS).is_file()


def _default_micro_batches(config: TrainConfig) -> int:
    """The model's own `micro_batches` where it is faster: on a CPU, if it divides the batches."""
    import tensorflow as tf

    micro_batches = registry.get_class(config.model).micro_batches
    named = source_names.is_named(config.data)
    even = named and config.split.startswith("train")  # no short last batch
    cpu = not tf.config.list_physical_devices("GPU")
    return micro_batches if even and cpu and config.batch_size % micro_batches == 0 else 1


def configure_threads(config: Any, eager: bool = False) -> None:
    """Sets TensorFlow's threads for a run; this has no effect once TensorFlow has computed.

    Args:
        config: a `TrainConfig` or a `Recipe`.
        eager: whether steps run as plain Python.
    """
    import_tensorflow()
    if config.micro_batches > 1 and not eager:
        use_single_threaded_ops()


def use_single_threaded_ops() -> None:
    """One thread per operation, see `zoo.threads`."""
    import_tensorflow()
    from zoo import threads

    threads.single_threaded_ops()


def resolve_run(
    name: str,
    overrides: Iterable[str] = (),
    best: bool = False,
    data: str | None = None,
    **options: Any,
) -> tuple[TrainConfig, Path | None]:
    """(configuration, folder) of a run, or of the newest run of a model.

    Args:
        name: a run's folder, or a model's name. A model without a run is untrained: folder None.
        overrides: "key=value" for arguments of the model, which is then untrained.
        best: whether the best epoch was requested, which needs a run.
        data: other data than the run's.
        options: other values for fields of the configuration; None: as the run has them.

    Raises UsageError.
    """
    if overrides and name not in registry.names():
        raise UsageError(
            f"--set needs a model's name, since the arguments of a run are fixed; got {name!r}"
        )
    run = None if overrides else find_run(name)
    options = {key: value for key, value in options.items() if value is not None}
    if run is None:
        if best:
            raise UsageError(f"--best needs a run of {name}, and {RUNS} has none")
        log_message(f"note: {name} is untrained: its weights are random")
        return config_from_options(name, data, overrides, **options), None
    if run.workdir != user_path(name):
        log_message(f"{name}: the newest run is {run.workdir}")
    if not Workdir(run.workdir).checkpoints.paths():
        log_message(f"note: {run.workdir} has no checkpoint yet: its weights are random")
    if data:
        options["data"] = source_names.absolute_source(data)
        if "test_split" not in options and not has_same_data(run, options["data"]):
            other_split = evaluation_data.split_for_other_data(options["data"], run.config)
            options["test_split"] = other_split
    return validate(replace(run.config, set=run.model_config, **options)), run.workdir


def has_same_data(run: Run, data: str) -> bool:
    """Whether data are those of a run, even if they were moved."""
    if data == run.config.data:
        return True
    languages = run.config.languages
    return bool(run.fingerprint) and source_names.fingerprint(data, languages) == run.fingerprint


def restore_trainer(
    config: TrainConfig, workdir: Path | None, best: bool = False, data: Any = None
) -> "Trainer":
    """A trainer with the state of a run's last checkpoint, or of its best epoch."""
    model = config.build_model(data, trained=workdir is not None)
    trainer = config.build_trainer(model, workdir)
    trainer.restore(best=best)
    return trainer


def default_workdir(config: TrainConfig) -> Path:
    """The default folder of a run: `runs/vae-mnist`."""
    name = config.data
    named = source_names.is_named(name)
    data = name.replace("/", "-") if named else source_names.source_path(name).stem
    return RUNS / f"{config.model}-{data}"


def find_run(name: str) -> Run | None:
    """The `Run` in a folder, or the newest run of a model under `runs/`; None if it has none.

    Raises UsageError for anything else; the message says what it is instead.
    """
    path = user_path(name)
    if is_preset(name):
        raise UsageError(
            f"{name} is a preset, not a run of `zoo train`; use it with the commands info, sample,"
            " translate, caption or export"
        )
    if Workdir(path).config.is_file():
        return read(path)
    runs = list(_saved_runs())
    if name in registry.names():
        return next((run for run in runs if run.config.model == name), None)
    if (path / "recipe.json").is_file():
        raise UsageError(
            f"{name} was made by `zoo reproduce`, which has evaluated it; use it with the commands"
            " sample, translate, caption, export, save or push"
        )
    if Workdir(path).checkpoints.paths():
        raise UsageError(
            f"{name} was made by zoo.Trainer in Python and has no config.json, so the command line"
            " cannot build its model: use it in Python, as in zoo.Trainer(model,"
            f" {name!r}).evaluate(data), or save the model with model.save('model.keras'), a file"
            " that the commands sample, translate, caption and export take"
        )
    if path.is_dir():
        raise UsageError(f"{name} is not a run: it has no config.json. `zoo train` makes runs")
    raise UnknownNameError(
        "run or model", name, [*registry.names(), *(str(r.workdir) for r in runs)]
    )


def _saved_runs() -> Iterator[Run]:
    """The runs under `runs/` that have checkpoints, the newest first."""
    times = {path.parent: _last_saved(path.parent) for path in RUNS.glob("*/config.json")}
    for path in sorted(filter(times.get, times), key=times.__getitem__, reverse=True):
        with contextlib.suppress(CheckpointError):
            yield read(path)


def _last_saved(workdir: Path) -> float:
    """The time of a run's last checkpoint; 0 without any."""
    times: list[float] = [0]
    for path in Workdir(workdir).checkpoints.paths():
        with contextlib.suppress(FileNotFoundError):  # a running trainer removes old ones
            times.append(path.stat().st_mtime)
    return max(times)


def evaluation_record(
    config: TrainConfig, workdir: Path | None, trainer: "Trainer", data: Any
) -> dict[str, Any]:
    """The record of `train` and `evaluate`: the metrics on data, and which examples these are.

    Args:
        config: of the run.
        workdir: of the run; None: the weights are untrained.
        trainer: with the weights to evaluate.
        data: to evaluate on.
    """
    metrics = config.model_class.summarize(trainer.evaluate(data), data)
    position = trainer.state.position
    return {
        "run": workdir and str(workdir),
        "model": config.model,
        "data": config.data,
        "split": config.test_split,
        "examples": evaluation_data.describe_examples(data, config.model_class.data_kind),
        "epochs": position["epoch"],
        "steps": position["step"],
        "metrics": metrics,
        "next": config.model_class.next_commands(str(workdir)) if workdir else [],
    }


def warn_grayscale_bernoulli(model: "Model", data: Any) -> None:
    """Prints a note if a model with a Bernoulli likelihood is trained on gray pixels."""
    if getattr(model, "output_distribution", None) != "bernoulli":
        return
    pixels = data.take(64).get("image")
    if pixels is not None and ((pixels > 0) & (pixels < 1)).any():
        log_message(
            "note: the Bernoulli head needs 0/1 pixels; nats on gray pixels are not comparable with"
            " published numbers. Use --binarize dynamic, or --set output_distribution=normal"
        )
