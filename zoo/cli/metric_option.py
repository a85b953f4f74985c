"""`--metric` of `zoo evaluate` and `zoo compare`: the metrics of recipes, for any trained model."""

from typing import TYPE_CHECKING, Any

import click

from zoo import recipes
from zoo.errors import UsageError
from zoo.recipes import MetricSpec
from zoo.training.run_arguments import parse_literal

if TYPE_CHECKING:
    from zoo.cli.runs import LoadedModel


class MetricType(click.ParamType):
    """A metric and its arguments: "bleu:protocol=13a,num_beams=5"."""

    name = "metric"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> MetricSpec:
        recipes.names()  # imports plug-ins, which register metrics
        name, _, text = value.partition(":")
        pairs = [pair.partition("=") for pair in text.split(",") if text]
        if any(not equals for _, equals, _ in pairs):
            raise UsageError(
                f"--metric takes NAME or NAME:ARGUMENT=VALUE,..., as in bleu:protocol=13a; got"
                f" {value!r:.60}"
            )
        arguments: dict[str, Any] = {key: parse_literal(text) for key, _, text in pairs}
        return MetricSpec(name, **arguments)


METRIC_OPTION = click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME[:ARGUMENT=VALUE,...]",
    type=MetricType(),
    help="Also compute a metric of recipes, as in bleu:protocol=13a or chrf. May be repeated.",
)


def compute_metrics(
    loaded: "LoadedModel", specs: tuple[MetricSpec, ...]
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """(metric -> its entry, metric -> values of single examples), as in the record of a recipe.

    Args:
        loaded: a trained model and the examples to evaluate on.
        specs: the metrics.
    """
    from zoo.recipes.evaluate import EvaluationData
    from zoo.training import run_building

    config = loaded.config
    entries = {}
    values = {}
    with loaded.trainer.averaged_weights() as model:
        arguments = model.get_config()

        def train() -> Any:
            return run_building.load_data(config, config.train, arguments=arguments)

        data = EvaluationData(train, loaded.data)
        for spec in specs:
            entry, of_examples = spec.metric.compute(model, data, **spec.all_arguments)
            entries[spec.key] = entry | {
                "unit": spec.metric.unit,
                "lower_is_better": spec.metric.lower_is_better,
                "description": spec.description,
            }
            if of_examples is not None:
                values[spec.key] = of_examples
    return entries, values


def table_rows(entries: dict[str, dict[str, Any]]) -> list[list[Any]]:
    """Rows of a table: metric, value, 95 % interval, unit, whether lower or higher is better."""
    rows = []
    for name, entry in entries.items():
        interval = " to ".join(f"{end:.4g}" for end in entry.get("interval", ()))
        better = "lower" if entry["lower_is_better"] else "higher"
        rows.append([name, entry["value"], interval, entry["unit"], better])
    return rows
