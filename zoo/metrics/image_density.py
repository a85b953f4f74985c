"""Density of 8-bit images under a model, in bits per dimension."""

import functools
import math
from typing import Any

import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.progress import track

from zoo.checks import check_numbers, check_optional_numbers, require_method
from zoo.metrics.estimate import Estimate, fingerprint
from zoo.metrics.model_outputs import collect, fold_seed, images_of, sample_rows

CHUNK = 100  # images at once


def bits_per_dimension(
    model: Any,
    data: Any,
    sampling_steps: int = 50,
    images: int | None = None,
    seed: int = 0,
    chunk: int = CHUNK,
    progress: bool = False,
) -> Estimate:
    """-log2 p(x) of every image, divided by its pixels times channels: lower is better.

    `model.log_prob` adds uniform noise of one level to the 256 levels of a pixel (dequantization),
    so that the mean is an upper bound of the code length, and estimates the divergence of the flow
    without bias: each image has its own noise, and the interval of the mean contains both.

    Args:
        model: has `log_prob(x, seed, steps)`: [b, h, w, c] -> [b], in nats.
        data: batches with the feature "image" in [0, 1]; all are held in memory.
        sampling_steps: number of steps of the solver; too few change the result.
        images: maximum number of images, drawn at random; None: all.
        seed: seed of the noise and of the choice of images.
        chunk: images computed at once; the noise depends on it.
        progress: show a bar on stderr, if that is a terminal.

    Returns:
        An `Estimate` with a float64 value for each image.

    Raises:
        UsageError: an argument is not an integer in its range, or the model lacks the method.
    """
    check_numbers(sampling_steps=sampling_steps, seed=seed, chunk=chunk)
    check_optional_numbers(images=images)
    log_prob = functools.partial(require_method(model, "log_prob"), steps=sampling_steps)
    (x,) = collect(model, data, images_of)
    x = x[sample_rows(len(x), images, seed)]
    console = Console(stderr=True)
    name = f"bits per dimension, {sampling_steps} steps"
    starts = range(0, len(x), chunk)
    values = [
        log_prob(x[start : start + chunk], seed=fold_seed(seed, tf.constant(start)))
        for start in track(
            starts, name, console=console, disable=not (progress and console.is_terminal)
        )
    ]
    bits = -np.concatenate(values).astype(np.float64) / (x[0].size * math.log(2))
    return Estimate(bits, name, "bits/dim", False, fingerprint(x))
