"""Texts that are generated in micro-batches."""

import numpy as np
import pytest
import tensorflow as tf
from cases import (
    LONGEST,
    examples,
    small_model,
)
from every_model import NAMES

import zoo
from zoo.registry import get_class

GENERATORS = [name for name in NAMES if issubclass(get_class(name), zoo.SequenceGenerator)]


@pytest.mark.parametrize("name", GENERATORS)
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
