"""`zoo train` and `zoo evaluate`: runs, made, resumed and measured."""

from pathlib import Path

import click

from zoo.cli import evaluation_data, run_config, runs, translate
from zoo.cli.options import BINARIZE, DATA, SEED, Number, OutputFolder
from zoo.cli.terminal import BEST, SET, answers, log_message, table
from zoo.cli.train_config import vocabulary_of
from zoo.data import source_names
from zoo.errors import UsageError

NEXT = {  # kind of data -> what one does with a run
    "images": "zoo sample {} -n 64",
    "pairs": "zoo translate {} TEXT",
    "captions": "zoo caption {} IMAGE",
    "ratings": "zoo evaluate {} --best",
}


def show_train(record):
    show_metrics(record)
    run = record["run"]
    if run is None:
        return
    if any((Path(run) / "figures").glob("*.png")):
        click.echo(f"\npictures: {run}/figures/*.png")
    click.echo(f"\ntry next: {NEXT[record['kind']].format(run)}")
    click.echo(f"          zoo inspect {run}\n          tensorboard --logdir {run}")


def show_metrics(record):
    metrics = record["metrics"]
    click.echo(f"{record['run'] or record['model']} evaluated on {record['examples']}:\n")
    table([*metrics.items()], "metric", "mean")
    if {"nll", "kl"} <= set(metrics):
        elbo = -metrics["nll"] - metrics["kl"]
        click.echo(f"\n{record['split']} ELBO: {elbo:.6g} nats")


@click.command()
@click.argument("name")
@DATA
@click.option("--split", default="train", show_default=True, help="What to train on.")
@click.option("--test-split", help="What to evaluate on.  [default: test, if there is one]")
@click.option("--epochs", type=Number("epochs"), help="Passes over the data.  [default: 10]")
@click.option("--steps", type=Number("steps"), help="Steps, in place of --epochs.")
@click.option("--batch-size", type=Number("batch_size"), default=128, show_default=True)
@click.option(
    "--workdir", type=OutputFolder(), help="Where the run lives.  [default: runs/NAME-DATA]"
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of weights, noise, order.")
@click.option(
    "--precision",
    type=click.Choice(["float32", "mixed_bfloat16", "mixed_float16"]),
    default="float32",
    show_default=True,
)
@click.option(
    "--learning-rate",
    type=Number("learning_rate"),
    help="For every optimizer.  [default: the model's]",
)
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
@click.option(
    "--image-size",
    type=Number("image_size"),
    help="Cut the square centre out, scale it to N pixels.",
)
@translate.texts
@click.option(
    "--figures-every",
    type=Number("figures_every"),
    default=1,
    show_default=True,
    help="Epochs between two drawings; 0: none.",
)
@click.option("--eager", is_flag=True, help="Run steps as plain Python: slower, can be debugged.")
@click.option(
    "--sub-batches",
    type=Number("sub_batches"),
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

    The same command again resumes the run where it stopped; --epochs and --steps count in total,
    and 0 trains nothing, for a baseline. Exit code 1 if a metric is not finite in the end.
    """
    if epochs is not None and steps is not None:
        raise UsageError("give either --epochs or --steps")
    if epochs is None and steps is None:
        epochs = 10
    settings = runs.asked(name, **options)
    runs.start(settings, eager)
    workdir = workdir or runs.folder(settings)
    data_files = source_names.fingerprint(settings.data, settings.languages)
    run = run_config.check_same(workdir, settings, data_files)
    vocabulary = run and vocabulary_of(run.config)  # a run keeps to its words
    data = settings.load(settings.split, training=True, vocabulary=vocabulary)
    test = settings.load(settings.test_split, vocabulary=getattr(data, "vocabularies", None))
    model = settings.build(data)
    runs.warn_of_grey(model, test)
    trainer = settings.trainer(model, workdir, eager=eager, figures_every=figures_every)
    if run is None and 0 in (epochs, steps):
        log_message("nothing is trained: fresh weights")
        return runs.record(settings, None, trainer, test)
    with trainer.workdir.exclusive():  # another command may have begun a run here meanwhile
        run_config.check_same(workdir, settings, data_files)
        trainer.restore()
        run_config.write(workdir, settings, model, data_files)
        fit(trainer, data, test, epochs, steps)
        return runs.record(settings, workdir, trainer, test)


def fit(trainer, data, test, epochs, steps):
    """Trains up to a total of `epochs` or `steps`, if there is anything left to do."""
    position, workdir = trainer.state.position, trainer.workdir.path
    done = position["step"] >= steps if epochs is None else position["epoch"] >= epochs
    if done:
        log_message(f"{workdir} is complete: {position['epoch']} epochs, {position['step']} steps")
        return
    name = trainer.model.name
    log_message(f"training {name} on {data.describe()}; {workdir}, from step {position['step']}")
    try:
        trainer.fit(data, epochs=epochs, steps=steps, validation=test)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(
            f"interrupted at step {position['step']}; the same command goes on from there"
        ) from error


@click.command()
@click.argument("run")
@DATA
@click.option(
    "--split",
    "test_split",
    help="What to evaluate on.  [default: the run's test split; of other data without one, all]",
)
@click.option("--batch-size", type=Number("batch_size"), help="[default: the run's]")
@click.option("--binarize", type=BINARIZE, help="[default: the run's]")
@BEST
@answers(show_metrics)
def evaluate(run, best, **options):
    """Evaluate a run.

    RUN is a folder made by `zoo train`, or a model's name, which means its newest run. Metrics
    are means over all examples; the answer says which examples these are. Exit code 1 if a metric
    is not finite.

    \b
    zoo evaluate runs/vae-mnist
    zoo evaluate vae --data fashion_mnist --best --json
    zoo evaluate runs/vae-photos --data holiday/ --split 'train[:100]'
    """
    settings, workdir = runs.taken(run, best=best, **options)
    runs.start(settings)
    if workdir and runs.same_data(run_config.read(workdir), settings.data):
        evaluation_data.note_training_examples(settings)
    data = settings.load(settings.test_split)
    trainer = runs.opened(settings, workdir, best, data)
    return runs.record(settings, workdir, trainer, data)
