"""`zoo translate`: texts in other words, by a run; options about texts for other commands."""

import functools
import sys
from pathlib import Path

import click

from zoo import registry
from zoo.cli import runs
from zoo.cli.load import ready
from zoo.cli.options import FIGURES, SEED, Languages, Number, OutputFile, refuse
from zoo.cli.terminal import BEST, UserPath, answers, import_tensorflow
from zoo.data.text_config import TOKENS, Texts
from zoo.errors import UsageError, ZooError

MAPS = 8  # texts, or images, of an attention figure, at most
OPTIONS = (
    click.option(
        "--languages",
        metavar="FROM,TO",
        type=Languages(),
        help="Of texts, as in de,en; of a table, its columns, as in 1,0.  [default: the data's]",
    ),
    click.option(
        "--tokens",
        type=click.Choice(TOKENS),
        help="What texts are cut into.  [default: bpe; of dates characters]",
    ),
    click.option(
        "--vocabulary-size",
        type=Number("vocabulary_size"),
        default=8000,
        show_default=True,
        help="Sub-words or words at most, both languages together.",
    ),
    click.option("--lowercase", is_flag=True, help="Lower-case all texts."),
    click.option(
        "--max-length",
        type=Number("max_length"),
        default=100,
        show_default=True,
        help="Tokens of a text at most.",
    ),
    click.option("--truncate", is_flag=True, help="Cut longer texts; else they are an error."),
)


def texts(command):
    """Adds the options that say how texts become ids."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def searching(command):
    """Adds the options that say how a run searches for words and where it shows what it saw.

    The command is told `search`, as verbs take it, and `picture`, a path or None.
    """

    @click.option(
        "--num-beams", type=Number("num_beams"), default=5, show_default=True, help="1 is greedy."
    )
    @click.option("--seed", type=SEED, help="Draw words at random in place of a search.")
    @click.option(
        "--max-length",
        type=Number("max_length"),
        help="Tokens of a text at most.  [default: the run's]",
    )
    @click.option(
        "--attention",
        "picture",
        type=OutputFile(*FIGURES),
        help="A figure (.png, .jpg, .pdf, .svg) of where the model looked for each word.",
    )
    @BEST
    @functools.wraps(command)
    def run(num_beams, seed, picture, **options):
        if seed is not None:
            refuse(
                ["num_beams"], "--seed draws words at random, without a beam; leave one of them out"
            )
        search = {"num_beams": num_beams} if seed is None else {"seed": seed}
        return command(search=search, picture=picture, **options)

    return run


def drawn(draw, *args, path):
    """Calls `draw(*args, path=path)`; returns the error of a figure that cannot be made.

    So that the answer that it belongs to is not lost: {"error": ...}, or {}.
    """
    try:
        draw(*args, path=path)
    except (ZooError, OSError, ValueError) as error:
        return {"error": f"{path} was not written: {error}"}
    return {}


def show(record):
    for pair in record["translations"]:
        click.echo(pair["target"])


@click.command()
@click.argument("run")
@click.argument("text", nargs=-1)
@click.option(
    "-i",
    "--input",
    "file",
    type=UserPath(path_type=Path, allow_dash=True),
    help="A file of one text a line, gzipped or not; - is stdin.",
)
@click.option("--truncate", is_flag=True, help="Cut longer texts; else they are an error.")
@searching
@answers(show)
def translate(run, text, file, max_length, truncate, search, picture, best):
    """Translate texts by a run.

    RUN is a folder made by `zoo train` or `zoo reproduce`, a model's name, which means its newest
    run, a preset, or a .keras file. Answers with one line for each TEXT, or each line of a file.

    \b
    zoo translate seq2seq 'jeudi 4 juillet 2019'
    zoo translate runs/seq2seq-multi30k 'Ein Mann schläft.' --attention man.png
    zoo translate transformer --input news.de --num-beams 1 --json
    """
    if bool(text) == (file is not None):
        raise UsageError("give texts to translate, or --input FILE (- is stdin)")
    begin = runs.one_thread_each
    with ready(run, best, speaking("pairs"), begin) as (model, where, settings):
        given = list(text) if text else lines(file)
        max_length = (settings or Texts).max_length if max_length is None else max_length
        how = {"num_maps": MAPS if picture else 0, "max_length": max_length, "truncate": truncate}
        said, maps = model.translate_with_attention(given, **how, **search)
    failure = draw(maps, picture) if picture else {}
    pairs = zip(given, said, strict=True)
    return {
        "run": where and str(where),
        **search,
        "translations": [{"source": source, "target": target} for source, target in pairs],
        **failure,
    }


DOES = {"pairs": "translates no texts", "captions": "puts no images into words"}


def speaking(kind):
    """For `ready`: raises UsageError unless a model learns from data of a kind."""

    def check(cls):
        if getattr(cls, "data_kind", None) != kind:
            names = registry.names()
            others = [name for name in names if registry.get_class(name).data_kind == kind]
            raise UsageError(f"this model {DOES[kind]}; these do: {', '.join(others)}")

    return check


def lines(path):
    """The lines of a file, or of stdin."""
    import_tensorflow()
    from zoo.data import text_files

    if str(path) == "-":
        return text_files.lines_of(sys.stdin.buffer.read(), "stdin")
    return text_files.lines(path)


def draw(maps, path):
    """The figure of attention maps, as `drawn` makes it."""
    from zoo import figures

    if not maps:
        return {"error": f"{path} was not written: --attention needs a text that is not empty"}
    return drawn(figures.attention, maps, path=path)
