"""What Keras' callbacks remember from epoch to epoch, for a run that stops and goes on.

Each callback is known by its class and what it monitors, so their order does not matter.
"""

import numpy as np

from zoo.training.checkpoint import CALLBACKS

# What EarlyStopping, ReduceLROnPlateau and ModelCheckpoint know beyond their arguments.
CALLBACK_STATE = ("wait", "best", "best_epoch", "stopped_epoch", "cooldown_counter")


def by_name(callbacks):
    """Name -> callback: "EarlyStopping(val_loss)", and a number where there are several."""
    names = {}
    for callback in callbacks:
        name = f"{type(callback).__name__}({getattr(callback, 'monitor', '')})"
        again = 2
        while name in names:
            name, again = f"{name.partition('#')[0]}#{again}", again + 1
        names[name] = callback
    return names


def callback_state(callbacks):
    """(name -> plain values, key -> array) of what the callbacks remember.

    The arrays are the weights that EarlyStopping(restore_best_weights=True) goes back to.
    """
    values, arrays = {}, {}
    for name, callback in by_name(callbacks).items():
        remembered = vars(callback)
        values[name] = {key: _plain(remembered[key]) for key in CALLBACK_STATE if key in remembered}
        for i, array in enumerate(remembered.get("best_weights") or ()):
            arrays[f"{CALLBACKS}{name}/{i:04d}"] = np.asarray(array)
    return values, arrays


def load_callback_state(callbacks, values, arrays):
    """Gives callbacks back what they remembered; one without a memory stays as it is."""
    for name, callback in by_name(callbacks).items():
        vars(callback).update(values.get(name, {}))
        weights = [arrays[key] for key in sorted(arrays) if key.startswith(f"{CALLBACKS}{name}/")]
        if weights:
            callback.best_weights = weights


def _plain(value):
    return value.item() if isinstance(value, np.generic) else value
