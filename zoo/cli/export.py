"""`zoo export`: a model's verbs as a SavedModel, for programs that have TensorFlow alone."""

import click

from zoo.cli.load import ready
from zoo.cli.options import Number, OutputFolder, refuse
from zoo.cli.terminal import BEST, answers, table
from zoo.errors import UsageError


def show(record):
    click.echo(f"{record['folder']}\n")
    table([(row["name"], row["takes"], row["gives"]) for row in record["functions"]], *COLUMNS)


COLUMNS = "function", "takes", "gives"


@click.command()
@click.argument("run")
@click.argument("folder", type=OutputFolder())
@click.option(
    "--num-beams",
    type=Number("num_beams"),
    default=5,
    show_default=True,
    help="Of words; 1 is greedy.",
)
@click.option(
    "--max-length",
    type=Number("max_length"),
    default=100,
    show_default=True,
    help="Words of a text at most.",
)
@BEST
@answers(show)
def export(run, folder, num_beams, max_length, best):
    """Write a model as a SavedModel, which needs TensorFlow and nothing of the zoo.

    RUN is a folder made by `zoo train` or `zoo reproduce`, a model's name, which means its newest
    run, a preset, or a .keras file. FOLDER is made, and must not be there. In it, the verbs of the
    model are functions: sample, encode, decode, ... Texts are strings there, if words or characters
    are what they are cut into; sub-words stay outside, and then ids are given and taken.

    \b
    zoo export vae.snowflakes exported/vae
    zoo export seq2seq.dates exported/dates --num-beams 1
    zoo export runs/pix2pix-facades exported/facades --json
    """
    if folder.exists():
        raise UsageError(f"{folder} is there already; choose another folder, or remove it")
    with ready(run, best, check=words_only) as (model, where, _):
        from zoo import saved_model

        told = saved_model.export(model, folder, num_beams=num_beams, max_length=max_length)
    rows = [{"name": name, "takes": a, "gives": b} for name, (a, b) in told.items()]
    return {"run": where and str(where), "folder": str(folder), "functions": rows}


def words_only(cls):
    """Raises UsageError for options about words where a model answers in none."""
    if cls.data_kind not in ("pairs", "captions"):
        refuse(
            ["num_beams", "max_length"],
            f"is of words, and {cls.__name__} answers in none; leave it out",
        )
