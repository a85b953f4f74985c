"""The time that a run has taken, in total and in training steps only, over all its resumes."""

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import keras

from zoo.errors import one_line
from zoo.files import write_json


class TrainingTime(keras.callbacks.Callback):
    """Seconds of a run, summed over all its resumes.

    Args:
        path: the JSON file that stores them.

    Attributes:
        seconds: seconds of training, validation and figures.
        step_seconds: seconds of training steps and their data. The first step after each start is
            left out, because it compiles the step.
        epochs: epoch, from 0 -> the value of `step_seconds` at its end.
    """

    def __init__(self, path: Path):
        super().__init__()
        self.path = path
        stored = _read(path) if path.exists() else {}
        self.seconds: float = stored.get("seconds", 0.0)
        self.step_seconds: float = stored.get("step_seconds", 0.0)
        self.epochs: dict[int, float] = stored.get("epochs", {})
        self._last_step: float | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._last_step = None
        self.start = time.perf_counter() - self.seconds

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._last_step is not None:  # validation and figures were in between
            self._last_step = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        now = time.perf_counter()
        if self._last_step is not None:
            self.step_seconds += now - self._last_step
        self._last_step = now

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epochs[epoch] = self.step_seconds
        self._write()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._write()

    def _write(self) -> None:
        self.seconds = time.perf_counter() - self.start
        write_json(
            self.path,
            {"seconds": self.seconds, "step_seconds": self.step_seconds, "epochs": self.epochs},
        )


def _read(path: Path) -> dict[str, Any]:
    """What a file stores; {} and a warning if it is damaged, since training can continue."""
    try:
        stored = json.loads(path.read_text())
        seconds = [float(stored[key]) for key in ("seconds", "step_seconds") if key in stored]
        epochs = {int(epoch): float(value) for epoch, value in stored.get("epochs", {}).items()}
        if not seconds or not all(0 <= value < math.inf for value in [*seconds, *epochs.values()]):
            raise ValueError(f"{seconds} seconds")
    except Exception as error:  # damaged JSON raises many types
        reason = one_line(error)
        print(f"warning: {path} is damaged ({reason}); the times in it are lost", file=sys.stderr)
        return {}
    return stored | {"epochs": epochs}
