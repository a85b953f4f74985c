"""Replicas and micro-batches: the mean of what each computes alone."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.model import Model
from zoo.registry import arguments, get_class
from zoo.testing.requirements import require
from zoo.testing.small import plain_optimizers, small_model, small_trainer, two_replicas
from zoo.training.trainer import Trainer


@contextlib.contextmanager
def _noise_of_replica(model: Model, replica: int) -> Iterator[None]:
    """The model uses the random numbers of one of several replicas."""
    draw = model.next_seed
    model.next_seed = lambda: tf.random.experimental.stateless_fold_in(draw(), replica)  # type: ignore[method-assign]
    yield
    del model.next_seed


def _trainer(name: str, model: Model, rate: float, **options: Any) -> Trainer:
    """A trainer with plain gradient descent, of a model that does not adapt to the data."""
    model.adapt = lambda data: None  # type: ignore[method-assign]  # each would adapt to other data
    return small_trainer(name, model=model, optimizers=plain_optimizers(model, rate), **options)


def two_replicas_apply_the_mean_gradient(name: str) -> None:
    """The weights after a step of gradient descent are the mean of those of both halves.

    Moving statistics, which no gradient reaches, are the first replica's: Keras' own rule.
    """
    batch = small_model(name).example_batch(8)
    strategy = two_replicas()
    with strategy.scope():
        together = _trainer(name, small_model(name), 0.05, strategy=strategy, eager=True)
    logs = together.fit(tf.data.Dataset.from_tensors(batch), epochs=1).history
    alone = []
    losses = []
    run = _trainer(name, small_model(name), 0.05)
    before = run.state.arrays()
    for replica, half in enumerate((slice(0, 4), slice(4, 8))):
        run.state.assign(before)
        with _noise_of_replica(run.model, replica):
            losses.append(run.model.train_step({k: v[half] for k, v in batch.items()}))
        alone.append([np.array(v) for v in run.model.weights])
    for found, *halves in zip(together.model.weights, *alone, strict=True):
        expected = np.mean(halves, 0) if found.trainable else halves[0]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=found.path)
    for key, value in logs.items():
        mean = np.mean([loss[key] for loss in losses], 0)
        np.testing.assert_allclose(value, mean, rtol=1e-4, atol=1e-5, err_msg=key)


def two_micro_batches_apply_the_mean_gradient(name: str) -> None:
    """The same for the two halves of a batch on one device."""
    batch = small_model(name).example_batch(8)
    # Dropout masks come from one stream for all micro-batches.
    config: dict[str, Any] = {"dropout": 0.0} if "dropout" in arguments(get_class(name)) else {}
    model = small_model(name, **config)
    model.next_seed = lambda: tf.constant([1, 2])  # type: ignore[method-assign]
    run = _trainer(name, model, 0.01, eager=True, micro_batches=2)
    before = run.state.arrays()

    def train_on(half: slice) -> tuple[dict, list[np.ndarray]]:
        run.state.assign(before)
        logs = model.train_step({k: v[half] for k, v in batch.items()})
        return logs, [np.array(v) for v in model.trainable_variables]

    history = run.fit(tf.data.Dataset.from_tensors(batch), epochs=1).history
    together = [np.array(v) for v in model.trainable_variables]
    first_logs, first_half = train_on(slice(0, 4))
    second_logs, second_half = train_on(slice(4, 8))
    for found, first, second in zip(together, first_half, second_half, strict=True):
        np.testing.assert_allclose(found, (first + second) / 2, rtol=1e-4, atol=1e-5)
    for key, value in history.items():
        mean = np.add(first_logs[key], second_logs[key]) / 2
        np.testing.assert_allclose(value, mean, rtol=1e-4, atol=1e-5, err_msg=key)
    metrics = run.evaluate(tf.data.Dataset.from_tensors(batch))
    require(np.isfinite(list(metrics.values())).all(), f"evaluate gives {metrics}")
