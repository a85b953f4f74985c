"""Log-likelihood of images under a model, in nats."""

import functools
import os
import warnings
from typing import Any

import numpy as np
import tensorflow as tf

from blocks import BernoulliHead
from zoo.checks import check_numbers, check_optional_numbers, require_method
from zoo.metrics.compiled_methods import compile_method
from zoo.metrics.estimate import Estimate, ProtocolWarning, fingerprint
from zoo.metrics.model_outputs import collect, fold_seed, images_of, sample_rows
from zoo.metrics.partial_values import PartialValues, weights_digest
from zoo.metrics.progress import track_examples

# Pixels (times channels) decoded at once: 5349 MNIST images. On a CPU, convolutional decoders reach
# over 90 % of their best speed with it and use 1 to 2 GB.
PIXELS = 2**22


def log_likelihood(
    model: Any,
    data: Any,
    samples: int = 500,
    images: int | None = None,
    seed: int = 0,
    chunk: int | None = None,
    progress: bool = False,
    checkpoint: str | os.PathLike | None = None,
) -> Estimate:
    """Importance-weighted bound on log p(x) of every image, in nats: higher is better.

    Burda, Grosse, Salakhutdinov, "Importance Weighted Autoencoders" (2015, arXiv 1509.00519),
    eq. 8: log of the mean of p(x, z) / q(z|x) over `samples` draws z ~ q(z|x). With one sample it
    is the ELBO; on average it grows with the samples and never exceeds log p(x), so only numbers
    with the same number of samples are comparable.

    Args:
        model: has `log_prob_bound(x, samples, seed)`: [b, h, w, c] -> [b].
        data: batches with the feature "image"; all are held in memory.
        samples: draws of z per image.
        images: maximum number of images; None: all. They are drawn at random, without
            replacement, and stay in order. (The first images are not a fair sample: in MNIST's
            test set the first half is easier than the second.)
        seed: seed of the noise and of the choice of images. Models with the same latent size,
            images, samples, seed and chunk get the same noise, which makes their comparison
            sharper.
        chunk: (image, sample) pairs in memory at once; default: as many as have about 4 million
            pixels. The noise depends on it.
        progress: show a bar on stderr; if that is not a terminal, a line every minute.
        checkpoint: file (.npz) that keeps the values of finished images. After an interruption the
            same call resumes from there, and gives the same bits.

    Returns:
        An `Estimate` with a float64 value for each image.

    Raises:
        UsageError: an argument is not an integer in its range, or the model lacks the method.

    Warns:
        ProtocolWarning: the model's pixels are Bernoulli and the images are not binary.
    """
    check_numbers(samples=samples, seed=seed)
    check_optional_numbers(images=images, chunk=chunk)
    require_method(model, "log_prob_bound")
    (x,) = collect(model, data, images_of)
    x = x[sample_rows(len(x), images, seed)]
    _warn_gray_bernoulli(model, x)

    chunk = max(1, PIXELS // x[0].size) if chunk is None else chunk
    rows = min(len(x), max(1, chunk // samples))  # images in a call
    full, rest = divmod(int(samples), int(chunk))
    counts = [chunk] * full + [rest] * (rest > 0)  # samples in a call

    key = fold_seed(seed)
    name = f"IWAE-{samples} bound"
    images_digest = fingerprint(x)
    shape = len(counts), len(x)
    weights = "" if checkpoint is None else weights_digest(getattr(model, "weights", ()))
    identity = f"{name}, seed {seed}, chunk {chunk}, images {images_digest}, weights {weights}"
    partial = PartialValues(checkpoint, shape, identity)
    values = partial.values
    try:
        for start in track_examples(range(partial.done, len(x), rows), name, progress):
            batch = x[
                np.minimum(np.arange(start, start + rows), len(x) - 1)
            ]  # the last one is repeated
            for part, count in enumerate(counts):  # a trace for each count: one or two
                bound = functools.partial(_bound, int(count))
                run = compile_method(model, f"bound of {count}", bound, fixed_shapes=True)
                bounds = run(batch, key, tf.constant(start), tf.constant(part))
                values[part, start : start + rows] = bounds.numpy()[: len(x) - start]
            partial.fill(start + rows)
    finally:
        partial.save()
    return Estimate(_log_mean(values, counts), name, "nats", True, images_digest)


def _bound(
    count: int, model: Any, x: tf.Tensor, key: tf.Tensor, start: Any, part: Any
) -> tf.Tensor:
    return model.log_prob_bound(x, count, fold_seed(key, start, part))


def _log_mean(values: np.ndarray, counts: list[int]) -> np.ndarray:
    """Log of a mean over all samples, from log means [chunks, n] over `counts` of them."""
    sums = values + np.log(counts)[:, None]
    with np.errstate(invalid="ignore"):  # `Estimate` refuses NaN
        return np.logaddexp.reduce(sums) - np.log(sum(counts))


def _warn_gray_bernoulli(model: Any, x: np.ndarray) -> None:
    if getattr(model, "output_distribution", None) not in ("bernoulli", BernoulliHead):
        return
    if not np.isin(x, (0, 1)).all():
        warnings.warn(
            f"{model.name} has a Bernoulli head, which needs 0/1 pixels, and got gray ones. With"
            " gray values the result is not a likelihood, so these nats are not comparable with"
            " published numbers; load the data with binarize='fixed', 'dynamic' or 'threshold'",
            ProtocolWarning,
            stacklevel=3,
        )
