"""Options of the command line: those that several commands share, and the types of their values.

An option that would have no effect is an error, even if it repeats its default: click records which
options were written on the command line.
"""

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from zoo import files
from zoo.checks import NUMBERS
from zoo.data.text_config import TOKENIZERS
from zoo.errors import UsageError
from zoo.files import user_path
from zoo.recipes.records import RESULTS

FIGURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".pdf", ".svg")  # of `zoo.figures`, not imported here
ARRAY_SUFFIXES = (".npy", ".npz")
PLAIN_NUMBER = re.compile(r"[-+0-9.a-z]+", re.IGNORECASE)  # 1e-3, nan and inf as well


class UserPath(click.Path):
    """A path, converted by `zoo.files.user_path`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("must not be empty", param, ctx)
        return super().convert(value if value == "-" else user_path(value), param, ctx)


class Number(click.ParamType):
    """A number in the interval that `zoo.checks.NUMBERS` has for `key`.

    Args:
        key: a name of the table.
        positive: exclude 0, even if the interval includes it.
    """

    def __init__(self, key: str, positive: bool = False) -> None:
        self.interval = NUMBERS[key]
        self.positive = positive
        self.name = "integer" if self.interval.integer else "float"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | float:
        try:
            if isinstance(value, str) and not PLAIN_NUMBER.fullmatch(value):
                raise ValueError  # Python also reads 1_0 and the digits of all scripts
            number = int(value) if self.interval.integer else float(value)
        except ValueError:
            self.fail(f"{value!r:.60} is not a valid {self.name}.", param, ctx)
        if not self.interval.accepts(number):
            self.fail(f"must be {self.interval.expected(number)}, got {str(value):.60}", param, ctx)
        if self.positive and not number:
            self.fail(f"must be above 0, got {str(value):.60}", param, ctx)
        return number


class Languages(click.ParamType):
    """Two languages, or two columns of a table: "de,en" or "1,0"."""

    name = "from,to"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        return value if isinstance(value, tuple) else tuple(value.split(","))


class OutputFile(UserPath):
    """A file to write: it has one of these suffixes and can be written.

    Args:
        suffixes: such as ".png".
    """

    def __init__(self, *suffixes: str) -> None:
        super().__init__(dir_okay=False, path_type=Path)
        self.suffixes = suffixes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = super().convert(value, param, ctx)
        if path.suffix.lower() not in self.suffixes:
            suffixes = join_words(self.suffixes)
            self.fail(f"takes a file that ends in {suffixes}; got {str(path)!r}", param, ctx)
        files.check_writable(path)
        return path


class OutputFolder(UserPath):
    """A folder to write into, created if it does not exist."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = super().convert(value, param, ctx)
        files.check_writable(path / "config.json")
        return path


SEED = Number("seed")
BINARIZE_CHOICE = click.Choice(["none", "threshold", "dynamic", "fixed"])

DATA_OPTION = click.option(
    "--data",
    metavar="DATA",
    help="Data set: a name from `zoo data list`, a folder of images, a .npy or .npz file, or"
    " AtoB:FOLDER for image pairs. For text: a name, a TSV file, or a folder of files named"
    " SPLIT.LANGUAGE. For language models: a name, a text file, a folder of them, or a table and"
    " --column.  [default: the model's example data, or the run's data]",
)
BEST_OPTION = click.option("--best", is_flag=True, help="Use the best complete epoch.")
SET_OPTION = click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Set an argument of the model, as in --set latent_dim=16. May be repeated; `zoo info"
    " MODEL` lists the arguments.",
)
TRUNCATE_OPTION = click.option(
    "--truncate", is_flag=True, help="Truncate longer texts instead of rejecting them."
)
NUM_BEAMS_OPTION = click.option(
    "--num-beams",
    type=Number("num_beams"),
    default=5,
    show_default=True,
    help="Number of beams in beam search; 1 is greedy decoding.",
)
RESULTS_OPTION = click.option(
    "--results",
    type=UserPath(file_okay=False, path_type=Path),
    default=RESULTS,
    show_default=True,
    help="Folder of the records that `zoo reproduce` writes.",
)


def max_length_option(default: int | None = None) -> Callable[[Callable], Callable]:
    """The option `--max-length`; without a default, the run decides."""
    return click.option(
        "--max-length",
        type=Number("max_length"),
        default=default,
        show_default=default is not None,
        help="Maximum tokens per text." + ("" if default else "  [default: the run's]"),
    )


def text_options(command: Callable) -> Callable:
    """Adds the options that decide how texts become ids."""
    for option in reversed(_TEXT_OPTIONS):
        command = option(command)
    return command


_TEXT_OPTIONS = (
    click.option(
        "--languages",
        metavar="FROM,TO",
        type=Languages(),
        help="For text: source and target language, as in de,en; for a table, its columns, as in"
        " 1,0.  [default: those of the data]",
    ),
    click.option(
        "--tokenizer",
        type=click.Choice(TOKENIZERS),
        help="For text: the tokenizer.  [default: bpe; characters for dates and language models]",
    ),
    click.option(
        "--vocabulary-size",
        type=Number("vocabulary_size"),
        default=8000,
        show_default=True,
        help="For text: maximum vocabulary size, shared by both languages.",
    ),
    click.option("--lowercase", is_flag=True, help="For text: convert it to lower case."),
    max_length_option(100),
    TRUNCATE_OPTION,
    click.option(
        "--column",
        metavar="COLUMN",
        help="For language models: the column of a table (.csv, .tsv) that holds the text, by its"
        " name in the first line or its number from 0; for a data set of pairs, the language.",
    ),
)


def generation_options(command: Callable) -> Callable:
    """Adds the options for generating text and for the figure of attention weights.

    The command gets `search`, keyword arguments of the model's method, and `attention_file`, a path
    or None.
    """

    @NUM_BEAMS_OPTION
    @click.option("--seed", type=SEED, help="Sample tokens with this seed instead of beam search.")
    @max_length_option()
    @click.option(
        "--attention",
        "attention_file",
        metavar="FILE",
        type=OutputFile(*FIGURE_SUFFIXES),
        help="Write a figure of the attention weights of each token (.png, .jpg, .pdf or .svg).",
    )
    @BEST_OPTION
    @functools.wraps(command)
    def run(num_beams: int, seed: int | None, **options: Any) -> Any:
        if seed is not None:
            reject_options(
                ["num_beams"], "--seed samples tokens without beam search; use one of them"
            )
        search = {"num_beams": num_beams} if seed is None else {"seed": seed}
        return command(search=search, **options)

    return run


def join_words(words: Sequence[str], last: str = "or") -> str:
    """`a`, `a or b`, `a, b or c`."""
    *most, end = words
    return f"{', '.join(most)} {last} {end}" if most else end


def explicit_options() -> dict[str, str]:
    """Parameters that were written on the command line: name -> option, such as `--num-beams`."""
    context = click.get_current_context(silent=True)
    if context is None:
        return {}
    return {
        param.name: max(param.opts, key=len)
        for param in context.command.params
        if context.get_parameter_source(param.name) is ParameterSource.COMMANDLINE
    }


def reject_options(names: Iterable[str], reason: str) -> None:
    """Raises UsageError if one of these options was written on the command line.

    Args:
        names: names of parameters.
        reason: what follows the options in the message: "needs --network".
    """
    explicit = explicit_options()
    rejected = [explicit[name] for name in names if name in explicit]
    if rejected:
        raise UsageError(f"{join_words(rejected, 'and')}: {reason}")
