"""Evaluation of a model on all examples of a data set."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.data.array_dataset import as_tf_dataset
from zoo.evaluation_mode import evaluation_mode
from zoo.model.batch_checks import iterate_batches
from zoo.training import micro_batches
from zoo.training.distribution import Distribution
from zoo.training.non_finite import check_finite
from zoo.training.train_state import TrainState


class Evaluator:
    """Computes the means of `eval_step` over a data set.

    Args:
        state: the `TrainState` of a trainer.
        distribution: its `Distribution`.
        compiled: compiles a step, or returns it as it is.
    """

    def __init__(
        self,
        state: TrainState,
        distribution: Distribution,
        compiled: Callable[[Any], Any],
    ):
        self.state = state
        self.model = state.model
        self.distribution = distribution
        self.example_step = compiled(self.model.eval_step)
        # One trace for each set of trainable variables, and number of micro-batches.
        self.step_for = functools.lru_cache(1)(lambda *_: compiled(self._eval_sums))

    def evaluate(self, data: Any) -> dict[str, float]:
        """{name: mean}; see `Trainer.evaluate`."""
        step = self.step_for(self.state.trainable_ids(), self.state.micro_batches)
        self.distribution.sync(self.state)
        totals: dict[str, Any] = {}
        dataset = as_tf_dataset(data)
        for batch in dataset.take(1):
            self.model.check_batch(batch)
        with evaluation_mode(self.model, self.state.seed):
            batches = self.distribution.distribute(self.model.check_dataset(dataset))
            for batch in iterate_batches(batches):
                for name, value in sorted(step(batch).items()):
                    totals[name] = totals.get(name, 0.0) + value.numpy()
        means = micro_batches.means_of_sums(totals)
        check_finite(self.model, means)
        return means

    def evaluate_examples(self, data: Any) -> dict[str, np.ndarray]:
        """{name: values [n]}; see `Trainer.evaluate_examples`."""
        parts: dict[str, list[np.ndarray]] = {}
        dataset = self.model.check_dataset(as_tf_dataset(data))
        count = 0
        with evaluation_mode(self.model, self.state.seed):
            for batch in iterate_batches(dataset):
                for name, values in self.example_step(batch).items():
                    parts.setdefault(name, []).append(values.numpy())
                count += len(next(iter(batch.values())))
        values = {name: np.concatenate(arrays) for name, arrays in parts.items()}
        return {name: array for name, array in values.items() if len(array) == count}

    def _eval_sums(self, batch: Any) -> dict[str, tf.Tensor]:
        def eval_sums(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return micro_batches.eval_sums(self.model, batch, self.state.micro_batches or 1)

        return self.distribution.sum(self.distribution.run(eval_sums, batch))
