"""Arrays of a model's outputs for data: the inputs of all metrics."""

import itertools
from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.checks import check_numbers, require_method
from zoo.data.array_dataset import as_tf_dataset
from zoo.errors import UsageError
from zoo.metrics.compiled_methods import compile_method


def collect(model: Any, data: Any, *functions: Callable) -> list[np.ndarray]:
    """The outputs of each function for all batches, concatenated: a list of arrays [n, ...].

    Raises:
        BatchError: a batch does not fit the model.
        UsageError: there are no batches.
    """
    outputs = []
    for batch in as_tf_dataset(data):
        model.check_batch(batch)
        outputs.append([np.asarray(function(batch)) for function in functions])
    if not outputs:
        raise UsageError("the data have no batch; a metric needs one image or more")
    return [np.concatenate(column) for column in zip(*outputs, strict=True)]


def generate(model: Any, n: int, seed: int = 0, batch_size: int = 250) -> np.ndarray:
    """`n` images of `model.sample`, in batches: [n, h, w, c] in [0, 1].

    Batch k has the seed (seed, k), so a smaller n gives the first images of a larger n only if both
    are multiples of the batch size.

    Raises:
        UsageError: the model cannot sample, or samples NaN.
    """
    check_numbers(n=n, seed=seed, batch_size=batch_size)
    sample = require_method(model, "sample")
    sizes = [min(batch_size, n - start) for start in range(0, n, batch_size)]
    samples = [np.asarray(sample(size, seed=fold_seed(seed, k))) for k, size in enumerate(sizes)]
    images = np.concatenate(samples)
    check_finite(images, f"images that {model.name} sampled")
    return images


def translate(model: Any, data: Any, seed: int = 0) -> list[np.ndarray]:
    """(true images, `model.translate` of their sources), both [n, h, w, c].

    The noise of batch k, if the model has any, has the seed (seed, k).

    Raises:
        BatchError: the data have no pairs "source" and "target".
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


def images_of(batch: Mapping[str, Any]) -> Any:
    """The images of a batch."""
    return batch["image"]


def encoder(model: Any) -> Callable[[Mapping[str, Any]], np.ndarray]:
    """Batch -> codes of `model.encode`, flattened: [batch, d]."""
    require_method(model, "encode")
    encode = compile_method(model, "encode", lambda model, x: model.encode(x))
    return lambda batch: _flat(encode(batch["image"]))


def posterior_sampler(model: Any, seed: int) -> Callable[[Mapping[str, Any]], np.ndarray]:
    """Batch -> one z ~ q(z|x) for each image, flattened: [batch, d].

    Call k has the seed (seed, k).
    """
    require_method(model, "posterior")
    sample = compile_method(model, "sample of the posterior", _sample_posterior)
    calls = itertools.count()
    return lambda batch: _flat(sample(batch["image"], fold_seed(seed), tf.constant(next(calls))))


def _sample_posterior(model: Any, x: tf.Tensor, key: tf.Tensor, call: Any) -> tf.Tensor:
    return model.posterior(x).sample(seed=fold_seed(key, call))


def fold_seed(seed: int | tf.Tensor, *numbers: Any) -> tf.Tensor:
    """An int32[2] seed for TFP, of an integer (or of a seed) and of integer tensors."""
    integer = isinstance(seed, Integral)
    key = tf.constant(np.array([seed, 0], np.uint32).view(np.int32)) if integer else seed
    for number in numbers:
        key = tf.random.experimental.stateless_fold_in(key, number)
    return key


def sample_rows(n: int, count: int | None, seed: int) -> np.ndarray:
    """Row numbers of `count` out of n, drawn without replacement, in order; at most all n."""
    if count is None or count >= n:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, count, replace=False))


def check_finite(values: Any, label: str) -> None:
    """Raises UsageError, which calls the arrays `label`, if some of n are NaN or infinite."""
    values = np.asarray(values)
    if values.dtype.kind not in "fiub":
        raise UsageError(f"{label} must be numbers, got {values.dtype}")
    broken = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if broken.any():
        raise UsageError(
            f"{broken.sum():,} of {len(values):,} {label} are NaN or infinite; look for NaN in the"
            " data, then in the model's weights"
        )


def _flat(codes: Any) -> np.ndarray:
    codes = np.asarray(codes).reshape(len(codes), -1)
    check_finite(codes, "codes of a batch")
    return codes
