"""The callbacks of one `fit`, driven so that each epoch begins once and ends once."""

import keras

from zoo.training.callback_state import load_callback_state
from zoo.training.callbacks import Figures, Progress

# These keep in memory which epoch it is; one that goes on in another process begins for them again.
BEGIN_AGAIN = (Progress, keras.callbacks.ModelCheckpoint, keras.callbacks.TensorBoard)


class TrainingCallbacks:
    """Drives Keras callbacks, also through a stop in the middle of an epoch.

    Args:
        state: the `TrainState` of the trainer.
        callbacks: the user's.
        own: the trainer's, an iterable.
        epochs: the budget, infinity if there is none.

    Attributes:
        history: the `keras.callbacks.History` that `fit` returns.
        list: the `keras.callbacks.CallbackList` of all.
    """

    def __init__(self, state, callbacks, own, epochs):
        self.state = state
        self.callbacks = callbacks
        self.history = history_of(state)
        self.facts = {
            "model": state.model,
            "epochs": epochs,
            "steps": state.position["steps_per_epoch"],
            "verbose": 0,
        }
        self.list = self._list(self.history, *callbacks, *own)

    def _list(self, *callbacks):
        return keras.callbacks.CallbackList([*callbacks], **self.facts)

    def begin_training(self):
        """`on_train_begin`, after which callbacks get back what they remember of the run."""
        self.list.on_train_begin()
        self.history.epoch = list(range(self.state.position["epoch"]))
        load_callback_state(self.callbacks, self.state.callbacks, self.state.callback_arrays)

    def begin_epoch(self):
        """`on_epoch_begin`, unless the epoch began before the run was stopped."""
        epoch = self.state.position["epoch"]
        if not self.state.position["step_in_epoch"]:
            self.list.on_epoch_begin(epoch)
            return
        for callback in self.list.callbacks:
            if isinstance(callback, BEGIN_AGAIN):
                callback.on_epoch_begin(epoch)

    def show_partial_epoch(self, logs):
        """Figures and a line of progress of an epoch that a budget of steps ends in its middle."""
        shown = [c for c in self.list.callbacks if isinstance(c, Figures | Progress)]
        self._list(self.history, *shown).on_epoch_end(self.state.position["epoch"], logs)


def history_of(state):
    """The means of the epochs so far, as `keras.callbacks.History` has them."""
    history = keras.callbacks.History()
    history.history = {name: list(values) for name, values in state.history.items()}
    history.epoch = list(range(state.position["epoch"]))
    return history
