"""The command `zoo`: list, train, evaluate, sample and look inside models, prepare data.

Every command makes one record; `--json` prints it as it is, else a function shows it to people.
Progress and notes go to stderr. TensorFlow is imported only by commands that compute.
"""

import math
from dataclasses import asdict
from pathlib import Path

import click

import zoo
from zoo import registry, runs, translating
from zoo.captioning import caption
from zoo.doctor import data, doctor
from zoo.errors import UnknownName, UsageError
from zoo.exporting import export
from zoo.painting import stylize
from zoo.presets.pushing import command as push
from zoo.reproduce import command as reproduce
from zoo.sampling import sample
from zoo.settings import vocabulary_of
from zoo.terminal import BEST, SEED, SET, SIZE, Commands, UserPath, answers, console, note, table

# Options that several commands have.

DATA = click.option(
    "--data",
    metavar="DATA",
    help="A name (`zoo data list`), a folder of images, a .npy or .npz; AtoB:FOLDER for pairs."
    " Of texts: a name, a table with tabs, a folder of files SPLIT.LANGUAGE.",
)
BINARIZE = click.Choice(["none", "threshold", "dynamic", "once"])


@click.group("zoo", cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(zoo.__version__, prog_name="zoo")
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
    found = registry.names(pattern) or registry.names(f"*{pattern}*")
    if not found:
        raise UnknownName("model", pattern, registry.names())
    return {"models": [{"name": name, **summary(name)} for name in found]}


def summary(name):
    """First line about a model; of a broken plug-in, why it is broken."""
    try:
        record = registry.info(name)
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
    return registry.info(name)


NEXT = {  # kind of data -> what one does with a run
    "images": "zoo sample {} -n 64",
    "pairs": "zoo translate {} TEXT",
    "captions": "zoo caption {} IMAGE",
    "ratings": "zoo evaluate {} --best",
}


def show_train(record):
    show_metrics(record)
    run = record["run"]
    use = NEXT[record["kind"]].format(run)
    click.echo(f"\npictures: {run}/figures/*.png\ntry next: {use}")
    click.echo(f"          zoo inspect {run}\n          tensorboard --logdir {run}")


def show_metrics(record):
    metrics = record["metrics"]
    click.echo(f"{record['run'] or record['model']} on {record['data']}, {record['split']}:\n")
    table([*metrics.items()], "metric", "mean")
    if {"nll", "kl"} <= set(metrics):
        elbo = -metrics["nll"] - metrics["kl"]
        click.echo(f"\n{record['split']} ELBO: {elbo:.6g} nats")


@main.command()
@click.argument("name")
@DATA
@click.option("--split", default="train", show_default=True, help="What to train on.")
@click.option("--test-split", help="What to evaluate on.  [default: test, if there is one]")
@click.option("--epochs", type=SIZE, help="Passes over the data, in total.  [default: 10]")
@click.option("--steps", type=SIZE, help="Steps, in total; in place of --epochs.")
@click.option("--batch-size", type=SIZE, default=128, show_default=True)
@click.option(
    "--workdir",
    type=UserPath(file_okay=False, path_type=Path),
    help="Where the run lives.  [default: runs/NAME-DATA]",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of weights, noise, order.")
@click.option(
    "--precision",
    type=click.Choice(["float32", "mixed_bfloat16", "mixed_float16"]),
    default="float32",
    show_default=True,
)
@click.option("--learning-rate", type=float, help="For every optimizer.  [default: the model's]")
@click.option(
    "--binarize",
    type=BINARIZE,
    default="none",
    show_default=True,
    help="How grey pixels become 0 or 1, as a Bernoulli likelihood needs.",
)
@click.option(
    "--augment",
    type=click.Choice(["none", "jitter"]),
    default="none",
    show_default=True,
    help="How training images are moved at random.",
)
@click.option("--image-size", type=SIZE, help="Cut the square centre out, scale it to N pixels.")
@translating.texts
@click.option(
    "--figures-every",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Epochs between two drawings; 0: none.",
)
@click.option("--eager", is_flag=True, help="Run steps as plain Python: slower, can be debugged.")
@click.option(
    "--sub-batches",
    type=SIZE,
    help="Pieces of a batch computed side by side.  [default: the model's, on a CPU]",
)
@SET
@answers(show_train)
def train(name, epochs, steps, workdir, eager, figures_every, **options):
    """Train a model and evaluate it.

    Checkpoints, pictures, TensorBoard logs and config.json go to one folder, the run.

    \b
    zoo train vae                                      on snowflakes, 10 epochs
    zoo train vae --data mnist --binarize dynamic --epochs 40
    zoo train dcgan --data quickdraw_bitmap/penguin --epochs 8
    zoo train mixture_vae --data photos/ --image-size 64 --set latent_dim=32
    zoo train pix2pix --data BtoA:facades/ --image-size 128 --augment jitter --batch-size 1
    zoo train seq2seq --data dates --set units=128 --set embedding_dim=64
    zoo train transformer --data deu.tsv --languages 1,0 --split 'train[:95%]' --test-split \
        'train[95%:]'

    The same command again goes on where the run stopped; --epochs and --steps count in total.
    """
    if epochs and steps:
        raise UsageError("give either --epochs or --steps")
    settings = runs.asked(name, **options)
    runs.start(settings, eager)
    workdir = workdir or runs.folder(settings)
    had = runs.check_same(workdir, settings)
    known = had and vocabulary_of(had.config)  # a run keeps to its words
    data = settings.load(settings.split, training=True, vocabulary=known)
    test = settings.load(settings.test_split, vocabulary=getattr(data, "vocabularies", None))
    model = settings.build(data)
    runs.warn_of_grey(model, test)
    trainer = settings.trainer(model, workdir, eager=eager, figures_every=figures_every)
    runs.write(workdir, settings, model)
    epochs = None if steps else epochs or 10
    trainer.restore()
    position = trainer.state.position
    if position["epoch"] >= (epochs or math.inf) or position["step"] >= (steps or math.inf):
        note(f"{workdir} is complete: {position['epoch']} epochs, {position['step']} steps")
    else:
        note(f"training {name} on {data.describe()}; {workdir}, from step {position['step']}")
        try:
            trainer.fit(data, epochs=epochs, steps=steps, validation=test)
        except KeyboardInterrupt as error:
            raise KeyboardInterrupt(
                f"interrupted at step {position['step']}; the same command goes on from there"
            ) from error
    return runs.record(settings, workdir, trainer, trainer.evaluate(test))


@main.command()
@click.argument("run")
@DATA
@click.option("--split", "test_split", help="What to evaluate on.  [default: the run's test split]")
@click.option("--batch-size", type=SIZE, help="[default: the run's]")
@click.option("--binarize", type=BINARIZE, help="[default: the run's]")
@BEST
@answers(show_metrics)
def evaluate(run, best, **options):
    """Evaluate a run.

    RUN is a folder made by `zoo train`, or a model's name, which means its newest run. Metrics
    are means over all examples.

    \b
    zoo evaluate runs/vae-mnist
    zoo evaluate vae --data fashion_mnist --best --json
    """
    settings, workdir = runs.taken(run, best=best, **options)
    runs.start(settings)
    data = settings.load(settings.test_split)
    trainer = runs.opened(settings, workdir, best, data)
    return runs.record(settings, workdir, trainer, trainer.evaluate(data))


def show_inspect(record):
    from zoo.inspection import Inspection

    console().print(Inspection(**record))


@main.command()
@click.argument("name_or_run")
@DATA
@click.option("--batch-size", type=SIZE, default=32, show_default=True)
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


others = (caption, data, doctor, export, push, reproduce, sample, stylize, translating.translate)
for command in others:
    main.add_command(command)
