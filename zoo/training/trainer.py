"""The Trainer: one loop for every model, eager or compiled, resumable to the bit.

It knows the `Model` contract and no model: which losses there are, how many optimizers, what a
batch holds is the model's business. It drives Keras callbacks.
"""

import contextlib
import functools
import math

import tensorflow as tf

from zoo import inspection
from zoo.checks import check_numbers, check_optional_numbers
from zoo.data.array_dataset import as_tf_dataset
from zoo.errors import NonFiniteError, UsageError
from zoo.model.batch_checks import batch_errors, check_size, reading
from zoo.model.evaluation_mode import evaluation_mode, preserved
from zoo.training import micro_batches
from zoo.training.callback_list import TrainingCallbacks, history_of
from zoo.training.callbacks import Progress, expose_optimizer
from zoo.training.distribution import Distribution
from zoo.training.non_finite import check_finite, explain_non_finite, numbers_of
from zoo.training.persistence import Persistence
from zoo.training.train_state import TrainState
from zoo.training.workdir import Workdir, stop_signals


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
        micro_batches: pieces of a batch computed side by side, see `zoo.training.micro_batches` and
            `zoo.threads`.
        seed: of everything random in training: noise, dropout. Data have a seed of their own.
        save_every: steps between checkpoints; there is always one at the end of an epoch.
        max_to_keep: how many numbered checkpoints stay, 1 at least.
        monitor: metric whose best epoch is kept as `best.npz`: "val_loss", or "max:val_accuracy";
            None keeps no such epoch.
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
        micro_batches=1,
        seed=0,
        save_every=200,
        max_to_keep=3,
        monitor="val_loss",
        figures_every=1,
        verbose=True,
    ):
        check_numbers(save_every=save_every, max_to_keep=max_to_keep, figures_every=figures_every)
        check_numbers(micro_batches=micro_batches, seed=seed)
        if monitor is not None and not isinstance(monitor, str):
            raise UsageError(f"monitor must be the name of a metric or None, got {monitor!r}")
        self.model = model
        self.distribution = Distribution(strategy)
        self.distribution.check_scope(model)
        with self.distribution.strategy.scope():
            model.prepare(optimizers)
        self.state = TrainState(model, seed, micro_batches)
        self.workdir = Workdir(workdir, max_to_keep) if workdir else None
        self.callbacks = list(callbacks or ())
        self.eager = eager
        self.jit_compile = jit_compile
        self.micro_batches = micro_batches
        self.save_every = save_every
        self.monitor = monitor
        self.figures_every = figures_every
        self.verbose = verbose
        self.persistence = Persistence(self.state, self.workdir, self.distribution, self.callbacks)
        self.evaluation = functools.lru_cache(1)(lambda frozen: self._compiled(self._eval_sums))

    # Training.

    def fit(self, train, epochs=None, steps=None, validation=None):
        """Trains up to a total of `epochs` or of `steps`, counting what the workdir already has.

        Args:
            train: what `zoo.data.load` returns, any callable epoch -> `tf.data.Dataset` of
                batches, or a Dataset whose order is the same at each epoch.
            epochs: passes over the data, in total.
            steps: steps, in total, in place of `epochs`.
            validation: evaluated after each epoch; its metrics are logged as `val_...`.

        A run that a callback ended stays ended as long as the trainer has the same callbacks.
        Callbacks see an epoch begin once and end once, also when a run stops in its middle.

        Returns `keras.callbacks.History`: the mean of every logged value for each epoch.

        Raises UsageError when the workdir has a run of other settings, NonFiniteError when a loss,
        a weight or a validation metric is NaN or infinite (the model is as before that step), and
        KeyboardInterrupt after a signal (the step was finished and saved).
        """
        if (epochs is None) == (steps is None):
            raise UsageError(f"give either epochs or steps, got epochs={epochs}, steps={steps}")
        check_optional_numbers(epochs=epochs, steps=steps)
        if epochs == 0 or steps == 0:
            self.restore()
            return history_of(self.state)
        writes = self.workdir and self.distribution.is_chief
        with self.workdir.exclusive() if writes else contextlib.nullcontext():
            self.persistence.resume()
            self._begin(train)
            budget = [math.inf if limit is None else limit for limit in (epochs, steps)]
            return self._fit(train, *budget, validation)

    def _fit(self, train, epochs, steps, validation):
        at = self.state.position
        # Traced anew at each fit, and when other layers learn, so that freezing is seen.
        run = functools.lru_cache(1)(lambda learning: self._compiled(self._step))
        own = self._own_callbacks(validation or train, steps)
        callbacks = TrainingCallbacks(self.state, self.callbacks, own, epochs)
        self.model.stop_training = False
        self.persistence.begin(
            lambda step: explain_non_finite(self, run(self.state.trainable_ids()), train, step)
        )
        with expose_optimizer(self.model, self.callbacks), stop_signals() as stopped:
            callbacks.begin_training()
            try:
                while at["epoch"] < epochs and at["step"] < steps and not self._stopped():
                    callbacks.begin_epoch()
                    self._epoch(run(self.state.trainable_ids()), train, steps, callbacks, stopped)
                    self._end_epoch(validation, callbacks)
                    if stopped:  # while evaluating or drawing; the epoch is saved
                        raise KeyboardInterrupt(stopped[0])
            finally:
                self.persistence.end_training(callbacks.list)
        return callbacks.history

    def _stopped(self):
        return self.model.stop_training or self.persistence.ended()

    def _epoch(self, run, train, steps, callbacks, stopped):
        at = self.state.position
        dataset = as_tf_dataset(train, at["epoch"])
        for batch in dataset.take(1):
            self.state.check_first_batch(batch)
        rest = self.model.checked(dataset.skip(at["step_in_epoch"]))
        for batch in reading(self.distribution.distribute(rest)):
            callbacks.list.on_train_batch_begin(at["step_in_epoch"])
            with self.persistence.all_or_nothing():
                logs = numbers_of(run(batch))
                finite = all(map(math.isfinite, logs.values()))
                if finite:
                    self.state.advance(logs)
            if not finite:
                self.persistence.explain(at["step"] + 1)
            callbacks.list.on_train_batch_end(at["step_in_epoch"] - 1, logs)
            if stopped:
                self.persistence.save()
                raise KeyboardInterrupt(stopped[0])
            if at["step"] % self.save_every == 0:
                self.persistence.save()
            if at["step"] >= steps or self.model.stop_training:
                return
        at["steps_per_epoch"] = at["step_in_epoch"]
        if not at["step_in_epoch"]:
            raise UsageError("the training data hold zero batches; is the batch size too large?")

    def _end_epoch(self, validation, callbacks):
        at = self.state.position
        if not self.state.is_finite():
            self.persistence.explain(at["step"])
        logs = {name: total / at["step_in_epoch"] for name, total in self.state.sums.items()}
        complete = at["step_in_epoch"] == at["steps_per_epoch"]
        self.persistence.note_end()
        if not complete:
            self.persistence.save()  # with a larger budget, training resumes here
        if validation is not None:
            logs |= {f"val_{k}": value for k, value in self._validate(validation).items()}
        if not complete:
            callbacks.show_partial_epoch(logs)
            return
        callbacks.list.on_epoch_end(at["epoch"], logs)
        self.persistence.note_end()
        with self.persistence.all_or_nothing():
            for name, value in logs.items():
                self.state.history.setdefault(name, []).append(value)
            self.state.sums.clear()
            at["epoch"], at["step_in_epoch"] = at["epoch"] + 1, 0
        self.persistence.save(self.state.is_best(logs, self.monitor))

    def _validate(self, validation):
        try:
            return self._evaluate(validation)
        except NonFiniteError:
            self.persistence.save()  # the epoch is not lost
            raise

    def _own_callbacks(self, shown, steps):
        if self.distribution.is_chief and self.workdir:
            yield from self.workdir.callbacks(shown, self.figures_every, self.averaged_weights)
        if self.distribution.is_chief and self.verbose:
            yield Progress(self.state.position, steps)

    def _begin(self, train):
        dataset = as_tf_dataset(train, self.state.position["epoch"])
        for batch in dataset.take(1):
            self.model.check_batch(batch)
            self.distribution.check_size(batch)
            check_size(self.model, batch, self.micro_batches * self.distribution.num_replicas)
        micro_batches.check(dataset, self.micro_batches)
        self.state.check_steps_per_epoch(int(dataset.cardinality()))
        if not self.state.position["step"]:
            with batch_errors():
                self.model.adapt(self.model.checked(dataset))

    # One step.

    def _step(self, batch):
        def step(batch):
            return micro_batches.train_step(self.model, batch, self.micro_batches)

        return self.distribution.mean(self.distribution.run(step, batch))

    def _compiled(self, function):
        if self.eager:
            return function
        return tf.function(function, reduce_retracing=True, jit_compile=self.jit_compile or None)

    # Looking.

    def evaluate(self, data):
        """Mean over all examples of what `eval_step` returns: {name: float}.

        Exact on a ragged last batch. Uses the moving averages of the weights where an optimizer
        keeps them, and the same random numbers at each call; training is not disturbed.
        """
        self.restore()
        return self._evaluate(data)

    def _evaluate(self, data):
        run = self.evaluation(self.state.trainable_ids())
        self.distribution.sync(self.state)
        totals = {}
        dataset = as_tf_dataset(data)
        for batch in dataset.take(1):
            self.model.check_batch(batch)
        with self.averaged_weights():
            for batch in reading(self.distribution.distribute(self.model.checked(dataset))):
                for name, value in sorted(run(batch).items()):
                    totals[name] = totals.get(name, 0.0) + value.numpy()
        means = micro_batches.means(totals)
        check_finite(self.model, means)
        return means

    def _eval_sums(self, batch):
        def sums(batch):
            return micro_batches.eval_sums(self.model, batch, self.micro_batches)

        return self.distribution.sum(self.distribution.run(sums, batch))

    def averaged_weights(self):
        """Context: the model holds the moving averages of its weights, where there are any."""
        return evaluation_mode(self.model, self.state.seed)

    def inspect(self, batch):
        """One eager step on `batch` as an `inspection.Inspection`; the model stays as it is."""
        if self.distribution.num_replicas > 1:
            raise UsageError("inspect looks at one replica: make a Trainer without a strategy")
        self.restore()
        self.model.check_batch(batch)
        with preserved(self.model):
            return inspection.inspect_step(self.model, batch)

    def restore(self, best=False):
        """Takes up the newest sound checkpoint of the workdir, once; without one, does nothing.

        `fit` goes on from the newest, whatever was taken up to be looked at.

        Args:
            best: take the best epoch's instead, whatever was taken before.

        Raises CheckpointError: damaged, of another model, or no best epoch was kept; UsageError: of
        a run with other settings.
        """
        if best:
            self.persistence.restore_best(self.monitor)
        else:
            self.persistence.restore()
