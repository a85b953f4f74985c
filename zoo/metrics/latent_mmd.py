"""Discrepancy between the codes of real images and the prior of a model."""

from typing import Any

import numpy as np
import tensorflow as tf

from blocks.kernel_mmd import kernel
from zoo.checks import check_numbers, require_method
from zoo.errors import UsageError
from zoo.metrics.model_outputs import (
    check_finite,
    collect,
    fold_seed,
    posterior_sampler,
    sample_rows,
)

LARGEST = 1e15  # squares are summed in float32


def mmd(x: Any, y: Any, permutations: int = 1000, seed: int = 0) -> tuple[float, float]:
    """Squared maximum mean discrepancy between two samples, and its p-value.

    The unbiased U-statistic of Gretton et al., "A Kernel Two-Sample Test" (2012, JMLR 13), eq. 3,
    with the multi-scale inverse multiquadratic kernel of Tolstikhin et al. (2018, arXiv
    1711.01558), whose scales suit codes of about unit variance. Its mean is 0 if both samples come
    from one distribution, so it is then often negative.

    Args:
        x: codes [n, d].
        y: codes [m, d]. Memory grows with (n + m)^2: about 1 GB for 4000 in all.
        permutations: number of random divisions of the codes.
        seed: seed of the divisions.

    Returns:
        (value, p): floats. p is the fraction of divisions, the given one included, whose value is
        as large or larger; it is never below 1 / (1 + permutations).

    Raises:
        UsageError: the samples are not two tables with the same number of columns and 2 or more
            rows, or a code is NaN, infinite or larger than 1e15.
    """
    check_numbers(permutations=permutations, seed=seed)
    x = np.asarray(x)
    y = np.asarray(y)
    tables = x.ndim == y.ndim == 2 and x.shape[1] == y.shape[1] > 0
    if not tables or min(len(x), len(y)) < 2:
        raise UsageError(
            f"mmd needs codes [n, d] and [m, d] with n, m >= 2, got {x.shape} and {y.shape};"
            " flatten the codes of an image"
        )
    for codes, name in ((x, "x"), (y, "y")):
        check_finite(codes, f"codes {name}")
        largest = float(np.abs(codes).max())
        if largest > LARGEST:
            raise UsageError(
                f"codes {name} are as large as {largest:.3g}; scale them below {LARGEST:g}"
            )
    x = x.astype(np.float32)
    y = y.astype(np.float32)
    both = tf.concat([x, y], 0)
    similar = kernel(both, both).numpy().astype(np.float64)
    np.fill_diagonal(similar, 0)  # without pairs of a point with itself
    membership = np.repeat([1.0, 0.0], [len(x), len(y)])  # 1: in the first sample
    divisions = np.random.default_rng(seed).permuted(np.tile(membership, (permutations, 1)), axis=1)
    values = _statistics(similar, np.vstack([membership, divisions]).T)
    as_large = values >= values[0] - 1e-12  # including itself and rounding errors
    return float(values[0]), float(as_large.mean())


def _statistics(similar: np.ndarray, members: np.ndarray) -> np.ndarray:
    """U-statistics [k] of k divisions [n + m, k] of points with known similarities."""
    n = members[:, 0].sum()
    m = len(members) - n
    first = np.einsum("ik,ik->k", members, similar @ members)  # pairs inside the first sample
    touching = members.T @ similar.sum(1)  # pairs whose first point is in it
    second = similar.sum() - 2 * touching + first
    return first / (n * (n - 1)) + second / (m * (m - 1)) - 2 * (touching - first) / (n * m)


def aggregate_mmd(
    model: Any, data: Any, images: int = 2000, seed: int = 0, permutations: int = 1000
) -> tuple[float, float]:
    """`mmd` between the aggregate posterior, E_x q(z|x), and the prior: 0 if they agree.

    If they differ, samples of the model are decoded from codes that no image has.

    Args:
        model: has `posterior(x)` and `prior()`.
        data: batches with the feature "image".
        images: maximum number of images, chosen at random; each gives one z ~ q(z|x), and the
            prior gives as many.
        seed: seed of the noise, of the choice and of the permutations.
        permutations: see `mmd`.

    Returns:
        (value, p): floats, see `mmd`.

    Raises:
        UsageError: the model lacks a method, or there are fewer than 2 images.
    """
    check_numbers(images=images, seed=seed)
    prior = require_method(model, "prior")
    (z,) = collect(model, data, posterior_sampler(model, seed))
    z = z[sample_rows(len(z), images, seed)]
    samples = prior().sample(len(z), seed=fold_seed(seed + 1))  # not the posterior's noise
    return mmd(z, np.asarray(samples).reshape(z.shape), permutations, seed)
