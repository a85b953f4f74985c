"""From a description to a finished run, for `zoo train`, `zoo reproduce` and Python."""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from zoo import threads
from zoo.errors import ZooError, one_line
from zoo.log import log_message
from zoo.model import Model
from zoo.training import run_folder
from zoo.training.run_building import build_model, build_strategy, build_trainer, load_data
from zoo.training.run_config import RunConfig
from zoo.training.run_folder import Run
from zoo.training.trainer import Trainer


@dataclass(frozen=True)
class PreparedRun:
    """A run that is ready to train, with its data.

    Attributes:
        config: the description.
        trainer: has not restored anything yet.
        run: the run that the workdir holds already; None: the run is new.
        train, valid, test: the data; those without a split are None.
    """

    config: RunConfig
    trainer: Trainer
    run: Run | None
    train: Any
    valid: Any
    test: Any


def prepare_run(
    config: RunConfig,
    workdir: Path,
    load_init: Callable[[str], Model],
    callbacks: Iterable[keras.callbacks.Callback] = (),
    eager: bool = False,
) -> PreparedRun:
    """Loads the data and builds the model and the trainer; writes nothing.

    Args:
        config: the description.
        workdir: folder of the run.
        load_init: makes the model that `config.init` names.
        callbacks: besides those of the description.
        eager: run steps as plain Python.

    Raises UsageError: the folder has another run.
    """
    strategy = build_strategy(config.strategy)  # before TensorFlow computes anything
    run = run_folder.check_same(workdir, config)
    arguments = run.arguments if run else None  # a run keeps its vocabulary
    train = load_data(config, config.train, training=True, arguments=arguments)
    init = load_init(config.init) if config.init and run is None else None
    steps_per_epoch = len(train)
    with strategy.scope():
        model = build_model(config, train, init, steps_per_epoch)
        trainer = build_trainer(
            config, model, workdir, steps_per_epoch, callbacks, strategy, eager=eager
        )
    names = dict.fromkeys(filter(None, (config.valid, config.test)))
    data = {name: load_data(config, name, arguments=model.get_config()) for name in names}
    valid = data.get(config.valid or "")
    return PreparedRun(config, trainer, run, train, valid, data.get(config.test or ""))


@contextlib.contextmanager
def locked(prepared: PreparedRun) -> Any:
    """Context that locks the folder of a run; of several processes, only the chief locks it."""
    workdir = prepared.trainer.workdir
    if workdir is None or not prepared.trainer.distribution.is_chief:
        yield
        return
    with workdir.exclusive():
        yield


def train_run(prepared: PreparedRun, made_by: str) -> None:
    """Trains up to the budget of the description, resuming what the folder has; see `locked`.

    Args:
        prepared: the result of `prepare_run`.
        made_by: the command, as in `Run`.

    Raises UsageError: another command has begun another run here meanwhile. Raises
    KeyboardInterrupt after a signal; the step was finished and saved.
    """
    config = prepared.config
    trainer = prepared.trainer
    assert trainer.workdir
    workdir = trainer.workdir.path
    run_folder.check_same(workdir, config)
    trainer.restore()
    if trainer.distribution.is_chief:
        run_folder.write(workdir, config, trainer.model, made_by)
    position = trainer.state.position
    unit = "step" if config.epochs is None else "epoch"
    if trainer.state.ended or position[unit] >= (config.epochs or config.steps or 0):
        log_message(f"{workdir} is complete: {position['epoch']} epochs, {position['step']} steps")
        return
    log_message(
        f"training {trainer.model.name} on {prepared.train.describe()}; {workdir}, from step"
        f" {position['step']}"
    )
    try:
        trainer.fit(prepared.train, config.epochs, config.steps, prepared.valid)
        if trainer.state.ended and config.patience is not None:
            log_message(
                f"stopped after epoch {position['epoch']}: {_metric(trainer)} has not improved for"
                f" {config.patience} epochs"
            )
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(
            f"interrupted at step {position['step']}; the same command resumes from there"
        ) from error
    except tf.errors.OpError as error:
        if config.strategy != "multi_worker":
            raise
        raise ZooError(
            f"the processes of the cluster cannot work together ({one_line(error)}): if one has"
            " stopped, start all of them again; the same commands resume from the last checkpoint"
        ) from error


def load_best_epoch(prepared: PreparedRun) -> None:
    """Loads the best epoch, if the description selects it, and writes its figures.

    Args:
        prepared: a run after `train_run`.
    """
    trainer = prepared.trainer
    if not prepared.config.select_best_epoch:
        return
    last = trainer.state.position["epoch"]
    trainer.restore(best=True)
    epoch = trainer.state.position["epoch"]
    log_message(f"evaluating epoch {epoch} of {last}, the best by {_metric(trainer)}")
    every = trainer.figures_every
    if trainer.workdir and trainer.distribution.is_chief and every:
        data = prepared.valid or prepared.train
        figures = trainer.workdir.figures(data, every, trainer.averaged_weights)
        figures.write(trainer.model, epoch - 1)


def _metric(trainer: Trainer) -> str:
    """The name of the metric that the best epoch is chosen by."""
    return (trainer.monitor or "loss").removeprefix("max:")


def configure_threads(micro_batches: int, eager: bool = False) -> None:
    """Sets TensorFlow's threads for a run, unless the user has set them.

    This has no effect once TensorFlow has computed.

    Args:
        micro_batches: number of micro-batches of the run.
        eager: whether steps run as plain Python.
    """
    if micro_batches > 1 and not eager and not threads.are_set():
        threads.single_threaded_ops()
