"""`zoo train` and `zoo evaluate`: makes, resumes and evaluates runs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from zoo.cli import runs
from zoo.cli.completion import complete_models, complete_trained
from zoo.cli.metric_option import METRIC_OPTION, compute_metrics, table_rows
from zoo.cli.options import (
    BEST_OPTION,
    BINARIZE_CHOICE,
    DATA_OPTION,
    Languages,
    Number,
    OutputFolder,
    UserPath,
    explicit_options,
)
from zoo.cli.run_options import config_from_options
from zoo.cli.runs import LoadedModel
from zoo.cli.terminal import import_tensorflow, json_option, print_table
from zoo.cli.train_options import run_options
from zoo.data import source_names
from zoo.log import log_message
from zoo.recipes import MetricSpec, loading
from zoo.training.run_config import RunConfig
from zoo.training.workdir import RUNS


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
    if record.get("scores"):
        click.echo("")
        print_table(
            table_rows(record["scores"]), "metric", "value", "95 % interval", "unit", "better"
        )


@click.command()
@click.argument("name", required=False, shell_complete=complete_models)
@click.option(
    "--config",
    "file",
    metavar="FILE",
    type=UserPath(path_type=Path),
    help="Description of the run: the config.json of a run, or TOML. Options override it.",
)
@run_options
@click.option(
    "--workdir", type=OutputFolder(), help="Folder of the run.  [default: runs/NAME-DATA]"
)
@click.option(
    "--eager", is_flag=True, help="Run steps as plain Python, which is slower but can be debugged."
)
@json_option(_show_train)
def train(
    name: str | None,
    file: Path | None,
    workdir: Path | None,
    eager: bool,
    overrides: tuple[str, ...],
    **options: Any,
) -> dict[str, Any]:
    """Train a model and evaluate it.

    NAME is the name of a model, as in `zoo list`; it may be left out with --config. Checkpoints,
    figures, TensorBoard logs and config.json, the description of the run, are in one folder.

    The same command again resumes the run where it stopped. --epochs and --steps are totals; 0
    trains nothing and evaluates the initial weights. The exit code is 1 if a metric is not finite.

    \b
    zoo train vae                                      on snowflakes, 10 epochs
    zoo train vae --data mnist --binarize dynamic --epochs 40
    zoo train vae --config runs/vae-mnist/config.json --seed 1 --workdir runs/second
    zoo train vae --data kmnist --init runs/vae-mnist --freeze encoder --schedule cosine
    zoo train dcgan --data quickdraw_bitmap/penguin --epochs 8
    zoo train mixture_vae --data photos/ --image-size 64 --set latent_dim=32
    zoo train pix2pix --data BtoA:facades/ --image-size 128 --augment jitter --batch-size 1
    zoo train gpt --data book.txt --epochs 20
    zoo train seq2seq --data dates --set units=128 --set embedding_dim=64
    zoo train transformer --data deu.tsv --languages 1,0 --split 'train[:95%]' \\
        --test-split 'train[95%:]'
    """
    explicit = {key: options[key] for key in explicit_options() if key in options}
    config = config_from_options(name, file, overrides, **explicit)
    workdir = workdir or _default_workdir(config)
    import_tensorflow()
    from zoo.training.run_training import (
        configure_threads,
        load_best_epoch,
        locked,
        prepare_run,
        train_run,
    )

    configure_threads(config.micro_batches, eager)
    prepared = prepare_run(config, workdir, loading.load, eager=eager)
    trainer = prepared.trainer
    loaded = LoadedModel(config, str(workdir), trainer, prepared.test)
    runs.warn_grayscale_bernoulli(trainer.model, prepared.test)
    if prepared.run is None and 0 in (config.epochs, config.steps):
        log_message("nothing to train: evaluating the initial weights")
        return runs.evaluation_record(replace(loaded, origin=None))
    with locked(prepared):
        train_run(prepared, "zoo train")
        load_best_epoch(prepared)
        return runs.evaluation_record(loaded)


def _default_workdir(config: RunConfig) -> Path:
    """The default folder of a run: `runs/vae-mnist`."""
    name = config.data or ""
    named = source_names.is_named(name)
    data = name.replace("/", "-") if named else source_names.source_path(name).stem
    return RUNS / f"{config.model}-{data}"


@click.command()
@click.argument("run", shell_complete=complete_trained)
@DATA_OPTION
@click.option(
    "--split",
    "test",
    help="Split to evaluate on.  [default: the run's test split; if other data lack it, their test"
    " or validation split, else all examples]",
)
@click.option(
    "--batch-size", type=Number("batch_size"), help="Examples per batch.  [default: the run's]"
)
@click.option(
    "--binarize",
    type=BINARIZE_CHOICE,
    help="For images: how gray pixels become 0 or 1.  [default: the run's]",
)
@click.option(
    "--languages",
    metavar="FROM,TO",
    type=Languages(),
    help="For text in other data: source and target language.  [default: the run's]",
)
@METRIC_OPTION
@BEST_OPTION
@json_option(_show_metrics)
def evaluate(
    run: str, best: bool, metrics: tuple[MetricSpec, ...], **options: Any
) -> dict[str, Any]:
    """Evaluate a run.

    RUN is the folder of a run, or the name of a model (its newest run). A preset or a .keras file
    needs --data. Metrics are means over all examples; the output names the examples. --metric adds
    metrics of recipes, such as BLEU. The exit code is 1 if a metric is not finite.

    \b
    zoo evaluate runs/vae-mnist
    zoo evaluate vae --data fashion_mnist --best --json
    zoo evaluate runs/vae-photos --data holiday/ --split 'train[:100]'
    zoo evaluate runs/transformer-texts --metric bleu:protocol=13a --metric chrf
    """
    loaded = runs.open_trainer(run, best=best, **options)
    record = runs.evaluation_record(loaded)
    if not metrics:
        return record
    scores, _ = compute_metrics(loaded, metrics)
    return record | {"scores": scores}
