"""Everything a run must keep to go on as if it had never stopped, and nothing else."""

import contextlib
import math

import keras
import numpy as np
from keras.src.random.seed_generator import global_seed_generator  # no public way to its state

from zoo import inspection
from zoo.checkpoint import CALLBACKS
from zoo.errors import UsageError
from zoo.identity import batch_digest, identity, learning_rates
from zoo.model import all_trainable


def seed_states(model):
    """Variables that hold the state of a model's random numbers (noise, dropout)."""
    everything = [model, *(layer for _, layer in inspection.layers(model))]
    return [
        value.state
        for layer in everything
        for value in vars(layer).values()
        if isinstance(value, keras.random.SeedGenerator)
    ]


class State:
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

    def __init__(self, model, seed, sub_batches=1):
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
        self.identity = identity(model, seed, sub_batches)
        for index, state in enumerate(seed_states(self.model)):
            state.assign(np.array([seed, index], np.uint32))

    # Variables: explicit lists, since Keras' own tracking misses seeds and layers in lists.

    def variables(self):
        """Key -> variable: weights, optimizer slots, seeds of noise and dropout."""
        groups = {"model": self.model.variables, "seed": [global_seed_generator().state]}
        for part, optimizer in self.model.optimizers.items():
            groups[f"optimizer:{part}"] = optimizer.variables
        return {f"{name}/{i:04d}": v for name, group in groups.items() for i, v in enumerate(group)}

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

    def take(self, arrays, record):
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

    def expect_first_batch(self, batch):
        """Notes the first batch of an epoch; raises UsageError if it is not that of before."""
        digest = batch_digest(batch)
        if self.position["step_in_epoch"] and self.first_batch not in (None, digest):
            raise UsageError(
                f"the run stopped in the middle of epoch {self.position['epoch'] + 1}, whose first"
                " batch was another one: resume with the same data in the same order, shuffled"
                " with a seed and reshuffle_each_iteration=False; or train in another workdir"
            )
        self.first_batch = digest

    def expect(self, cardinality):
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

    # Things that are put aside for a while.

    @contextlib.contextmanager
    def unchanged(self):
        """Whatever happens to the variables while this is open is undone."""
        arrays = self.arrays()
        try:
            yield
        finally:
            self.assign(arrays)

    def average(self, part, optimizer):
        """Moving averages in place of weights; what is frozen stays as it is, to the bit."""
        layer = self.model.part(part)
        learning = {id(v) for v in layer.trainable_variables}
        with all_trainable(layer):
            variables = layer.trainable_variables  # all that the optimizer was built with
        frozen = [(v, keras.ops.copy(v)) for v in variables if id(v) not in learning]
        optimizer.finalize_variable_values(variables)
        for variable, value in frozen:
            variable.assign(value)

    def learning(self):
        """Which variables learn now, to be compared."""
        return tuple(id(v) for v in self.model.trainable_variables)

    @contextlib.contextmanager
    def evaluating(self):
        """While open: moving averages in place of weights, and always the same random numbers."""
        with self.unchanged():
            averaged = False
            for part, optimizer in self.model.optimizers.items():
                inner = getattr(optimizer, "inner_optimizer", optimizer)
                if inner.use_ema and int(inner.iterations) > 0:
                    self.average(part, optimizer)
                    averaged = True
            if averaged:
                self.model.settle()
            for index, state in enumerate(seed_states(self.model)):
                state.assign(np.array([self.seed + 1, index], np.uint32))
            yield self.model


def same_bits(some, others):
    """Whether two dicts of arrays are the same, NaN included."""
    return some.keys() == others.keys() and all(
        value.tobytes() == others[key].tobytes() for key, value in some.items()
    )
