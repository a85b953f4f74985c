"""`zoo push`: a preset of a finished run, its weights as evaluated, its numbers in the card."""

import json
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import click

from zoo import presets, recipes
from zoo.cli import run_config, runs
from zoo.cli.terminal import BEST, UserPath, answers, import_tensorflow, note, table
from zoo.data import catalog, source_names
from zoo.errors import PresetError, UsageError, one_line
from zoo.files import check_writable
from zoo.presets import download, licenses, preset, preset_record
from zoo.recipes import records
from zoo.recipes import run as reproduction


def push(run, target, license=None, stored="float32", results=records.RESULTS, best=False):
    """Makes a preset of a run, or puts one on the hub.

    Args:
        run: a folder made by `zoo reproduce` or `zoo train`, or a preset.
        target: the folder to make, its name the preset's; or "hf://owner/name", which needs a
            token of the hub.
        license: of the weights; default apache-2.0, unless the data's does not allow that.
        stored: as in `zoo.save`.
        results: where `zoo reproduce` has put its record.
        best: of a run of `zoo train`, take the best epoch; a recipe says so itself.

    Returns the `zoo.presets.Preset`. Raises UsageError: no run, no record of it, no license.
    """
    address = re.match(r"\w+://", str(target))
    slug = download.HUB_REFERENCE.fullmatch(str(target))
    if address and (not slug or slug[3]):
        raise UsageError(
            f"a preset goes to a folder, or to a place on the hub, written hf://owner/name; got"
            f" {target}"
        )
    if slug:
        hub = download.hub_library()  # before anything is computed
        if is_preset(run):
            return published(hub, f"{slug[1]}/{slug[2]}", preset.read(run))
        with tempfile.TemporaryDirectory() as place:
            made = push(run, Path(place) / slug[2], license, stored, results, best)
            return published(hub, f"{slug[1]}/{slug[2]}", made)
    if is_preset(run):
        raise UsageError(
            f"{run} is a preset already, not a run: copy the folder, or push it to hf://owner/name"
        )
    check_writable(Path(target) / preset.CONFIG)
    import_tensorflow()
    run = Path(run)
    of = of_recipe if (run / "recipe.json").is_file() else of_training
    trainer, facts = of(run, Path(results), best, license)
    note(f"making {target} of {run}, step {trainer.state.position['step']:,}")
    if stored != "float32":
        rounded = f"The numbers are those of the weights before they were rounded to {stored}."
        facts["limitations"] = f"{facts.get('limitations', '')} {rounded}".strip()
    with trainer.averaged() as model:
        return presets.save(model, target, facts, dtype=stored)


def is_preset(place):
    """Whether a folder is that of a preset, sound or not; a run has no weights file."""
    return all((Path(place) / name).is_file() for name in (preset.CONFIG, preset.WEIGHTS))


def published(hub, repository, preset):
    """Uploads a preset, all its files in one commit."""
    try:
        api = hub.HfApi()
        api.create_repo(repository, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=preset.folder)
    except Exception as error:  # of the hub, of the network, of a token
        raise PresetError(f"the hub did not take {repository}: {one_line(error)}") from error
    return preset


def of_recipe(run, results, best, license):
    """(trainer with the weights that were evaluated, facts of the card) of `zoo reproduce`."""
    recipe, budget = recipe_of(run)
    data = data_facts(recipe.data, recipe.splits(budget)[0], license)
    path = results / f"{recipe.name}.{budget}.json"
    if not path.exists():
        raise UsageError(
            f"there is no record {path} of {run}; finish it with: zoo reproduce {recipe.name}"
            f" --budget {budget}"
        )
    record = records.read(path)
    train = reproduction.load(recipe, recipe.splits(budget)[0], training=True)
    trainer = reproduction.trainer_of(recipe, budget, run, train)
    trainer.restore(best=recipe.best)
    if trainer.state.position["epoch"] != record["evaluated_epoch"]:
        raise UsageError(
            f"{path} is about epoch {record['evaluated_epoch']}, and {run} has epoch"
            f" {trainer.state.position['epoch']}: the record is of another run"
        )
    numbers = [
        (key, records.written(one), records.certainty(one), one["unit"], one["protocol"])
        for key, one in record["metrics"].items()
    ]
    return trainer, {
        "title": recipe.title,
        **data,
        "recipe": f"zoo reproduce {recipe.name} --budget {budget}",
        "results": numbers,
        "references": [records.beside(record, one) for one in record["recipe"]["references"]],
        "limitations": recipe.limits,
    }


