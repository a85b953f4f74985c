"""What a name means - a run, a preset, a .keras file, a model - and the model that it names.

    model = zoo.load("runs/vae-mnist")                # the run's last epoch
    model = zoo.load("runs/vae-mnist", best=True)     # its best epoch
    model = zoo.load("vae.snowflakes")                # a preset, like zoo.get(..., pretrained=True)
    model = zoo.load("hf://owner/name")
    model = zoo.load("model.keras")

`resolve` is the only place that decides this. It needs no TensorFlow.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo import presets, recipes, registry
from zoo.environment import import_tensorflow
from zoo.errors import CheckpointError, UnknownNameError, UsageError
from zoo.files import user_path
from zoo.log import log_message
from zoo.presets.preset_record import WEIGHTS
from zoo.training.run_folder import Run, read
from zoo.training.workdir import RUNS, Workdir

if TYPE_CHECKING:
    from zoo.model import Model

KINDS = "a run's folder, a preset, hf://owner/name, https://host/folder, a .keras file or a model"


@dataclass(frozen=True)
class Resolved:
    """What a name means.

    Attributes:
        kind: "run"; "preset"; "file", of Keras; or "model", which has no run.
        name: the name of a model; a reference that `zoo.presets.load` takes; the path of a file.
        run: the run, of the kind "run".
    """

    kind: str
    name: str
    run: Run | None = None


def resolve(name: str | Path) -> Resolved:
    """What a name means.

    Args:
        name: a run's folder; a preset (its name, its folder, "hf://owner/name" or
            "https://host/folder"); a .keras file; or a model's name, which means its newest run.

    Raises UsageError for anything else; the message says what it is instead. CheckpointError: a
    run's `config.json` is damaged.
    """
    name = str(name)
    if "://" in name or name in presets.names():
        return Resolved("preset", name)
    path = user_path(name)
    folder = Workdir(path)
    if (path / WEIGHTS).is_file():
        return Resolved("preset", name)
    if path.suffix == ".keras" and path.is_file():
        return Resolved("file", name)
    if folder.config.is_file():
        return Resolved("run", name, read(path))
    if folder.old_recipe.is_file():  # zoo 0.1 wrote the evaluated model, and how to train it
        file = path / "model.keras"
        return Resolved("file", str(file)) if file.is_file() else Resolved("run", name, read(path))
    if name in registry.names():
        run = next((run for run in saved_runs() if run.config.model == name), None)
        if run is None:
            return Resolved("model", name)
        log_message(f"{name}: the newest run is {run.workdir}")
        return Resolved("run", name, run)
    raise _unknown(name, path)


def _unknown(name: str, path: Path) -> UsageError:
    """The error for an unknown name."""
    if name in recipes.names():
        return UsageError(f"{name} is a recipe without a run: zoo reproduce {name}")
    if Workdir(path).checkpoints.paths():
        return UsageError(
            f"{name} has checkpoints, but no config.json (a zoo.Trainer of zoo 0.1 wrote none)."
            f" Resume it with zoo.Trainer(model, {name!r}), which writes the file"
        )
    if path.exists():
        return UsageError(
            f"{name} is not {KINDS}: a run has config.json, and a preset has {WEIGHTS}"
        )
    known = [*registry.names(), *presets.names(), *(str(run.workdir) for run in saved_runs())]
    if Path(name).name != name:
        return UsageError(f"there is no {name}; expected {KINDS}. `zoo list --runs` lists runs")
    return UnknownNameError("run, preset, file or model", name, known)


def saved_runs(root: Path = RUNS) -> Iterator[Run]:
    """The runs under `runs/` that have checkpoints, the newest first."""
    folders = {path.parent for path in root.glob("*/config.json")}
    folders |= {path.parent for path in root.glob("reproduce/*/config.json")}
    times = {folder: last_saved(folder) for folder in folders}
    for folder in sorted(filter(times.get, times), key=times.__getitem__, reverse=True):
        with contextlib.suppress(CheckpointError):
            yield read(folder)


def last_saved(workdir: Path) -> float:
    """The time of a run's last checkpoint; 0 without any."""
    times: list[float] = [0]
    for path in Workdir(workdir).checkpoints.paths():
        with contextlib.suppress(FileNotFoundError):  # a running trainer removes old ones
            times.append(path.stat().st_mtime)
    return max(times)


def load(reference: str | Path, best: bool = False, cache: str | Path | None = None) -> "Model":
    """A trained model with its weights.

    Args:
        reference: a run's folder; a preset (its name, its folder, "hf://owner/name" or
            "https://host/folder"); a .keras file; or a model's name, which means its newest run.
        best: the best epoch of a run instead of the last. A run of a recipe that selects its best
            epoch always gives that.
        cache: folder for downloaded presets; default ZOO_CACHE or ~/.cache/zoo.

    Returns the model, whose weights are the averages if the run averages them.

    Raises UsageError: an unknown name; a model without a run, which `zoo.get` builds; `best` for
    anything but a run. CheckpointError: a run that is damaged or that cannot be built here.
    PresetError: as in `zoo.presets.load`.
    """
    return open_resolved(resolve(reference), best, cache)


def open_resolved(
    resolved: Resolved, best: bool = False, cache: str | Path | None = None
) -> "Model":
    """`load` for a resolved name."""
    name = resolved.name
    if best and resolved.run is None:
        raise UsageError(f"best needs a run, which has several epochs; {name} is a {resolved.kind}")
    import_tensorflow()
    from zoo.presets import keras_files
    from zoo.training.run_building import build_saved_model, open_run

    if resolved.kind == "model":
        raise UsageError(
            f"there is no run of {name} in {RUNS}: train one with `zoo train {name}`, or build it"
            f" with initial weights by zoo.get({name!r})"
        )
    if resolved.kind == "file":
        return keras_files.load(user_path(name))
    if resolved.run is None:
        preset = presets.load(name, cache)
        return presets.load_weights(preset, preset.build())
    model = build_saved_model(resolved.run)
    with open_run(resolved.run, best).averaged_weights() as trained:
        model.set_weights(trained.get_weights())
    return model
