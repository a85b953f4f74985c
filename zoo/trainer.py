"""The Trainer: one loop for every model, eager or compiled, resumable to the bit.

It knows the `Model` contract and no model: which losses there are, how many optimizers, what a
batch holds is the model's business. It drives Keras callbacks.
"""

import contextlib
import functools
import math
import sys

import keras
import tensorflow as tf

from zoo import checkpoint, inspection, pieces
from zoo.batches import reading
from zoo.callbacks import Progress, one_optimizer
from zoo.errors import CheckpointError, NonFiniteError, UsageError
from zoo.replicas import Replicas, dataset_of
from zoo.state import State
from zoo.workdir import Workdir, stop_signals


class Trainer:
    """Trains, evaluates and inspects one model; resumes by itself from its working directory.

    Args:
        model: a model of the zoo (`zoo.get`), created inside `strategy.scope()` if there is one.
        workdir: folder for checkpoints, figures, TensorBoard and history; None keeps nothing.
        optimizers: in place of the model's own: one Keras optimizer, or {part: optimizer}.
            Clipping, moving averages, accumulation and schedules are arguments of theirs
            (`global_clipnorm`, `use_ema`, `gradient_accumulation_steps`, `learning_rate`).
        callbacks: Keras callbacks.
        strategy: a `tf.distribute.Strategy`; batches are global, its replicas share them.
        eager: run the step as plain Python, so that it can be printed from and stopped in.
        jit_compile: compile the step with XLA (pays for recurrent models, not for convolutions).
        sub_batches: pieces of a batch computed side by side, see `zoo.pieces` and `zoo.threads`.
        seed: of everything random in training: noise, dropout. Data have a seed of their own.
        save_every: steps between checkpoints; there is always one at the end of an epoch.
        keep: how many numbered checkpoints stay.
        best: metric whose best epoch is kept as `best.npz`: "val_loss", or "max:val_accuracy".
        figures_every: epochs between two drawings of the model's figures; 0 draws none.
        verbose: show progress on stderr.
    """

    def __init__(
        self,
        model,
        workdir=None,
        *,
        optimizers=None,
        callbacks=(),
        strategy=None,
        eager=False,
        jit_compile=False,
        sub_batches=1,
        seed=0,
        save_every=200,
        keep=3,
        best="val_loss",
        figures_every=1,
        verbose=True,
    ):
        self.model = model
        self.replicas = Replicas(strategy)
        self.replicas.own(model)
        with self.replicas.strategy.scope():
            model.prepare(optimizers)
        self.state = State(model, seed)
        self.workdir = Workdir(workdir, keep) if workdir else None
        self.callbacks = list(callbacks)
        self.eager = eager
        self.jit_compile = jit_compile
        self.sub_batches = sub_batches
        self.save_every = save_every
        self.best = best
        self.figures_every = figures_every
        self.verbose, self.restored = verbose, False

    # Training.

    def fit(self, train, epochs=None, steps=None, validation=None):
        """Trains up to a total of `epochs` or of `steps`, counting what the workdir already has.

        Args:
            train: what `zoo.data.load` returns, any callable epoch -> `tf.data.Dataset` of
                batches, or a Dataset whose order is the same at each epoch.
            epochs: passes over the data, in total.
            steps: steps, in total, in place of `epochs`.
            validation: evaluated after each epoch; its metrics are logged as `val_...`.

        Returns `keras.callbacks.History`: the mean of every logged value for each epoch.

        Raises NonFiniteError when a loss is NaN or infinite (the model is as before that step)
        and KeyboardInterrupt after a signal (the step was finished and saved).
        """
        if (epochs is None) == (steps is None):
            raise UsageError(f"give either epochs or steps, got epochs={epochs}, steps={steps}")
        writes = self.workdir and self.replicas.chief
        with self.workdir.exclusive() if writes else contextlib.nullcontext():
            self.restore()
            self._begin(train)
            return self._fit(train, epochs or math.inf, steps or math.inf, validation)

    def _fit(self, train, epochs, steps, validation):
        at = self.state.position
        look = self._compiled(self._eval_sums)
        # Traced anew at each fit, and when other layers learn, so that freezing is seen.
        run = functools.lru_cache(1)(lambda learning: self._compiled(self._step))
        history = keras.callbacks.History()
        callbacks = self._callback_list(history, train, validation, epochs, steps)
        self.model.stop_training = False
        self.good = self.state.arrays(), self.state.record()
        with one_optimizer(self.model, self.callbacks), stop_signals() as stopped:
            callbacks.on_train_begin()
            self.state.restore_callbacks(self.callbacks)
            history.history.update({k: list(v) for k, v in self.state.history.items()})
            history.epoch.extend(range(at["epoch"]))
            try:
                while at["epoch"] < epochs and at["step"] < steps and not self.model.stop_training:
                    callbacks.on_epoch_begin(at["epoch"])
                    self._epoch(run(self.state.learning()), train, steps, callbacks, stopped)
                    self._end_epoch(look, validation, callbacks)
                    if stopped:  # while evaluating or drawing; the epoch is saved
                        raise KeyboardInterrupt(stopped[0])
            finally:
                callbacks.on_train_end()
        return history

    def _epoch(self, run, train, steps, callbacks, stopped):
        at, sums = self.state.position, self.state.sums
        dataset = self.model.checked(dataset_of(train, at["epoch"]).skip(at["step_in_epoch"]))
        for batch in reading(self.replicas.share(dataset)):
            callbacks.on_train_batch_begin(at["step_in_epoch"])
            logs = {name: float(value) for name, value in run(batch).items()}
            if not all(map(math.isfinite, logs.values())):
                self._explain_non_finite(run, train, batch, logs)
            for name, value in logs.items():
                sums[name] = sums.get(name, 0.0) + value
            at["step"] += 1
            at["step_in_epoch"] += 1
            callbacks.on_train_batch_end(at["step_in_epoch"] - 1, logs)
            if stopped:
                self._save()
                raise KeyboardInterrupt(stopped[0])
            if at["step"] % self.save_every == 0:
                self._save()
            if at["step"] >= steps:
                return
        at["steps_per_epoch"] = at["step_in_epoch"]
        if not at["step_in_epoch"]:
            raise UsageError("the training data hold zero batches; is the batch size too large?")

    def _end_epoch(self, look, validation, callbacks):
        at = self.state.position
        logs = {name: total / at["step_in_epoch"] for name, total in self.state.sums.items()}
        if at["step_in_epoch"] != at["steps_per_epoch"]:
            self._save()  # a budget of steps ended in mid-epoch: with more, it goes on from here
        if validation is not None:
            found = self._evaluate(look, validation)
            logs |= {f"val_{name}": value for name, value in found.items()}
        callbacks.on_epoch_end(at["epoch"], logs)
        if at["step_in_epoch"] != at["steps_per_epoch"]:
            return
        for name, value in logs.items():
            self.state.history.setdefault(name, []).append(value)
        self.state.sums.clear()
        at["epoch"], at["step_in_epoch"] = at["epoch"] + 1, 0
        self._save(self.state.is_best(logs, self.best))

    def _callback_list(self, history, train, validation, epochs, steps):
        own = []
        if self.replicas.chief and self.workdir:
            own += self.workdir.callbacks(validation or train, self.figures_every, self.averaged)
        if self.replicas.chief and self.verbose:
            own.append(Progress(self.state.position, steps))
        return keras.callbacks.CallbackList(
            [history, *self.callbacks, *own],
            model=self.model,
            epochs=epochs,
            steps=self.state.position["steps_per_epoch"],
            verbose=0,
        )

    def _begin(self, train):
        dataset = dataset_of(train, self.state.position["epoch"])
        for batch in dataset.take(1):
            self.model.check_batch(batch)
            self.replicas.check_size(batch)
        pieces.check(dataset, self.sub_batches)
        self.state.expect(int(dataset.cardinality()))
        if not self.state.position["step"]:
            self.model.adapt(reading(self.model.checked(dataset)))

    # One step.

    def _step(self, batch):
        def step(batch):
            return pieces.train_step(self.model, batch, self.sub_batches)

        return self.replicas.mean(self.replicas.run(step, batch))

    def _compiled(self, function):
        if self.eager:
            return function
        return tf.function(function, reduce_retracing=True, jit_compile=self.jit_compile or None)

    def _explain_non_finite(self, run, train, batch, logs):
        """Goes back to the last good state, replays up to the bad step, and looks inside it."""
        step, epoch = self.state.position["step"], self.state.position["epoch"]
        arrays, start = self.good[0], self.good[1]["position"]
        self.state.assign(arrays)
        replay = dataset_of(train, epoch).skip(start["step_in_epoch"]).take(step - start["step"])
        for earlier in self.replicas.share(self.model.checked(replay)):
            run(earlier)
        inspected = self.inspect(batch) if self.replicas.count == 1 else None
        raise NonFiniteError(
            f"{', '.join(name for name, value in logs.items() if not math.isfinite(value))} not"
            f" finite at step {step + 1}, epoch {epoch + 1};"
            f" {inspected.blame() if inspected else 'under a strategy no layer can be named'}."
            " The model is as it was before this step; checkpoints are untouched. Try a lower"
            " learning rate, or clipping: keras.optimizers.Adam(1e-4, global_clipnorm=1.0)"
        )

    # Looking.

    def evaluate(self, data):
        """Mean over all examples of what `eval_step` returns: {name: float}.

        Exact on a ragged last batch. Uses the moving averages of the weights where an optimizer
        keeps them, and the same random numbers at each call; training is not disturbed.
        """
        self.restore()
        return self._evaluate(self._compiled(self._eval_sums), data)

    def _evaluate(self, run, data):
        self.replicas.agree(self.state)
        totals, count = {}, 0
        dataset = dataset_of(data)
        for batch in dataset.take(1):
            self.model.check_batch(batch)
        with self.averaged():
            for batch in reading(self.replicas.share(self.model.checked(dataset))):
                sums = {name: float(value) for name, value in run(batch).items()}
                count += int(sums.pop("examples"))
                totals = {name: totals.get(name, 0.0) + value for name, value in sums.items()}
        if not count:
            raise UsageError("the data to evaluate on hold zero batches")
        return {name: total / count for name, total in totals.items()}

    def _eval_sums(self, batch):
        def sums(batch):
            return pieces.eval_sums(self.model, batch, self.sub_batches)

        return self.replicas.sum(self.replicas.run(sums, batch))

    def averaged(self):
        """Context: the model holds the moving averages of its weights, where there are any."""
        return self.state.evaluating()

    def inspect(self, batch):
        """One eager step on `batch` as an `inspection.Inspection`; the model stays as it is."""
        if self.replicas.count > 1:
            raise UsageError("inspect looks at one replica: make a Trainer without a strategy")
        self.restore()
        self.model.check_batch(batch)
        with self.state.unchanged():
            return inspection.inspect_step(self.model, batch)

    # Keeping.

    def restore(self, best=False):
        """Takes up the newest sound checkpoint of the workdir, once; without one, does nothing.

        Args:
            best: take the best epoch's instead, whatever was taken before.

        Raises CheckpointError: damaged, of another model, or no best epoch was kept.
        """
        if best:
            if not self.workdir or not self.workdir.best.exists():
                raise CheckpointError(f"no best epoch is kept: none has logged {self.best}")
            self.restored = True
            arrays, record = checkpoint.read(self.workdir.best)
            checkpoint.check_fits(self.workdir.best, arrays, self.state.arrays())
            self.state.take(arrays, record)
        elif self.workdir and not self.restored:
            found = self.workdir.checkpoints.latest(self.state.arrays())
            self.restored = True
            if found:
                self.state.take(*found[:2])
                for reason in found[2]:
                    print(f"warning: {reason}; using the one before", file=sys.stderr)

    def _save(self, best=False):
        self.replicas.agree(self.state)
        arrays, record = self.good = self.state.arrays(), self.state.record(self.callbacks)
        if self.workdir and self.replicas.chief:
            self.workdir.checkpoints.save(record["position"]["step"], arrays, record)
            if best:
                checkpoint.save(self.workdir.best, arrays, record)
