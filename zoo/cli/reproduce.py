"""`zoo reproduce`: trains a recipe, evaluates it and writes a record."""

from dataclasses import replace
from pathlib import Path

import click

from zoo import recipes
from zoo.cli import runs
from zoo.cli.terminal import UserPath, answers, table
from zoo.errors import UsageError
from zoo.recipes import records
from zoo.recipes.run import BUDGETS
from zoo.recipes.run import reproduce as run_recipe


def show(record):
    if "recipes" in record:
        table([(row["name"], row["title"]) for row in record["recipes"]], "recipe", "what it is")
        return
    click.echo(f"{record['name']}, {record['protocol']}:\n")
    rows = []
    for key, one in record["metrics"].items():
        better = "lower is better" if one["lower_is_better"] else "higher is better"
        rows.append((key, records.written(one), records.certainty(one), one["unit"], better))
    table(rows, "metric", "value", "95 % interval", "unit", "")
    click.echo("")
    for one in record["recipe"]["references"] or [None]:
        click.echo(records.beside(record, one))
    click.echo(f"record: {record.path}")


@click.command("reproduce")
@click.argument("name", required=False)
@click.option("--budget", type=click.Choice(BUDGETS), default="cpu-hour", show_default=True)
@click.option(
    "--results",
    type=UserPath(file_okay=False, path_type=Path),
    default=records.RESULTS,
    show_default=True,
    help="Where the record goes.",
)
@click.option(
    "--workdir",
    type=UserPath(file_okay=False, path_type=Path),
    help="Where the run lives.  [default: runs/reproduce/NAME-BUDGET]",
)
@click.option(
    "--data",
    help="A file or folder in place of the recipe's data; the protocol tells its checksum.",
)
@click.option("--list", "listed", is_flag=True, help="List the recipes and train nothing.")
@answers(show)
def reproduce(name, budget, results, workdir, data, listed):
    """Train a recipe, evaluate it, write a record.

    NAME is a recipe's. The same command again goes on where it stopped.

    \b
    zoo reproduce --list
    zoo reproduce vae.mnist_gated --budget smoke
    zoo reproduce dcgan.quickdraw_cat --data cat.npz
    """
    if listed:
        found = (recipes.get(one) for one in recipes.names())
        return {"recipes": [{"name": one.name, "title": one.title} for one in found]}
    if name is None:
        raise UsageError("give the name of a recipe; `zoo reproduce --list` shows them")
    recipe = recipes.get(name)
    if data is not None:
        recipe = replace(recipe, data=data)
    runs.start(recipe)
    return run_recipe(recipe, budget, results, workdir)
