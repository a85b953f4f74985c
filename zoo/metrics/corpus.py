"""A number for a whole test set of texts: by which protocol, how sure, better than which other."""

import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from zoo.errors import UsageError
from zoo.metrics.estimate import Comparison

RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class CorpusScore:
    """A score that is a function of sums over the test set, as BLEU is.

    Args:
        value: the number.
        name: as "BLEU".
        protocol: all that changes its meaning: tokens, case, number of references, versions.
        unit: as "%".
        higher_is_better: which way is up.
        statistics: float array [n, k], what each text adds to the sums.
        combine: from sums [k] to the value.
        references: `fingerprint_of` the references, in the order of the texts.
    """

    value: float
    name: str
    protocol: str
    unit: str
    higher_is_better: bool
    statistics: np.ndarray = field(repr=False)
    combine: Callable = field(repr=False)
    references: str

    @classmethod
    def of(cls, statistics, combine, **what):
        """The score of statistics [n, k]."""
        statistics = np.asarray(statistics, np.float64)
        return cls(
            float(combine(statistics.sum(0))), statistics=statistics, combine=combine, **what
        )

    @property
    def n(self):
        """Number of texts."""
        return len(self.statistics)

    @functools.cached_property
    def resampled(self):
        """The value on 1,000 test sets drawn from this one, always the same ones: float64 [1000].

        The bootstrap of Koehn, "Statistical Significance Tests for Machine Translation
        Evaluation" (2004).
        """
        drawn = np.random.default_rng(0).multinomial(self.n, np.full(self.n, 1 / self.n), RESAMPLES)
        return np.array([self.combine(sums) for sums in drawn @ self.statistics])

    @property
    def interval(self):
        """(low, high): 95 %, about the choice of test texts, for this one model."""
        return tuple(np.percentile(self.resampled, [2.5, 97.5]).tolist())

    def __str__(self):
        low, high = self.interval
        return (
            f"{self.name}: {self.value:.2f} [{low:.2f}, {high:.2f}] {self.unit}, {self.n:,} texts"
            f" ({self.protocol})"
        )


class TextComparison(Comparison):
    """A `Comparison` of two models on the same texts."""

    def __str__(self):
        low, high = self.interval
        return (
            f"{self.difference:+.2f} [{low:+.2f}, {high:+.2f}] {self.unit}, p = {self.p:.2g},"
            f" {self.n:,} texts"
        )


def compare_texts(a, b):
    """Difference a - b of two CorpusScores on the same references, as a `TextComparison`.

    Both are resampled alike, so that a text which is hard for both does not blur the difference;
    p is the share of resampled differences on the other side of 0, two-sided.

    Raises:
        UsageError: they are of two protocols, or of other references.
    """
    if (a.name, a.protocol) != (b.name, b.protocol):
        raise UsageError(
            f"cannot compare {a.name} by {a.protocol!r} with {b.name} by {b.protocol!r}; they are"
            " two measurements, so measure both models in one way"
        )
    if a.references != b.references:
        raise UsageError(
            f"scores against different references cannot be compared: {a.n:,} texts with the"
            f" fingerprint {a.references[:8]} and {b.n:,} with {b.references[:8]}; give both models"
            " the same test set in the same order"
        )
    differences = a.resampled - b.resampled
    below, above = (differences <= 0).mean(), (differences >= 0).mean()
    interval = tuple(np.percentile(differences, [2.5, 97.5]).tolist())
    p = float(min(1.0, 2 * min(below, above)))
    return TextComparison(a.value - b.value, interval, p, a.n, a.unit)


def rank_texts(scores):
    """A dict of CorpusScores by the names of models, the same with the best first.

    Raises:
        UsageError: they are of different protocols or references.
    """
    kinds = {(s.name, s.protocol, s.references): label for label, s in scores.items()}
    if len(kinds) > 1:
        listed = "; ".join(f"{label}: {s.name}, {s.protocol}" for label, s in scores.items())
        raise UsageError(
            f"scores of different protocols or references cannot be ranked. {listed}. Measure all"
            " models in one way, on one test set"
        )
    return dict(
        sorted(scores.items(), key=lambda s: -s[1].value if s[1].higher_is_better else s[1].value)
    )


def checked(hypotheses, references):
    """(hypotheses, a list of references for each, their count as text), or a UsageError."""
    if isinstance(hypotheses, str) or isinstance(references, str):
        raise UsageError("a score needs lists of texts, got one text; write [text]")
    hypotheses = list(hypotheses)
    references = [[r] if isinstance(r, str) else list(r) for r in references]
    if len(hypotheses) != len(references) or not hypotheses:
        raise UsageError(
            f"there are {len(hypotheses):,} hypotheses and {len(references):,} references; each"
            " hypothesis needs its own, and there must be one or more"
        )
    for number, (hypothesis, right) in enumerate(zip(hypotheses, references, strict=True), 1):
        if not right or not all(isinstance(text, str) for text in [hypothesis, *right]):
            raise UsageError(
                f"text {number:,} must be a str with one or more str as references, got"
                f" {hypothesis!r} and {right!r}"
            )
    counts = sorted({len(right) for right in references})
    shown = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]}-{counts[-1]}"
    return hypotheses, references, shown


def fingerprint_of(references):
    """SHA-256 in hex of lists of references."""
    return hashlib.sha256(json.dumps(references).encode()).hexdigest()
