"""Everything a run must keep to go on as if it had never stopped, and nothing else."""

import math

import keras
import numpy as np

from zoo import inspection
from zoo.errors import UsageError
from zoo.model.evaluation_mode import seed_states, state_variables
from zoo.training.checkpoint import CALLBACKS
from zoo.training.run_identity import batch_digest, identity, learning_rates


class TrainState:
    """The variables of a model and its optimizers, and where in the data the run stands.

    Attributes:
        position: `step` (in total), `epoch`, `step_in_epoch`, `steps_per_epoch` (None: unknown).
        sums: logged name -> sum over the epoch so far.
        history: logged name -> one mean an epoch.
        best_value: the best value of the watched metric so far.
        callbacks: what each of the user's callbacks remembers, see `callback_state`.
        callback_arrays: the weights among that.
        ended: names of the callbacks with which one of them ended the run; None: it goes on.
        first_batch: checksum of the first batch of the epoch.
        identity: what the run is, see `identity`.
    """

    def __init__(self, model, seed, micro_batches=1):
        self.model = model
        self.seed = seed
        self.position = {"step": 0, "epoch": 0, "step_in_epoch": 0, "steps_per_epoch": None}
        self.sums = {}
        self.history = {}
        self.best_value = None
        self.callbacks = {}
        self.callback_arrays = {}
        self.ended = None
        self.first_batch = None
        self.identity = identity(model, seed, micro_batches)
        for index, state in enumerate(seed_states(self.model)):
            state.assign(np.array([seed, index], np.uint32))

    # Variables.

    def variables(self):
        """Key -> variable: weights, optimizer slots, seeds of noise and dropout."""
        return state_variables(self.model)

    def arrays(self):
        """Key -> NumPy array, a copy of every variable."""
        return {key: keras.ops.convert_to_numpy(v).copy() for key, v in self.variables().items()}

    def assign(self, arrays):
        for key, variable in self.variables().items():
            variable.assign(arrays[key])

    def is_finite(self):
        """Whether no weight and no optimizer slot is NaN or infinite."""
        return all(map(inspection.is_finite, self.variables().values()))

    # The record beside the arrays.

    def record(self):
        """The rest of the state as JSON."""
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

    def load(self, arrays, record):
        """Becomes the state that was saved."""
        self.callback_arrays = {k: v for k, v in arrays.items() if k.startswith(CALLBACKS)}
        self.assign(arrays)
        self.position.update(record["position"])
        self.sums = dict(record["sums"])
        self.history = {name: list(values) for name, values in record["history"].items()}
        self.best_value = record["best_value"]
        # Runs of before had a list, in the order of the callbacks.
        self.callbacks = record["callbacks"] if isinstance(record["callbacks"], dict) else {}
        self.ended = record.get("ended")
        self.first_batch = record.get("first_batch")

    def advance(self, logs):
        """Counts a step and what it logged."""
        for name, value in logs.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.position["step"] += 1
        self.position["step_in_epoch"] += 1

    def check_first_batch(self, batch):
        """Notes the first batch of an epoch; raises UsageError if it is not that of before."""
        digest = batch_digest(batch)
        if self.position["step_in_epoch"] and self.first_batch not in (None, digest):
            raise UsageError(
                f"the run stopped in the middle of epoch {self.position['epoch'] + 1}, whose first"
                " batch was another one: resume with the same data in the same order, shuffled"
                " with a seed and reshuffle_each_iteration=False; or train in another workdir"
            )
        self.first_batch = digest

    def check_steps_per_epoch(self, cardinality):
        """Notes the batches of an epoch (negative: unknown); raises UsageError if they changed."""
        at = self.position
        if at["step_in_epoch"] and at["steps_per_epoch"] not in (None, cardinality):
            raise UsageError(
                f"the run stopped in the middle of an epoch of {at['steps_per_epoch']} batches, now"
                f" there are {cardinality}: resume with the same data and batch size"
            )
        at["steps_per_epoch"] = cardinality if cardinality >= 0 else None

    def is_best(self, logs, metric):
        """Whether this epoch's `metric` ("val_loss", "max:val_accuracy") is the best; notes it."""
        if metric is None:
            return False
        sign, name = (-1, metric[4:]) if metric.startswith("max:") else (1, metric)
        value, before = logs.get(name, math.nan), self.best_value
        better = math.isfinite(value) and (before is None or sign * value < sign * before)
        if better:
            self.best_value = value
        return better

    def trainable_ids(self):
        """Which variables learn now, to be compared."""
        return tuple(id(v) for v in self.model.trainable_variables)


def same_bits(some, others):
    """Whether two dicts of arrays are the same, NaN included."""
    return some.keys() == others.keys() and all(
        value.tobytes() == others[key].tobytes() for key, value in some.items()
    )
