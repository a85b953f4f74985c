"""`zoo reproduce`: trains a recipe, evaluates it and writes a record."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from zoo import recipes
from zoo.cli.completion import complete_recipes
from zoo.cli.options import RESULTS_OPTION, Number, UserPath
from zoo.cli.terminal import import_tensorflow, json_option, print_table
from zoo.cli.train import train
from zoo.cli.train_options import command_line
from zoo.errors import UsageError
from zoo.recipes import record_text
from zoo.recipes.run import reproduce as run_recipe


def _show(record: Any) -> None:
    if "recipes" in record:
        listed = record["recipes"]
        rows: list[tuple] = [(row["name"], row["budget"], row["title"]) for row in listed]
        print_table(rows, "recipe", "budget", "title")
        return
    if "command" in record:
        click.echo(record["command"])
        return
    seeds = ", mean of {} seeds".format(len(record["seeds"])) if "seeds" in record else ""
    click.echo(f"{record['name']}{seeds}, {record['protocol']}:\n")
    rows = []
    for key, metric in record["metrics"].items():
        better = "lower is better" if metric["lower_is_better"] else "higher is better"
        value = record_text.format_value(metric)
        rows.append((key, value, record_text.format_uncertainty(metric), metric["unit"], better))
    print_table(rows, "metric", "value", "95 % interval", "unit", "")
    click.echo("")
    for reference in record["recipe"]["references"] or [None]:
        click.echo(record_text.format_reference(record, reference))
    click.echo(f"record: {record.path}")


@click.command("reproduce")
@click.argument("name", required=False, shell_complete=complete_recipes)
@click.option(
    "--budget",
    metavar="NAME",
    help="How long to train: a budget of the recipe, such as smoke, cpu-hour or paper.  [default:"
    " the first after smoke]",
)
@click.option(
    "--seeds",
    "num_seeds",
    type=Number("num_seeds"),
    default=1,
    show_default=True,
    help="Number of runs with different seeds; the record has the metrics of each run and the"
    " means.",
)
@RESULTS_OPTION
@click.option(
    "--workdir",
    type=UserPath(file_okay=False, path_type=Path),
    help="Folder of the run.  [default: runs/reproduce/NAME-BUDGET]",
)
@click.option(
    "--data",
    metavar="DATA",
    help="File or folder to use instead of the recipe's data; the record has its checksum.",
)
@click.option("--list", "list_recipes", is_flag=True, help="List the recipes and train nothing.")
@click.option(
    "--command",
    is_flag=True,
    help="Print the `zoo train` command of the recipe's run and train nothing.",
)
@json_option(_show)
def reproduce(
    name: str | None,
    budget: str | None,
    num_seeds: int,
    results: Path,
    workdir: Path | None,
    data: str | None,
    list_recipes: bool,
    command: bool,
) -> dict[str, Any]:
    """Train a recipe, evaluate it and write a record.

    NAME is the name of a recipe. The same command again resumes where it stopped; a complete run is
    only evaluated. An evaluation by importance sampling is resumed, too.

    \b
    zoo reproduce --list
    zoo reproduce vae.mnist_gated --budget smoke
    zoo reproduce vae.mnist_gated --seeds 3            three runs, or those of them that are missing
    zoo reproduce dcgan.quickdraw_cat --data cat.npz
    zoo reproduce vae.mnist --command                  its training as one line of `zoo train`
    """
    if list_recipes:
        listed = map(recipes.get, recipes.names())
        return {
            "recipes": [
                {"name": recipe.name, "budget": recipe.default_budget, "title": recipe.title}
                for recipe in listed
            ]
        }
    if name is None:
        raise UsageError("give the name of a recipe; `zoo reproduce --list` lists them")
    recipe = recipes.get(name)
    if data is not None:
        recipe = replace(recipe, data=data)
    if command:
        return {"command": command_line(recipe.run_config(budget or recipe.default_budget), train)}
    import_tensorflow()
    from zoo.training.run_training import configure_threads

    configure_threads(recipe.micro_batches)
    return run_recipe(recipe, budget, results, workdir, num_seeds)
