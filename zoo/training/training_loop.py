"""The loop over epochs and batches of one `Trainer.fit`."""

import functools
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from zoo.data.array_dataset import as_tf_dataset
from zoo.errors import NonFiniteError, UsageError
from zoo.model.batch_checks import batch_errors, check_batch_size, iterate_batches
from zoo.training import micro_batches
from zoo.training.callback_list import TrainingCallbacks
from zoo.training.callbacks import expose_optimizer
from zoo.training.non_finite import raise_non_finite, to_floats
from zoo.training.progress import Progress
from zoo.training.workdir import catch_stop_signals

if TYPE_CHECKING:
    from zoo.training.trainer import Trainer


class TrainingLoop:
    """One call of `Trainer.fit`.

    Args:
        trainer: the trainer, whose state is resumed.
        train, validation: the data, as for `Trainer.fit`.
        max_epochs, max_steps: the budget; infinity without one.
    """

    def __init__(
        self,
        trainer: "Trainer",
        train: Any,
        validation: Any,
        max_epochs: float,
        max_steps: float,
    ):
        self.trainer = trainer
        self.model = trainer.model
        self.state = trainer.state
        self.position = trainer.state.position
        self.persistence = trainer.persistence
        self.distribution = trainer.distribution
        self.train = train
        self.validation = validation
        self.max_epochs = max_epochs
        self.max_steps = max_steps
        # One trace for each `fit` and each set of trainable variables.
        self.step_for = functools.lru_cache(1)(lambda trainable_ids: trainer.compiled(self._step))

    def run(self) -> keras.callbacks.History:
        """Trains up to the budget, or until a callback or a signal ends it."""
        position = self.position
        user_callbacks = self.trainer.callbacks
        trainer_callbacks = self._trainer_callbacks()
        callbacks = TrainingCallbacks(
            self.state, user_callbacks, trainer_callbacks, self.max_epochs
        )
        self.model.stop_training = False
        self.persistence.begin(
            lambda step: raise_non_finite(self.trainer, self._current_step(), self.train, step)
        )
        with expose_optimizer(self.model, user_callbacks), catch_stop_signals() as received:
            callbacks.begin_training()
            try:
                while (
                    position["epoch"] < self.max_epochs
                    and position["step"] < self.max_steps
                    and not self.model.stop_training
                    and not self.persistence.is_stopped()
                ):
                    callbacks.begin_epoch()
                    self._epoch(callbacks, received)
                    self._end_epoch(callbacks)
                    if received:  # during evaluation or figures; the epoch is saved
                        raise KeyboardInterrupt(received[0])
            finally:
                self.persistence.end_training(callbacks.callback_list)
        return callbacks.history

    def check_data(self) -> None:
        """Checks the first batch and the number of batches; lets a new model adapt to the data."""
        model = self.model
        dataset = as_tf_dataset(self.train, self.position["epoch"])
        for batch in dataset.take(1):
            model.check_batch(batch)
            self.distribution.check_size(batch)
            self._choose_micro_batches(dataset)
            count = self.trainer.micro_batches
            check_batch_size(model, batch, count * self.distribution.num_replicas)
        micro_batches.check_divides(dataset, self.trainer.micro_batches)
        self.state.check_steps_per_epoch(int(dataset.cardinality()))
        if not self.position["step"]:
            with batch_errors():
                model.adapt(model.check_dataset(dataset))

    def _choose_micro_batches(self, dataset: tf.data.Dataset) -> None:
        """Sets the number of micro-batches of a new run, unless the Trainer was created with it."""
        if self.state.micro_batches is None:
            replicas = self.distribution.num_replicas
            verbose = self.trainer.verbose
            count = micro_batches.default_count(self.model, dataset, replicas, verbose)
            self.state.choose_micro_batches(count)

    def _epoch(self, callbacks: TrainingCallbacks, received: list[str]) -> None:
        position = self.position
        callback_list = callbacks.callback_list
        self.model.check_trainable()
        step = self._current_step()
        dataset = as_tf_dataset(self.train, position["epoch"])
        for batch in dataset.take(1):
            self.state.check_first_batch(batch)
        dataset = as_tf_dataset(self.train, position["epoch"], position["step_in_epoch"])
        rest = self.model.check_dataset(dataset)
        for batch in iterate_batches(self.distribution.distribute(rest)):
            callback_list.on_train_batch_begin(position["step_in_epoch"])
            with self.persistence.rollback_on_error():
                logs = to_floats(step(batch))
                finite = all(map(math.isfinite, logs.values()))
                if finite:
                    self.state.advance(logs)
            if not finite:
                self.persistence.explain(position["step"] + 1)
            callback_list.on_train_batch_end(position["step_in_epoch"] - 1, logs)
            if received:
                self.persistence.save()
                raise KeyboardInterrupt(received[0])
            if position["step"] % self.trainer.save_every == 0:
                self.persistence.save()
            if position["step"] >= self.max_steps or self.model.stop_training:
                return
        position["steps_per_epoch"] = position["step_in_epoch"]
        if not position["step_in_epoch"]:
            raise UsageError("the training data hold zero batches; is the batch size too large?")

    def _end_epoch(self, callbacks: TrainingCallbacks) -> None:
        position = self.position
        if not self.state.is_finite():
            self.persistence.explain(position["step"])
        steps = position["step_in_epoch"]
        logs = {name: total / steps for name, total in self.state.sums.items()}
        is_complete = steps == position["steps_per_epoch"]
        self.persistence.record_stop()
        if not is_complete:
            self.persistence.save()  # with a larger budget, training resumes here
        if self.validation is not None:
            logs |= {f"val_{name}": value for name, value in self._validate().items()}
        if not is_complete:
            callbacks.report_partial_epoch(logs)
            return
        callbacks.callback_list.on_epoch_end(position["epoch"], logs)
        self.persistence.record_stop()
        with self.persistence.rollback_on_error():
            for name, value in logs.items():
                self.state.history.setdefault(name, []).append(value)
            self.state.sums.clear()
            position["epoch"] += 1
            position["step_in_epoch"] = 0
        self.persistence.save(self.state.update_best(logs, self.trainer.monitor))

    def _validate(self) -> dict[str, float]:
        try:
            return self.trainer.evaluator.evaluate(self.validation)
        except NonFiniteError:
            self.persistence.save()  # keep the epoch
            raise

    def _trainer_callbacks(self) -> Iterator[keras.callbacks.Callback]:
        trainer = self.trainer
        if self.distribution.is_chief and trainer.workdir:
            data = self.validation or self.train
            yield from trainer.workdir.callbacks(
                data, trainer.figures_every, trainer.averaged_weights
            )
        if self.distribution.is_chief and trainer.verbose:
            yield Progress(self.position, self.max_steps)

    def _current_step(self) -> Callable[[Any], Any]:
        return self.step_for(self.state.trainable_ids())

    def _step(self, batch: Any) -> dict[str, tf.Tensor]:
        def train_step(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return micro_batches.train_step(self.model, batch, self.trainer.micro_batches)

        return self.distribution.mean(self.distribution.run(train_step, batch))
