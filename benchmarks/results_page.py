"""Writes the results page, docs/results.md, from the records only.

python -m benchmarks.results_page            write the page
python -m benchmarks.results_page --check    exit with 1 if the page differs from the records
"""

import argparse
import itertools
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from zoo.recipes import records
from zoo.recipes.records import Record

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "results.md"
FIGURES = {  # file -> caption
    "gated.png": "Samples of the gated networks with both priors, and some trained pseudo-inputs.",
    "kmnist_d2.png": "The experiment of the TFP introduction: random characters and latent grid.",
    "mnist_d2.png": "The same on MNIST.",
    "mmd.png": "VAE and MMD-VAE with the same networks.",
    "deligan_mnist.png": "DeLiGAN: test images, generated images, and fixed noise over the epochs.",
    "dcgan_fashion_mnist.png": "The same by dcgan on Fashion-MNIST.",
    "dcgan_quickdraw_cat.png": "The same on the cats of Quick, Draw!",
    "instance_dcgan_fashion_mnist.png": "The same clothes by instance_dcgan, and some conditioned"
    " on a given image.",
    "pix2pix_facades_128.png": "pix2pix: label maps, generated facades, and photographs.",
    "seq2seq_dates.png": "Attention of seq2seq: input characters (columns) for each character of a"
    " date (rows).",
    "seq2seq_multi30k_de_en.png": "The five best and five worst translations of short sentences:"
    " generated words (rows), attention to source words (columns), and the reference below.",
    "seq2seq_multi30k_de_en_additive.png": "The same with Bahdanau's attention.",
    "transformer_multi30k_de_en.png": "The same by the Transformer: attention is a mean over heads"
    " and layers.",
    "captioning_shapes.png": "Attention of captioning in a scene, word by word.",
    "finetuning.png": "Fine-tuned and from scratch, over the steps; bars are the intervals of the"
    " differences.",
    "style.jpg": "Style transfer: content, style, and the results of both optimizers.",
    "style_losses.png": "Losses over iterations and over evaluations.",
}
BASE = "vae"  # the model that others of the same tag are compared with
HEAD = """\
<!-- Made by `python -m benchmarks.results_page` from benchmarks/results. Never edit it by hand. -->

# Results

Every number on this page comes from a record in `benchmarks/results`, which has the full recipe,
the environment and the values of single images; [Reproducing](reproducing.md) explains how to
reproduce it. All numbers in a table have one protocol, which is given above the table. Numbers in
different tables are not comparable.
"""


def render(all_records: list[Record]) -> str:
    """The page as Markdown text."""
    kinds = {kind: [r for r in all_records if r["kind"] == kind] for kind in records.KINDS}
    parts = [HEAD]
    if not all_records:
        parts.append("There are no records yet.\n")
    for protocol in sorted({record["protocol"] for record in kinds["reproduction"]}):
        group = [record for record in kinds["reproduction"] if record["protocol"] == protocol]
        parts += [
            f"## {_heading(group)}\n",
            f"Protocol: {protocol}.\n",
            _ranking(group),
            _references(group),
            _differences(group),
        ]
    parts += [
        f"![{caption}](figures/{file})\n\n{caption}\n"
        for file, caption in FIGURES.items()
        if (PAGE.parent / "figures" / file).exists()
    ]
    for kind, heading, section in (
        ("metric_sensitivity", "Sensitivity of the Frechet distance", _sensitivity),
        ("finetuning", "Fine-tuning", _finetuning),
        ("style_transfer", "Style transfer", _style_transfer),
        ("speed", "Speed", _speed),
    ):
        if kinds[kind]:
            parts += [f"## {heading}\n", *map(section, kinds[kind])]
    return "\n".join(part for part in parts if part)


def _heading(group):
    """Data set and main metric of records of one protocol."""
    data = Path(group[0]["recipe"].get("data", group[0]["name"])).stem
    splits = group[0]["recipe"]
    subset = f" {splits['test']}" if splits.get("test", "test") != "test" else ""
    return f"{data}{subset}: {next(iter(group[0]['metrics']))}"


def _ranking(group):
    """Records of one protocol, the best first."""
    main = next(iter(group[0]["metrics"]))
    others = list(dict.fromkeys(key for r in group for key in r["metrics"] if key != main))
    better = "lower" if group[0]["metrics"][main]["lower_is_better"] else "higher"
    head = ("recipe", f"{main} ({better} is better)", "95 % interval", *others)
    rows = [
        (
            _title(record),
            _value(record, main),
            records.format_uncertainty(record["metrics"][main]),
            *(_value(record, key) for key in others),
            record["epochs"],
            f"{record['train_seconds'] / 60:.3g}",
            _device(record),
        )
        for record in records.rank(group, main)
    ]
    return _table((*head, "epochs", "minutes of training", "device"), rows)


def _title(record):
    """A record's recipe and budget, and the reasons not to rely on it."""
    reasons = {"smoke": "only shows that it runs", "dirty": "made with uncommitted code"}
    listed = "; ".join(text for reason, text in reasons.items() if getattr(record, reason))
    return f"`{record['name']}` {record['budget']}" + (f" ({listed})" if listed else "")


