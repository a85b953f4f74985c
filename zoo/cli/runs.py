"""Opens what a command names: a run, a preset, a .keras file, or a model that is not trained."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from zoo import registry
from zoo.cli import evaluation_data
from zoo.cli.run_options import config_from_options
from zoo.cli.terminal import import_tensorflow
from zoo.data import source_names
from zoo.data.text_config import TextConfig
from zoo.errors import UsageError
from zoo.log import log_message
from zoo.recipes import loading
from zoo.recipes.loading import Resolved
from zoo.training.run_config import RunConfig
from zoo.training.run_folder import has_same_data
from zoo.training.workdir import RUNS, Workdir

if TYPE_CHECKING:
    from zoo.model import Model
    from zoo.training.trainer import Trainer


@dataclass(frozen=True)
class LoadedModel:
    """What a command works on.

    Attributes:
        config: the description of the run; for other models, one with the requested data.
        origin: the folder of a run, or the name of another trained model; None: untrained.
        trainer: has the trained weights.
        data: the examples to evaluate on; None if none were loaded.
    """

    config: RunConfig
    origin: str | None
    trainer: "Trainer"
    data: Any


def resolve(name: str, overrides: Iterable[str] = (), best: bool = False) -> Resolved:
    """What a name refers to; with overrides, an untrained model. Raises UsageError."""
    if overrides and name not in registry.names():
        raise UsageError(
            f"--set needs a model's name, since the arguments of a run are fixed; got {name!r}"
        )
    resolved = Resolved("model", name) if overrides else loading.resolve(name)
    if best and resolved.run is None:
        what = f"is a {resolved.kind}" if resolved.kind != "model" else f"has none in {RUNS}"
        raise UsageError(f"--best needs a run, which has several epochs; {name} {what}")
    if resolved.kind == "model":
        log_message(f"note: {name} is untrained: its weights are random")
    if resolved.run and not Workdir(resolved.run.workdir).checkpoints.paths():
        log_message(f"note: {resolved.run.workdir} has no checkpoint yet: its weights are random")
    return resolved


def describe(
    resolved: Resolved, data: str | None = None, overrides: Iterable[str] = (), **options: Any
) -> RunConfig:
    """The description of a run with other data or options; without a run, from options only.

    Args:
        resolved: the result of `resolve`.
        data: data to use instead of the run's.
        overrides: "key=value" for arguments of a model without a run.
        **options: new values of fields; None keeps the run's value.

    Raises UsageError.
    """
    options = {key: value for key, value in options.items() if value is not None}
    run = resolved.run
    if run is None:
        source = {"data": data} if data else {}
        return config_from_options(resolved.name, None, overrides, **source, **options)
    config = _with_languages(run.config, options.pop("languages", None))
    if data:
        options["data"] = source_names.absolute_source(data)
        if "test" not in options and (
            config.test is None or not has_same_data(run, options["data"])
        ):
            options["test"] = evaluation_data.split_for_other_data(options["data"], config)
    return replace(config, **options)


def _with_languages(config: RunConfig, languages: tuple[str, str] | None) -> RunConfig:
    """The description with other languages of its texts; None: unchanged."""
    if languages is None:
        return config
    if not isinstance(config.text_config, TextConfig):
        raise UsageError(
            f"{config.model} is trained on {_data_kind(config)}: leave --languages out"
        )
    return replace(config, text_config=replace(config.text_config, languages=languages))


def open_trainer(
    name: str,
    overrides: Iterable[str] = (),
    best: bool = False,
    data: str | None = None,
    **options: Any,
) -> LoadedModel:
    """Opens a run, a preset, a file or a new model, with the data that it is evaluated on.

    Args:
        name: as in `zoo.recipes.loading.resolve`.
        overrides: "key=value" for arguments of a model, which is then untrained.
        best: use the best epoch of a run.
        data: data to use instead of the run's; required for a preset or a file.
        **options: as in `describe`.

    Raises UsageError.
    """
    resolved = resolve(name, overrides, best)
    import_tensorflow()
    from zoo.training import run_arguments, run_building, run_training

    run = resolved.run
    model: Any = None
    if resolved.kind in ("preset", "file"):
        if data is None:
            raise UsageError(f"{name} is a {resolved.kind} without data: add --data DATA")
        model = loading.open_resolved(resolved)
        resolved = replace(resolved, name=run_arguments.model_name(model))
    config = describe(resolved, data, overrides, **options)
    run_training.configure_threads(config.micro_batches)
    if run and has_same_data(run, config.data):
        evaluation_data.warn_training_examples(config)
    arguments = run.arguments if run else model and model.get_config()
    examples = run_building.load_data(config, config.test, arguments=arguments)
    if arguments:
        run_arguments.infer_from_data(config.model, arguments, examples, trained=True)
    if run:
        trainer = run_building.open_run(run, best)
        return LoadedModel(config, str(run.workdir), trainer, examples)
    origin = name if model else None
    model = model or run_building.build_model(config, examples)
    return LoadedModel(config, origin, run_building.build_trainer(config, model), examples)


@contextlib.contextmanager
def open_model(
    name: str,
    best: bool = False,
    check: Callable[[type], None] = lambda cls: None,
    setup: Callable[[], None] = lambda: None,
) -> "Iterator[tuple[Model, str | None, RunConfig | None]]":
    """(model with its trained weights, its origin, its description) of anything.

    Args:
        name: as in `zoo.recipes.loading.resolve`.
        best: use the best epoch of a run.
        check: called with the model's class before a run is loaded: raises if it is unsuitable.
        setup: called before TensorFlow computes anything, such as `threads.single_threaded_ops`.

    A model without a run has random weights, and its origin is None. The description is None for
    anything that is not a run.
    """
    resolved = resolve(name, (), best)
    import_tensorflow()
    setup()
    if resolved.kind in ("preset", "file"):
        model = loading.open_resolved(resolved)
        check(type(model))
        yield model, name, None
        return
    from zoo.training import run_building

    run = resolved.run
    check(registry.get_class(run.config.model if run else name))
    if run is None:
        config = describe(resolved)
        fitted = registry.get_class(name).fitted_arguments
        examples = run_building.load_data(config, config.test) if fitted else None
        yield run_building.build_model(config, examples), None, config
        return
    with run_building.open_run(run, best).averaged_weights() as model:
        yield model, str(run.workdir), run.config


def single_threaded_ops() -> None:
    """One thread per operation, see `zoo.threads`."""
    from zoo import threads

    if not threads.are_set():
        threads.single_threaded_ops()


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


def evaluation_record(loaded: LoadedModel) -> dict[str, Any]:
    """The record of `train` and `evaluate`: the metrics on data, and which examples these are."""
    config = loaded.config
    cls = registry.get_class(config.model)
    metrics = cls.summarize(loaded.trainer.evaluate(loaded.data), loaded.data)
    position = loaded.trainer.state.position
    return {
        "run": loaded.origin,
        "model": config.model,
        "data": config.data,
        "split": config.test,
        "examples": describe_examples(loaded),
        "epochs": position["epoch"],
        "steps": position["step"],
        "metrics": metrics,
        "next": cls.next_commands(loaded.origin or config.model),
    }


def describe_examples(loaded: LoadedModel) -> str:
    """The examples of the data, for people: "photos train[90%:], 10 images"."""
    return evaluation_data.describe_examples(loaded.data, _data_kind(loaded.config))


def _data_kind(config: RunConfig) -> str:
    return registry.get_class(config.model).data_kind


def warn_grayscale_bernoulli(model: "Model", data: Any) -> None:
    """Prints a note if a model with a Bernoulli likelihood is trained on gray pixels."""
    if getattr(model, "output_distribution", None) != "bernoulli":
        return
    pixels = data.take(64).get("image")
    if pixels is not None and ((pixels > 0) & (pixels < 1)).any():
        gray = "--binarize dynamic, or " if pixels.shape[-1] == 1 else ""
        log_message(
            "note: the Bernoulli head needs 0/1 pixels; nats on other pixels are not comparable"
            f" with published numbers. Use {gray}--set output_distribution=normal"
        )
