"""How the command line speaks: answers on stdout, notes on stderr, errors as a line and a code."""

import contextlib
import errno
import functools
import json
import logging
import os
import sys

import click

from zoo import environment
from zoo.errors import UsageError, ZooError, one_line
from zoo.files import jsonable, user_path
from zoo.log import forget_messages, log_message

# What several commands take.
BEST = click.option("--best", is_flag=True, help="Take the best epoch instead of the last.")
SET = click.option(
    "--set",
    "pairs",
    metavar="KEY=VALUE",
    multiple=True,
    help="An argument of the model, as in --set latent_dim=16; may be repeated. See `zoo info`.",
)


class UserPath(click.Path):
    """A path as `zoo.files.user_path` takes it."""

    def convert(self, value, param, ctx):
        return super().convert(value if value == "-" else user_path(value), param, ctx)


class Commands(click.Group):
    """A group whose commands turn the library's errors into one line and an exit code.

    So they do with what the system refuses: files, memory, a standard stream that is closed.
    """

    def main(self, *args, **extra):
        open_standard_streams()
        try:
            return super().main(*args, **extra)
        except OSError as error:  # while click prints --help; `answers` sees to the rest
            raise SystemExit(unwritten(error).exit_code) from error

    def parse_args(self, ctx, args):
        for text in args:
            check_text(text)
        return super().parse_args(ctx, args)

    def invoke(self, ctx):
        forget_messages()
        try:
            return super().invoke(ctx)
        except ZooError as error:
            raise ended(error, error.exit_code) from error
        except KeyboardInterrupt as error:
            log_message(str(error) or "interrupted")
            raise click.exceptions.Exit(1) from error
        except BrokenPipeError:
            raise  # click ends quietly
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            code = UsageError.exit_code if error.errno == errno.ENAMETOOLONG else 1
            raise ended(f"{place}{error.strerror or one_line(error)}", code) from error
        except MemoryError as error:
            raise ended(OUT_OF_MEMORY, 1) from error
        except Exception as error:
            if type(error).__name__ != "ResourceExhaustedError":  # TensorFlow's MemoryError
                raise
            raise ended(OUT_OF_MEMORY, 1) from error


LONGEST = 2000  # characters of an error
OUT_OF_MEMORY = "there is not enough memory for this; ask for less, or for smaller batches"


def ended(error, code):
    """Notes an error, in one line; what ends the command with that exit code."""
    text = "".join(c if c.isprintable() else " " for c in str(error)[: LONGEST + 1])
    log_message(f"error: {text if len(text) <= LONGEST else text[:LONGEST] + '...'}")
    return click.exceptions.Exit(code)


def check_text(text):
    """Raises click's UsageError for an argument that is not Unicode text, or holds NUL."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise click.UsageError(f"the argument {ascii(text)} is not UTF-8 text") from error
    if "\0" in text:
        raise click.UsageError(f"the argument {ascii(text)} holds a NUL character")


def open_standard_streams():
    """Opens what a shell has closed (`>&-`), lest the next file that is opened takes its place.

    To read from stdin gives nothing; to write to stdout is an error, as it was.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            flags = os.O_WRONLY if name == "stderr" else os.O_RDONLY
            setattr(sys, name, open(os.open(os.devnull, flags), mode))  # noqa: PTH123, SIM115


def unwritten(error):
    """Notes that stdout took no answer; what ends the command. Nothing more is written there."""
    with contextlib.suppress(OSError, AttributeError):  # else Python tries again as it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ended(f"cannot write the answer to stdout: {error.strerror or one_line(error)}", 1)


def import_tensorflow():
    """Imports TensorFlow without its greetings; of what it says later, errors are left."""
    late = "tensorflow" in sys.modules
    environment.import_tensorflow()
    if late:
        return
    import tensorflow

    tensorflow.get_logger().setLevel("ERROR")
    logging.getLogger("absl").setLevel("ERROR")  # TFDS' remarks on folders it is about to fill


def answers(show):
    """For a command that returns a record: adds `--json`, which prints it in place of `show`.

    A record with `problems` ends with exit code 1, and so does one with an `error`: what was
    computed is printed all the same.
    """

    def decorate(command):
        @click.option("--json", "as_json", is_flag=True, help="Print one JSON object, no prose.")
        @functools.wraps(command)
        def run(as_json, **options):
            with contextlib.redirect_stdout(sys.stderr):  # libraries print what they like
                record = command(**options)
            try:
                if as_json:
                    click.echo(json.dumps(jsonable(record), allow_nan=False))
                else:
                    show(record)
            except BrokenPipeError:
                raise  # click ends quietly
            except OSError as error:
                raise unwritten(error) from error
            if "error" in record:
                raise ended(record["error"], 1)
            if record.get("problems"):
                raise click.exceptions.Exit(1)

        return run

    return decorate


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
