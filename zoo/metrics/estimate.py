"""A mean over test images, how sure it is, and when two of them may be compared."""

import hashlib
import math
from dataclasses import dataclass, field

import numpy as np

from zoo.errors import UsageError
from zoo.metrics.run_groups import as_run_lists, check_distinct_runs, compare_runs


class ProtocolWarning(UserWarning):
    """A number that is computed but means something else than its name says."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """One number for each test image, and what is needed to compare their mean with another.

    Args:
        values: float array [n].
        name: what was measured, with all that changes its meaning, as "IWAE-500 bound".
        unit: as "nats".
        higher_is_better: which way is up.
        images: `fingerprint` of the n images, in the order of the values.

    Raises:
        UsageError: the values are not finite numbers [n], n >= 1.
    """

    values: np.ndarray = field(repr=False)
    name: str
    unit: str
    higher_is_better: bool
    images: str

    def __post_init__(self):
        object.__setattr__(
            self, "values", check_finite_numbers(self.values, f"values of {self.name!r}")
        )

    @property
    def n(self):
        """Number of images."""
        return len(self.values)

    @property
    def mean(self):
        """Mean over images."""
        return _mean_and_error(self.values)[0]

    @property
    def interval(self):
        """(low, high): 95 % for the mean over images; of a single image, infinitely wide.

        It is about the choice of test images, for this one model: another training run is not in
        it. The normal approximation wants some 30 images or more.
        """
        return _interval(*_mean_and_error(self.values))

    def __str__(self):
        return f"{_format_mean(self.mean, self.interval)} {self.unit}, {self.n:,} images"


@dataclass(frozen=True)
class Comparison:
    """The mean of the differences, image by image: see `compare`.

    Args:
        difference: mean(a - b).
        interval: (low, high), 95 %.
        p: probability of a difference at least as large if there were none; two-sided.
        n: number of images.
        unit: of the difference.
        runs: how many runs there are on either side.
    """

    difference: float
    interval: tuple[float, float]
    p: float
    n: int
    unit: str
    runs: tuple[int, int] = (1, 1)

    @property
    def covers(self):
        """What the interval is about, in words."""
        if self.runs == (1, 1):
            return "one run each: the interval covers test examples, not training seeds"
        return f"{self.runs[0]} and {self.runs[1]} runs: it covers test examples and training seeds"

    @property
    def excludes_zero(self):
        """Whether 0 lies outside the interval."""
        low, high = self.interval
        return not low <= 0 <= high

    def __str__(self):
        difference = _format_mean(self.difference, self.interval, sign="+")
        return f"{difference} {self.unit}, p = {self.p:.2g}; {self.covers}; {self.n:,} images"


def compare(a, b):
    """Difference a - b on the same images, as a `Comparison`.

    Hard images are hard for both models. Differences are therefore taken image by image, and
    their interval is mostly far narrower than those of the two means.

    One run each: interval and p rest on the normal approximation, and cover the choice of test
    images, for these two trained models. Several runs a side: see `zoo.metrics.run_groups`; they
    cover the training seeds too.

    Args:
        a, b: an `Estimate`; or a list of those of several runs that differ in their training seeds
            and in nothing else, two or more on either side.

    Raises:
        UsageError: they are not of one kind (IWAE-500 and IWAE-5000 are two), not of the same
            images, or of fewer than 2; or several runs stand against one.
    """
    a, b = as_run_lists(a, b, Estimate)
    first = a[0]
    for one in [*a, *b]:
        _check_alike(first, one)
    for side in (a, b):
        check_distinct_runs([one.values for one in side])
    if first.n < 2:
        raise UsageError(f"a comparison needs 2 images or more, got {first.n}; give more of them")
    each = (np.mean([one.values for one in side], 0, dtype=np.float64) for side in (a, b))
    differences = np.subtract(*each)
    mean, error = _mean_and_error(differences)
    runs = len(a), len(b)
    if runs == (1, 1):
        p = math.erfc(abs(mean) / (error * math.sqrt(2))) if error else float(mean == 0)
        return Comparison(mean, _interval(mean, error), p, first.n, first.unit)
    means = [[one.mean for one in side] for side in (a, b)]
    return Comparison(mean, *compare_runs(*means, error, first.n), first.n, first.unit, runs)


def _check_alike(a, b):
    """Raises UsageError unless two Estimates are of one kind, of the same images."""
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


def check_finite_numbers(values, what):
    """An array [n] of finite numbers, n >= 1; raises UsageError, which names `what` they are."""
    values = np.asarray(values)
    if values.ndim != 1 or not len(values) or values.dtype.kind not in "fiub":
        raise UsageError(f"{what} must be numbers [n], n >= 1, got {values.dtype} {values.shape}")
    broken = int((~np.isfinite(values)).sum())
    if broken:
        raise UsageError(
            f"{broken:,} of {len(values):,} {what} are NaN or infinite; look for NaN in the data,"
            " then in the model's weights"
        )
    return values


def fingerprint(images):
    """SHA-256 in hex of an array's shape and pixels: the same for the same images in one order.

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


def _mean_and_error(values):
    """(mean, standard error of the mean), in float64."""
    values = np.asarray(values, np.float64)
    error = values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.inf
    return float(values.mean()), float(error)


def _interval(mean, error):
    return mean - 1.96 * error, mean + 1.96 * error


def _format_mean(mean, interval, sign=""):
    """Mean and interval as text, to the second digit of the interval's half width."""
    half = (interval[1] - interval[0]) / 2
    digits = max(0, 1 - math.floor(math.log10(half))) if 0 < half < math.inf else 2
    mean, low, high = (f"{value:{sign}.{digits}f}" for value in (mean, *interval))
    return f"{mean} [{low}, {high}]"
