"""How far the codes of real images are from the prior that new images are drawn from."""

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


def mmd(x, y, permutations=1000, seed=0):
    """Squared maximum mean discrepancy between two samples, and the chance of it without a cause.

    The unbiased U-statistic of Gretton et al., "A Kernel Two-Sample Test" (2012, JMLR 13), eq. 3,
    with the multi-scale inverse multiquadratic kernel of Tolstikhin et al. (2018, arXiv
    1711.01558), whose scales suit codes of about unit variance. Its mean is 0 where both samples
    come from one distribution, so there it is often negative.

    Args:
        x: codes [n, d].
        y: codes [m, d]. Memory grows with (n + m)^2: about 1 GB for 4000 in all.
        permutations: how often the codes are divided anew at random.
        seed: of the divisions.

    Returns:
        (value, p): floats. p is the share of divisions, the given one among them, with a value
        as large or larger; it is never below 1 / (1 + permutations).

    Raises:
        UsageError: the samples are not two tables of as many columns, with 2 rows or more each, or
            a code is NaN, infinite or larger than 1e15.
    """
    check_numbers(permutations=permutations, seed=seed)
    x, y = np.asarray(x), np.asarray(y)
    tables = x.ndim == y.ndim == 2 and x.shape[1] == y.shape[1] > 0
    if not tables or min(len(x), len(y)) < 2:
        raise UsageError(
            f"mmd needs codes [n, d] and [m, d] with n, m >= 2, got {x.shape} and {y.shape};"
            " flatten what is no vector"
        )
    for codes, name in ((x, "x"), (y, "y")):
        check_finite(codes, f"codes {name}")
        largest = float(np.abs(codes).max())
        if largest > LARGEST:
            raise UsageError(
                f"codes {name} are as large as {largest:.3g}; scale them below {LARGEST:g}"
            )
    x, y = x.astype(np.float32), y.astype(np.float32)
    both = tf.concat([x, y], 0)
    similar = kernel(both, both).numpy().astype(np.float64)
    np.fill_diagonal(similar, 0)  # no point is compared with itself
    given = np.repeat([1.0, 0.0], [len(x), len(y)])  # 1: belongs to the first sample
    divisions = np.random.default_rng(seed).permuted(np.tile(given, (permutations, 1)), axis=1)
    values = _statistics(similar, np.vstack([given, divisions]).T)
    as_large = values >= values[0] - 1e-12  # itself too, and what only rounding makes smaller
    return float(values[0]), float(as_large.mean())


def _statistics(similar, members):
    """U-statistics [k] of k divisions [n + m, k] of points whose similarities are known."""
    n = members[:, 0].sum()
    m = len(members) - n
    first = np.einsum("ik,ik->k", members, similar @ members)  # pairs inside the first sample
    touching = members.T @ similar.sum(1)  # pairs that begin in it
    second = similar.sum() - 2 * touching + first
    return first / (n * (n - 1)) + second / (m * (m - 1)) - 2 * (touching - first) / (n * m)


def aggregate_mmd(model, data, images=2000, seed=0, permutations=1000):
    """`mmd` between the aggregate posterior, E_x q(z|x), and the prior: 0 where they agree.

    Samples of a model with a gap here are decoded from codes that no image has.

    Args:
        model: has `posterior(x)` and `prior()`.
        data: batches with the feature "image".
        images: how many images to take, at most, at random; each gives one z ~ q(z|x), and the
            prior as many.
        seed: of the noise, of the choice and of the permutations.
        permutations: see `mmd`.

    Returns:
        (value, p): floats, as `mmd` has them.

    Raises:
        UsageError: the model lacks a verb, or there are fewer than 2 images.
    """
    check_numbers(images=images, seed=seed)
    prior = require_method(model, "prior")
    (z,) = collect(model, data, posterior_sampler(model, seed))
    z = z[sample_rows(len(z), images, seed)]
    drawn = prior().sample(len(z), seed=fold_seed(seed + 1))  # not the noise of the posterior
    return mmd(z, np.asarray(drawn).reshape(z.shape), permutations, seed)
