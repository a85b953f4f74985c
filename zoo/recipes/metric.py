"""A metric of recipes: how it is computed, checked, and written in a record."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from zoo.recipes.metric_functions import Result


@dataclass(frozen=True)
class Metric:
    """How a metric is computed and written in a record.

    Attributes:
        key: format string of its name in a record, filled in with the arguments.
        description: format string of its part of the protocol, filled in likewise.
        unit: unit of its value.
        compute: called as `compute(model, data, **arguments)` with the trained model and a
            `zoo.recipes.evaluate.EvaluationData`; returns (entry of a record, values of single
            examples or None), as `estimate_entry` and `score_entry` make them.
        lower_is_better: whether a smaller value is better.
        defaults: arguments and their values, which a `MetricSpec` may override.
        domain: what it is computed on, "images", "texts", ...; also the name of the argument that
            limits their number.
        optional: arguments that may be given besides those of `defaults` and of the format strings.
        check: called before training as `check(train, test, **arguments)`; raises the errors that
            would stop the evaluation.
        budget_field: the field of a `Budget` that limits the number of examples; None: not limited.
    """

    key: str
    description: str
    unit: str
    compute: Callable[..., Result]
    lower_is_better: bool = True
    defaults: dict[str, Any] = field(default_factory=dict)
    domain: str = "images"
    optional: tuple[str, ...] = ()
    check: Callable[..., None] | None = None
    budget_field: str | None = None

    @property
    def arguments(self) -> set[str]:
        """The names of all arguments that a `MetricSpec` of it may have."""
        formatted = re.findall(r"{(\w+)}", self.key + self.description)
        return {*formatted, *self.defaults, *self.optional} - {"search", "search_description"}
