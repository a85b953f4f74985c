"""`zoo train` and `zoo evaluate`: makes, resumes and evaluates runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli import evaluation_data, run_config, runs
from zoo.cli.options import (
    BEST_OPTION,
    BINARIZE_CHOICE,
    DATA_OPTION,
    SEED,
    SET_OPTION,
    Number,
    OutputFolder,
    text_options,
)
from zoo.cli.terminal import json_option, print_table
from zoo.data import source_names
from zoo.errors import UsageError
from zoo.log import log_message

if TYPE_CHECKING:
    from zoo.training.trainer import Trainer


def _show_train(record: dict[str, Any]) -> None:
    _show_metrics(record)
    run = record["run"]
    if run is None:
        return
    if any((Path(run) / "figures").glob("*.png")):
        click.echo(f"\nfigures: {run}/figures/*.png")
    commands = [*record["next"], f"zoo inspect {run}", f"tensorboard --logdir {run}"]
    click.echo("\ntry next: " + "\n          ".join(commands))


def _show_metrics(record: dict[str, Any]) -> None:
    metrics = record["metrics"]
    click.echo(f"{record['run'] or record['model']} evaluated on {record['examples']}:\n")
    print_table([*metrics.items()], "metric", "mean")
    if {"nll", "kl"} <= set(metrics):
        elbo = -metrics["nll"] - metrics["kl"]
        click.echo(f"\n{record['split']} ELBO: {elbo:.6g} nats")


@click.command()
@click.argument("name")
@DATA_OPTION
@click.option(
    "--split", default="train", show_default=True, help="Split to train on, as in 'train[:90%]'."
)
@click.option("--test-split", help="Split to evaluate on.  [default: test, if there is one]")
@click.option(
    "--epochs", type=Number("epochs"), help="Total number of passes over the data.  [default: 10]"
)
@click.option(
    "--steps", type=Number("steps"), help="Total number of training steps, instead of --epochs."
)
@click.option(
    "--batch-size",
    type=Number("batch_size"),
    default=128,
    show_default=True,
    help="Examples per training step.",
)
@click.option(
    "--workdir", type=OutputFolder(), help="Folder of the run.  [default: runs/NAME-DATA]"
)
@click.option(
    "--seed",
    type=SEED,
    default=0,
    show_default=True,
    help="Seed for weights, noise and data order.",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "mixed_bfloat16", "mixed_float16"]),
    default="float32",
    show_default=True,
    help="Data types of computations and weights, as the dtype policies of Keras.",
)
@click.option(
    "--learning-rate",
    type=Number("learning_rate"),
    help="Learning rate of every optimizer.  [default: the model's]",
)
@click.option(
    "--binarize",
    type=BINARIZE_CHOICE,
    default="none",
    show_default=True,
    help="For images: how gray pixels become 0 or 1, which a Bernoulli likelihood needs.",
)
@click.option(
    "--augment",
    type=click.Choice(["none", "jitter"]),
    default="none",
    show_default=True,
    help="For images: random crops and flips of training images (jitter).",
)
@click.option(
    "--image-size",
    type=Number("image_size"),
    help="For images: crop the center square and resize it to N x N pixels.",
)
@text_options
@click.option(
    "--figures-every",
    type=Number("figures_every"),
    default=1,
    show_default=True,
    help="Epochs between figures; 0 makes none.",
)
@click.option(
    "--eager", is_flag=True, help="Run steps as plain Python, which is slower but can be debugged."
)
@click.option(
    "--micro-batches",
    type=Number("micro_batches"),
    help="Micro-batches of a batch, computed in parallel.  [default: the model's, on a CPU]",
)
@SET_OPTION
@json_option(_show_train)
def train(
    name: str,
    epochs: int | None,
    steps: int | None,
    workdir: Path | None,
    eager: bool,
    figures_every: int,
    **options: Any,
) -> dict[str, Any]:
    """Train a model and evaluate it.

    NAME is the name of a model, as in `zoo list`. Checkpoints, figures, TensorBoard logs and
    config.json are written to one folder, the run.

    The same command again resumes the run where it stopped. --epochs and --steps are totals; 0
    trains nothing and evaluates the initial weights. The exit code is 1 if a metric is not finite.

    \b
    zoo train vae                                      on snowflakes, 10 epochs
    zoo train vae --data mnist --binarize dynamic --epochs 40
    zoo train dcgan --data quickdraw_bitmap/penguin --epochs 8
    zoo train mixture_vae --data photos/ --image-size 64 --set latent_dim=32
    zoo train pix2pix --data BtoA:facades/ --image-size 128 --augment jitter --batch-size 1
    zoo train gpt --data book.txt --epochs 20
    zoo train seq2seq --data dates --set units=128 --set embedding_dim=64
    zoo train transformer --data deu.tsv --languages 1,0 --split 'train[:95%]' \\
        --test-split 'train[95%:]'
    """
    if epochs is not None and steps is not None:
        raise UsageError("use either --epochs or --steps")
    if epochs is None and steps is None:
        epochs = 10
    config = runs.config_from_options(name, **options)
    runs.configure_threads(config, eager)
    workdir = workdir or runs.default_workdir(config)
    fingerprint = source_names.fingerprint(config.data, config.languages)
    run = run_config.check_same(workdir, config, fingerprint)
    known = run.model_config if run else None  # a run keeps its vocabulary
    data = config.load_data(config.split, training=True, arguments=known)
    model = config.build_model(data)
    test_data = config.load_data(config.test_split, arguments=model.get_config())
    runs.warn_grayscale_bernoulli(model, test_data)
    trainer = config.build_trainer(model, workdir, eager=eager, figures_every=figures_every)
    if run is None and 0 in (epochs, steps):
        log_message("nothing to train: evaluating the initial weights")
        return runs.evaluation_record(config, None, trainer, test_data)
    assert trainer.workdir
    with trainer.workdir.exclusive():  # another command may have begun a run here meanwhile
        run_config.check_same(workdir, config, fingerprint)
        trainer.restore()
        run_config.write(workdir, config, model, fingerprint)
        _fit(trainer, data, test_data, epochs, steps)
        return runs.evaluation_record(config, workdir, trainer, test_data)


def _fit(
    trainer: "Trainer", data: Any, test_data: Any, epochs: int | None, steps: int | None
) -> None:
    """Trains up to a total of `epochs` or `steps`, if that is not reached yet."""
    position = trainer.state.position
    assert trainer.workdir
    workdir = trainer.workdir.path
    complete = position["step"] >= steps if epochs is None else position["epoch"] >= epochs
    if complete:
        log_message(f"{workdir} is complete: {position['epoch']} epochs, {position['step']} steps")
        return
    name = trainer.model.name
    log_message(f"training {name} on {data.describe()}; {workdir}, from step {position['step']}")
    try:
        trainer.fit(data, epochs=epochs, steps=steps, validation=test_data)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(
            f"interrupted at step {position['step']}; the same command resumes from there"
        ) from error


@click.command()
@click.argument("run")
@DATA_OPTION
@click.option(
    "--split",
    "test_split",
    help="Split to evaluate on.  [default: the run's test split; for other data without one, all]",
)
@click.option(
    "--batch-size", type=Number("batch_size"), help="Examples per batch.  [default: the run's]"
)
@click.option(
    "--binarize",
    type=BINARIZE_CHOICE,
    help="For images: how gray pixels become 0 or 1.  [default: the run's]",
)
@BEST_OPTION
@json_option(_show_metrics)
def evaluate(run: str, best: bool, **options: Any) -> dict[str, Any]:
    """Evaluate a run.

    RUN is a folder made by `zoo train`, or the name of a model (its newest run). Metrics are
    means over all examples; the output names the examples. The exit code is 1 if a metric is not
    finite.

    \b
    zoo evaluate runs/vae-mnist
    zoo evaluate vae --data fashion_mnist --best --json
    zoo evaluate runs/vae-photos --data holiday/ --split 'train[:100]'
    """
    config, workdir = runs.resolve_run(run, best=best, **options)
    runs.configure_threads(config)
    if workdir and runs.has_same_data(run_config.read(workdir), config.data):
        evaluation_data.warn_training_examples(config)
    data = config.load_data(config.test_split)
    trainer = runs.restore_trainer(config, workdir, best, data)
    return runs.evaluation_record(config, workdir, trainer, data)
