"""The command `zoo`: list, train, evaluate, sample, export and inspect models, prepare data.

Every command makes one record; `--json` prints it as one JSON object, otherwise a function prints
it for people. Progress and messages go to stderr. Only commands that compute import TensorFlow.
"""

from dataclasses import asdict
from typing import Any

import click

from zoo import factory
from zoo.cli import runs
from zoo.cli.caption import caption
from zoo.cli.check import check
from zoo.cli.compare import compare
from zoo.cli.completion import complete_described, complete_trained
from zoo.cli.data import data
from zoo.cli.doctor import doctor
from zoo.cli.export import export
from zoo.cli.generate import generate
from zoo.cli.listing import list_models
from zoo.cli.options import DATA_OPTION, SET_OPTION, Number
from zoo.cli.push import push
from zoo.cli.reproduce import reproduce
from zoo.cli.sample import sample
from zoo.cli.save import save
from zoo.cli.stylize import stylize
from zoo.cli.terminal import CommandGroup, console, json_option, print_table
from zoo.cli.train import evaluate, train
from zoo.cli.translate import translate
from zoo.version import __version__


@click.group("zoo", cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="zoo")
def main() -> None:
    """A zoo of generative and sequence models for TensorFlow.

    \b
    zoo list                                  list the models; --presets, --runs
    zoo train vae --data mnist --epochs 5     train; the same command again resumes
    zoo sample runs/vae-mnist -n 64           write a figure of samples
    zoo compare runs/vae-mnist runs/other     metrics side by side
    zoo translate seq2seq '4 juillet 2019'    translate text with the newest run
    zoo generate gpt 'ROMEO:'                 continue text with the newest run
    zoo export vae.snowflakes exported/vae    write a SavedModel for plain TensorFlow
    zoo reproduce vae.mnist_gated             train a recipe and record its metrics
    zoo inspect vae                           every layer and gradient of one step
    zoo check my_model                        check your own model

    MODEL is the name of a model, RUN the folder of a run. Where a trained model is needed, both
    can also be the name of a preset, a .keras file, or the name of a model, which means its newest
    run in runs/. Each command explains its options with --help.

    Results go to stdout, progress and messages to stderr. With --json, stdout is one JSON object.
    Exit code: 0 for success; 1 if the command failed or was interrupted; 2 if the command was
    invalid and nothing was done.

    \b
    Environment:
      TFDS_DATA_DIR   prepared data sets; default ~/tensorflow_datasets
      ZOO_DATA_DIR    generated data and token files; default ~/.cache/zoo/data
      ZOO_CACHE       downloaded presets; default ~/.cache/zoo
      ZOO_OFFLINE     1: presets are not downloaded

    \b
    Shell completion (bash; also zsh_source, fish_source):
      eval "$(_ZOO_COMPLETE=bash_source zoo)"
    """


def _show_info(record: dict[str, Any]) -> None:
    if "card" in record:
        click.echo(record["card"].rstrip() + f"\n\nfolder: {record['folder']}")
        return
    click.echo(f"{record['paper']}\n\n{record['name']} ({record['module']}.{record['class']})\n")
    click.echo(record["description"] + "\n")
    print_table([*record["arguments"].items()], "argument", "default")
    click.echo(f"\ntry next: zoo train {record['name']}")


@main.command()
@click.argument("name", shell_complete=complete_described)
@json_option(_show_info)
def info(name: str) -> dict[str, Any]:
    """Show a model's paper and arguments, or a preset's card.

    NAME is the name of a model or of a preset. The arguments are those that --set takes.

    \b
    zoo info vae
    zoo info vae.snowflakes
    """
    return factory.info(name)


def _show_inspect(record: dict[str, Any]) -> None:
    from zoo.inspection import Inspection

    console().print(Inspection(**record))


@click.command()
@click.argument("run", shell_complete=complete_trained)
@DATA_OPTION
@click.option(
    "--batch-size",
    type=Number("batch_size"),
    default=32,
    show_default=True,
    help="Examples in the step.",
)
@SET_OPTION
@json_option(_show_inspect)
def inspect(
    run: str, data: str | None, batch_size: int, overrides: tuple[str, ...]
) -> dict[str, Any]:
    """Inspect one training step.

    Shows the output of each layer, the gradient of each variable and the losses; the run is not
    changed. RUN is the folder of a run, or the name of a model (its newest run); without a run,
    or with --set, the model has random weights. A preset or a .keras file needs --data.

    \b
    zoo inspect runs/vae-mnist
    zoo inspect vae --data mnist --set latent_dim=16
    """
    loaded = runs.open_trainer(run, overrides, data=data)
    return asdict(loaded.trainer.inspect(loaded.data.take(batch_size)))


SECTIONS = {
    "Train": (train, evaluate, compare, inspect, reproduce),
    "Use a trained model": (sample, translate, caption, generate, stylize),
    "Save and share": (save, push, export),
    "Models, data, installation": (list_models, info, check, data, doctor),
}
for commands in SECTIONS.values():
    for command in commands:
        main.add_command(command)
main.sections = {
    heading: [command.name or "" for command in commands] for heading, commands in SECTIONS.items()
}
