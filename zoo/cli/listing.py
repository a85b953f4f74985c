"""`zoo list`: the models, the presets of the package, the runs of the current folder."""

import datetime
import json
from typing import Any

import click

from zoo import factory
from zoo.cli.terminal import json_option, print_table
from zoo.errors import PresetError, UnknownNameError, UsageError
from zoo.recipes.loading import last_saved, saved_runs
from zoo.training.run_folder import Run
from zoo.training.workdir import Workdir


def _show(record: dict[str, Any]) -> None:
    if "models" in record:
        rows = [(row["name"], row["summary"]) for row in record["models"]]
        print_table(rows, "model", "paper")
    elif "presets" in record:
        _show_rows(record["presets"])
    elif record["runs"]:
        _show_rows(record["runs"])
    else:
        click.echo("there are no runs here; `zoo train MODEL` makes one in runs/")


def _show_rows(rows: list[dict[str, Any]]) -> None:
    cells = [["-" if value is None else value for value in row.values()] for row in rows]
    print_table(cells, *rows[0])


@click.command("list")
@click.argument("pattern", default="*")
@click.option("--presets", is_flag=True, help="List the presets of this package instead.")
@click.option("--runs", is_flag=True, help="List the runs in runs/ instead, the newest first.")
@json_option(_show)
def list_models(pattern: str, presets: bool, runs: bool) -> dict[str, Any]:
    """List the models, the presets or the runs.

    PATTERN is a wildcard or a part of a name; without it, all are listed. The table of runs has
    the best value of the metric that each run monitors, and the time of its last checkpoint.

    \b
    zoo list
    zoo list '*vae*' --presets
    zoo list --runs
    """
    if presets and runs:
        raise UsageError("use either --presets or --runs")
    if runs:
        listed = [_describe_run(run) for run in saved_runs()]
        return {"runs": [row for row in listed if pattern.strip("*") in row["run"]]}
    kind = "preset" if presets else "model"
    names = factory.names(pattern, presets) or factory.names(f"*{pattern}*", presets)
    if not names:
        raise UnknownNameError(kind, pattern, factory.names(pretrained=presets))
    if presets:
        return {"presets": [_describe_preset(name) for name in names]}
    return {"models": [{"name": name, **_describe_model(name)} for name in names]}


def _describe_model(name: str) -> dict[str, Any]:
    """The first line about a model; for a broken plug-in, the error."""
    try:
        record = factory.info(name)
    except Exception as error:  # a plug-in may raise any error
        return {"summary": f"(broken: {error})", "module": None}
    return {"summary": record["summary"], "module": record["module"]}


def _describe_preset(name: str) -> dict[str, Any]:
    """A preset's row; for a damaged one, the error instead of its model."""
    try:
        record = factory.info(name)
    except PresetError as error:
        record = {"name": name, "model": f"(damaged: {error})"}
    return {key: record.get(key) for key in ("name", "model", "parameters", "dtype", "license")}


def _describe_run(run: Run) -> dict[str, Any]:
    """A run's row: its newest step, and the best value of its monitored metric so far."""
    folder = Workdir(run.workdir)
    metric = run.config.monitor or "loss"
    name = metric.removeprefix("max:")
    try:
        history = json.loads((run.workdir / "history.json").read_text(encoding="utf-8"))
        if name not in history:
            name = name.removeprefix("val_")  # nothing was held out
        best = (max if metric.startswith("max:") else min)(history[name])
    except (OSError, ValueError, KeyError, TypeError):  # before the end of the first epoch
        best = None
    when = datetime.datetime.fromtimestamp(last_saved(run.workdir))
    return {
        "run": str(run.workdir),
        "model": run.config.model,
        "data": run.config.data,
        "steps": int(folder.checkpoints.paths()[-1].stem.partition("-")[2]),
        "metric": name,
        "best": best,
        "when": when.isoformat(sep=" ", timespec="minutes"),
    }
