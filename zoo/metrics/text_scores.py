"""A score of a test set of texts with its interval, and comparisons of two scores."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zoo.errors import UsageError
from zoo.metrics.estimate import Comparison, check_finite_numbers
from zoo.metrics.run_groups import as_run_lists, check_distinct_runs, compare_runs

RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class CorpusScore:
    """A score that is a function of sums over the test set, such as BLEU.

    Args:
        value: the number.
        name: such as "BLEU".
        protocol: all that changes its meaning: tokens, case, number of references, versions.
        unit: such as "%".
        higher_is_better: the direction of the metric.
        statistics: float array [n, k], the contribution of each text to the sums.
        combine: from sums [k] to the value.
        references: `fingerprint_texts` of the references, in the order of the texts.
    """

    value: float
    name: str
    protocol: str
    unit: str
    higher_is_better: bool
    statistics: np.ndarray = field(repr=False)
    combine: Callable[[np.ndarray], float] = field(repr=False)
    references: str

    @classmethod
    def from_statistics(cls, statistics: Any, combine: Callable, **fields: Any) -> CorpusScore:
        """The score of statistics [n, k]. Raises UsageError if they are NaN or infinite."""
        statistics = np.asarray(statistics, np.float64)
        check_finite_numbers(statistics.reshape(-1), f"statistics of {fields['name']!r}")
        return cls(
            float(combine(statistics.sum(0))), statistics=statistics, combine=combine, **fields
        )

    @property
    def n(self) -> int:
        """Number of texts."""
        return len(self.statistics)

    @functools.cached_property
    def resampled(self) -> np.ndarray:
        """The value on 1,000 test sets resampled from this one, with a fixed seed: float64 [1000].

        The bootstrap of Koehn, "Statistical Significance Tests for Machine Translation
        Evaluation" (2004).
        """
        random = np.random.default_rng(0)
        counts = random.multinomial(self.n, np.full(self.n, 1 / self.n), RESAMPLES)
        return np.array([self.combine(sums) for sums in counts @ self.statistics])

    @property
    def interval(self) -> tuple[float, float]:
        """(low, high): 95 % interval for the choice of test texts, for this one model.

        Infinite for a single text.
        """
        if self.n < 2:
            return -math.inf, math.inf
        return tuple(np.percentile(self.resampled, [2.5, 97.5]).tolist())

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.name}: {self.value:.2f} [{low:.2f}, {high:.2f}] {self.unit}, {self.n:,} texts"
            f" ({self.protocol})"
        )


class TextComparison(Comparison):
    """A `Comparison` of two models on the same texts."""

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.difference:+.2f} [{low:+.2f}, {high:+.2f}] {self.unit}, p = {self.p:.2g};"
            f" {self.covers}; {self.n:,} texts"
        )


def compare_texts(
    a: CorpusScore | Sequence[CorpusScore], b: CorpusScore | Sequence[CorpusScore]
) -> TextComparison:
    """Difference a - b on the same references, as a `TextComparison`.

    All scores are resampled alike, so that the difference is paired by text. With one run each, p
    is the two-sided fraction of resampled differences on the other side of 0, the measured one
    included. Several runs a side: see `zoo.metrics.run_groups`.

    Args:
        a, b: a `CorpusScore`; or a list of those of several runs that differ only in their training
            seeds, two or more on either side.

    Raises:
        UsageError: they have different protocols or references, or fewer than 2 texts; or several
            runs are compared with one.
    """
    a, b = as_run_lists(a, b, CorpusScore)
    first = a[0]
    for score in [*a, *b]:
        _check_comparable(first, score)
    for side in (a, b):
        check_distinct_runs([run.statistics for run in side])
    if first.n < 2:
        raise UsageError(f"a comparison needs 2 texts or more, got {first.n}; give more of them")
    means = [[run.value for run in side] for side in (a, b)]
    resampled = [np.mean([run.resampled for run in side], 0) for side in (a, b)]
    difference = float(np.mean(means[0]) - np.mean(means[1]))
    differences = np.subtract(*resampled)
    runs = len(a), len(b)
    if runs == (1, 1):
        interval = tuple(np.percentile(differences, [2.5, 97.5]).tolist())
        other_side = min((differences <= 0).sum(), (differences >= 0).sum())
        p = float(min(1.0, 2 * (1 + other_side) / (1 + RESAMPLES)))
    else:
        interval, p = compare_runs(means[0], means[1], float(differences.std(ddof=1)), first.n)
    return TextComparison(difference, interval, p, first.n, first.unit, runs)


def _check_comparable(a: CorpusScore, b: CorpusScore) -> None:
    """Raises UsageError unless two CorpusScores have one protocol and the same references."""
    if (a.name, a.protocol) != (b.name, b.protocol):
        raise UsageError(
            f"cannot compare {a.name} by {a.protocol!r} with {b.name} by {b.protocol!r}; they are"
            " different metrics; measure both models in the same way"
        )
    if a.references != b.references:
        raise UsageError(
            f"scores against different references cannot be compared: {a.n:,} texts with the"
            f" fingerprint {a.references[:8]} and {b.n:,} with {b.references[:8]}; give both models"
            " the same test set in the same order"
        )


def rank_texts(scores: dict[str, CorpusScore]) -> dict[str, CorpusScore]:
    """A dict of CorpusScores by the names of models, sorted from best to worst.

    Raises:
        UsageError: they have different protocols or references.
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


def check_texts(
    hypotheses: Iterable[str], references: Iterable[str | Iterable[str]]
) -> tuple[list[str], list[list[str]], str]:
    """(hypotheses, a list of references for each, their count as text). Raises UsageError."""
    if isinstance(hypotheses, str) or isinstance(references, str):
        raise UsageError("a score needs lists of texts, got one text; write [text]")
    hypotheses = list(hypotheses)
    lists = [[r] if isinstance(r, str) else list(r) for r in references]
    if len(hypotheses) != len(lists) or not hypotheses:
        raise UsageError(
            f"there are {len(hypotheses):,} hypotheses and {len(lists):,} references; each"
            " hypothesis needs its own, and there must be one or more"
        )
    for number, (hypothesis, texts) in enumerate(zip(hypotheses, lists, strict=True), 1):
        if not texts or not all(isinstance(text, str) for text in [hypothesis, *texts]):
            raise UsageError(
                f"text {number:,} must be a str with one or more str as references, got"
                f" {hypothesis!r} and {texts!r}"
            )
    counts = sorted({len(texts) for texts in lists})
    count = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]}-{counts[-1]}"
    return hypotheses, lists, count


def fingerprint_texts(references: list[list[str]]) -> str:
    """SHA-256 in hex of lists of references."""
    return hashlib.sha256(json.dumps(references).encode()).hexdigest()
