"""Several runs a side, which differ in their training seeds: how sure is the difference of means?

Test examples and training seeds are two sources of chance, crossed: each run is measured on each
example. The squared error of the difference is the sum of three parts: the variance of a side's
run means over their number, for either side, and the variance of the differences of examples, each
averaged over the runs, over the number of examples. The interval is that of Student's t with the
degrees of freedom of Welch and Satterthwaite. With few runs the runs decide both. What chance of
an example is different in each run is counted twice, which makes the interval a little too wide.
"""

import itertools
import math

import numpy as np

from zoo.errors import UsageError


def as_run_lists(a, b, kind):
    """Two lists of scores of one kind, from two scores or lists; raises UsageError."""
    found = [[side] if isinstance(side, kind) else side for side in (a, b)]
    for side in found:
        listed = isinstance(side, list | tuple) and len(side) > 0
        if not listed or not all(isinstance(one, kind) for one in side):
            raise UsageError(
                f"a side of a comparison is one {kind.__name__} or a list of those of several"
                f" runs, got {side!r:.100}"
            )
    if {1} < {len(side) for side in found}:
        raise UsageError(
            f"{len(found[0])} runs stand against {len(found[1])}: how much seeds change the single"
            " one cannot be told; give one run a side, or two or more a side"
        )
    return found


def check_distinct_runs(side):
    """Raises UsageError if two runs of a side, arrays of numbers, are one run twice."""
    for (i, one), (j, other) in itertools.combinations(enumerate(side, 1), 2):
        if np.array_equal(one, other) and np.ptp(one) > 0:
            raise UsageError(
                f"runs {i} and {j} of a side have the same numbers to the bit: one run given twice;"
                " give runs of different training seeds"
            )


def compare_runs(a, b, example_error, n):
    """(interval, p) of the difference of two means over runs.

    Args:
        a, b: the numbers of the runs of either side, two or more.
        example_error: standard error of the difference that is due to the choice of examples.
        n: number of examples.
    """
    from scipy import special

    difference = np.mean(a) - np.mean(b)
    parts = [(np.var(side, ddof=1) / len(side), len(side) - 1) for side in (a, b)]
    parts.append((example_error**2, n - 1))
    square = sum(part for part, _ in parts)
    if not square:
        return (float(difference),) * 2, float(difference == 0)
    freedom = square**2 / sum(part**2 / degrees for part, degrees in parts)
    error = math.sqrt(square)
    half = error * special.stdtrit(freedom, 0.975)  # Student's t: its quantile, and its CDF
    p = 2 * special.stdtr(freedom, -abs(difference) / error)
    return (float(difference - half), float(difference + half)), float(p)
