"""`zoo generate`: continues text with a language model, and prints it as it is generated."""

import contextlib
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.completion import complete_trained
from zoo.cli.options import BEST_OPTION, SEED, Number, reject_options
from zoo.cli.runs import open_model
from zoo.cli.terminal import json_option, stdout_for_people
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.generation.language_model import LanguageModel

SEPARATOR = "-" * 20


def _show(record: dict[str, Any]) -> None:
    """Prints the texts that were not printed as they were generated."""
    if record["streamed"]:
        return
    texts = [row["prompt"] + text for row in record["generated"] for text in row["texts"]]
    click.echo(f"\n{SEPARATOR}\n".join(texts))


@click.command()
@click.argument("model", metavar="MODEL", shell_complete=complete_trained)
@click.argument("prompts", metavar="[PROMPT]...", nargs=-1)
@click.option(
    "--max-length",
    "length",  # `zoo train` has a different option --max-length
    type=Number("max_length"),
    default=200,
    show_default=True,
    help="Maximum number of new tokens.",
)
@click.option(
    "-n",
    "--num-samples",
    type=Number("num_samples"),
    default=1,
    show_default=True,
    help="Number of continuations of each prompt.",
)
@click.option(
    "--temperature",
    type=Number("generation_temperature"),
    default=1.0,
    show_default=True,
    help="Temperature of sampling; 0 takes the most probable token at each step.",
)
@click.option("--top-k", type=Number("top_k"), help="Sample from the k most probable tokens only.")
@click.option(
    "--top-p",
    type=Number("top_p"),
    help="Sample from the most probable tokens whose probabilities sum to this.",
)
@click.option(
    "--repetition-penalty",
    type=Number("repetition_penalty"),
    default=1.0,
    show_default=True,
    help="Above 1: tokens that have occurred before become less probable.",
)
@click.option("--stop", multiple=True, help="Text that ends the output. May be repeated.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed for the samples.")
@BEST_OPTION
@json_option(_show)
def generate(
    model: str,
    prompts: tuple[str, ...],
    num_samples: int,
    best: bool,
    temperature: float,
    stop: tuple[str, ...],
    length: int,
    **options: Any,
) -> dict[str, Any]:
    """Continue text with a trained language model.

    MODEL is the folder of a run, a preset, a .keras file, or the name of a model (its newest run).
    Prints each PROMPT and its continuation; without a prompt, a new text. A single text is printed
    as it is generated.

    \b
    zoo generate gpt "ROMEO:" --max-length 300 --temperature 0.8
    zoo generate runs/gpt-names -n 10 --max-length 20
    zoo generate runs/gpt-book "Once upon" --top-p 0.95 --stop "\\n\\n" --json
    """
    if temperature == 0:
        reason = "--temperature 0 takes the most probable token: leave them out"
        reject_options(["top_k", "top_p"], reason)
    stops = [text.replace("\\n", "\n") for text in stop]
    options |= {"max_length": length, "temperature": temperature, "stop": stops}
    texts = list(prompts) or [""]
    with open_model(model, best, _check) as (trained, origin, _):
        stdout = stdout_for_people()
        streamed = stdout is not None and len(texts) == num_samples == 1
        if stdout is not None and streamed:
            continuations: Any = [_stream(trained, texts[0], stdout, options)]
        else:
            continuations = trained.generate(texts, num_samples=num_samples, **options)
    rows = [[text] if isinstance(text, str) else text for text in continuations]
    return {
        "run": origin,
        **options,
        "streamed": streamed,
        "generated": [
            {"prompt": prompt, "texts": row} for prompt, row in zip(texts, rows, strict=True)
        ],
    }


def _check(cls: type) -> None:
    """Raises UsageError unless a class is a language model."""
    from zoo import registry
    from zoo.generation.language_model import LanguageModel

    if not issubclass(cls, LanguageModel):
        names = [n for n in registry.names() if issubclass(registry.get_class(n), LanguageModel)]
        raise UsageError(
            f"this model does not continue text; these do: {', '.join(names)}; see also the"
            " commands sample, translate and caption"
        )


def _stream(model: "LanguageModel", prompt: str, stdout: Any, options: dict[str, Any]) -> str:
    """Prints a prompt, then its continuation as it is generated; returns the continuation."""
    pieces = []
    stream = model.stream(prompt, **options)
    with contextlib.redirect_stdout(stdout):
        click.echo(prompt, nl=False)
        for piece in stream:
            pieces.append(piece)
            click.echo(piece, nl=False)
        click.echo()
    return "".join(pieces)
