"""`zoo export`: writes a model as a SavedModel, for programs that have only TensorFlow."""

import inspect
from pathlib import Path
from typing import Any

import click

from zoo.cli.completion import complete_trained
from zoo.cli.options import (
    BEST_OPTION,
    NUM_BEAMS_OPTION,
    OutputFolder,
    max_length_option,
    reject_options,
)
from zoo.cli.runs import open_model
from zoo.cli.terminal import json_option, print_table
from zoo.errors import UsageError


def _show(record: dict[str, Any]) -> None:
    click.echo(f"{record['folder']}\n")
    rows = [(row["name"], row["takes"], row["gives"]) for row in record["functions"]]
    print_table(rows, "function", "inputs", "outputs")


@click.command()
@click.argument("model", metavar="MODEL", shell_complete=complete_trained)
@click.argument("folder", type=OutputFolder())
@NUM_BEAMS_OPTION
@max_length_option(100)
@BEST_OPTION
@json_option(_show)
def export(model: str, folder: Path, num_beams: int, max_length: int, best: bool) -> dict[str, Any]:
    """Write a model as a SavedModel, which needs TensorFlow only.

    MODEL is the folder of a run, a preset, a .keras file, or the name of a model (its newest run).
    FOLDER is created and must not exist. The methods of the model become functions of the
    SavedModel: sample, encode, decode, ... A text is passed as a string if it is tokenized into
    words or characters, and as token ids if it is tokenized into sub-words.

    \b
    zoo export vae.snowflakes exported/vae
    zoo export seq2seq.dates exported/dates --num-beams 1
    zoo export runs/pix2pix-facades exported/facades --json
    """
    if folder.exists():
        raise UsageError(f"{folder} exists already; choose another folder, or remove it")
    with open_model(model, best, check=_reject_text_options) as (trained, origin, _):
        from zoo import saved_model

        functions = saved_model.export(trained, folder, num_beams=num_beams, max_length=max_length)
    rows = [
        {"name": name, "takes": inputs, "gives": outputs}
        for name, (inputs, outputs) in functions.items()
    ]
    return {"run": origin, "folder": str(folder), "functions": rows}


def _reject_text_options(cls: Any) -> None:
    """Raises UsageError for options that the model's `signatures` does not have."""
    names = {"num_beams", "max_length"} - inspect.signature(cls.signatures).parameters.keys()
    reason = f"is for models that generate text, which {cls.__name__} does not; leave it out"
    reject_options(sorted(names, reverse=True), reason)
