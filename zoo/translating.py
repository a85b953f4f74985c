"""`zoo translate`: texts in other words, by a run; and what `zoo train` is told about texts."""

import functools
import sys
from pathlib import Path

import click

from zoo import registry, runs
from zoo.data.texts import TOKENS, Texts
from zoo.errors import UsageError
from zoo.finished import ready
from zoo.sampling import writing
from zoo.terminal import BEST, SEED, SIZE, UserPath, answers, import_tensorflow

SHOWN = 8  # texts, or images, of a picture, at most
OPTIONS = (
    click.option(
        "--languages",
        metavar="FROM,TO",
        callback=lambda context, option, value: value and tuple(value.split(",")),
        help="Of texts, as in de,en; of a table, its columns, as in 1,0.  [default: the data's]",
    ),
    click.option(
        "--tokens",
        type=click.Choice(TOKENS),
        help="What texts are cut into.  [default: bpe; of dates characters]",
    ),
    click.option(
        "--vocabulary-size",
        type=SIZE,
        default=8000,
        show_default=True,
        help="Sub-words or words at most, both languages together.",
    ),
    click.option("--lowercase", is_flag=True, help="Lower-case all texts."),
    click.option(
        "--limit", type=SIZE, default=100, show_default=True, help="Tokens of a text at most."
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

    @click.option("--beam", type=SIZE, default=5, show_default=True, help="1 is greedy.")
    @click.option("--seed", type=SEED, help="Draw words at random in place of a search.")
    @click.option("--limit", type=SIZE, help="Tokens of a text at most.  [default: the run's]")
    @click.option(
        "--attention",
        "picture",
        type=UserPath(dir_okay=False, path_type=Path),
        help="A picture (.png) of where the model looked for each word.",
    )
    @BEST
    @functools.wraps(command)
    def run(beam, seed, picture, **options):
        if picture and picture.suffix != ".png":
            raise UsageError(f"--attention takes a file that ends in .png; got {str(picture)!r}")
        search = {"beam": beam} if seed is None else {"seed": seed}
        return command(search=search, picture=picture, **options)

    return run


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
def translate(run, text, file, limit, truncate, search, picture, best):
    """Translate texts by a run.

    RUN is a folder made by `zoo train` or `zoo reproduce`, a model's name, which means its newest
    run, a preset, or a .keras file. Answers with one line for each TEXT, or each line of a file.

    \b
    zoo translate seq2seq 'jeudi 4 juillet 2019'
    zoo translate runs/seq2seq-multi30k 'Ein Mann schläft.' --attention man.png
    zoo translate transformer --input news.de --beam 1 --json
    """
    if bool(text) == (file is not None):
        raise UsageError("give texts to translate, or --input FILE (- is stdin)")
    begin = runs.one_thread_each
    with ready(run, best, speaking("pairs"), begin) as (model, where, settings):
        given = list(text) if text else lines(file)
        limit = limit or (settings or Texts).limit
        said = model.translate(given, limit=limit, truncate=truncate, **search)
        if picture:
            draw(model, given, said, picture, limit + 2, truncate)  # room for both marks
    pairs = zip(given, said, strict=True)
    return {
        "run": where and str(where),
        **search,
        "translations": [{"source": source, "target": target} for source, target in pairs],
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


def draw(model, texts, said, path, limit, truncate):
    """Where the model looks while it says what it said, of the first texts."""
    from zoo import figures

    told = [(a, b) for a, b in zip(texts, said, strict=True) if a][:SHOWN]
    if not told:
        raise UsageError("--attention needs a text that is not empty")
    maps = model.attention(*zip(*told, strict=True), limit, truncate)
    with writing(path):
        figures.attention(maps, path=path)
