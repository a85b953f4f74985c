"""Records in words: values, uncertainties, and how they compare to published results.

Importing this module needs no TensorFlow.
"""

from typing import Any

from zoo.recipes.records import Record


def compare_to_reference(record: Record, reference: dict[str, Any]) -> str:
    """How a record compares to a published result (a dict as in the recipe), in capitals.

    "WITHIN INTERVAL", "BETTER" or "BELOW REFERENCE" if the record has a metric with exactly the
    protocol of the published result; else "OTHER PROTOCOL".
    """
    for entry in record["metrics"].values():
        if entry["protocol"] == reference["protocol"] and entry.get("interval"):
            low, high = entry["interval"]
            if low <= reference["value"] <= high:
                return "WITHIN INTERVAL"
            better = (low > reference["value"]) ^ entry["lower_is_better"]
            return "BETTER" if better else "BELOW REFERENCE"
    return "OTHER PROTOCOL"


def format_reference(record: Record, reference: dict[str, Any] | None) -> str:
    """A published result and how the record compares to it, as one line."""
    if reference is None:
        return "NO REFERENCE: none published"
    value = f"{reference['value']:g}"
    if reference["plus_minus"]:
        value += f" ± {reference['plus_minus']:g}"
    note = f" ({reference['note']})" if reference["note"] else ""
    comparison = compare_to_reference(record, reference)
    return f"{comparison}: published {value}{note}, {reference['source']}"


def format_value(entry: dict[str, Any]) -> str:
    """The value of a metric, with the floor that real images have and the labels never generated.

    Args:
        entry: entry of the metric in a record.
    """
    notes = [f"floor {entry['floor']:.4g}"] if "floor" in entry else []
    if entry.get("dropped"):
        notes.append(f"never {', '.join(map(str, entry['dropped']))}")
    return f"{entry['value']:.5g}" + (f" ({'; '.join(notes)})" if notes else "")


def format_uncertainty(entry: dict[str, Any]) -> str:
    """The uncertainty of a metric in a record: its interval, its error, its p value, or ""."""
    if entry.get("interval"):
        seeds = f" ({len(entry['seeds'])} seeds)" if "seeds" in entry else ""
        return "{:.5g} to {:.5g}".format(*entry["interval"]) + seeds
    if "error" in entry:
        return f"± {1.96 * entry['error']:.2g}"
    return f"p = {entry['p']:.2g}" if "p" in entry else ""
