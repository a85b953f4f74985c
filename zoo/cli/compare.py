"""`zoo compare`: the metrics of several runs side by side, with paired intervals."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from zoo.cli import runs
from zoo.cli.completion import complete_trained
from zoo.cli.metric_option import METRIC_OPTION, compute_metrics
from zoo.cli.options import BEST_OPTION, DATA_OPTION, RESULTS_OPTION
from zoo.cli.runs import LoadedModel
from zoo.cli.terminal import import_tensorflow, json_option, print_table
from zoo.errors import UsageError
from zoo.log import log_message
from zoo.recipes import MetricSpec, loading, records
from zoo.recipes.records import Record


def _show(record: dict[str, Any]) -> None:
    names = record["runs"]
    rows = []
    for metric, entry in record["metrics"].items():
        compared = [_format(each) for each in entry["differences"][1:]]
        rows.append((metric, *entry["values"], *compared))
    click.echo(f"{record['examples']}\n")
    print_table(rows, "metric", *names, *(f"{name} - {names[0]} [95 %]" for name in names[1:]))


def _format(difference: dict[str, Any] | None) -> str:
    if difference is None:
        return ""
    low, high = difference["interval"]
    return f"{difference['mean']:+.4g} [{low:+.4g}, {high:+.4g}]"


@click.command()
@click.argument(
    "names", metavar="RUN RUN ...", nargs=-1, required=True, shell_complete=complete_trained
)
@DATA_OPTION
@click.option("--split", "test", help="Split to evaluate on.  [default: the first run's]")
@METRIC_OPTION
@BEST_OPTION
@RESULTS_OPTION
@json_option(_show)
def compare(
    names: tuple[str, ...],
    data: str | None,
    test: str | None,
    metrics: tuple[MetricSpec, ...],
    best: bool,
    results: Path,
) -> dict[str, Any]:
    """Compare the metrics of runs.

    Prints the metrics side by side, and the difference of each run from the first with its 95 %
    interval, paired by example. Runs of `zoo reproduce` that all have a record are compared by the
    metrics in their records, unless an option asks for others; other runs are evaluated on the
    test split of the first. The intervals cover the choice of test examples, not training seeds.

    \b
    zoo compare runs/vae-mnist runs/mixture_vae-mnist
    zoo compare runs/a runs/b --data mnist --split 'test[:1000]' --json
    zoo compare runs/a runs/b --metric log_likelihood:samples=200
    """
    if len(names) < 2:
        raise UsageError("give two or more runs; the first is the baseline")
    found = [] if data or test or best or metrics else [_record_of(name, results) for name in names]
    if found and all(found):
        return _compare_records(names, [record for record in found if record])
    import_tensorflow()
    first = loading.resolve(names[0])
    if first.run:
        data = data or first.run.config.data
        test = test or first.run.config.test
    columns = []
    models = []
    for name in names:
        loaded = runs.open_trainer(name, best=best, data=data, test=test)
        examples = runs.describe_examples(loaded)
        models.append(loaded.config.model)
        columns.append(_estimates(loaded, metrics))
    shared = _shared(columns)
    if "loss" in shared and len({*models}) > 1 and not all(map(_is_negative_elbo, columns)):
        log_message(
            f"note: loss is the objective of each model ({', '.join(models)}); compare it"
            " only if the models define it in the same way"
        )
    return {
        "runs": list(names),
        "examples": f"evaluated on {examples}",
        "metrics": {
            metric: {
                "values": [column[metric].mean for column in columns],
                "differences": [
                    _difference(column[metric], columns[0][metric]) for column in columns
                ],
            }
            for metric in shared
        },
    }


def _estimates(loaded: LoadedModel, metrics: tuple[MetricSpec, ...]) -> dict[str, Any]:
    """Metric -> its `Estimate`, or its `Single` value if it has none for each example."""
    from zoo.metrics import Estimate
    from zoo.training.run_identity import batch_digest

    images = batch_digest(loaded.data.take(loaded.data.num_examples))
    values: dict[str, Any] = loaded.trainer.evaluate_examples(loaded.data)
    entries, more = compute_metrics(loaded, metrics)
    columns: dict[str, Any] = {key: Single(entry["value"]) for key, entry in entries.items()}
    return columns | {
        key: Estimate(array, key, "", False, images) for key, array in (values | more).items()
    }


def _is_negative_elbo(column: dict[str, Any]) -> bool:
    """Whether the loss is the sum of `nll` and `kl`, which is the same for all priors."""
    if not {"nll", "kl"} <= column.keys():
        return False
    return math.isclose(column["loss"].mean, column["nll"].mean + column["kl"].mean, rel_tol=1e-4)


@dataclass(frozen=True)
class Single:
    """The value of a metric without values for each example, such as a Frechet distance."""

    mean: float


def _shared(columns: list[Any]) -> list[str]:
    """The metrics that all runs have; raises UsageError if there are none."""
    shared = [key for key in columns[0] if all(key in column for column in columns)]
    if not shared:
        listed = "; ".join(", ".join(column) for column in columns)
        raise UsageError(f"these runs have no metric in common: {listed}")
    return shared


def _record_of(name: str, results: Path) -> Record | None:
    """The record of a run of `zoo reproduce`, if there is one."""
    run = loading.resolve(name).run
    if run is None or run.recipe is None:
        return None
    path = results / "{}.{}.json".format(*run.recipe)
    return records.read(path) if path.exists() else None


def _compare_records(names: tuple[str, ...], found: list[Record]) -> dict[str, Any]:
    """The record of the command, from the records of `zoo reproduce`."""
    import_tensorflow()
    metrics = {}
    for metric in _shared([record["metrics"] for record in found]):
        differences: list[dict[str, Any] | None] = []
        for record in found:
            try:
                differences.append(_to_dict(records.compare(record, found[0], metric)))
            except (UsageError, records.RecordError):  # another protocol, or no values per image
                differences.append(None)
        values = [record["metrics"][metric]["value"] for record in found]
        metrics[metric] = {"values": values, "differences": differences}
    return {"runs": list(names), "examples": found[0]["protocol"], "metrics": metrics}


def _difference(a: Any, b: Any) -> dict[str, Any] | None:
    """The paired difference; None without values for each example, or for other examples."""
    from zoo import metrics

    if isinstance(a, Single):
        return None
    try:
        return _to_dict(metrics.compare(a, b))
    except UsageError:
        return None


def _to_dict(comparison: Any) -> dict[str, Any]:
    return {
        "mean": comparison.difference,
        "interval": [*comparison.interval],
        "p": comparison.p,
        "n": comparison.n,
    }
