"""The callbacks of one `fit`, called so that each epoch begins once and ends once."""

from collections.abc import Iterable

import keras

from zoo.training.callback_state import load_callback_state
from zoo.training.callbacks import Figures
from zoo.training.progress import Progress
from zoo.training.train_state import TrainState

# These keep the epoch in memory, so they need `on_epoch_begin` again after a resume in mid-epoch.
_NEED_EPOCH_BEGIN = (Progress, keras.callbacks.ModelCheckpoint, keras.callbacks.TensorBoard)


class TrainingCallbacks:
    """Calls Keras callbacks, also for runs that stop and resume in the middle of an epoch.

    Args:
        state: the `TrainState` of the trainer.
        callbacks: the callbacks of the user.
        trainer_callbacks: the callbacks of the trainer.
        epochs: the budget of epochs; infinity without one.

    Attributes:
        history: the `keras.callbacks.History` that `fit` returns.
        callback_list: the `keras.callbacks.CallbackList` of all callbacks.
    """

    def __init__(
        self,
        state: TrainState,
        callbacks: list[keras.callbacks.Callback],
        trainer_callbacks: Iterable[keras.callbacks.Callback],
        epochs: float,
    ):
        self.state = state
        self.callbacks = callbacks
        self.history = to_history(state)
        self.params = {
            "model": state.model,
            "epochs": epochs,
            "steps": state.position["steps_per_epoch"],
            "verbose": 0,
        }
        self.callback_list = self._make_list(self.history, *callbacks, *trainer_callbacks)

    def _make_list(self, *callbacks: keras.callbacks.Callback) -> keras.callbacks.CallbackList:
        return keras.callbacks.CallbackList([*callbacks], **self.params)

    def begin_training(self) -> None:
        """Calls `on_train_begin`, then restores the callbacks' state.

        A CSVLogger appends to the file of a resumed run, which Keras would truncate.
        """
        if self.state.position["step"]:
            for callback in self.callbacks:
                if isinstance(callback, keras.callbacks.CSVLogger):
                    callback.append = True
        self.callback_list.on_train_begin()
        self.history.epoch = list(range(self.state.position["epoch"]))
        load_callback_state(self.callbacks, self.state.callbacks, self.state.callback_arrays)

    def begin_epoch(self) -> None:
        """Calls `on_epoch_begin`, unless the epoch began before the run was stopped."""
        epoch = self.state.position["epoch"]
        if not self.state.position["step_in_epoch"]:
            self.callback_list.on_epoch_begin(epoch)
            return
        for callback in self.callback_list.callbacks:
            if isinstance(callback, _NEED_EPOCH_BEGIN):
                callback.on_epoch_begin(epoch)

    def report_partial_epoch(self, logs: dict[str, float]) -> None:
        """Figures and progress for an epoch in which the budget of steps ends."""
        reporting = [c for c in self.callback_list.callbacks if isinstance(c, Figures | Progress)]
        self._make_list(self.history, *reporting).on_epoch_end(self.state.position["epoch"], logs)


def to_history(state: TrainState) -> keras.callbacks.History:
    """The means of all epochs so far as a `keras.callbacks.History`."""
    history = keras.callbacks.History()
    history.history = {name: list(values) for name, values in state.history.items()}
    history.epoch = list(range(state.position["epoch"]))
    return history
