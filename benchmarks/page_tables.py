"""Markdown of records, for the results page."""

from collections.abc import Iterable, Sequence
from typing import Any

from zoo.recipes import record_text


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def device(record):
    return "{cores} x {cpu}".format(**record["device"])


def uncommitted(record):
    return " (made with uncommitted code)" if record.dirty else ""


def value(record, metric):
    entry = record["metrics"].get(metric)
    return record_text.format_value(entry) if entry else ""


def verdict(interval, lower_is_better):
    low, high = interval
    if low <= 0 <= high:
        return "no difference shown"
    return "better" if (high < 0) == lower_is_better else "worse"
