"""`zoo translate`: translates text with a trained model."""

import sys
from pathlib import Path
from typing import Any

import click

from zoo.cli import output
from zoo.cli.completion import complete_trained
from zoo.cli.options import TRUNCATE_OPTION, UserPath, generation_options
from zoo.cli.runs import open_model, require_method, single_threaded_ops
from zoo.cli.terminal import import_tensorflow, json_option
from zoo.data.text_config import TextConfig
from zoo.errors import UsageError


def _show(record: dict[str, Any]) -> None:
    for pair in record["translations"]:
        click.echo(pair["target"])


@click.command()
@click.argument("model", metavar="MODEL", shell_complete=complete_trained)
@click.argument("text", nargs=-1)
@click.option(
    "-i",
    "--input",
    "file",
    metavar="FILE",
    type=UserPath(path_type=Path, allow_dash=True),
    help="File with one text per line, gzipped or not; - is stdin.",
)
@TRUNCATE_OPTION
@generation_options
@json_option(_show)
def translate(
    model: str,
    text: tuple[str, ...],
    file: Path | None,
    truncate: bool,
    max_length: int | None,
    search: dict[str, int],
    attention_file: Path | None,
    best: bool,
) -> dict[str, Any]:
    """Translate text with a trained model.

    MODEL is the folder of a run, a preset, a .keras file, or the name of a model (its newest run).
    Prints one line for each TEXT, or for each line of a file.

    \b
    zoo translate seq2seq 'jeudi 4 juillet 2019'
    zoo translate runs/seq2seq-multi30k 'Ein Mann schläft.' --attention man.png
    zoo translate transformer --input news.de --num-beams 1 --json
    """
    if bool(text) == (file is not None):
        raise UsageError("give texts to translate, or --input FILE (- is stdin)")
    check = require_method("translate_with_attention", "translate text")
    with open_model(model, best, check, single_threaded_ops) as (trained, origin, config):
        sources = list(text) if text else _read_lines(file)
        if max_length is None:
            text_config = config and config.text_config
            max_length = getattr(text_config, "max_length", TextConfig.max_length)
        options = {
            "num_maps": output.MAX_MAPS if attention_file else 0,
            "max_length": max_length,
            "truncate": truncate,
        }
        translations, maps = trained.translate_with_attention(sources, **options, **search)
    failure = _write_attention(maps, attention_file) if attention_file else {}
    pairs = zip(sources, translations, strict=True)
    return {
        "run": origin,
        **search,
        "translations": [{"source": source, "target": target} for source, target in pairs],
        **failure,
    }


def _read_lines(path: Any) -> list[str]:
    """The lines of a file, or of stdin."""
    import_tensorflow()
    from zoo.data import text_files

    if str(path) == "-":
        return text_files.decode_lines(sys.stdin.buffer.read(), "stdin")
    return text_files.read_lines(path)


def _write_attention(maps: list, path: Path) -> dict[str, Any]:
    """Writes the figure of attention weights, as `try_figure` does."""
    from zoo import figures

    if not maps:
        return {"error": f"{path} was not written: --attention needs a non-empty text"}
    return output.try_figure(figures.attention, maps, path=path)
