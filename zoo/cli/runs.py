"""A run of the command line: what it was asked for, and how it is found and taken up again."""

import contextlib
from dataclasses import replace

from zoo import presets, recipes, registry
from zoo.cli import evaluation_data
from zoo.cli.overrides import overrides
from zoo.cli.run_config import read
from zoo.cli.terminal import import_tensorflow, note
from zoo.cli.train_config import Settings, fitting
from zoo.data import source_names
from zoo.errors import CheckpointError, UnknownName, UsageError
from zoo.files import user_path
from zoo.training.workdir import RUNS, Workdir

WEIGHTS = "model.weights.h5"  # what a preset's folder holds


def asked(model, data=None, pairs=(), test_split=None, sub_batches=None, **options):
    """The `Settings` that options ask for; whatever needs no data is checked."""
    check_model(model)
    found = overrides(model, pairs)
    if data is None:
        import_tensorflow()
        data = registry.get_class(model).demo_data
    data = source_names.absolute(data)
    if test_split is None:
        split = options.get("split", "train")
        test_split = evaluation_data.default_test_split(data, split, options.get("languages"))
    settings = fitting(Settings(model, found, data, test_split=test_split, **options))
    pieces = pieces_of(settings) if sub_batches is None else sub_batches
    return replace(settings, sub_batches=pieces)


def check_model(name):
    """Raises UsageError unless it is a model's name; says what else it is the name of."""
    if name in registry.names():
        return
    if name in recipes.names():
        raise UsageError(f"{name} is a recipe, not a model: zoo reproduce {name}")
    if Workdir(user_path(name)).config.is_file() and not is_preset(name):
        model = read(user_path(name)).settings.model
        raise UsageError(
            f"{name} is a run, not a model; to resume it: zoo train {model} --workdir {name}, with"
            " the run's other options"
        )
    if is_preset(name):
        raise UsageError(
            f"{name} is a preset, not a model; `zoo list` has the models, and a preset is"
            " fine-tuned in Python, see docs/finetuning.md"
        )
    raise UnknownName("model", name, registry.names())


def is_preset(text):
    """Whether a text stands for a preset."""
    return "://" in text or text in presets.names() or (user_path(text) / WEIGHTS).is_file()


def pieces_of(settings):
    """The model's own `sub_batches` where that pays: on a CPU, with batches that it divides."""
    import tensorflow as tf

    pieces = registry.get_class(settings.model).sub_batches
    named = source_names.is_named(settings.data)
    even = named and settings.split.startswith("train")  # no short last batch
    cpu = not tf.config.list_physical_devices("GPU")
    return pieces if even and cpu and settings.batch_size % pieces == 0 else 1


def start(settings, eager=False):
    """Gives TensorFlow the threads that suit the run, while that is still possible."""
    import_tensorflow()
    if settings.sub_batches > 1 and not eager:
        one_thread_each()


def one_thread_each():
    """One thread an operation, as `zoo.threads` says."""
    import_tensorflow()
    from zoo import threads

    threads.one_per_operation()


def taken(name, pairs=(), best=False, data=None, **options):
    """(settings, folder) of the run `name`, or the newest of that model; untrained, folder None.

    Options that are None are as the run has them.
    """
    if pairs and name not in registry.names():
        raise UsageError(f"--set goes with a model's name, and a run keeps its own; got {name!r}")
    run = None if pairs else find(name)
    options = {key: value for key, value in options.items() if value is not None}
    if run is None:
        if best:
            raise UsageError(f"--best needs a run of {name}, and {RUNS} has none")
        note(f"note: {name} is untrained here: fresh weights")
        return asked(name, data, pairs, **options), None
    if run.workdir != user_path(name):
        note(f"{name}: the newest run is {run.workdir}")
    if not Workdir(run.workdir).checkpoints.paths():
        note(f"note: {run.workdir} has saved nothing yet: fresh weights")
    if data:
        options["data"] = source_names.absolute(data)
        if "test_split" not in options and not same_data(run, options["data"]):
            options["test_split"] = evaluation_data.split_of_other(options["data"], run.settings)
    return fitting(replace(run.settings, set=run.config, **options)), run.workdir


