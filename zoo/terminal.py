"""How the command line speaks: answers on stdout, notes on stderr, errors as a line and a code."""

import contextlib
import functools
import json
import logging
import math
import sys

import click

from zoo import quiet
from zoo.errors import ZooError
from zoo.log import note

# What several commands take.
BEST = click.option("--best", is_flag=True, help="Take the best epoch instead of the last.")
SIZE = click.IntRange(min=1)
SEED = click.IntRange(0, 2**32 - 2)
SET = click.option(
    "--set",
    "pairs",
    metavar="KEY=VALUE",
    multiple=True,
    help="An argument of the model, as in --set latent_dim=16; may be repeated. See `zoo info`.",
)


class Commands(click.Group):
    """A group whose commands turn the library's errors into one line and an exit code."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except ZooError as error:
            note(f"error: {error}")
            raise click.exceptions.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            note(str(error) or "interrupted")
            raise click.exceptions.Exit(1) from error


def import_tensorflow():
    """Imports TensorFlow without its greetings; of what it says later, errors are left."""
    if "tensorflow" in sys.modules:
        return
    quiet.import_tensorflow()
    import tensorflow

    tensorflow.get_logger().setLevel("ERROR")
    logging.getLogger("absl").setLevel("ERROR")  # TFDS' remarks on folders it is about to fill


def answers(show):
    """For a command that returns a record: adds `--json`, which prints it in place of `show`.

    A record with `problems` ends with exit code 1.
    """

    def decorate(command):
        @click.option("--json", "as_json", is_flag=True, help="Print one JSON object, no prose.")
        @functools.wraps(command)
        def run(as_json, **options):
            with contextlib.redirect_stdout(sys.stderr):  # libraries print what they like
                record = command(**options)
            if as_json:
                click.echo(json.dumps(jsonable(record), allow_nan=False))
            else:
                show(record)
            if record.get("problems"):
                raise click.exceptions.Exit(1)

        return run

    return decorate


def jsonable(value):
    """NaN and infinities, which JSON lacks, as null."""
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table(rows, *columns):
    """Prints rows of cells under their columns' names; numbers stand to the right."""
    from rich.table import Table
    from rich.text import Text

    drawn = Table(*columns, box=None, padding=(0, 2, 0, 0), show_header=bool(columns))
    for row in rows:
        drawn.add_row(*(Text(cell(value), justify=side(value)) for value in row))
    show = console()
    with show.capture() as capture:
        show.print(drawn)
    for line in capture.get().splitlines():
        click.echo(line.rstrip())


def cell(value):
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def side(value):
    return "right" if isinstance(value, float) else "left"


def console():
    """The terminal; in a pipe or a file lines are so long that none is broken."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 160)
