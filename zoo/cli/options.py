"""Options of the command line: numbers by the table of `zoo.checks`, files that can be written.

An option that would change nothing is an error, also where it repeats its default: click knows
what was written on the command line.
"""

from pathlib import Path

import click
from click.core import ParameterSource

from zoo import files
from zoo.checks import NUMBERS
from zoo.cli.terminal import UserPath
from zoo.errors import UsageError

DATA = click.option(
    "--data",
    metavar="DATA",
    help="A name (`zoo data list`), a folder of images, a .npy or .npz; AtoB:FOLDER for pairs."
    " Of texts: a name, a table with tabs, a folder of files SPLIT.LANGUAGE.",
)
BINARIZE = click.Choice(["none", "threshold", "dynamic", "once"])
FIGURES = (".png", ".jpg", ".jpeg", ".pdf", ".svg")  # those of `zoo.figures`, without importing it
ARRAYS = (".npy", ".npz")


class Number(click.ParamType):
    """A number in the interval that `zoo.checks.NUMBERS` has for `key`.

    Args:
        key: a name of the table.
        positive: leave 0 out, where the table has it.
    """

    def __init__(self, key, positive=False):
        self.interval = NUMBERS[key]
        self.positive = positive
        self.name = "integer" if self.interval.whole else "float"

    def convert(self, value, param, ctx):
        try:
            number = int(value) if self.interval.whole else float(value)
        except ValueError:
            self.fail(f"{value!r:.60} is not a valid {self.name}.", param, ctx)
        if not self.interval.accepts(number):
            self.fail(f"must be {self.interval.expected(number)}, got {str(value):.60}", param, ctx)
        if self.positive and not number:
            self.fail(f"must be above 0, got {str(value):.60}", param, ctx)
        return number


SEED = Number("seed")


class Languages(click.ParamType):
    """Two languages, or two columns of a table: "de,en" or "1,0"."""

    name = "from,to"

    def convert(self, value, param, ctx):
        return value if isinstance(value, tuple) else tuple(value.split(","))


class OutputFile(UserPath):
    """A file to be written: its ending is one of these, and the disk takes it."""

    def __init__(self, *endings):
        super().__init__(dir_okay=False, path_type=Path)
        self.endings = endings

    def convert(self, value, param, ctx):
        path = super().convert(value, param, ctx)
        if path.suffix.lower() not in self.endings:
            endings = listed(self.endings)
            self.fail(f"takes a file that ends in {endings}; got {str(path)!r}", param, ctx)
        files.check_writable(path)
        return path


class OutputFolder(UserPath):
    """A folder to be written into; it is made if it is not there."""

    def __init__(self):
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value, param, ctx):
        path = super().convert(value, param, ctx)
        files.check_writable(path / "config.json")
        return path


def listed(words, last="or"):
    """`a`, `a or b`, `a, b or c`."""
    *most, end = words
    return f"{', '.join(most)} {last} {end}" if most else end


def explicit():
    """Parameters that were written on the command line: name -> the option, as `--num-beams`."""
    context = click.get_current_context(silent=True)
    if context is None:
        return {}
    return {
        param.name: max(param.opts, key=len)
        for param in context.command.params
        if context.get_parameter_source(param.name) is ParameterSource.COMMANDLINE
    }


def refuse(names, reason):
    """Raises UsageError if one of these options was written on the command line.

    Args:
        names: of parameters.
        reason: what follows the options in the message: "needs --network".
    """
    given = explicit()
    wrong = [given[name] for name in names if name in given]
    if wrong:
        raise UsageError(f"{listed(wrong, 'and')}: {reason}")
