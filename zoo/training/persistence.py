"""Saves, restores and rolls back a trainer's state, in memory and on disk."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras

from zoo.errors import CheckpointError
from zoo.log import log_message
from zoo.training import checkpoint
from zoo.training.callback_state import callback_state, callbacks_by_name
from zoo.training.distribution import Distribution
from zoo.training.run_identity import check_same_run
from zoo.training.train_state import TrainState, bitwise_equal
from zoo.training.workdir import Workdir


class Persistence:
    """Keeps a state so that training can resume from it, in this process or another.

    Args:
        state: the `TrainState` of a trainer.
        workdir: its `Workdir`, or None.
        distribution: its `Distribution`.
        callbacks: the callbacks of the user.

    Attributes:
        last_saved: the arrays and the record that were saved last.
    """

    def __init__(
        self,
        state: TrainState,
        workdir: Workdir | None,
        distribution: Distribution,
        callbacks: list[keras.callbacks.Callback],
    ):
        self.state = state
        self.workdir = workdir
        self.distribution = distribution
        self.callbacks = callbacks
        self.last_saved: Any = None
        self.explain: Any = None
        self.restored = False
        self._newest: tuple[str, int, int] | None = None  # identifies the loaded checkpoint
        self._replaced: Any = None  # arrays before and after `on_train_end`, if they differ

    # Restoring.

    def restore(self) -> None:
        """Loads the newest undamaged checkpoint, unless one was restored already."""
        if self.workdir and not self.restored:
            self._load_newest(set_aside=False)

    def restore_best(self, metric: str | None) -> None:
        """Loads the best epoch; `metric` is for the error message.

        Raises:
            CheckpointError: no best epoch was saved, or it is damaged or of another model.
        """
        if not self.workdir or not self.workdir.best_checkpoint.exists():
            raise CheckpointError(f"there is no best epoch: no complete epoch has logged {metric}")
        self.restored = True
        self._newest = None
        arrays, record = checkpoint.read(self.workdir.best_checkpoint)
        checkpoint.check_compatible(self.workdir.best_checkpoint, arrays, self.state.arrays())
        self._load(self.workdir.best_checkpoint, arrays, record)

    def resume(self) -> None:
        """Loads the newest checkpoint if another trainer has written it since.

        Only for the trainer that owns the workdir.
        """
        if self._replaced and bitwise_equal(self.state.arrays(), self._replaced[1]):
            self.state.assign(self._replaced[0])
        self._replaced = None
        newest = self.workdir and self.workdir.checkpoints.newest()
        if newest and newest != self._newest and (self.distribution.is_chief or not self.restored):
            self._load_newest(set_aside=self.distribution.is_chief)
        self.restored = True
        if self.is_stopped():
            log_message(
                f"note: a callback ended this run after epoch {self.state.position['epoch']}; to"
                " continue training, give the Trainer other callbacks"
            )
        else:
            self.state.ended = None

    def _load_newest(self, set_aside: bool) -> None:
        assert self.workdir
        newest = self.workdir.checkpoints.newest()
        latest = self.workdir.checkpoints.load_latest(self.state.arrays(), set_aside)
        self.restored = True
        if not latest:
            return
        path, arrays, record, reasons = latest
        self._load(path, arrays, record)
        self._newest = None if reasons and not set_aside else newest
        for reason in reasons:
            log_message(f"warning: {reason}; using the previous checkpoint")

    def _load(self, path: Path, arrays: dict[str, Any], record: dict[str, Any]) -> None:
        check_same_run(path, record, self.state.identity)
        self.state.load(arrays, record)

    # During training.

    def begin(self, explain: Callable[[int], None]) -> None:
        """Remembers the state to roll back to; `explain(step)` raises NonFiniteError."""
        self.last_saved = self.state.arrays() | self.state.callback_arrays, self.state.record()
        self.explain = explain

    def save(self, best: bool = False) -> None:
        """Saves the state.

        Args:
            best: save it as the best epoch, too.

        Raises:
            NonFiniteError: the state is not finite; nothing is saved.
        """
        if not self.state.is_finite():
            self.explain(self.state.position["step"])
        self.distribution.sync(self.state)
        self.state.callbacks, self.state.callback_arrays = callback_state(self.callbacks)
        self.last_saved = self.state.arrays() | self.state.callback_arrays, self.state.record()
        if self.workdir and self.distribution.is_chief:
            self.workdir.check_held()
            self.workdir.checkpoints.save(self.state.position["step"], *self.last_saved)
            self._newest = self.workdir.checkpoints.newest()
            if best:
                checkpoint.save(self.workdir.best_checkpoint, *self.last_saved)

    @contextlib.contextmanager
    def rollback_on_error(self) -> Iterator[None]:
        """Context that restores the last saved state on an exception, such as a second Ctrl-C."""
        try:
            yield
        except BaseException:
            self.state.load(*self.last_saved)
            raise

    def record_stop(self) -> None:
        """Records in the state whether a callback has ended the run."""
        if self.state.model.stop_training and self.callbacks:
            self.state.ended = [*callbacks_by_name(self.callbacks)]

    def is_stopped(self) -> bool:
        """Whether a callback has ended the run, and the callbacks are still the same."""
        return self.state.ended is not None and self.state.ended == [
            *callbacks_by_name(self.callbacks)
        ]

    def end_training(self, callbacks: keras.callbacks.CallbackList) -> None:
        """Calls `on_train_end`, which may set other weights (EarlyStopping's best weights).

        If a callback has ended the run, these weights are its result and are saved. Otherwise a
        later `fit` continues with the previous weights.
        """
        before = self.state.arrays()
        callbacks.on_train_end()
        after = self.state.arrays()
        self._replaced = None if bitwise_equal(before, after) else (before, after)
        if self._replaced and self.is_stopped():
            self.save()
            self._replaced = None
