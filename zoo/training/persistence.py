"""A trainer's state in memory and on disk: saved, restored, rolled back; one truth for both."""

import contextlib

from zoo.errors import CheckpointError
from zoo.log import log_message
from zoo.training import checkpoint
from zoo.training.callback_state import by_name, callback_state
from zoo.training.run_identity import check_same_run
from zoo.training.train_state import same_bits


class Persistence:
    """Keeps a state so that training goes on from it, in this process or in another.

    Args:
        state: the `TrainState` of a trainer.
        workdir: its `Workdir`, or None.
        replicas: its `Distribution`.
        callbacks: those of the user.

    Attributes:
        good: arrays and record as they were saved last.
    """

    def __init__(self, state, workdir, replicas, callbacks):
        self.state = state
        self.workdir = workdir
        self.distribution = replicas
        self.callbacks = callbacks
        self.good = None
        self.explain = None
        self.restored = False
        self._newest = None  # the checkpoint that the state is, as the folder has it
        self._replaced = None  # weights before and after `on_train_end`, where they differ

    # Restoring.

    def restore(self):
        """Takes up the newest sound checkpoint, once."""
        if self.workdir and not self.restored:
            self._take_newest(set_aside=False)

    def restore_best(self, metric):
        """Takes up the epoch that was best in `metric`."""
        if not self.workdir or not self.workdir.best.exists():
            raise CheckpointError(f"no best epoch is kept: none has logged {metric}")
        self.restored, self._newest = True, None
        arrays, record = checkpoint.read(self.workdir.best)
        checkpoint.check_fits(self.workdir.best, arrays, self.state.arrays())
        self._take(self.workdir.best, arrays, record)

    def resume(self):
        """Takes up what the workdir has now, which another trainer may have written since.

        To be called by who holds the workdir.
        """
        if self._replaced and same_bits(self.state.arrays(), self._replaced[1]):
            self.state.assign(self._replaced[0])
        self._replaced = None
        newest = self.workdir and self.workdir.checkpoints.newest()
        if newest and newest != self._newest and (self.distribution.is_chief or not self.restored):
            self._take_newest(set_aside=self.distribution.is_chief)
        self.restored = True
        if self.ended():
            log_message(
                f"note: a callback ended this run after epoch {self.state.position['epoch']}; to"
                " train on, give the Trainer other callbacks"
            )
        else:
            self.state.ended = None

    def _take_newest(self, set_aside):
        newest = self.workdir.checkpoints.newest()
        latest = self.workdir.checkpoints.latest(self.state.arrays(), set_aside)
        self.restored = True
        if not latest:
            return
        path, arrays, record, reasons = latest
        self._take(path, arrays, record)
        self._newest = None if reasons and not set_aside else newest
        for reason in reasons:
            log_message(f"warning: {reason}; using the one before")

    def _take(self, path, arrays, record):
        check_same_run(path, record, self.state.identity)
        self.state.load(arrays, record)

    # While training.

    def begin(self, explain):
        """Notes what to go back to; `explain(step)` raises NonFiniteError for that step."""
        self.good = self.state.arrays() | self.state.callback_arrays, self.state.record()
        self.explain = explain

    def save(self, best=False):
        """Saves the state; raises NonFiniteError, and saves nothing, if it is not finite."""
        if not self.state.is_finite():
            self.explain(self.state.position["step"])
        self.distribution.sync(self.state)
        self.state.callbacks, self.state.callback_arrays = callback_state(self.callbacks)
        self.good = self.state.arrays() | self.state.callback_arrays, self.state.record()
        if self.workdir and self.distribution.is_chief:
            self.workdir.check_held()
            self.workdir.checkpoints.save(self.state.position["step"], *self.good)
            self._newest = self.workdir.checkpoints.newest()
            if best:
                checkpoint.save(self.workdir.best, *self.good)

    @contextlib.contextmanager
    def all_or_nothing(self):
        """Goes back to what was saved last if a step is broken off, as by a second Ctrl-C."""
        try:
            yield
        except BaseException:
            self.state.load(*self.good)
            raise

    def note_end(self):
        """Notes that one of the callbacks has ended the run, if it has."""
        if self.state.model.stop_training and self.callbacks:
            self.state.ended = [*by_name(self.callbacks)]

    def ended(self):
        """Whether a callback has ended the run, and the callbacks are still the same."""
        return self.state.ended is not None and self.state.ended == [*by_name(self.callbacks)]

    def end_training(self, callbacks):
        """Callbacks may leave other weights, as EarlyStopping(restore_best_weights=True) does.

        They are the result of a run that has ended; else training goes on from those before.
        """
        before = self.state.arrays()
        callbacks.on_train_end()
        after = self.state.arrays()
        self._replaced = None if same_bits(before, after) else (before, after)
        if self._replaced and self.ended():
            self.save()
            self._replaced = None
