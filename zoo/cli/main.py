"""The command `zoo`: list, train, evaluate, sample and look inside models, prepare data.

Every command makes one record; `--json` prints it as it is, else a function shows it to people.
Progress and notes go to stderr. TensorFlow is imported only by commands that compute.
"""

from dataclasses import asdict

import click

from zoo import factory
from zoo.cli import runs
from zoo.cli.caption import caption
from zoo.cli.data import data
from zoo.cli.doctor import doctor
from zoo.cli.export import export
from zoo.cli.options import DATA, Number
from zoo.cli.reproduce import reproduce
from zoo.cli.sample import sample
from zoo.cli.save import command as push
from zoo.cli.stylize import stylize
from zoo.cli.terminal import SET, Commands, answers, console, table
from zoo.cli.train import evaluate, train
from zoo.cli.translate import translate
from zoo.errors import UnknownNameError
from zoo.version import __version__


@click.group("zoo", cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="zoo")
def main():
    """A zoo of generative and sequence models for TensorFlow.

    \b
    zoo list                                  what there is
    zoo train vae --data mnist --epochs 5     train; the same command again goes on
    zoo sample runs/vae-mnist -n 64           a picture of what it has learned
    zoo translate seq2seq '4 juillet 2019'    one text in other words, by a run
    zoo export vae.snowflakes exported/vae    a model for programs without the zoo
    zoo reproduce vae.mnist_gated             train a recipe, write down its number
    zoo inspect vae                           every layer and gradient of one step

    Results go to stdout, progress and notes to stderr; --json makes stdout one JSON object.
    Exit code: 0 done; 1 failed or interrupted; 2 the command was wrong, and nothing was done.
    """


def show_list(record):
    table([(row["name"], row["summary"]) for row in record["models"]], "model", "paper")


@main.command("list")
@click.argument("pattern", default="*")
@answers(show_list)
def list_models(pattern):
    """List the models.

    PATTERN is a wildcard or a part of a name, as in: zoo list '*vae*'
    """
    found = factory.names(pattern) or factory.names(f"*{pattern}*")
    if not found:
        raise UnknownNameError("model", pattern, factory.names())
    return {"models": [{"name": name, **summary(name)} for name in found]}


def summary(name):
    """First line about a model; of a broken plug-in, why it is broken."""
    try:
        record = factory.info(name)
    except Exception as error:  # somebody else's code may fail in any way
        return {"summary": f"(broken: {error})", "module": None}
    return {"summary": record["summary"], "module": record["module"]}


def show_info(record):
    if "card" in record:
        click.echo(record["card"].rstrip() + f"\n\nIt is in {record['folder']}.")
        return
    click.echo(f"{record['paper']}\n\n{record['name']} ({record['module']}.{record['class']})\n")
    click.echo(record["description"] + "\n")
    table([*record["arguments"].items()], "argument", "default")
    click.echo(f"\nTry: zoo train {record['name']}")


@main.command()
@click.argument("name")
@answers(show_info)
def info(name):
    """Show a model's paper and arguments, or a preset's card.

    These arguments are what --set takes.

    \b
    zoo info vae
    zoo info vae.snowflakes
    """
    return factory.info(name)


def show_inspect(record):
    from zoo.inspection import Inspection

    console().print(Inspection(**record))


@click.command()
@click.argument("name_or_run")
@DATA
@click.option("--batch-size", type=Number("batch_size"), default=32, show_default=True)
@SET
@answers(show_inspect)
def inspect(name_or_run, data, batch_size, pairs):
    """Look inside one training step.

    Shows each layer's output, each variable's gradient and the losses; nothing is changed.
    NAME_OR_RUN is a folder made by `zoo train`, or a model's name: its newest run, or with --set
    (or without any run) fresh weights.

    \b
    zoo inspect runs/vae-mnist
    zoo inspect vae --data mnist --set latent_dim=16
    """
    settings, workdir = runs.taken(name_or_run, pairs, data=data)
    images = settings.load(settings.test_split)
    trainer = runs.opened(settings, workdir, data=images)
    return asdict(trainer.inspect(images.take(batch_size)))


for command in (train, evaluate, inspect, sample, translate, caption, stylize):
    main.add_command(command)
for command in (export, push, reproduce, data, doctor):
    main.add_command(command)
