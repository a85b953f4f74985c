"""`zoo save`: writes a run as a preset, with its evaluated weights and its metrics in the card."""

import functools
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from zoo import presets, recipes
from zoo.cli import runs
from zoo.cli.options import BEST_OPTION, RESULTS_OPTION, UserPath
from zoo.cli.terminal import import_tensorflow, json_option, print_table
from zoo.cli.train import train
from zoo.cli.train_options import command_line
from zoo.data import catalog, source_names
from zoo.errors import UsageError
from zoo.files import check_writable, user_path
from zoo.log import log_message
from zoo.presets import licenses, preset, preset_record
from zoo.recipes import record_text, records
from zoo.training import run_folder
from zoo.training.run_folder import Run


def preset_options(command: Callable) -> Callable:
    """Adds the options of `zoo save` and `zoo push`: license, dtype, results, best."""

    @click.option(
        "--license",
        metavar="NAME",
        help="License of the weights, as the Hugging Face hub spells it.  [default: apache-2.0, if"
        " the license of the data allows it]",
    )
    @click.option(
        "--dtype",
        type=click.Choice(preset_record.DTYPES),
        default="float32",
        show_default=True,
        help="Data type of the stored weights: float16 takes half of the bytes of float32, int8"
        " less than a quarter.",
    )
    @RESULTS_OPTION
    @BEST_OPTION
    @functools.wraps(command)
    def run(**options: Any) -> Any:
        return command(**options)

    return run


def show_preset(record: dict[str, Any]) -> None:
    """Prints the record of `zoo save` and `zoo push`."""
    click.echo(f"{record['name']}: {record['parameters']:,} parameters, {record['dtype']}\n")
    rows = [(name, file["size"], file["sha256"]) for name, file in record["files"].items()]
    print_table(rows, "file", "bytes", "sha256")
    click.echo(f"\ntry next: zoo.get({record['folder']!r}, pretrained=True)")


@click.command()
@click.argument("model", metavar="MODEL", type=UserPath(path_type=Path))
@click.argument("folder")
@preset_options
@json_option(show_preset)
def save(model: Path, folder: str, **options: Any) -> dict[str, Any]:
    """Write a trained run to a folder, as a preset.

    MODEL is the folder of a run, or the name of a model (its newest run). FOLDER is created, and
    the preset gets its name. In Python, zoo.get(FOLDER, pretrained=True) loads it; zoo push
    uploads it.

    \b
    zoo save runs/reproduce/vae.mnist-cpu-hour presets/vae.mnist
    zoo save runs/vae-mnist presets/mine --best --dtype float16
    """
    if re.match(r"\w+://", folder):
        raise UsageError(
            f"zoo save writes to a folder, got {folder}; to upload a preset: zoo push MODEL"
            " hf://owner/name"
        )
    if is_preset_folder(model):
        raise UsageError(
            f"{model} is a preset already, not a run: copy the folder, or upload it with: zoo push"
            f" {model} hf://owner/name"
        )
    return presets.summary(save_preset(model, user_path(folder), **options))


def save_preset(
    run: Path,
    folder: Path,
    license: str | None = None,
    dtype: str = "float32",
    results: Path = records.RESULTS,
    best: bool = False,
) -> preset.Preset:
    """Writes a run to a folder, as a preset.

    Args:
        run: the folder of a run, or a model's name.
        folder: folder to create; the preset gets its name.
        license: license of the weights; default apache-2.0, if the license of the data allows it.
        dtype: data type of the stored weights, as in `zoo.save`.
        results: folder of the records of `zoo reproduce`.
        best: use the best epoch of a run; a recipe defines this itself.

    Returns the `zoo.presets.Preset`. Raises UsageError if `run` is not a run, if a run of a recipe
    has no record, or if the license must be given.
    """
    check_writable(folder / preset.CONFIG)
    import_tensorflow()
    resolved = runs.resolve(str(run), best=best)
    if resolved.kind == "model":
        raise UsageError(f"there is no run of {run}; train one with: zoo train {run}")
    if resolved.run is None:
        raise UsageError(
            f"{run} is a {resolved.kind}, not a run: save it in Python with zoo.save, which takes a"
            " card; for a run of zoo 0.1, run the same `zoo reproduce` again first"
        )
    restore = _restore_recipe if resolved.run.recipe else _restore_training
    trainer, card = restore(resolved.run, Path(results), best, license)
    log_message(f"saving {run} as {folder}, step {trainer.state.position['step']:,}")
    note_rounding(card, dtype)
    with trainer.averaged_weights() as model:
        return presets.save(model, folder, card, dtype=dtype)


def note_rounding(card: dict[str, Any], dtype: str) -> None:
    """Adds to the limitations of a card that its metrics are those of float32 weights."""
    if dtype != "float32":
        limitation = f"The metrics are those of the float32 weights, before rounding to {dtype}."
        card["limitations"] = f"{card.get('limitations', '')} {limitation}".strip()


