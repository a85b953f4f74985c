"""From a model and its data to arrays: what all metrics begin with."""

import itertools

import numpy as np
import tensorflow as tf

from zoo.checks import check_numbers
from zoo.errors import UsageError
from zoo.replicas import dataset_of


def verb(model, name):
    """The model's method of that name; raises UsageError if it has none."""
    found = getattr(model, name, None)
    if not callable(found):
        raise UsageError(
            f"this metric needs the verb {name!r}, which {model.name} does not have;"
            " take a model that has it, or write it as zoo/models/vae.py does"
        )
    return found


def gather(model, data, *functions):
    """What each function says of every batch, joined: a list of arrays [n, ...].

    Raises:
        BatchError: the first batch does not fit the model.
        UsageError: there are no batches.
    """
    found = []
    for batch in dataset_of(data):
        if not found:
            model.check_batch(batch)
        found.append([np.asarray(function(batch)) for function in functions])
    if not found:
        raise UsageError("the data hold no batch; a metric needs one image or more")
    return [np.concatenate(column) for column in zip(*found, strict=True)]


def generate(model, n, seed=0, batch_size=250):
    """`n` images of `model.sample`, made a batch at a time: [n, h, w, c] in [0, 1].

    The k-th batch is what belongs to (seed, k), so the first images of many are not those of few
    unless both are whole batches.

    Raises:
        UsageError: the model cannot sample.
    """
    check_numbers(n=n, seed=seed, batch_size=batch_size)
    sample = verb(model, "sample")
    sizes = [min(batch_size, n - start) for start in range(0, n, batch_size)]
    drawn = [np.asarray(sample(size, seed=folded(seed, k))) for k, size in enumerate(sizes)]
    return np.concatenate(drawn)


def translations(model, data, seed=0):
    """(true images, what `model.translate` makes of their sources), both [n, h, w, c].

    The noise of the k-th batch, where a model has any, is what belongs to (seed, k).

    Raises:
        BatchError: the data are no pairs "source" and "target".
        UsageError: the model cannot translate, or there are no batches.
    """
    translate, calls = verb(model, "translate"), itertools.count()
    return gather(
        model,
        data,
        lambda batch: batch["target"],
        lambda batch: translate(batch["source"], seed=folded(seed, next(calls))),
    )


def image(batch):
    """The images of a batch."""
    return batch["image"]


def encoder(model):
    """Batch -> codes as `model.encode` has them, each flattened: [batch, d]."""
    encode = tf.function(verb(model, "encode"), reduce_retracing=True)
    return lambda batch: _flat(encode(batch["image"]))


def posterior_sampler(model, seed):
    """Batch -> one z ~ q(z|x) for each image, flattened: [batch, d].

    The k-th call draws what belongs to (seed, k).
    """
    posterior = verb(model, "posterior")
    calls = itertools.count()

    @tf.function(reduce_retracing=True)
    def draw(x, call):
        return posterior(x).sample(seed=folded(seed, call))

    return lambda batch: _flat(draw(batch["image"], tf.constant(next(calls))))


def folded(seed, *numbers):
    """An int32[2] seed for TFP, a function of a whole number and of integer tensors."""
    key = tf.constant([seed, 0], tf.int32)
    for number in numbers:
        key = tf.random.experimental.stateless_fold_in(key, number)
    return key


def choose(n, count, seed):
    """Row numbers of `count` out of n, drawn without replacement, in order; at most all n."""
    if count is None or count >= n:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, count, replace=False))


def _flat(codes):
    return np.asarray(codes).reshape(len(codes), -1)
