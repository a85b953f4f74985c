"""From a model and its data to arrays: what all metrics begin with."""

import itertools
from numbers import Integral

import numpy as np
import tensorflow as tf

from zoo.checks import check_numbers, require_method
from zoo.data.array_dataset import as_tf_dataset
from zoo.errors import UsageError
from zoo.metrics.compiled_methods import compile_method


def collect(model, data, *functions):
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
    sample = require_method(model, "sample")
    sizes = [min(batch_size, n - start) for start in range(0, n, batch_size)]
    drawn = [np.asarray(sample(size, seed=fold_seed(seed, k))) for k, size in enumerate(sizes)]
    images = np.concatenate(drawn)
    check_finite(images, f"images that {model.name} sampled")
    return images


def translate(model, data, seed=0):
    """(true images, what `model.translate` makes of their sources), both [n, h, w, c].

    The noise of the k-th batch, where a model has any, is what belongs to (seed, k).

    Raises:
        BatchError: the data are no pairs "source" and "target".
        UsageError: the model cannot translate, or there are no batches.
    """
    method = require_method(model, "translate")
    calls = itertools.count()
    return collect(
        model,
        data,
        lambda batch: batch["target"],
        lambda batch: method(batch["source"], seed=fold_seed(seed, next(calls))),
    )


def images_of(batch):
    """The images of a batch."""
    return batch["image"]


def encoder(model):
    """Batch -> codes as `model.encode` has them, each flattened: [batch, d]."""
    require_method(model, "encode")
    encode = compile_method(model, "encode", lambda model, x: model.encode(x))
    return lambda batch: _flat(encode(batch["image"]))


def posterior_sampler(model, seed):
    """Batch -> one z ~ q(z|x) for each image, flattened: [batch, d].

    The k-th call draws what belongs to (seed, k).
    """
    require_method(model, "posterior")
    draw = compile_method(model, "sample of the posterior", _draw)
    calls = itertools.count()
    return lambda batch: _flat(draw(batch["image"], fold_seed(seed), tf.constant(next(calls))))


def _draw(model, x, key, call):
    return model.posterior(x).sample(seed=fold_seed(key, call))


def fold_seed(seed, *numbers):
    """An int32[2] seed for TFP, of a whole number (or of a seed) and of integer tensors."""
    whole = isinstance(seed, Integral)
    key = tf.constant(np.array([seed, 0], np.uint32).view(np.int32)) if whole else seed
    for number in numbers:
        key = tf.random.experimental.stateless_fold_in(key, number)
    return key


def sample_rows(n, count, seed):
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
