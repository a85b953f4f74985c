"""The state of Keras callbacks, saved in checkpoints so that it survives a resume.

Callbacks are identified by their class and the monitored metric, so their order does not matter.
"""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from zoo.training.checkpoint import CALLBACK_PREFIX

# Attributes of EarlyStopping, ReduceLROnPlateau and ModelCheckpoint that change during training.
CALLBACK_STATE = ("wait", "best", "best_epoch", "stopped_epoch", "cooldown_counter")


def callbacks_by_name(
    callbacks: Iterable[keras.callbacks.Callback],
) -> dict[str, keras.callbacks.Callback]:
    """Name -> callback: "EarlyStopping(val_loss)", with a number if there are several."""
    names: dict[str, keras.callbacks.Callback] = {}
    for callback in callbacks:
        name = f"{type(callback).__name__}({getattr(callback, 'monitor', '')})"
        number = 2
        while name in names:
            name = f"{name.partition('#')[0]}#{number}"
            number += 1
        names[name] = callback
    return names


def callback_state(
    callbacks: Iterable[keras.callbacks.Callback],
) -> tuple[dict[str, dict[str, Any]], dict[str, np.ndarray]]:
    """The state of callbacks: (name -> JSON values, key -> array).

    The arrays are the weights that EarlyStopping(restore_best_weights=True) restores.
    """
    values = {}
    arrays = {}
    for name, callback in callbacks_by_name(callbacks).items():
        attributes = vars(callback)
        values[name] = {
            key: _to_python(attributes[key]) for key in CALLBACK_STATE if key in attributes
        }
        for i, array in enumerate(attributes.get("best_weights") or ()):
            arrays[f"{CALLBACK_PREFIX}{name}/{i:04d}"] = np.asarray(array)
    return values, arrays


def load_callback_state(
    callbacks: Iterable[keras.callbacks.Callback],
    values: dict[str, dict[str, Any]],
    arrays: dict[str, np.ndarray],
) -> None:
    """Restores the state of callbacks; those without saved state do not change."""
    for name, callback in callbacks_by_name(callbacks).items():
        vars(callback).update(values.get(name, {}))
        weights = [
            arrays[key] for key in sorted(arrays) if key.startswith(f"{CALLBACK_PREFIX}{name}/")
        ]
        if weights:
            callback.best_weights = weights


def _to_python(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
