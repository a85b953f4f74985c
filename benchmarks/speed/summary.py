"""Medians and ratios of measured seconds, and their table."""

import statistics
from typing import Any

import rich.box
from rich.table import Table

OPTIONAL = {"first_step_s": 1, "peak_mb": 0}  # columns that processes measure: digits


def summarize(
    seconds: list[float], base_seconds: list[float], steps: int, batch_size: int, **_: Any
) -> dict[str, Any]:
    """Medians over rounds of a variant's seconds and of its ratios to the base."""
    ratios = [b / s for b, s in zip(base_seconds, seconds, strict=True)]
    step = statistics.median(seconds) / steps
    return {
        "seconds": seconds,
        "ms_per_step": 1000 * step,
        "examples_per_s": batch_size / step,
        "ratio": statistics.median(ratios),
        "ratio_range": [min(ratios), max(ratios)],
    }


def results_table(model: str, measured: dict[str, Any], settings: dict[str, Any]) -> Table:
    """The table of a model's results for the terminal."""
    title = "{}: {rounds} rounds of {steps} steps, batch {batch_size}".format(model, **settings)
    table = Table(title=title, box=rich.box.SIMPLE_HEAD, show_edge=False)
    table.add_column("variant", no_wrap=True)
    columns = ["ms/step", "per s", "ratio", "range"]
    if OPTIONAL.keys() <= next(iter(measured.values())).keys():
        columns += ["first s", "peak MB"]
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for variant, row in measured.items():
        table.add_row(
            variant,
            f"{row['ms_per_step']:.1f}",
            f"{row['examples_per_s']:.0f}",
            f"{row['ratio']:.2f}",
            "{:.2f}-{:.2f}".format(*row["ratio_range"]),
            *(f"{row[key]:.{digits}f}" for key, digits in OPTIONAL.items() if key in row),
        )
    return table
