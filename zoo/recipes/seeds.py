"""One record of several runs of a recipe that differ in their seeds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zoo.recipes import records

if TYPE_CHECKING:
    import numpy as np

    from zoo.recipes.records import Record

OF_ONE_RUN = (  # keys of a record whose values differ between its runs
    *("metrics", "epochs", "steps", "evaluated_epoch", "train_seconds", "seconds", "curve"),
    *("date", "commit"),
)
OF_ONE_MODEL = ("interval", "error", "p", "z", "dropped", "copies", "copies_in_test")


def combine(runs: "Sequence[Record]") -> "tuple[dict[str, Any], dict[str, np.ndarray]]":
    """(content of the record of all runs, metric -> values of single examples [runs, n]).

    A metric is the mean over the runs, with the interval of Student's t for the mean over training
    seeds; "seeds" of the record has the runs, as `Record.run` returns them.
    """
    import numpy as np

    first = runs[0]
    content = {key: value for key, value in first.items() if key not in ("values", "digest")}
    content |= {
        "metrics": {key: _combined_entry(key, runs) for key in first["metrics"]},
        "train_seconds": _mean(run["train_seconds"] for run in runs),
        "seconds": _mean(run["seconds"] for run in runs),
        "seeds": [
            {"seed": run["recipe"]["seed"]} | {key: run[key] for key in OF_ONE_RUN} for run in runs
        ],
    }
    values = [records.all_values(run) for run in runs]
    return content, {key: np.stack([each[key] for each in values]) for key in values[0]}


def _combined_entry(metric: str, runs: "Sequence[Record]") -> dict[str, Any]:
    """The entry of a metric: mean, interval and values of all runs."""
    from zoo.metrics.run_groups import interval_of_runs

    entry = runs[0]["metrics"][metric]
    values = [run["metrics"][metric]["value"] for run in runs]
    combined = {key: value for key, value in entry.items() if key not in OF_ONE_MODEL}
    return combined | {
        "value": _mean(values),
        "interval": [*interval_of_runs(values)],
        "seeds": values,
    }


def _mean(values: Any) -> float:
    numbers = [*values]
    return sum(numbers) / len(numbers)
