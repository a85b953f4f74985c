"""From a model and its data to arrays: what all metrics begin with."""

import itertools
from numbers import Integral

import numpy as np
import tensorflow as tf

from zoo.checks import check_numbers
from zoo.data.array_dataset import as_tf_dataset
from zoo.errors import UsageError
from zoo.metrics.compiled import compiled


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
        BatchError: a batch does not fit the model.
        UsageError: there are no batches.
    """
    found = []
    for batch in as_tf_dataset(data):
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
        UsageError: the model cannot sample, or samples NaN.
    """
    check_numbers(n=n, seed=seed, batch_size=batch_size)
    sample = verb(model, "sample")
    sizes = [min(batch_size, n - start) for start in range(0, n, batch_size)]
    drawn = [np.asarray(sample(size, seed=folded(seed, k))) for k, size in enumerate(sizes)]
    images = np.concatenate(drawn)
    check_finite(images, f"images that {model.name} sampled")
    return images


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
    verb(model, "encode")
    encode = compiled(model, "encode", lambda model, x: model.encode(x))
    return lambda batch: _flat(encode(batch["image"]))


def posterior_sampler(model, seed):
    """Batch -> one z ~ q(z|x) for each image, flattened: [batch, d].

    The k-th call draws what belongs to (seed, k).
    """
    verb(model, "posterior")
    draw = compiled(model, "sample of the posterior", _draw)
    calls = itertools.count()
    return lambda batch: _flat(draw(batch["image"], folded(seed), tf.constant(next(calls))))


def _draw(model, x, key, call):
    return model.posterior(x).sample(seed=folded(key, call))


def folded(seed, *numbers):
    """An int32[2] seed for TFP, of a whole number (or of a seed) and of integer tensors."""
    whole = isinstance(seed, Integral)
    key = tf.constant(np.array([seed, 0], np.uint32).view(np.int32)) if whole else seed
    for number in numbers:
        key = tf.random.experimental.stateless_fold_in(key, number)
    return key


def choose(n, count, seed):
    """Row numbers of `count` out of n, drawn without replacement, in order; at most all n."""
    if count is None or count >= n:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, count, replace=False))


def check_finite(values, what):
    """Raises UsageError, which names `what` they are, if some of n arrays are NaN or infinite."""
    values = np.asarray(values)
    if values.dtype.kind not in "fiub":
        raise UsageError(f"{what} must be numbers, got {values.dtype}")
    broken = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if broken.any():
        raise UsageError(
            f"{broken.sum():,} of {len(values):,} {what} are NaN or infinite; look for NaN in the"
            " data, then in the model's weights"
        )


def _flat(codes):
    codes = np.asarray(codes).reshape(len(codes), -1)
    check_finite(codes, "codes of a batch")
    return codes
