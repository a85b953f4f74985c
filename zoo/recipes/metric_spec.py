"""Metrics of a recipe with their arguments: `MetricSpec("log_likelihood", samples=5000)`."""

from dataclasses import dataclass
from typing import Any

from zoo.checks import NUMBERS, check_optional_numbers
from zoo.errors import UnknownNameError, UsageError
from zoo.recipes.metric import Metric
from zoo.recipes.metric_table import METRICS


def register_metric(name: str, metric: Metric) -> Metric:
    """Adds a metric that recipes may name.

    The same function defined again, as by a cell of a notebook, replaces itself.

    Args:
        name: name of the metric, for `MetricSpec`.
        metric: how it is computed and written.

    Raises UsageError: the name is taken.
    """
    previous = METRICS.get(name)
    if previous and _source(previous) != _source(metric):
        raise UsageError(f"the name of the metric {name!r} is taken; choose another name")
    METRICS[name] = metric
    return metric


def _source(metric: Metric) -> tuple[Any, Any]:
    """Where the function of a metric is defined."""
    function = metric.compute
    return getattr(function, "__module__", None), getattr(function, "__qualname__", None)


@dataclass(frozen=True, init=False)
class MetricSpec:
    """A metric and its arguments: `MetricSpec("log_likelihood", samples=5000, images=1000)`.

    Args:
        name: a key of `METRICS`.
        **arguments: arguments of the function in `zoo.metrics`. `images` is the number of test
            images, drawn with seed 0; default all. With an `extractor`, `images` is the number of
            generated images. For metrics of texts, `texts` limits the evaluation to the first test
            texts, `num_beams` is 1 for greedy search, and `split` is used instead of the recipe's
            test split.

    Raises UsageError: an unknown metric; an argument that is missing, unknown or out of range.
    """

    name: str
    arguments: dict[str, Any]

    def __init__(self, name: str, **arguments: Any) -> None:
        if name not in METRICS:
            raise UnknownNameError("metric", name, METRICS)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "arguments", arguments)
        try:
            self.key, self.description  # noqa: B018  (they contain every required argument)
        except KeyError as error:
            raise UsageError(f"the metric {name!r} needs the argument {error}") from error
        for argument in arguments:
            if argument not in self.metric.arguments:
                kind = f"argument of the metric {name!r}"
                raise UnknownNameError(kind, argument, self.metric.arguments)
        check_optional_numbers(**{k: v for k, v in arguments.items() if k in NUMBERS})

    @property
    def metric(self) -> Metric:
        return METRICS[self.name]

    @property
    def generated(self) -> bool:
        """Whether it is computed on generated images."""
        return "extractor" in self.all_arguments

    @property
    def all_arguments(self) -> dict[str, Any]:
        """All arguments, the metric's defaults included."""
        return self.metric.defaults | self.arguments

    @property
    def resolved(self) -> dict[str, Any]:
        """All arguments, and the search of a text in words."""
        arguments = self.all_arguments
        if "num_beams" in arguments:
            beams = arguments["num_beams"]
            penalty = arguments["length_penalty"]
            search = f"beam of {beams}, length penalty {penalty:g}"
            arguments["search"] = "greedy" if beams == 1 else f"beam{beams}"
            arguments["search_description"] = "greedy" if beams == 1 else search
        return arguments

    @property
    def key(self) -> str:
        """Its name in a record."""
        key = self.metric.key.format(**self.resolved)
        return f"{key}_{self.split}" if self.split else key

    @property
    def split(self) -> str | None:
        """The split that it is computed on; None: the recipe's test split."""
        return self.all_arguments.get("split")

    @property
    def description(self) -> str:
        """Its part of the protocol: metric, images or texts, unit."""
        domain = self.metric.domain
        count = self.all_arguments.get(domain)
        noun = f"{domain} of {self.split}" if self.split else f"test {domain}"
        examples = f"all {noun}"
        if self.generated:
            examples = f"{count:,} generated images, all test images"
        elif count and domain == "images":
            examples = f"{count:,} test images drawn with seed 0"
        elif count:
            examples = f"the first {count:,} {noun}"
        metric = self.metric.description.format(**self.resolved)
        return f"{metric} on {examples}, {self.metric.unit}"
