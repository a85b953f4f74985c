"""A number that tells generated images from real ones, and what it may be compared with."""

from __future__ import annotations

import math
from dataclasses import dataclass

from zoo.errors import UsageError


@dataclass(frozen=True)
class Score:
    """One number for one set of generated images.

    Args:
        value: the number.
        name: what was measured and by which extractor, as "recall (k=3), mnist-classifier-v1
            sha256:...".
        n_real: how many real images it rests on.
        n_generated: how many generated ones.
        split: the real images, as "mnist test".
        lower_is_better: which way is down.
        error: standard error of the value, where it is known.
        floor: the same Score of other real images in place of the generated ones; what a perfect
            model would have.

    Raises:
        UsageError: the value or its error is NaN or infinite.
    """

    value: float
    name: str
    n_real: int
    n_generated: int
    split: str
    lower_is_better: bool
    error: float | None = None
    floor: Score | None = None

    def __post_init__(self):
        if not math.isfinite(self.value) or not math.isfinite(self.error or 0):
            raise UsageError(
                f"{self.name} is {self.value}: the features are too large for it; scale them down"
            )

    @property
    def ratio(self):
        """Value over the floor's value; NaN without a floor, or with one of 0 or less."""
        return self.value / self.floor.value if self.floor and self.floor.value > 0 else math.nan

    def __str__(self):
        floor = f"; real images {self.floor._number()}" if self.floor else ""
        return (
            f"{self.name}: {self._number()}{floor}"
            f" ({self.n_generated:,} generated, {self.n_real:,} of {self.split})"
        )

    def _number(self):
        return f"{self.value:.4g}" + (f" ± {self.error:.2g}" if self.error is not None else "")


def rank(scores):
    """A dict of Scores by the names of models, the same with the best first.

    All must be one measurement: by one extractor, against as many of the same real images, for
    as many generated ones. A distance or a recall of fewer images is another number, not a noisier
    one.

    Raises:
        UsageError: the scores are not of one kind.
    """
    kinds = {label: (s.name, s.n_real, s.n_generated, s.split) for label, s in scores.items()}
    if len(set(kinds.values())) > 1:
        listed = "; ".join(
            f"{label}: {name}, {generated:,} generated, {real:,} of {split}"
            for label, (name, real, generated, split) in kinds.items()
        )
        raise UsageError(
            f"scores of different kinds cannot be ranked. {listed}. Measure all models with one"
            " extractor, on the same real images and with as many generated ones"
        )
    return dict(
        sorted(scores.items(), key=lambda s: s[1].value if s[1].lower_is_better else -s[1].value)
    )