def same_data(run, data):
    """Whether data are those of a run, also where they have moved."""
    if data == run.settings.data:
        return True
    languages = run.settings.languages
    return bool(run.fingerprint) and source_names.fingerprint(data, languages) == run.fingerprint


def opened(settings, workdir, best=False, data=None):
    """A trainer that has taken up what the run has saved."""
    trainer = settings.trainer(settings.build(data, trained=workdir is not None), workdir)
    trainer.restore(best=best)
    return trainer


def folder(settings):
    """The default folder of a run: `runs/vae-mnist`."""
    name = settings.data
    data = name.replace("/", "-") if source_names.is_named(name) else source_names.path(name).stem
    return RUNS / f"{settings.model}-{data}"


def find(text):
    """The `Run` of a folder, or the newest under `runs/` of a model; None if it has none yet."""
    path = user_path(text)
    if is_preset(text):
        raise UsageError(
            f"{text} is a preset, not a run of `zoo train`; presets go with the commands info,"
            " sample, translate, caption and export"
        )
    if Workdir(path).config.is_file():
        return read(path)
    there = list(saved())
    if text in registry.names():
        return next((run for run in there if run.settings.model == text), None)
    if (path / "recipe.json").is_file():
        raise UsageError(
            f"{text} was made by `zoo reproduce`, which has evaluated it; it goes with the commands"
            " sample, translate, caption, export and push"
        )
    if Workdir(path).checkpoints.paths():
        raise UsageError(
            f"{text} was made by zoo.Trainer in Python and has no config.json, so the command line"
            " cannot build its model: use it in Python, as in zoo.Trainer(model,"
            f" {text!r}).evaluate(data), or write the model to a file that the commands sample,"
            " translate, caption and export take, with model.save('model.keras')"
        )
    if path.is_dir():
        raise UsageError(f"{text} is not a run: it has no config.json. `zoo train` makes runs")
    raise UnknownName("run or model", text, [*registry.names(), *(str(r.workdir) for r in there)])


def saved():
    """The runs under `runs/` that have saved something, the newest first."""
    times = {path.parent: saved_at(path.parent) for path in RUNS.glob("*/config.json")}
    for path in sorted(filter(times.get, times), key=times.get, reverse=True):
        with contextlib.suppress(CheckpointError):
            yield read(path)


def saved_at(workdir):
    """When a run has saved something last; 0: never."""
    times = [0]
    for path in Workdir(workdir).checkpoints.paths():
        with contextlib.suppress(FileNotFoundError):  # a trainer at work removes old ones
            times.append(path.stat().st_mtime)
    return max(times)


def record(settings, workdir, trainer, data):
    """What `train` and `evaluate` answer: the metrics on data, and which examples these are.

    Args:
        workdir: of the run; None: the weights are fresh.
        data: what is evaluated on.
    """
    metrics, position = trainer.evaluate(data), trainer.state.position
    return {
        "run": workdir and str(workdir),
        "model": settings.model,
        "kind": settings.kind,
        "data": settings.data,
        "split": settings.test_split,
        "examples": evaluation_data.examples_of(data, settings.kind),
        "epochs": position["epoch"],
        "steps": position["step"],
        "metrics": metrics,
    }


def warn_of_grey(model, data):
    """Says so if a Bernoulli likelihood is about to be given grey values."""
    pixels = (
        data.take(64).get("image")
        if getattr(model, "output_distribution", None) == "bernoulli"
        else None
    )
    if pixels is not None and ((pixels > 0) & (pixels < 1)).any():
        note(
            "note: grey values under a Bernoulli likelihood are not a likelihood: the nats compare"
            " with nothing published. Use --binarize dynamic, or --set output_distribution=normal"
        )
