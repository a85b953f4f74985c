"""The Trainer's callbacks: progress, figures, history file, TensorBoard."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from zoo.errors import UsageError
from zoo.files import write_json, write_text
from zoo.optimizers import check_schedules, combine_optimizers


class HistoryFile(keras.callbacks.Callback):
    """Writes `history.json` after each epoch: logged name -> one mean for each epoch.

    Args:
        path: the file.
    """

    def __init__(self, path: Path):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        history = self.model.history
        write_json(self.path, {"epoch": history.epoch, **history.history})


class EpochTensorBoard(keras.callbacks.TensorBoard):
    """Keras' TensorBoard for epochs only: without the cost of its summaries for each batch."""

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        pass


class Figures(keras.callbacks.Callback):
    """The model's figures after each epoch, as PNG files and TensorBoard images; texts as .txt.

    Args:
        folder: where to write `NAME.png`, the latest, and `NAME/epoch-0001.png`, ..., the series.
        batch: the batch that the figures show, always the same.
        logs: TensorBoard's folder.
        every: epochs between two sets of figures.
        averaged_weights: makes a context in which the model has its averaged weights.
    """

    def __init__(
        self,
        folder: Path,
        batch: dict[str, Any] | None,
        logs: Path,
        every: int = 1,
        averaged_weights: Callable[[], Any] = contextlib.nullcontext,
    ):
        super().__init__()
        self.folder = folder
        self.batch = batch
        self.logs = logs
        self.every = every
        self.averaged_weights = averaged_weights

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if (epoch + 1) % self.every:
            return
        from zoo import figures

        images = self.write(self.model, epoch)
        history = self.model.history
        images["loss"] = figures.loss_curves(
            history.history, history.epoch, path=self.folder / "loss.png"
        )
        writer = tf.summary.create_file_writer(str(self.logs / "figures"))
        with writer.as_default(step=epoch):
            for name, image in images.items():
                if isinstance(image, str):
                    tf.summary.text(name, image)
                else:
                    tf.summary.image(name, image[None])
        writer.close()

    def write(self, model: Any, epoch: int) -> dict[str, Any]:
        """Writes the files of the model's figures; returns name -> image or text.

        Args:
            model: a `zoo.Model`.
            epoch: the epoch that they show, counted from 0.
        """
        from zoo import figures

        with self.averaged_weights():
            images = model.figures(self.batch)
        for name, image in images.items():
            one = self.folder / name / f"epoch-{epoch + 1:04d}"
            if isinstance(image, str):
                write_text(self.folder / f"{name}.txt", image)
                write_text(one.with_suffix(".txt"), image)
            else:
                figures.save(self.folder / f"{name}.png", image)
                figures.save(one.with_suffix(".png"), image)
        return images


@contextlib.contextmanager
def expose_optimizer(
    model: Any, callbacks: Iterable[keras.callbacks.Callback] = ()
) -> Iterator[None]:
    """Context in which the model has the attribute `optimizer` that Keras callbacks need.

    Raises:
        UsageError: a callback that does not work in the Trainer.
    """
    check_schedules(model, callbacks)
    for callback in callbacks:
        for kind, advice in _NOT_IN_TRAINER.items():
            if isinstance(callback, kind):
                raise UsageError(f"{kind.__name__} does not work in the Trainer: {advice}")
    if getattr(model, "optimizer", None) is not None:
        yield
        return
    model.optimizer = combine_optimizers(model.optimizers)
    try:
        yield
    finally:
        del model.optimizer


# These would change weights without the Trainer's checkpoints.
_NOT_IN_TRAINER = {
    keras.callbacks.BackupAndRestore: "the Trainer resumes from its workdir; give it one instead",
    keras.callbacks.SwapEMAWeights: "the Trainer evaluates with moving averages if an optimizer"
    " has use_ema=True; leave the callback out",
}
