"""The folder of a run: checkpoints, history, figures, TensorBoard; for one trainer at a time.

runs/vae-mnist/
    config.json            the description of the run, see `zoo.training.run_folder`
    checkpoints/           step-000002350.npz ..., best.npz
    figures/               samples.png, ... and a folder with one image for each epoch
    history.json           logged name -> one mean for each epoch
    tensorboard/
"""

import contextlib
import json
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import filelock

from zoo.errors import UsageError, WorkdirBusyError, WriteError, shorten
from zoo.files import remove_temporary, user_path
from zoo.training import checkpoint

if TYPE_CHECKING:
    import keras

    from zoo.training.callbacks import Figures

_LOCK = ".lock"
RUNS = Path("runs")
FIGURE_EXAMPLES = 8  # minimum number of examples in a figure, for any batch size


class Workdir:
    """The paths and the lock of a run's folder.

    Args:
        path: the folder; created at the first write.
        max_to_keep: how many numbered checkpoints to keep.
    """

    def __init__(self, path: str | Path, max_to_keep: int = 3):
        if path == "":
            raise UsageError("the workdir must be a folder, or None to save nothing, got ''")
        self.path = user_path(path)
        self.checkpoints = checkpoint.Checkpoints(self.path / "checkpoints", max_to_keep)
        self.best_checkpoint = self.path / "checkpoints" / "best.npz"
        self.config = self.path / "config.json"
        self.old_recipe = self.path / "recipe.json"  # of `zoo reproduce`, version 0.1
        self.lock = filelock.FileLock(self.path / _LOCK, timeout=0)
        self._held_inode: int | None = None

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Context that locks the folder; its owner may enter it again.

        Removes temporary files of killed writes.

        Raises:
            WorkdirBusyError: another process or trainer has locked it.
            WriteError: it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.lock.acquire()
        except filelock.Timeout as error:
            raise WorkdirBusyError(
                f"another trainer uses {self.path}; wait for it, or use another workdir"
            ) from error
        except OSError as error:
            raise WriteError(
                f"cannot write to {self.path}: {error.strerror or error}; use another workdir"
            ) from error
        try:
            if self.lock.lock_counter == 1:
                self._held_inode = self._lock_inode()
                remove_temporary(self.path)
            yield
        finally:
            self.lock.release()

    def check_held(self) -> None:
        """Raises WriteError if the folder was removed or replaced while it was locked."""
        if self._lock_inode() != self._held_inode:
            raise WriteError(
                f"{self.path} was removed or replaced while training: nothing more is written;"
                " train again, and keep the workdir in place"
            )

    def _lock_inode(self) -> int | None:
        """Identifies the lock file, as opposed to one of a new folder; None if it was removed."""
        with contextlib.suppress(OSError):
            return (self.path / _LOCK).stat().st_ino
        return None

    def callbacks(
        self, data: Any, figures_every: int, averaged_weights: Callable[[], Any]
    ) -> "list[keras.callbacks.Callback]":
        """The callbacks of every run: history, TensorBoard, figures of the first batch of `data`.

        Args:
            data: a data set, as for `Trainer.fit`.
            figures_every: epochs between two sets of figures; 0: no figures.
            averaged_weights: the context in which figures are made, see `Figures`.
        """
        from zoo.training.callbacks import EpochTensorBoard, HistoryFile

        callbacks = [
            HistoryFile(self.path / "history.json"),
            EpochTensorBoard(self.path / "tensorboard", write_graph=False),
        ]
        if figures_every:
            callbacks.append(self.figures(data, figures_every, averaged_weights))
        return callbacks

    def figures(self, data: Any, every: int, averaged_weights: Callable[[], Any]) -> "Figures":
        """The callback that writes figures of the first batch of `data`; arguments: `callbacks`."""
        from zoo.data.array_dataset import as_tf_dataset
        from zoo.training.callbacks import Figures

        batch = next(iter(as_tf_dataset(data)), None)
        if getattr(data, "batch_size", None) in range(1, FIGURE_EXAMPLES):
            batch = data.take(FIGURE_EXAMPLES)
        logs = self.path / "tensorboard"
        return Figures(self.path / "figures", batch, logs, every, averaged_weights)


@contextlib.contextmanager
def catch_stop_signals() -> Iterator[list[str]]:
    """Context that catches the first Ctrl-C or SIGTERM, so that the current step can finish.

    A second signal raises KeyboardInterrupt. Outside the main thread, it catches nothing.

    Yields:
        A list to which the name of the signal is appended.
    """
    received: list[str] = []

    def catch(number: int, frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(signal.Signals(number).name)

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    handlers = {number: signal.signal(number, catch) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, str]]:
    """The differences of two configurations: [("key=old", "key=new")], long values shortened."""
    old, new = json.loads(json.dumps([old, new]))  # JSON files have lists for tuples
    keys = [key for key in new if key in old and old[key] != new[key]]
    return [(f"{key}={shorten(old[key])}", f"{key}={shorten(new[key])}") for key in keys]
