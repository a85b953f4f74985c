"""Input and output of the command line: results on stdout, messages on stderr, exit codes."""

import contextlib
import errno
import functools
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TextIO

import click

from zoo import environment
from zoo.errors import UsageError, ZooError, one_line
from zoo.files import nan_to_null
from zoo.log import forget_messages, log_message

if TYPE_CHECKING:
    from rich.console import Console

MAX_MESSAGE_LENGTH = 2000  # characters of an error
_STDOUT = "zoo.stdout"  # key of click's context
OUT_OF_MEMORY = "out of memory: generate less at once, or use a smaller batch size"


class CommandGroup(click.Group):
    """A group whose commands turn errors into one line on stderr and an exit code.

    This covers the library's errors and those of the system: files, memory, a closed standard
    stream.

    Attributes:
        sections: heading -> the names of the commands that `--help` lists below it; without any,
            all are in one list.
    """

    sections: dict[str, list[str]] = {}

    def main(self, *args: Any, **options: Any) -> Any:
        _open_closed_streams()
        try:
            return super().main(*args, **options)
        except OSError as error:  # while click prints --help; `json_option` handles the rest
            raise SystemExit(_stdout_error(error).exit_code) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if not self.sections:
            super().format_commands(ctx, formatter)
        for heading, names in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl([(n, self.commands[n].get_short_help_str(70)) for n in names])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for text in args:
            _check_argument(text)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        forget_messages()
        try:
            return super().invoke(ctx)
        except ZooError as error:
            raise _command_error(error, error.exit_code) from error
        except KeyboardInterrupt as error:
            log_message(str(error) or "interrupted")
            raise click.exceptions.Exit(1) from error
        except BrokenPipeError:
            raise  # click exits without a message
        except OSError as error:
            file = f"{error.filename}: " if error.filename else ""
            code = UsageError.exit_code if error.errno == errno.ENAMETOOLONG else 1
            raise _command_error(f"{file}{error.strerror or one_line(error)}", code) from error
        except MemoryError as error:
            raise _command_error(OUT_OF_MEMORY, 1) from error
        except Exception as error:
            if type(error).__name__ != "ResourceExhaustedError":  # TensorFlow's MemoryError
                raise
            raise _command_error(OUT_OF_MEMORY, 1) from error


def _command_error(error: object, code: int) -> click.exceptions.Exit:
    """Prints an error in one line; returns the exception that ends the command with this code."""
    text = "".join(c if c.isprintable() else " " for c in str(error)[: MAX_MESSAGE_LENGTH + 1])
    if len(text) > MAX_MESSAGE_LENGTH:
        text = text[:MAX_MESSAGE_LENGTH] + "..."
    log_message(f"error: {text}")
    return click.exceptions.Exit(code)


def _check_argument(text: str) -> None:
    """Raises click's UsageError for an argument that is not UTF-8 text or contains NUL."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise click.UsageError(f"the argument {ascii(text)} is not UTF-8 text") from error
    if "\0" in text:
        raise click.UsageError(f"the argument {ascii(text)} contains a NUL character")


def _open_closed_streams() -> None:
    """Opens the standard streams that a shell has closed (`>&-`).

    Otherwise the next file that is opened would get the number of the stream. Reading from stdin
    then gives nothing; writing to stdout remains an error.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            flags = os.O_WRONLY if name == "stderr" else os.O_RDONLY
            setattr(sys, name, open(os.open(os.devnull, flags), mode))  # noqa: PTH123, SIM115


def _stdout_error(error: OSError) -> click.exceptions.Exit:
    """Prints that stdout cannot be written; returns the exception that ends the command.

    Nothing more is written to stdout.
    """
    with contextlib.suppress(OSError, AttributeError):  # else Python tries again on exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    reason = error.strerror or one_line(error)
    return _command_error(f"cannot write the results to stdout: {reason}", 1)


def import_tensorflow() -> None:
    """Imports TensorFlow without its startup messages; later only its errors are printed."""
    imported = "tensorflow" in sys.modules
    environment.import_tensorflow()
    if imported:
        return
    import tensorflow

    tensorflow.get_logger().setLevel("ERROR")
    logging.getLogger("absl").setLevel("ERROR")  # TFDS' messages about folders that it fills


def json_option(show: Callable[[Any], None]) -> Callable[[Callable], Callable]:
    """Adds `--json` to a command that returns a record.

    With `--json` the record is printed as one JSON object, otherwise `show(record)` prints it. A
    record with `problems` or with an `error` ends the command with exit code 1, after its results
    were printed.

    Args:
        show: prints a record for people.
    """

    def decorate(command: Callable) -> Callable:
        @click.option("--json", "as_json", is_flag=True, help="Print one JSON object only.")
        @functools.wraps(command)
        def run(as_json: bool, **options: Any) -> Any:
            _reject_empty_values()
            click.get_current_context().meta[_STDOUT] = None if as_json else sys.stdout
            with contextlib.redirect_stdout(sys.stderr):  # for what libraries print
                record = command(**options)
            try:
                if as_json:
                    click.echo(json.dumps(nan_to_null(record), allow_nan=False))
                else:
                    show(record)
            except BrokenPipeError:
                raise  # click exits without a message
            except OSError as error:
                raise _stdout_error(error) from error
            if "error" in record:
                raise _command_error(record["error"], 1)
            if record.get("problems"):
                raise click.exceptions.Exit(1)

        return run

    return decorate


def _reject_empty_values() -> None:
    """Raises click's error for an option that was written with an empty text: --data ''."""
    context = click.get_current_context()
    for param in context.command.params:
        if isinstance(param, click.Option) and context.params.get(param.name or "") == "":
            raise click.BadParameter("must not be empty; leave it out", context, param)


def stdout_for_people() -> TextIO | None:
    """Where a command of `json_option` may print results while it computes; None with `--json`."""
    return click.get_current_context().meta[_STDOUT]


def print_table(rows: Iterable[Sequence[Any]], *columns: str) -> None:
    """Prints rows of values under the names of their columns; floats are aligned to the right."""
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, padding=(0, 2, 0, 0), show_header=bool(columns))
    for row in rows:
        table.add_row(*(Text(_format_cell(value), justify=_justify(value)) for value in row))
    output = console()
    with output.capture() as capture:
        output.print(table)
    for line in capture.get().splitlines():
        click.echo(line.rstrip())


def _format_cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _justify(value: Any) -> Literal["left", "right"]:
    return "right" if isinstance(value, float) else "left"


def console() -> "Console":
    """The terminal; in a pipe or a file, lines are long enough not to be wrapped."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 160)
