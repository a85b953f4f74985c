"""A mean over test images with its confidence interval, and comparisons of two means."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zoo.errors import UsageError
from zoo.metrics.run_groups import as_run_lists, check_distinct_runs, compare_runs


class ProtocolWarning(UserWarning):
    """A number is computed, but it is not what the name of the metric promises."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """One number for each test image, and the facts needed to compare their mean with another.

    Args:
        values: float array [n].
        name: name of the metric, with all that changes its meaning, such as "IWAE-500 bound".
        unit: such as "nats".
        higher_is_better: the direction of the metric.
        images: `fingerprint` of the n images, in the order of the values.

    Raises:
        UsageError: the values are not finite numbers [n], n >= 1.
    """

    values: np.ndarray = field(repr=False)
    name: str
    unit: str
    higher_is_better: bool
    images: str

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "values", check_finite_numbers(self.values, f"values of {self.name!r}")
        )

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Mean over images."""
        return _mean_and_error(self.values)[0]

    @property
    def interval(self) -> tuple[float, float]:
        """(low, high): 95 % interval for the mean over images; infinite for a single image.

        It covers the choice of test images for this one model, not another training run. The normal
        approximation needs some 30 images or more.
        """
        return _interval(*_mean_and_error(self.values))

    def __str__(self) -> str:
        return f"{_format_mean(self.mean, self.interval)} {self.unit}, {self.n:,} images"


@dataclass(frozen=True)
class Comparison:
    """The mean of the paired differences: see `compare`.

    Args:
        difference: mean(a - b).
        interval: (low, high), 95 %.
        p: probability of a difference at least as large if there were none; two-sided.
        n: number of images.
        unit: unit of the difference.
        runs: number of runs on either side.
    """

    difference: float
    interval: tuple[float, float]
    p: float
    n: int
    unit: str
    runs: tuple[int, int] = (1, 1)

    @property
    def covers(self) -> str:
        """The sources of chance that the interval covers, in words."""
        if self.runs == (1, 1):
            return "one run each: the interval covers test examples, not training seeds"
        return f"{self.runs[0]} and {self.runs[1]} runs: it covers test examples and training seeds"

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside the interval."""
        low, high = self.interval
        return not low <= 0 <= high

    def __str__(self) -> str:
        difference = _format_mean(self.difference, self.interval, sign="+")
        return f"{difference} {self.unit}, p = {self.p:.2g}; {self.covers}; {self.n:,} images"


def compare(a: Estimate | Sequence[Estimate], b: Estimate | Sequence[Estimate]) -> Comparison:
    """Difference a - b on the same images, as a `Comparison`.

    Images that are hard for one model are hard for the other. The differences are therefore paired
    by image, and their interval is usually far narrower than those of the two means.

    One run each: interval and p use the normal approximation and cover the choice of test images,
    for these two trained models. Several runs a side: see `zoo.metrics.run_groups`; they cover the
    training seeds too.

    Args:
        a, b: an `Estimate`; or a list of those of several runs that differ only in their training
            seeds, two or more on either side.

    Raises:
        UsageError: they are not of one kind (IWAE-500 and IWAE-5000 are two), not of the same
            images, or of fewer than 2; or several runs are compared with one.
    """
    a, b = as_run_lists(a, b, Estimate)
    first = a[0]
    for estimate in [*a, *b]:
        _check_comparable(first, estimate)
    for side in (a, b):
        check_distinct_runs([run.values for run in side])
    if first.n < 2:
        raise UsageError(f"a comparison needs 2 images or more, got {first.n}; give more of them")
    average_a, average_b = (
        np.mean([run.values for run in side], 0, dtype=np.float64) for side in (a, b)
    )
    differences = average_a - average_b
    mean, error = _mean_and_error(differences)
    runs = len(a), len(b)
    if runs == (1, 1):
        p = math.erfc(abs(mean) / (error * math.sqrt(2))) if error else float(mean == 0)
        return Comparison(mean, _interval(mean, error), p, first.n, first.unit)
    means = [[run.mean for run in side] for side in (a, b)]
    interval, p = compare_runs(means[0], means[1], error, first.n)
    return Comparison(mean, interval, p, first.n, first.unit, runs)


def _check_comparable(a: Estimate, b: Estimate) -> None:
    """Raises UsageError unless two Estimates are of one kind and of the same images."""
    if (a.name, a.unit) != (b.name, b.unit):
        raise UsageError(
            f"cannot compare {a.name!r} in {a.unit} with {b.name!r} in {b.unit};"
            " measure both models in the same way"
        )
    if (a.images, a.n) != (b.images, b.n):
        raise UsageError(
            f"numbers on different test sets cannot be compared: {a.n:,} images with the"
            f" fingerprint {a.images[:8]} and {b.n:,} with {b.images[:8]}; give both models the"
            " same images in the same order, binarized alike"
        )


def check_finite_numbers(values: Any, label: str) -> np.ndarray:
    """An array [n] of finite numbers, n >= 1. Raises UsageError, which calls them `label`."""
    values = np.asarray(values)
    if values.ndim != 1 or not len(values) or values.dtype.kind not in "fiub":
        raise UsageError(f"{label} must be numbers [n], n >= 1, got {values.dtype} {values.shape}")
    broken = int((~np.isfinite(values)).sum())
    if broken:
        raise UsageError(
            f"{broken:,} of {len(values):,} {label} are NaN or infinite; look for NaN in the data,"
            " then in the model's weights"
        )
    return values


def fingerprint(images: Any) -> str:
    """SHA-256 in hex of an array's shape and pixels: equal for the same images in the same order.

    Images in 0, 1, ..., 255 (uint8) and the same divided by 255 (float32) have one fingerprint.

    Raises:
        UsageError: they are not numbers, or some are NaN or infinite.
    """
    images = np.asarray(images)
    check_finite_numbers(images.reshape(-1), "pixels")
    if images.dtype != np.uint8:
        images = images.astype(np.float32)
        pixels = np.round(255 * images.clip(0, 1)).astype(np.uint8)
        if np.allclose(pixels / np.float32(255), images, rtol=0, atol=1e-6):
            images = pixels
    head = f"{images.shape} {images.dtype}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(images).tobytes()).hexdigest()


def _mean_and_error(values: Any) -> tuple[float, float]:
    """(mean, standard error of the mean), in float64."""
    values = np.asarray(values, np.float64)
    error = values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.inf
    return float(values.mean()), float(error)


def _interval(mean: float, error: float) -> tuple[float, float]:
    return mean - 1.96 * error, mean + 1.96 * error


def _format_mean(mean: float, interval: tuple[float, float], sign: str = "") -> str:
    """Mean and interval as text, to the second digit of the interval's half width."""
    half = (interval[1] - interval[0]) / 2
    digits = max(0, 1 - math.floor(math.log10(half))) if 0 < half < math.inf else 2
    center, low, high = (f"{value:{sign}.{digits}f}" for value in (mean, *interval))
    return f"{center} [{low}, {high}]"