def is_preset_folder(path: Path) -> bool:
    """Whether a folder has the files of a preset, valid or not; a run has no weights file."""
    return all((path / name).is_file() for name in (preset.CONFIG, preset.WEIGHTS))


def _restore_recipe(
    run: Run, results: Path, best: bool, license: str | None
) -> tuple[Any, dict[str, Any]]:
    """(trainer with the evaluated weights, facts of the card) of a run of `zoo reproduce`."""
    recipe, budget = _recipe_of(run)
    _data_facts(recipe.data, recipe.splits(budget)[0], license)  # raises before any work
    path = results / f"{recipe.name}.{budget}.json"
    if not path.exists():
        raise UsageError(
            f"there is no record {path} of {run.workdir}; finish it with: zoo reproduce"
            f" {recipe.name} --budget {budget}"
        )
    record = records.read(path).run(run.config.seed)
    from zoo.training.run_building import open_run

    trainer = open_run(run)
    if trainer.state.position["epoch"] != record["evaluated_epoch"]:
        raise UsageError(
            f"{path} is about epoch {record['evaluated_epoch']}, but {run.workdir} has epoch"
            f" {trainer.state.position['epoch']}: the record belongs to another run"
        )
    return trainer, recipe_card(recipe, budget, record, license)


def recipe_card(
    recipe: recipes.Recipe, budget: str, record: records.Record, license: str | None
) -> dict[str, Any]:
    """The fields of a card, `zoo.presets.cards.FIELDS`, of a recipe and its record.

    Args:
        recipe, budget: recipe and budget of the run.
        record: that `zoo reproduce` wrote.
        license: license of the weights; None: the default.
    """
    results = [
        (
            key,
            record_text.format_value(metric),
            record_text.format_uncertainty(metric),
            metric["unit"],
            metric["protocol"],
        )
        for key, metric in record["metrics"].items()
    ]
    data = _data_facts(recipe.data, recipe.splits(budget)[0], license)
    return {
        "title": recipe.title,
        **data,
        "recipe": f"zoo reproduce {recipe.name} --budget {budget}",
        "results": results,
        "references": [
            record_text.format_reference(record, reference)
            for reference in record["recipe"]["references"]
        ],
        "limitations": recipe.limitations,
    }


def _recipe_of(run: Run) -> tuple[recipes.Recipe, str]:
    """(recipe with the run's data, budget) of a run; raises UsageError if it has changed since."""
    assert run.recipe
    name, budget = run.recipe
    recipe = replace(recipes.get(name), data=run.config.data or "")
    run_folder.check_same(run.workdir, recipe.run_config(budget))
    return recipe, budget


def _restore_training(
    run: Run, results: Path, best: bool, license: str | None
) -> tuple[Any, dict[str, Any]]:
    """(trainer, facts of the card) of any other run, which is evaluated now."""
    config = run.config
    if config.data is None:
        raise UsageError(
            f"the data of {run.workdir} are unknown, so its card cannot name them: save it in"
            " Python with zoo.save, which takes a card"
        )
    data_facts = _data_facts(config.data, config.train, license)
    loaded = runs.open_trainer(str(run.workdir), best=best)
    metrics = loaded.trainer.evaluate(loaded.data)
    name = public_data_name(config.data)
    binarized = f", binarize {config.binarize}" if config.binarize != "none" else ""
    protocol = f"mean over {name} {config.test}{binarized}"
    return loaded.trainer, {
        "title": f"{config.model} on {name}",
        **data_facts,
        "recipe": public_command(command_line(replace(config, data=name), train)),
        "results": [(key, f"{value:.5g}", "", "", protocol) for key, value in metrics.items()],
    }


def _data_facts(data: str, split: str, license: str | None) -> dict[str, Any]:
    """The facts of a card about the data and the license, which may follow from the data."""
    entry = catalog.info(data) if source_names.is_named(data) else None
    data_license = {"data_license": entry.license} if entry else {}
    name = f"{public_data_name(data)} {split}"
    return {"data": name, **data_license, **licenses.choose(license, entry)}


def public_command(command: str) -> str:
    """A shell line with only the last part of each absolute path, since the rest is private."""
    words = []
    for word in shlex.split(command):
        key, equals, value = word.rpartition("=")
        path = Path(value)
        words.append(key + equals + (path.name if path.is_absolute() else value))
    return shlex.join(words)


def public_data_name(data: str) -> str:
    """Data as a card names them: only the last part of a path, since the rest is private."""
    if source_names.is_named(data):
        return data
    pairs = source_names.parse_pairs(data)
    direction = f"{pairs[0]}:" if pairs else ""
    return f"{direction}{source_names.source_path(data).name}"