def recipe_of(run):
    """(recipe, budget) that a run's recipe.json was written by; raises UsageError."""
    try:
        had = json.loads((run / "recipe.json").read_text())
        had["data"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise UsageError(
            f"{run / 'recipe.json'} is damaged ({one_line(error)}): make the run again"
        ) from error
    found = [
        (recipe, budget)
        for recipe in map(recipes.get, recipes.names())
        for budget in recipe.budgets
        if recipe.model == had.get("model")
        and not run_config.differences(had, replace(recipe, data=had["data"]).training(budget))
    ]
    named = [one for one in found if run.name == f"{one[0].name}-{one[1]}"] or found
    if not named:
        raise UsageError(f"{run} is a run of no recipe that there is now; make it anew")
    return replace(named[0][0], data=had["data"]), named[0][1]


def of_training(run, results, best, license):
    """(trainer, facts of the card) of `zoo train`; it is evaluated now."""
    settings, workdir = runs.taken(str(run), best=best)
    if workdir is None:
        raise UsageError(f"there is no run of {run}; train one with: zoo train {run}")
    about = data_facts(settings.data, settings.split, license)
    data = settings.load(settings.test_split)
    trainer = runs.opened(settings, workdir, best, data)
    found = trainer.evaluate(data)
    name = shown(settings.data)
    protocol = f"mean over {name} {settings.test_split}, binarize {settings.binarize}"
    return trainer, {
        "title": f"{settings.model} on {name}",
        **about,
        "recipe": f"zoo train {settings.model} --data {name}",
        "results": [(key, f"{value:.5g}", "", "", protocol) for key, value in found.items()],
    }


def data_facts(data, split, license):
    """What a card says of the data, and of the license, which may follow from them."""
    known = catalog.info(data) if source_names.is_named(data) else None
    own = {"data_license": known.licence} if known else {}
    return {"data": f"{shown(data)} {split}", **own, **licenses.choose(license, known)}


def shown(data):
    """Data as a card names them: of a path the last part, the rest is nobody's business."""
    if source_names.is_named(data):
        return data
    direction = f"{source_names.pairs(data)[0]}:" if source_names.pairs(data) else ""
    return f"{direction}{source_names.path(data).name}"


def show(record):
    click.echo(f"{record['name']}: {record['parameters']:,} parameters, {record['dtype']}\n")
    rows = [(name, facts["size"], facts["sha256"]) for name, facts in record["files"].items()]
    table(rows, "file", "bytes", "sha256")
    click.echo(f"\ntry next: zoo.get({record['folder']!r}, pretrained=True)")


@click.command("push")
@click.argument("run", type=UserPath(path_type=Path))
@click.argument("target")
@click.option(
    "--license",
    metavar="NAME",
    help="Of the weights, as the hub writes it.  [default: apache-2.0, if the data's allows it]",
)
@click.option(
    "--stored",
    type=click.Choice(preset_record.DTYPES),
    default="float32",
    show_default=True,
    help="How weights are written; float16 takes half the bytes, int8 less than a quarter.",
)
@click.option(
    "--results",
    type=UserPath(file_okay=False, path_type=Path),
    default=records.RESULTS,
    show_default=True,
    help="Where `zoo reproduce` has put the record.",
)
@BEST
@answers(show)
def command(run, target, **options):
    """Make a preset of a finished run.

    RUN is a folder made by `zoo reproduce` or `zoo train`. TARGET is the folder to make, whose
    name is the preset's, or hf://owner/name. `zoo.get(TARGET, pretrained=True)` is the model.

    \b
    zoo push runs/reproduce/vae.mnist-cpu-hour presets/vae.mnist
    zoo push runs/vae-mnist presets/mine --best --stored float16
    """
    return presets.summary(push(run, target, **options))
