"""The complete state of a run: all that a resume needs to give the same numbers to the bit."""

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from zoo import inspection
from zoo.errors import UsageError
from zoo.evaluation_mode import seed_states, state_variables
from zoo.model import Model
from zoo.training.checkpoint import CALLBACK_PREFIX
from zoo.training.run_identity import batch_digest, identity, learning_rates


class TrainState:
    """The variables of a model and its optimizers, and the position of the run in the data.

    Args:
        model: a prepared model.
        seed: the seed of noise and dropout.
        micro_batches: number of micro-batches, a part of the run's identity; None: that of the
            checkpoint that is loaded, or of `choose_micro_batches`.

    Attributes:
        position: `step` (in total), `epoch`, `step_in_epoch`, `steps_per_epoch` (None: unknown).
        sums: logged name -> sum over the current epoch.
        history: logged name -> one mean for each epoch.
        best_value: the best value of the monitored metric so far.
        callbacks: the state of the user's callbacks, see `callback_state`.
        callback_arrays: the weights in that state.
        ended: if a callback ended the run, the names of all callbacks; otherwise None.
        first_batch: checksum of the first batch of the epoch.
        identity: the settings of the run, see `run_identity.identity`.
    """

    def __init__(self, model: Model, seed: int, micro_batches: int | None = 1):
        self.model = model
        self.seed = seed
        self.micro_batches = micro_batches
        self.position: dict[str, Any] = {
            "step": 0,
            "epoch": 0,
            "step_in_epoch": 0,
            "steps_per_epoch": None,
        }
        self.sums: dict[str, float] = {}
        self.history: dict[str, list[float]] = {}
        self.best_value: float | None = None
        self.callbacks: dict[str, dict[str, Any]] = {}
        self.callback_arrays: dict[str, np.ndarray] = {}
        self.ended: list[str] | None = None
        self.first_batch: str | None = None
        self.identity = identity(model, seed)
        if micro_batches is not None:
            self.choose_micro_batches(micro_batches)
        for index, state in enumerate(seed_states(self.model)):
            state.assign(np.array([seed, index], np.uint32))

    def choose_micro_batches(self, count: int) -> None:
        """Sets the number of micro-batches of this run."""
        self.micro_batches = count
        self.identity["micro_batches"] = count

    # Variables.

    def variables(self) -> dict[str, keras.Variable]:
        """Key -> variable: weights, optimizer slots, seeds of noise and dropout."""
        return state_variables(self.model)

    def arrays(self) -> dict[str, np.ndarray]:
        """Key -> NumPy array: a copy of every variable."""
        return {key: keras.ops.convert_to_numpy(v).copy() for key, v in self.variables().items()}

    def assign(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Sets every variable."""
        for key, variable in self.variables().items():
            variable.assign(arrays[key])

    def is_finite(self) -> bool:
        """Whether no weight and no optimizer slot is NaN or infinite."""
        return all(map(inspection.is_finite, self.variables().values()))

    # The JSON record.

    def record(self) -> dict[str, Any]:
        """All of the state except the arrays, as JSON."""
        return {
            "position": dict(self.position),
            "sums": dict(self.sums),
            "history": {name: list(values) for name, values in self.history.items()},
            "best_value": self.best_value,
            "callbacks": self.callbacks,
            "ended": self.ended,
            "first_batch": self.first_batch,
            "model": self.model.name,
            "seed": self.seed,
            "identity": self.identity,
            "learning_rates": learning_rates(self.model),
        }

    def load(self, arrays: dict[str, np.ndarray], record: dict[str, Any]) -> None:
        """Restores a saved state."""
        if self.micro_batches is None:
            saved = record.get("identity") or {}
            self.choose_micro_batches(saved.get("micro_batches", 1))
        self.callback_arrays = {k: v for k, v in arrays.items() if k.startswith(CALLBACK_PREFIX)}
        self.assign(arrays)
        self.position.update(record["position"])
        self.sums = dict(record["sums"])
        self.history = {name: list(values) for name, values in record["history"].items()}
        self.best_value = record["best_value"]
        # Older checkpoints have a list, in the order of the callbacks.
        self.callbacks = record["callbacks"] if isinstance(record["callbacks"], dict) else {}
        self.ended = record.get("ended")
        self.first_batch = record.get("first_batch")

    def advance(self, logs: dict[str, float]) -> None:
        """Counts a step and adds its logged values to the sums of the epoch."""
        for name, value in logs.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.position["step"] += 1
        self.position["step_in_epoch"] += 1

    def check_first_batch(self, batch: dict[str, Any]) -> None:
        """Records the first batch of an epoch; raises UsageError if it differs after a resume."""
        digest = batch_digest(batch)
        if self.position["step_in_epoch"] and self.first_batch not in (None, digest):
            raise UsageError(
                f"the run stopped in the middle of epoch {self.position['epoch'] + 1}, which began"
                " with another batch: the data or their order have changed. Resume with the same"
                " data (a tf.data pipeline needs reshuffle_each_iteration=False), or train in"
                " another workdir"
            )
        self.first_batch = digest

    def check_steps_per_epoch(self, cardinality: int) -> None:
        """Records the number of batches of an epoch.

        Args:
            cardinality: the number of batches; negative if unknown.

        Raises:
            UsageError: it differs after a resume in the middle of an epoch.
        """
        position = self.position
        if position["step_in_epoch"] and position["steps_per_epoch"] not in (None, cardinality):
            raise UsageError(
                f"the run stopped in the middle of an epoch of {position['steps_per_epoch']}"
                f" batches, now there are {cardinality}: resume with the same data and batch size"
            )
        position["steps_per_epoch"] = cardinality if cardinality >= 0 else None

    def update_best(self, logs: dict[str, float], metric: str | None) -> bool:
        """Updates the best value of `metric` ("val_loss", "max:val_accuracy").

        Returns:
            Whether this epoch is the best so far.
        """
        if metric is None:
            return False
        sign, name = (-1, metric[4:]) if metric.startswith("max:") else (1, metric)
        value = logs.get(name, math.nan)
        best = self.best_value
        is_best = math.isfinite(value) and (best is None or sign * value < sign * best)
        if is_best:
            self.best_value = value
        return is_best

    def trainable_ids(self) -> tuple[int, ...]:
        """Identifies the set of variables that are trainable now."""
        return tuple(id(v) for v in self.model.trainable_variables)


def bitwise_equal(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray]) -> bool:
    """Whether two dicts of arrays are equal to the bit, NaN included."""
    return a.keys() == b.keys() and all(
        value.tobytes() == b[key].tobytes() for key, value in a.items()
    )
