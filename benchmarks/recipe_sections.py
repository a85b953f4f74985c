"""The sections of the results page about recipes: a summary, and one for each protocol."""

import itertools
import re
from pathlib import Path
from typing import Any

from benchmarks.page_tables import device, table, value, verdict
from zoo.data import catalog
from zoo.recipes import curves, record_text, records
from zoo.recipes.records import Record

BASE = "vae"  # the model that others of the same tag are compared with
MINUTES = (1, 2, 5, 10, 20, 30, 60, 90, 120, 180)  # of the table of validation losses
TASKS = {  # the main metric of a recipe -> its task
    "log_likelihood": "Image likelihood",
    "elbo": "Image likelihood",
    "bits_per_dimension": "Image density",
    "frechet": "Image generation",
    "reconstruction_error": "Image reconstruction",
    "l1": "Image translation",
    "bleu": "Translation",
    "exact_match": "Translation",
    "caption_scores": "Image captioning",
    "token_nll": "Language modeling",
    "random_window_nll": "Language modeling",
}
DATA = {  # data whose description in the catalog does not begin with a short name
    "cat": "cats of Quick, Draw!",
    "dates": "written dates",
    "facades": "CMP Facades",
    "jsb_chorales": "JSB Chorales",
    "names": "first names",
    "shapes": "shapes",
    "snowflakes": "snow crystals",
    "multi30k": "Multi30k",
    "multi30k_tokenized": "tokenized Multi30k",
}
BINARIZATIONS = {"dynamic": "dynamic binarization", "fixed": "fixed binarization"}


def summary(all_records: list[Record]) -> str:
    """One row for each number with a published counterpart, and one for each other record."""
    rows = []
    for record in sorted(all_records, key=lambda record: (heading(record), record["name"])):
        if not record.smoke:
            rows += _summary_rows(record)
    head = ("task and data", "recipe", "metric", "result", "floor or reference", "status")
    return table((*head, "seeds", "minutes"), rows)


def _summary_rows(record: Record) -> list[tuple]:
    """The rows of a record: of each metric with a reference of its protocol, or of the main one."""
    references = {
        metric: reference
        for metric, entry in record["metrics"].items()
        for reference in reversed(record["recipe"]["references"])
        if reference["protocol"] == entry["protocol"]
    }
    main = next(iter(record["metrics"]))
    rows = []
    for metric in references or [main]:
        entry = record["metrics"][metric]
        reference = references.get(metric)
        floor = f"floor {entry['floor']:.4g}" if "floor" in entry else ""
        status = "NO REFERENCE"
        if others := record["recipe"]["references"]:
            status = "OTHER PROTOCOL"
            floor = f"({others[0]['value']:g})"
        if reference:
            outcome = record_text.compare_to_reference(record, reference).lower()
            status = f"SAME PROTOCOL, {outcome}"
            floor = f"{reference['value']:g}"
        rows.append(
            (
                heading(record),
                f"`{record['name']}`",
                metric,
                _result(entry),
                floor,
                status,
                seeds(record),
                _minutes(record),
            )
        )
    return rows


def _result(entry: dict[str, Any]) -> str:
    """A value with its interval or error."""
    number = f"{entry['value']:.5g}"
    uncertainty = record_text.format_uncertainty(entry).partition(" (")[0]
    return f"{number} ({uncertainty})" if uncertainty else number


def seeds(record: Record) -> str:
    """The number of training seeds of a record, in words."""
    return "one seed" if record.num_seeds == 1 else f"{record.num_seeds} seeds"


def _minutes(record: Record) -> str:
    """The minutes of training, marked if they are those of one core."""
    minutes = f"{record['train_seconds'] / 60:.3g}"
    return f"{minutes} (one core)" if record["device"]["cores"] == 1 else minutes


def heading(record: Record) -> str:
    """Task and data of a record: "Image likelihood: MNIST, dynamic binarization"."""
    recipe = record["recipe"]
    main = next(iter(recipe.get("metrics", [])), {"name": next(iter(record["metrics"]))})
    task = TASKS.get(main["name"], main["name"])
    if recipe.get("model") == "captioning":
        task = TASKS["caption_scores"]
    text = recipe.get("text_config") or {}
    languages = text.get("languages")
    details = (
        _data_title(recipe.get("data") or "other data"),
        BINARIZATIONS.get(recipe.get("binarize", "")),
        f"{recipe['image_size']} pixels" if recipe.get("image_size") else None,
        " to ".join(languages) if languages else None,
    )
    return f"{task}: {', '.join(filter(None, details))}"


def _data_title(data: str) -> str:
    """The name of data for people."""
    name = Path(data).stem if "/" in data or "." in Path(data).name else data
    for known in (data, data.partition("/")[0], name):
        if known in DATA:
            return DATA[known]
        if known in catalog.CATALOG:
            return re.split(r"[:,(]", catalog.CATALOG[known].description)[0].strip()
    return name


