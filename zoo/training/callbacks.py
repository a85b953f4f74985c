"""Keras callbacks of our own: progress on the terminal, pictures, a history file."""

import contextlib
import json
import math
import sys
import time

import keras
import tensorflow as tf
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.table import Column

from zoo.errors import UsageError, one_line
from zoo.files import write_json
from zoo.optimizers import as_one, check_rates


class Progress(keras.callbacks.Callback):
    """A bar with the time left on stderr; where that is no terminal, one line an epoch.

    Args:
        position: the trainer's position, read as it moves.
        steps: the run's budget in steps (infinity: none).
    """

    def __init__(self, position, steps):
        super().__init__()
        self.position = position
        self.steps = steps

    def on_train_begin(self, logs=None):
        self.console = Console(stderr=True)
        values = Column(no_wrap=True, overflow="ellipsis")
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[values]}", table_column=values),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.bar.start()
        per_epoch = self.position["steps_per_epoch"] or math.inf
        total = min(self.steps, self.params["epochs"] * per_epoch)
        self.task = self.bar.add_task(
            "",
            total=None if total == math.inf else int(total),
            completed=self.position["step"],
            values="",
        )

    def on_epoch_begin(self, epoch, logs=None):
        epochs = self.params["epochs"]
        self.title = f"epoch {epoch + 1}" + ("" if epochs == math.inf else f"/{epochs}")

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update(
            self.task,
            completed=self.position["step"],
            description=self.title,
            values=written(logs),
        )

    def on_epoch_end(self, epoch, logs=None):
        self.console.print(f"{self.title}: {written(logs)}", highlight=False, soft_wrap=True)

    def on_train_end(self, logs=None):
        self.bar.stop()


class HistoryFile(keras.callbacks.Callback):
    """Keeps `history.json`: logged name -> one mean an epoch.

    Args:
        path: the file.
    """

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        history = self.model.history
        write_json(self.path, {"epoch": history.epoch, **history.history})


class EpochTensorBoard(keras.callbacks.TensorBoard):
    """Keras' TensorBoard, which in each batch pays for scalars that it then writes nowhere."""

    def on_train_batch_end(self, batch, logs=None):
        pass


class TrainingTime(keras.callbacks.Callback):
    """Seconds spent in training, validation and drawing, over all the times a run was taken up.

    Args:
        path: the file that remembers them.
    """

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.seconds = _seconds(path) if path.exists() else 0.0

    def on_train_begin(self, logs=None):
        self.began = time.perf_counter() - self.seconds

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.perf_counter() - self.began
        write_json(self.path, {"seconds": self.seconds})

    def on_train_end(self, logs=None):
        self.on_epoch_end(None)


def _seconds(path):
    """The seconds in a file; of a damaged one a warning, and 0: no training hangs on it."""
    try:
        seconds = float(json.loads(path.read_text())["seconds"])
        if not 0 <= seconds < math.inf:
            raise ValueError(f"{seconds} seconds")
    except Exception as error:  # what damaged JSON raises cannot be listed
        print(f"warning: {path} is damaged ({one_line(error)}); its time is lost", file=sys.stderr)
        return 0.0
    return seconds


class Figures(keras.callbacks.Callback):
    """What a person should look at, after each epoch: PNG files and TensorBoard images.

    Args:
        folder: gets `NAME.png`, the newest, and `NAME/epoch-0001.png`, ..., the series.
        batch: what the model is shown, always the same.
        logs: TensorBoard's folder.
        every: epochs between two drawings.
        averaged: context in which the model holds the moving averages of its weights.
    """

    def __init__(self, folder, batch, logs, every=1, averaged=contextlib.nullcontext):
        super().__init__()
        self.folder = folder
        self.batch = batch
        self.logs = logs
        self.every = every
        self.averaged_weights = averaged

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every:
            return
        from zoo import figures

        with self.averaged_weights():
            pictures = self.model.figures(self.batch)
        history = self.model.history
        pictures["loss"] = figures.loss_curves(history.history, history.epoch)
        writer = tf.summary.create_file_writer(str(self.logs / "figures"))
        with writer.as_default(step=epoch):
            for name, image in pictures.items():
                figures.save(self.folder / f"{name}.png", image)
                if name != "loss":
                    figures.save(self.folder / name / f"epoch-{epoch + 1:04d}.png", image)
                tf.summary.image(name, image[None])
        writer.close()


@contextlib.contextmanager
def expose_optimizer(model, callbacks=()):
    """While open, the model has the `optimizer` that Keras' callbacks look for, as after `compile`.

    Raises UsageError for callbacks that do not work in the Trainer.
    """
    check_rates(model, callbacks)
    for callback in callbacks:
        for kind, advice in NOT_IN_TRAINER.items():
            if isinstance(callback, kind):
                raise UsageError(f"{kind.__name__} does not work in the Trainer: {advice}")
    if getattr(model, "optimizer", None) is not None:
        yield
        return
    model.optimizer = as_one(model.optimizers)
    try:
        yield
    finally:
        del model.optimizer


# What would change weights behind the back of the Trainer's checkpoints.
NOT_IN_TRAINER = {
    keras.callbacks.BackupAndRestore: "it goes on by itself from its workdir; give it one instead",
    keras.callbacks.SwapEMAWeights: "it evaluates with moving averages by itself, where an"
    " optimizer has use_ema=True; leave the callback out",
}


def written(logs):
    """Logged values as one line."""
    return "  ".join(f"{name} {value:.4g}" for name, value in (logs or {}).items())
