"""A run's folder: checkpoints, the best epoch, history, figures, TensorBoard; one trainer at once.

runs/vae-mnist/
    config.json            what the command line was asked for
    checkpoints/           step-000002350.npz ..., best.npz
    figures/               samples.png, ... and one folder of pictures an epoch
    history.json           logged name -> one mean an epoch
    tensorboard/
"""

import contextlib
import json
import signal
import threading
from pathlib import Path

import filelock

from zoo.errors import WorkdirBusyError, WriteError, shorten
from zoo.files import remove_temporary
from zoo.training import checkpoint

LOCK = ".lock"
RUNS = Path("runs")


class Workdir:
    """Paths and rules of one run's folder.

    Args:
        path: the folder; made when first written to.
        max_to_keep: how many numbered checkpoints stay.
    """

    def __init__(self, path, max_to_keep=3):
        self.path = Path(path)
        self.checkpoints = checkpoint.Checkpoints(self.path / "checkpoints", max_to_keep)
        self.best = self.path / "checkpoints" / "best.npz"
        self.config = self.path / "config.json"
        self.lock = filelock.FileLock(self.path / LOCK, timeout=0)
        self.held = None

    @contextlib.contextmanager
    def exclusive(self):
        """Holds the folder; raises WorkdirBusyError if another process or trainer does.

        May be entered again by who holds it. Removes what killed writes have left.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.lock.acquire()
        except filelock.Timeout as error:
            raise WorkdirBusyError(
                f"another trainer is at work in {self.path}; wait for it, or use another workdir"
            ) from error
        except OSError as error:
            raise WriteError(
                f"cannot write to {self.path}: {error.strerror or error}; use another workdir"
            ) from error
        try:
            if self.lock.lock_counter == 1:
                self.held = self._number()
                remove_temporary(self.path)
            yield
        finally:
            self.lock.release()

    def check_held(self):
        """Raises WriteError if the folder was removed or replaced while it was held."""
        if self._number() != self.held:
            raise WriteError(
                f"{self.path} was removed or replaced while training: nothing more is written;"
                " train again in a workdir that stays"
            )

    def _number(self):
        """What tells this folder's lock from that of another one of its name; None: it is gone."""
        with contextlib.suppress(OSError):
            return (self.path / LOCK).stat().st_ino
        return None

    def callbacks(self, data, figures_every, averaged):
        """What every run writes: history, TensorBoard, and figures of the first batch of `data`.

        `averaged` is the context to draw in, see `Figures`.
        """
        from zoo.data.array_dataset import as_tf_dataset
        from zoo.training.callbacks import EpochTensorBoard, Figures, HistoryFile

        logs = self.path / "tensorboard"
        found = [
            HistoryFile(self.path / "history.json"),
            EpochTensorBoard(logs, write_graph=False),
        ]
        if figures_every:
            batch = next(iter(as_tf_dataset(data)), None)
            found.append(Figures(self.path / "figures", batch, logs, figures_every, averaged))
        return found


@contextlib.contextmanager
def stop_signals():
    """Turns the first Ctrl-C or SIGTERM into an entry of the list it yields; a second one is real.

    So that a step that has begun is finished and saved. Outside the main thread, does nothing.
    """
    received = []

    def note(number, frame):
        if received:
            raise KeyboardInterrupt
        received.append(signal.Signals(number).name)

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def differences(had, wanted):
    """Where two configurations differ: [("key=had", "key=wanted")], long values cut short."""
    had, wanted = json.loads(json.dumps([had, wanted]))  # tuples are lists in a file
    other = [key for key in wanted if key in had and had[key] != wanted[key]]
    return [(f"{key}={shorten(had[key])}", f"{key}={shorten(wanted[key])}") for key in other]