def sections(all_records: list[Record]) -> list[str]:
    """The parts of the page: for each task and data a heading, for each protocol its tables."""
    parts = []
    groups: dict[str, dict[str, list[Record]]] = {}
    for record in all_records:
        groups.setdefault(heading(record), {}).setdefault(record["protocol"], []).append(record)
    for title, protocols in sorted(groups.items()):
        parts.append(f"## {title}\n")
        for protocol, group in sorted(protocols.items()):
            parts += [
                f"Protocol: {protocol}.\n",
                _ranking(group),
                _references(group),
                _differences(group),
                _validation(group),
            ]
    return parts


def _ranking(group: list[Record]) -> str:
    """Records of one protocol, the best first."""
    main = next(iter(group[0]["metrics"]))
    others = list(dict.fromkeys(key for r in group for key in r["metrics"] if key != main))
    better = "lower" if group[0]["metrics"][main]["lower_is_better"] else "higher"
    head = ("recipe", f"{main} ({better} is better)", "95 % interval", *others)
    rows = [
        (
            _title(record),
            value(record, main),
            record_text.format_uncertainty(record["metrics"][main]).partition(" (")[0],
            *(value(record, key) for key in others),
            seeds(record),
            record["epochs"],
            _minutes(record),
            device(record),
        )
        for record in records.rank(group, main)
    ]
    return table((*head, "seeds", "epochs", "minutes of training", "device"), rows)


def _title(record: Record) -> str:
    """A record's recipe and budget, and the reasons not to rely on it."""
    reasons = {"smoke": "only shows that it runs", "dirty": "made with uncommitted code"}
    listed = "; ".join(text for reason, text in reasons.items() if getattr(record, reason))
    return f"`{record['name']}` {record['budget']}" + (f" ({listed})" if listed else "")


def _references(group: list[Record]) -> str:
    """The values of seeds, published results and limitations, as a list."""
    lines = []
    for record in group:
        name = f"- `{record['name']}` {record['budget']}:"
        for metric, entry in record["metrics"].items():
            if entry.get("seeds") and metric == next(iter(record["metrics"])):
                lines.append(f"{name} {metric} of each seed: " + _listed(entry["seeds"]))
        lines += [
            f"{name} {record_text.format_reference(record, reference)}"
            for reference in record["recipe"]["references"] or [None]
        ]
    limitations = dict.fromkeys(record["recipe"]["limitations"] for record in group)
    return "\n".join([*lines, *(f"- {text}" for text in limitations if text)]) + "\n"


def _listed(values: list[float]) -> str:
    return ", ".join(f"{number:.5g}" for number in values)


def _differences(group: list[Record]) -> str:
    """Every model compared with the base of the same tag and budget, paired by image."""
    rows = []
    for record, base in itertools.product(group, group):
        tag = record["name"].partition(".")[2]
        is_base = base["name"] == f"{BASE}.{tag}" and base.smoke == record.smoke
        if record is base or not is_base:
            continue
        for metric, entry in record["metrics"].items():
            same = base["metrics"].get(metric, {}).get("protocol") == entry["protocol"]
            if same and entry.get("images") and entry.get("interval"):
                comparison = records.compare(record, base, metric)
                rows.append(
                    (
                        _title(record),
                        f"`{base['name']}`",
                        metric,
                        f"{comparison.difference:+.3g}",
                        "{:+.3g} to {:+.3g}".format(*comparison.interval),
                        f"{comparison.n:,}",
                        verdict(comparison.interval, entry["lower_is_better"]),
                    )
                )
    head = ("recipe", "compared with", "metric", "difference", "95 % interval", "images", "result")
    return f"Differences on the same images:\n\n{table(head, rows)}" if rows else ""


def _validation(group: list[Record]) -> str:
    """The validation metric after minutes of training, and the minutes to 1 % of its best value."""
    with_curve = [record for record in group if curves.curves_of(record)]
    if not with_curve:
        return ""
    last = max(curve["minutes"][-1] for r in with_curve for curve in curves.curves_of(r))
    columns = [minutes for minutes in MINUTES if minutes <= last]
    rows = []
    for record in with_curve:
        first = curves.curves_of(record)[0]
        lower = first["lower_is_better"]
        best = curves.best_value(record)
        near = best + abs(best) / 100 * (1 if lower else -1)
        after = [curves.value_after(record, minutes) for minutes in columns]
        minutes = curves.minutes_to(record, near)
        rows.append(
            (
                f"`{record['name']}` {record['budget']}",
                first["metric"],
                *("" if number is None else f"{number:.5g}" for number in after),
                f"{best:.5g}",
                "" if minutes is None else f"{minutes:.3g}",
            )
        )
    head = ("recipe", "metric", *(f"{minutes} min" for minutes in columns))
    text = "Time to target: the best validation metric in the first minutes of training steps, and"
    return (
        f"{text} the minutes until it was within 1 % of its best value:\n\n"
        f"{table((*head, 'best', 'minutes to 1 %'), rows)}"
    )