def _references(group):
    """Published results and limitations, as a list."""
    lines = [
        f"- `{record['name']}` {record['budget']}: {records.format_reference(record, reference)}"
        for record in group
        for reference in record["recipe"]["references"] or [None]
    ]
    limitations = dict.fromkeys(record["recipe"]["limitations"] for record in group)
    return "\n".join([*lines, *(f"- {text}" for text in limitations if text)]) + "\n"


def _differences(group):
    """Every model compared with the base of the same tag and budget, paired by image."""
    rows = []
    for record, base in itertools.product(group, group):
        tag = record["name"].partition(".")[2]
        is_base = base["name"] == f"{BASE}.{tag}" and base["budget"] == record["budget"]
        if record is base or not is_base:
            continue
        for metric, entry in record["metrics"].items():
            same = base["metrics"].get(metric, {}).get("protocol") == entry["protocol"]
            if same and entry.get("interval"):
                comparison = records.compare(record, base, metric)
                rows.append(
                    (
                        _title(record),
                        f"`{base['name']}`",
                        metric,
                        f"{comparison.difference:+.3g}",
                        "{:+.3g} to {:+.3g}".format(*comparison.interval),
                        f"{comparison.n:,}",
                        _verdict(comparison.interval, entry["lower_is_better"]),
                    )
                )
    head = ("recipe", "compared with", "metric", "difference", "95 % interval", "images", "result")
    return f"Differences on the same images:\n\n{_table(head, rows)}" if rows else ""


def _verdict(interval, lower_is_better):
    low, high = interval
    if low <= 0 <= high:
        return "no difference shown"
    return "better" if (high < 0) == lower_is_better else "worse"


def _speed(record):
    """The variants of each model in a speed record."""
    head = ("variant", "ratio", "range", "ms per step", "examples per second")
    parts = [record["protocol"] + "\n"]
    for model, variants in record["results"].items():
        rows = [
            (
                variant,
                f"{row['ratio']:.2f}",
                "{:.2f} to {:.2f}".format(*row["ratio_range"]),
                f"{row['ms_per_step']:.1f}",
                f"{1000 * record['settings']['batch_size'] / row['ms_per_step']:.0f}",
            )
            for variant, row in variants.items()
        ]
        parts += [f"`{model}`{_uncommitted(record)}, {_device(record)}:\n", _table(head, rows)]
    return "\n".join(parts)


def _finetuning(record):
    """Every method compared with training from scratch, at each number of steps."""
    metric = record["metric"]
    better = "lower" if metric["lower_is_better"] else "higher"
    column = f"{metric['name']} ({metric['unit']}, {better} is better)"
    head = ("method", "steps", column, "from scratch", "difference", "95 % interval", "result")
    rows = [
        (
            row["method"],
            f"{row['steps']:,}",
            f"{row['value']:.5g}",
            f"{row['from_scratch']:.5g}",
            f"{row['difference']:+.3g}",
            "{:+.3g} to {:+.3g}".format(*row["interval"]),
            _verdict(row["interval"], metric["lower_is_better"]),
        )
        for row in record["results"]
    ]
    name, minutes = record["source"]["name"], record["seconds"] / 60
    experiment = f"`{record['name']}` {record['budget']}, from `{name}`{_uncommitted(record)}"
    line = f"{experiment}; {minutes:.3g} minutes, {_device(record)}:\n"
    return "\n".join([f"{record['protocol']}.\n", line, _table(head, rows)])


def _style_transfer(record):
    """Both optimizers on each pair of a style transfer record."""
    head = ("content x style", "optimizer", "loss", "after", "evaluations", "minutes")
    rows = [
        (
            pair,
            optimizer,
            f"{result['loss']:.5g}",
            f"{result['step']:,} steps",
            f"{result['evaluations']:,}",
            f"{result['seconds'] / 60:.3g}",
        )
        for pair, optimizers in record["results"].items()
        for optimizer, result in optimizers.items()
    ]
    network = record["settings"]["network"]
    line = f"Network: `{network}`{_uncommitted(record)}, {_device(record)}."
    return "\n".join([record["protocol"] + "\n", line + "\n", _table(head, rows)])


def _sensitivity(record):
    """The metrics of real images that were altered."""
    head = ("real images", "extractor", "frechet", "precision", "recall")
    rows = [
        (alteration, f"`{extractor}`", *(f"{value:.3g}" for value in values.values()))
        for extractor, alterations in record["results"].items()
        for alteration, values in alterations.items()
    ]
    return "\n".join([record["protocol"] + "\n", _table(head, rows)])


def _uncommitted(record):
    return " (made with uncommitted code)" if record.dirty else ""


def _device(record):
    return "{cores} x {cpu}".format(**record["device"])


def _value(record, metric):
    entry = record["metrics"].get(metric)
    return records.format_value(entry) if entry else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.results_page", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if stale")
    check = parser.parse_args(arguments).check
    page = render(records.read_all(ROOT / records.RESULTS))
    if not check:
        PAGE.write_text(page)
    elif not PAGE.exists() or PAGE.read_text() != page:
        sys.exit(f"{PAGE} differs from the records: run python -m benchmarks.results_page")


if __name__ == "__main__":
    main()
