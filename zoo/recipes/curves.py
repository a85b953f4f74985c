"""Time to target: the validation metric of a run against its minutes of training.

    record = zoo.recipes.records.read("benchmarks/results/vae.mnist_gated.cpu-hour.json")
    curves.minutes_to(record, 90.0)          # minutes until val_loss was 90
    curves.value_after(record, 10.0)         # val_loss after ten minutes

Minutes are those of training steps and their data, on the device that the record names: without
validation, figures and the compilation of the first step. Importing this module needs no
TensorFlow.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.recipes.records import Record
    from zoo.training.trainer import Trainer
    from zoo.training.training_time import TrainingTime

MAX_POINTS = 100  # that a record keeps of a longer curve


def validation_curve(trainer: "Trainer", training_time: "TrainingTime") -> dict[str, Any] | None:
    """The monitored metric at the ends of epochs: {"metric", "minutes", "values", ...}.

    None without such a metric, or without the times of the epochs.
    """
    monitor = trainer.monitor or ""
    metric = monitor.removeprefix("max:")
    history = trainer.state.history.get(metric, [])
    epochs = [epoch for epoch in range(len(history)) if epoch in training_time.epochs]
    if not epochs:
        return None
    stride = -(-len(epochs) // MAX_POINTS)
    epochs = epochs[::-1][::stride][::-1]  # the last one is kept
    return {
        "metric": metric,
        "lower_is_better": metric == monitor,
        "minutes": [round(training_time.epochs[epoch] / 60, 4) for epoch in epochs],
        "values": [float(f"{history[epoch]:.6g}") for epoch in epochs],
    }


def curves_of(record: "Record") -> list[dict[str, Any]]:
    """The curves of all runs of a record; [] if a run has none."""
    curves = [run.get("curve") for run in record.get("seeds", [record])]
    return [curve for curve in curves if curve] if all(curves) else []


def minutes_to(record: "Record", value: float) -> float | None:
    """Minutes until the metric first reached a value, the mean over the runs of a record.

    None if a run did not reach it, or has no curve.
    """
    minutes = []
    for curve in curves_of(record):
        sign = 1 if curve["lower_is_better"] else -1
        points = zip(curve["minutes"], curve["values"], strict=True)
        reached = [minute for minute, found in points if sign * found <= sign * value]
        minutes += reached[:1]
    complete = minutes and len(minutes) == len(curves_of(record))
    return sum(minutes) / len(minutes) if complete else None


def best_value(record: "Record") -> float:
    """The best value of the metric, the mean over the runs of a record that has curves."""
    best = [
        min(curve["values"]) if curve["lower_is_better"] else max(curve["values"])
        for curve in curves_of(record)
    ]
    return sum(best) / len(best)


def value_after(record: "Record", minutes: float) -> float | None:
    """The best value of the metric in the first minutes, the mean over the runs of a record.

    None if a run ended before, had no epoch complete, or has no curve.
    """
    values = []
    for curve in curves_of(record):
        points = zip(curve["minutes"], curve["values"], strict=True)
        early = [found for minute, found in points if minute <= minutes]
        if not early or curve["minutes"][-1] < minutes:
            return None
        values.append(min(early) if curve["lower_is_better"] else max(early))
    return sum(values) / len(values) if values else None
