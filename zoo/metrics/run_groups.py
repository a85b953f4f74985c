"""Comparisons of groups of runs, which differ in their training seeds.

Test examples and training seeds are two crossed sources of chance: each run is measured on each
example. The squared standard error of the difference is the sum of three parts: for either side,
the variance of the run means over the number of runs; and the variance of the differences of
examples, averaged over the runs, over the number of examples. The interval is that of Student's t
with the degrees of freedom of Welch and Satterthwaite. With few runs, the runs dominate both. Noise
that depends on both example and run is counted twice, which makes the interval slightly too wide.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.errors import UsageError


def as_run_lists(a: Any, b: Any, kind: type) -> list[Sequence]:
    """Two lists of scores of one kind, from two scores or lists. Raises UsageError."""
    groups = [[side] if isinstance(side, kind) else side for side in (a, b)]
    for side in groups:
        is_list = isinstance(side, list | tuple) and len(side) > 0
        if not is_list or not all(isinstance(run, kind) for run in side):
            raise UsageError(
                f"a side of a comparison must be one {kind.__name__}, or a list with one for each"
                f" run, got {side!r:.100}"
            )
    if {1} < {len(side) for side in groups}:
        raise UsageError(
            f"got {len(groups[0])} runs against {len(groups[1])}: a single run does not show the"
            " effect of seeds; give one run per side, or two or more per side"
        )
    return groups


def check_distinct_runs(side: Sequence[np.ndarray]) -> None:
    """Raises UsageError if two runs of a side, arrays of numbers, are the same run."""
    for (i, a), (j, b) in itertools.combinations(enumerate(side, 1), 2):
        if np.array_equal(a, b) and np.ptp(a) > 0:
            raise UsageError(
                f"runs {i} and {j} of a side have identical numbers: the same run is given twice;"
                " give runs with different training seeds"
            )


def compare_runs(
    a: Sequence[float], b: Sequence[float], example_error: float, n: int
) -> tuple[tuple[float, float], float]:
    """(interval, p) of the difference of two means over runs.

    Args:
        a, b: the numbers of the runs of either side, two or more.
        example_error: standard error of the difference due to the choice of examples.
        n: number of examples.
    """
    from scipy import special

    difference = np.mean(a) - np.mean(b)
    parts: list[tuple[Any, int]] = [
        *((np.var(side, ddof=1) / len(side), len(side) - 1) for side in (a, b)),
        (example_error**2, n - 1),
    ]
    variance = sum(part for part, _ in parts)
    if not variance:
        return (float(difference),) * 2, float(difference == 0)
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    error = math.sqrt(variance)
    half = error * special.stdtrit(freedom, 0.975)  # quantile of Student's t
    p = 2 * special.stdtr(freedom, -abs(difference) / error)
    return (float(difference - half), float(difference + half)), float(p)


def interval_of_runs(values: Sequence[float]) -> tuple[float, float]:
    """(low, high): 95 % interval of the mean over training seeds, of two runs or more.

    Student's t; test examples are the same in all runs and add nothing.
    """
    from scipy import special

    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = error * float(special.stdtrit(len(values) - 1, 0.975))
    return mean - half, mean + half
