"""A score of a set of generated images, and a ranking of comparable scores."""

from __future__ import annotations

import math
from dataclasses import dataclass

from zoo.errors import UsageError


@dataclass(frozen=True)
class Score:
    """One number for one set of generated images.

    Args:
        value: the number.
        name: the metric and its extractor, such as "recall (k=3), mnist-classifier-v1 sha256:...".
        n_real: number of real images.
        n_generated: number of generated images.
        split: the real images, such as "mnist test".
        lower_is_better: the direction of the metric.
        error: standard error of the value, if known.
        floor: the same Score of other real images in place of generated ones: the score of a
            perfect model.

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

    def __post_init__(self) -> None:
        if not math.isfinite(self.value) or not math.isfinite(self.error or 0):
            raise UsageError(
                f"{self.name} is {self.value}: the features are too large for it; scale them down"
            )

    @property
    def ratio(self) -> float:
        """Value over the floor's value; NaN without a floor, or if that is 0 or less."""
        return self.value / self.floor.value if self.floor and self.floor.value > 0 else math.nan

    def __str__(self) -> str:
        floor = f"; real images {self.floor._number()}" if self.floor else ""
        return (
            f"{self.name}: {self._number()}{floor}"
            f" ({self.n_generated:,} generated, {self.n_real:,} of {self.split})"
        )

    def _number(self) -> str:
        return f"{self.value:.4g}" + (f" ± {self.error:.2g}" if self.error is not None else "")


def rank(scores: dict[str, Score]) -> dict[str, Score]:
    """A dict of Scores by the names of models, sorted from best to worst.

    All must be measured alike: by one extractor, against the same real images, for equally many
    generated images. With fewer images a distance or a recall has a different expected value, not
    just more noise.

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
            " extractor, on the same real images and with equally many generated ones"
        )
    return dict(
        sorted(scores.items(), key=lambda s: s[1].value if s[1].lower_is_better else -s[1].value)
    )
