"""Replicas and micro-batches: the mean of what each computes alone."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import (
    LONGEST,
    examples,
    small_model,
    small_trainer,
)
from every_model import NAMES, every_model

from zoo.registry import arguments, get_class


@contextlib.contextmanager
def drawing_as(model, replica):
    """The model uses the random numbers of one of several replicas."""
    draw = model.next_seed
    model.next_seed = lambda: tf.random.experimental.stateless_fold_in(draw(), replica)
    yield
    del model.next_seed


@every_model
def test_two_replicas_apply_the_mean_gradient(name, two_replicas):
    """With plain gradient descent, the weights after a step are the mean of those of both halves.

    Moving statistics, which no gradient reaches, are the first replica's: Keras' own rule.
    """

    def start(**options):
        model = small_model(name)
        model.adapt = lambda data: None  # each would adapt to other data
        parts = model.configure_optimizers()
        optimizers = {part: keras.optimizers.SGD(0.05) for part in parts}
        return small_trainer(name, model=model, optimizers=optimizers, **options)

    batch = examples(small_model(name), 8)
    with two_replicas.scope():
        together = start(strategy=two_replicas, eager=True)
    logs = together.fit(tf.data.Dataset.from_tensors(batch), epochs=1).history

    alone, losses = [], []
    run = start(eager=True)
    before = run.state.arrays()
    for replica, half in enumerate((slice(0, 4), slice(4, 8))):
        run.state.assign(before)
        with drawing_as(run.model, replica):
            losses.append(run.model.train_step({k: v[half] for k, v in batch.items()}))
        alone.append([keras.ops.convert_to_numpy(v).copy() for v in run.model.weights])
    for got, *halves in zip(together.model.weights, *alone, strict=True):
        expected = np.mean(halves, 0) if got.trainable else halves[0]
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5, err_msg=got.path)
    for key, value in logs.items():
        halves = [loss[key] for loss in losses]
        np.testing.assert_allclose(value, np.mean(halves, 0), rtol=1e-4, atol=1e-5, err_msg=key)


@every_model
def test_two_micro_batches_apply_the_mean_gradient(name):
    batch = examples(small_model(name), 8)

    # Dropout masks come from one stream for all micro-batches.
    still = {"dropout": 0.0} if "dropout" in arguments(get_class(name)) else {}
    model = small_model(name, **still)
    model.adapt = lambda data: None
    model.next_seed = lambda: tf.constant([1, 2])
    optimizers = {part: keras.optimizers.SGD(0.01) for part in model.configure_optimizers()}
    run = small_trainer(name, model=model, optimizers=optimizers, eager=True, micro_batches=2)
    before = run.state.arrays()

    def weights():
        return [np.array(v) for v in model.trainable_variables]

    def alone(part):
        run.state.assign(before)
        return model.train_step({k: v[part] for k, v in batch.items()}), weights()

    history = run.fit(tf.data.Dataset.from_tensors(batch), epochs=1).history
    together = weights()
    (one, first_half), (two, second_half) = alone(slice(0, 4)), alone(slice(4, 8))
    for got, first, second in zip(together, first_half, second_half, strict=True):
        np.testing.assert_allclose(got, (first + second) / 2, rtol=1e-4, atol=1e-5)
    for key, value in history.items():
        np.testing.assert_allclose(value, np.add(one[key], two[key]) / 2, rtol=1e-4, atol=1e-5)
    evaluated = run.evaluate(tf.data.Dataset.from_tensors(batch))
    assert np.isfinite(list(evaluated.values())).all()


@pytest.mark.parametrize("name", [n for n in NAMES if hasattr(get_class(n), "generate")])
@pytest.mark.parametrize("num_beams", [1, 2])
def test_micro_batches_give_the_results_of_the_whole_batch(name, num_beams):
    model = small_model(name)
    source = examples(model, 5)[model.input_feature]
    how = {"num_beams": num_beams, "max_length": LONGEST, "eager": True}
    whole, pieces = (model.generate(source, micro_batches=n, **how) for n in (1, 3))
    np.testing.assert_array_equal(pieces.tokens, whole.tokens)
    for got, wanted in zip(tf.nest.flatten(pieces), tf.nest.flatten(whole), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_with_single_threaded_operations_predictions_use_micro_batches(monkeypatch):
    setting = tf.config.threading
    model, counts = small_model("seq2seq"), []
    model._compiled_generate = lambda source, count, *args: counts.append(count)
    source = examples(model, 30)["source"]
    model.generate(source)
    monkeypatch.setattr(setting, "get_intra_op_parallelism_threads", lambda: 1)
    monkeypatch.setattr(setting, "get_inter_op_parallelism_threads", lambda: 8)
    for how in ({}, {"micro_batches": 2}, {"seed": 0}):
        model.generate(source, **how)
    model.generate(source[:1], micro_batches=2)
    assert counts == [1, 3, 2, 1, 1]
