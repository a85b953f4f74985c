"""A run of the command line: what it was asked for, written down, and taken up again.

`config.json` in its folder holds its `Settings`, the model's configuration and versions.
"""

import contextlib
import importlib.metadata
import json
import math
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import zoo
import zoo.recipes
from zoo import registry
from zoo.data import location
from zoo.errors import CheckpointError, UnknownName, UsageError
from zoo.files import user_path, write_json
from zoo.overrides import FITTED, defaults, overrides
from zoo.settings import Settings, fitting
from zoo.terminal import import_tensorflow, note
from zoo.workdir import Workdir

RUNS = Path("runs")


@dataclass(frozen=True)
class Run:
    """A folder that `zoo train` made: its settings and the constructor arguments of its model."""

    workdir: Path
    settings: Settings
    config: dict


def asked(model, data=None, pairs=(), test_split=None, sub_batches=None, **options):
    """The `Settings` that options ask for; whatever needs no data is checked."""
    if model in zoo.recipes.names():
        raise UsageError(f"{model} is a recipe, not a model: zoo reproduce {model}")
    found = overrides(model, pairs)
    rate = options.get("learning_rate")
    if rate is not None and not (rate > 0 and math.isfinite(rate)):
        raise UsageError(f"--learning-rate must be a number above 0, got {rate}")
    if data is None:
        import_tensorflow()
        data = registry.get_class(model).demo_data
    data = location.absolute(data)
    if test_split is None:
        split = options.get("split", "train")
        test_split = default_test_split(data, split, options.get("languages"))
    settings = fitting(Settings(model, found, data, test_split=test_split, **options))
    pieces = pieces_of(settings) if sub_batches is None else sub_batches
    return replace(settings, sub_batches=pieces)


def pieces_of(settings):
    """The model's own `sub_batches` where that pays: on a CPU, with batches that it divides."""
    import tensorflow as tf

    pieces = registry.get_class(settings.model).sub_batches
    named = location.is_named(settings.data)
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
        options["data"] = location.absolute(data)
        if "test_split" not in options:
            options["test_split"] = default_test_split(
                options["data"], run.settings.split, run.settings.languages
            )
    return fitting(replace(run.settings, set=run.config, **options)), run.workdir


def opened(settings, workdir, best=False, data=None):
    """A trainer that has taken up what the run has saved."""
    trainer = settings.trainer(settings.build(data), workdir)
    trainer.restore(best=best)
    return trainer


def default_test_split(data, split, languages=None):
    """The split to evaluate on: test, else validation; else what is trained on, with a note."""
    if not location.is_named(data) and not location.path(data).exists():
        return split  # loading it will say what is wrong
    there = zoo.data.splits(data, languages)
    held_out = next((name for name in location.HELD_OUT if name in there), None)
    if held_out:
        return held_out
    first = there[0] if there else "train"
    note(
        f"note: {data} has no test split, {split} takes its place; `zoo train` holds a part out"
        f" with --split '{first}[:90%]' --test-split '{first}[90%:]'"
    )
    return split


def folder(settings):
    """The default folder of a run: `runs/vae-mnist`."""
    name = settings.data
    data = name.replace("/", "-") if location.is_named(name) else location.path(name).stem
    return RUNS / f"{settings.model}-{data}"


def check_same(workdir, settings):
    """The `Run` in a folder, or None; raises UsageError, listing what differs from the settings."""
    if not Workdir(workdir).checkpoints.paths():
        return None
    if not Workdir(workdir).config.exists():
        raise UsageError(
            f"{workdir} holds checkpoints that `zoo train` did not make (there is no config.json):"
            " use another --workdir"
        )
    run = read(workdir)
    other = differences(asdict(run.settings) | {"set": 0}, asdict(settings) | {"set": 0})
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


def differences(had, wanted):
    """Where two configurations differ: [("key=had", "key=wanted")]."""
    had, wanted = json.loads(json.dumps([had, wanted]))  # tuples are lists in a file
    other = [key for key in wanted if key in had and had[key] != wanted[key]]
    return [(f"{key}={had[key]}", f"{key}={wanted[key]}") for key in other]


def write(workdir, settings, model):
    """Writes `config.json`, unless another trainer is at work there (WorkdirBusy)."""
    own = model.get_config()
    record = {
        **asdict(settings),
        "config": {key: own[key] for key in registry.arguments(type(model))},
        "versions": {
            "zoo": zoo.__version__,
            **{name: importlib.metadata.version(name) for name in ("tensorflow", "keras")},
        },
    }
    run = Workdir(workdir)
    with run.exclusive():
        write_json(run.config, record)


def read(workdir):
    """The `Run` in a folder; raises CheckpointError if its `config.json` cannot be read."""
    path = Workdir(workdir).config
    keys = {field.name for field in fields(Settings)}  # older runs lack the newer ones
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        settings = Settings(**{key: record[key] for key in keys & record.keys()})
        return Run(Path(workdir), settings, record["config"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is damaged or no run's ({type(error).__name__}: {error}); train again in"
            " another --workdir"
        ) from error


def find(text):
    """The `Run` of a folder, or the newest under `runs/` of a model; None if it has none yet."""
    path = user_path(text)
    if Workdir(path).config.is_file():
        return read(path)
    there = list(saved())
    if text in registry.names():
        return next((run for run in there if run.settings.model == text), None)
    if path.is_dir():
        raise UsageError(f"{text} is no run: it has no config.json. `zoo train` makes runs")
    raise UnknownName("run or model", text, [*registry.names(), *(str(r.workdir) for r in there)])


def saved():
    """The runs under `runs/` that have saved something, the newest first."""
    found = [path.parent for path in RUNS.glob("*/config.json")]
    steps = {path: Workdir(path).checkpoints.paths() for path in found}
    times = {path: max(s.stat().st_mtime for s in steps[path]) for path in found if steps[path]}
    for path in sorted(times, key=times.get, reverse=True):
        with contextlib.suppress(CheckpointError):
            yield read(path)


def record(settings, workdir, trainer, metrics):
    """What `train` and `evaluate` answer."""
    position = trainer.state.position
    return {
        "run": workdir and str(workdir),
        "model": settings.model,
        "kind": settings.kind,
        "data": settings.data,
        "split": settings.test_split,
        "epochs": position["epoch"],
        "steps": position["step"],
        "metrics": metrics,
    }


def warn_of_grey(model, data):
    """Says so if a Bernoulli likelihood is about to be given grey values."""
    pixels = data.take(64).get("image") if getattr(model, "head", None) == "bernoulli" else None
    if pixels is not None and ((pixels > 0) & (pixels < 1)).any():
        note(
            "note: grey values under a Bernoulli likelihood are not a likelihood: the nats compare"
            " with nothing published. Use --binarize dynamic, or --set head=normal"
        )
