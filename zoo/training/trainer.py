"""The Trainer: one training loop for all models, eager or compiled, resumable to the bit.

It depends on the interface of `Model` only. The losses, the number of optimizers and the features
of a batch are defined by the model.
"""

import contextlib
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo import inspection
from zoo.checks import check_flags, check_numbers, check_optional_numbers
from zoo.errors import UsageError
from zoo.evaluation_mode import evaluation_mode, preserved
from zoo.model import Model
from zoo.training.callback_list import to_history
from zoo.training.distribution import Distribution
from zoo.training.evaluator import Evaluator
from zoo.training.persistence import Persistence
from zoo.training.run_description import describe_run
from zoo.training.train_state import TrainState
from zoo.training.training_loop import TrainingLoop
from zoo.training.workdir import Workdir


class Trainer:
    """Trains, evaluates and inspects a model; resumes from its working directory.

    Args:
        model: a model of the zoo (`zoo.get`), created in `strategy.scope()` if there is a strategy.
        workdir: folder for checkpoints, figures, TensorBoard and history; None: nothing is saved.
        optimizers: in place of the model's own: a Keras optimizer, or {part: optimizer}. Clipping,
            moving averages, accumulation and schedules are arguments of the optimizers
            (`global_clipnorm`, `use_ema`, `gradient_accumulation_steps`, `learning_rate`).
        callbacks: Keras callbacks.
        strategy: a `tf.distribute.Strategy`, which divides each (global) batch among its replicas.
        eager: run steps as Python code, for printing and debugging.
        jit_compile: compile steps with XLA (faster for recurrent models, not for convolutions).
        micro_batches: number of equal parts of a batch that are computed in parallel, see
            `zoo.training.micro_batches`. None: that of the run in the workdir; in a new run the
            model's own number after `zoo.threads.configure`, where it divides every batch; else 1.
        seed: seed of noise and dropout in training; data have their own seed.
        save_every: steps between checkpoints; the end of an epoch is always saved.
        max_to_keep: number of checkpoints to keep, at least 1.
        monitor: metric whose best epoch is kept as `best.npz`: "val_loss", or "max:val_accuracy" to
            maximize; None: no best epoch.
        figures_every: epochs between two sets of the model's figures; 0: no figures.
        verbose: show progress on stderr.

    Raises:
        UsageError: an impossible value, or a model created outside the strategy.
    """

    def __init__(
        self,
        model: Model,
        workdir: str | Path | None = None,
        *,
        optimizers: Any = None,
        callbacks: Iterable[keras.callbacks.Callback] | None = (),
        strategy: tf.distribute.Strategy | None = None,
        eager: bool = False,
        jit_compile: bool = False,
        micro_batches: int | None = None,
        seed: int = 0,
        save_every: int = 200,
        max_to_keep: int = 3,
        monitor: str | None = "val_loss",
        figures_every: int = 1,
        verbose: bool = True,
    ):
        check_numbers(save_every=save_every, max_to_keep=max_to_keep, figures_every=figures_every)
        check_numbers(seed=seed)
        check_flags(eager=eager, jit_compile=jit_compile, verbose=verbose)
        check_optional_numbers(micro_batches=micro_batches)
        if monitor is not None and not isinstance(monitor, str):
            raise UsageError(f"monitor must be the name of a metric or None, got {monitor!r}")
        self.model = model
        self.distribution = Distribution(strategy)
        self.distribution.check_scope(model)
        with self.distribution.strategy.scope():
            model.prepare(optimizers)
        self.state = TrainState(model, seed, micro_batches)
        self.workdir = None if workdir is None else Workdir(workdir, max_to_keep)
        self.callbacks = list(callbacks or ())
        self.eager = eager
        self.jit_compile = jit_compile
        self.save_every = save_every
        self.monitor = monitor
        self.figures_every = figures_every
        self.verbose = verbose
        self.persistence = Persistence(self.state, self.workdir, self.distribution, self.callbacks)
        self.evaluator = Evaluator(self.state, self.distribution, self.compiled)

    @property
    def micro_batches(self) -> int:
        """Number of equal parts of a batch that are computed in parallel; 1 until it is chosen."""
        return self.state.micro_batches or 1

    # Training.

    def fit(
        self,
        train: Any,
        epochs: int | None = None,
        steps: int | None = None,
        validation: Any = None,
    ) -> keras.callbacks.History:
        """Trains up to a total of `epochs` or of `steps`, including those in the workdir.

        A run that a callback has ended is not continued while the trainer has the same callbacks.
        For callbacks, each epoch begins once and ends once, even if the run stops in the middle.

        Args:
            train: a data set of `zoo.data.load`, a callable epoch -> `tf.data.Dataset` of batches,
                or a Dataset with the same order in each epoch.
            epochs: total number of passes over the data.
            steps: total number of steps, in place of `epochs`.
            validation: data to evaluate after each epoch; the metrics are logged as `val_...`.

        Returns:
            The means of all logged values for each epoch.

        Raises:
            UsageError: the workdir has a run with other settings.
            BatchError: a batch that does not fit the model.
            NonFiniteError: a loss, a weight or a validation metric is NaN or infinite; the model is
                as it was before that step.
            WorkdirBusyError: another trainer uses the workdir.
            KeyboardInterrupt: after a signal; the step was finished and saved.
        """
        if (epochs is None) == (steps is None):
            raise UsageError(f"give either epochs or steps, got epochs={epochs}, steps={steps}")
        check_optional_numbers(epochs=epochs, steps=steps)
        if epochs == 0 or steps == 0:
            self.restore()
            return to_history(self.state)
        max_epochs, max_steps = (math.inf if n is None else n for n in (epochs, steps))
        loop = TrainingLoop(self, train, validation, max_epochs, max_steps)
        locked: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
        if self.workdir and self.distribution.is_chief:
            locked = self.workdir.exclusive()
        with locked:
            self.persistence.resume()
            loop.check_data()
            if self.workdir and self.distribution.is_chief:
                describe_run(self, train, validation, epochs, steps)
            return loop.run()

    def compiled(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """`function` as a graph; unchanged if the trainer is eager."""
        if self.eager:
            return function
        return tf.function(function, reduce_retracing=True, jit_compile=self.jit_compile or None)

    # Evaluation.

    def evaluate(self, data: Any) -> dict[str, float]:
        """The means of `eval_step` over all examples, exact for a short last batch.

        Uses the moving averages of the weights if an optimizer keeps them, and the same random
        numbers in each call. The training state does not change.

        Args:
            data: a data set, as for `fit`.

        Returns:
            Metric name -> mean.

        Raises:
            UsageError: there are no batches.
            BatchError: a batch that does not fit the model.
            NonFiniteError: a metric is NaN or infinite.
        """
        self.restore()
        return self.evaluator.evaluate(data)

    def evaluate_examples(self, data: Any) -> dict[str, np.ndarray]:
        """The values that `evaluate` averages: one for each example, in order.

        Values that compare examples with each other are left out.

        Args:
            data: a data set in a fixed order, as for `fit`.

        Returns:
            Metric name -> float array [n].

        Raises:
            UsageError: the trainer has several replicas.
            BatchError: a batch that does not fit the model.
        """
        if self.distribution.num_replicas > 1:
            raise UsageError("evaluate_examples supports one replica: leave the strategy out")
        self.restore()
        return self.evaluator.evaluate_examples(data)

    def averaged_weights(self) -> contextlib.AbstractContextManager[Model]:
        """Context that yields the model with averaged weights, if an optimizer averages them."""
        return evaluation_mode(self.model, self.state.seed)

    def inspect(self, batch: dict[str, Any]) -> inspection.Inspection:
        """Runs one eager step on a batch and reports it; the model does not change."""
        if self.distribution.num_replicas > 1:
            raise UsageError("inspect supports one replica: make a Trainer without a strategy")
        self.restore()
        self.model.check_batch(batch)
        with preserved(self.model):
            return inspection.inspect_step(self.model, batch)

    def restore(self, best: bool = False) -> None:
        """Loads the newest undamaged checkpoint of the workdir, unless one was loaded already.

        `fit` always resumes from the newest checkpoint.

        Args:
            best: load the best epoch instead, even after another checkpoint.

        Raises:
            CheckpointError: damaged, of another model, or no best epoch was kept.
            UsageError: a checkpoint of a run with other settings.
        """
        if best:
            self.persistence.restore_best(self.monitor)
        else:
            self.persistence.restore()
