"""The page of results, docs/results.md, made from the records and from nothing else.

python -m benchmarks.results_page            write the page
python -m benchmarks.results_page --check    exit with 1 if the page is not what the records say
"""

import argparse
import itertools
import sys
from pathlib import Path

from zoo.recipes import records

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "results.md"
PICTURES = {  # file -> what there is to see
    "gated.png": "Draws under both priors of the gated networks, and what some pseudo-inputs"
    " became.",
    "kmnist_d2.png": "The experiment of the TFP introduction: random characters and latent grid.",
    "mnist_d2.png": "The same on MNIST.",
    "mmd.png": "VAE and MMD-VAE on the same networks.",
    "dcgan_mnist.png": "DCGAN: test images, generated ones, and the same noise over the epochs.",
    "dcgan_fashion_mnist.png": "The same on Fashion-MNIST.",
    "dcgan_quickdraw_cat.png": "The same on the cats of Quick, Draw!",
    "instance_dcgan_fashion_mnist.png": "The same clothes by instance_dcgan, and some like a given"
    " one.",
    "pix2pix_facades_128.png": "pix2pix: label maps, what it makes of them, and the photographs.",
    "seq2seq_dates.png": "Where seq2seq looks (columns) for each letter of a date (rows).",
    "seq2seq_multi30k_de_en.png": "The five best and five worst translations of short sentences:"
    " what was said (rows), where it looked (columns), and below what a person wrote.",
    "seq2seq_multi30k_de_en_additive.png": "The same by Bahdanau's attention.",
    "transformer_multi30k_de_en.png": "The same by the Transformer: where it looked is a mean over"
    " its heads and layers.",
    "captioning_shapes.png": "Where captioning looks in a scene, word by word.",
    "finetuning.png": "Fine-tuned and from scratch, over the steps; bars are the intervals of the"
    " differences.",
    "style.jpg": "Style transfer: content, style, and what either optimizer paints.",
    "style_losses.png": "The loss on its way down, over iterations and over evaluations.",
}
BASE = "vae"  # the model that all others of the same tag are compared with
HEAD = """\
<!-- Made by `python -m benchmarks.results_page` from benchmarks/results. Never edit it by hand. -->

# Results

Every number here comes from a record in `benchmarks/results`, which holds the full recipe, the
circumstances and the values of single images; [Reproducing](reproducing.md) says how to get it
again. A table holds numbers of one protocol only: the line above it. Numbers of different tables
cannot be compared.
"""


def render(found):
    """The page as text, from a list of records."""
    kinds = {kind: [one for one in found if one["kind"] == kind] for kind in records.KINDS}
    parts = [HEAD]
    if not found:
        parts.append("There are no records yet.\n")
    for protocol in sorted({one["protocol"] for one in kinds["reproduction"]}):
        group = [one for one in kinds["reproduction"] if one["protocol"] == protocol]
        parts += [f"## {protocol}\n", ranking(group), beside(group), differences(group)]
    parts += [
        f"![{caption}](figures/{file})\n\n{caption}\n"
        for file, caption in PICTURES.items()
        if (PAGE.parent / "figures" / file).exists()
    ]
    if kinds["yardstick"]:
        parts.append("## What a Frechet distance means\n")
        parts += [yardstick(one) for one in kinds["yardstick"]]
    if kinds["finetuning"]:
        parts.append("## Fine-tuning\n")
        parts += [finetuning(one) for one in kinds["finetuning"]]
    if kinds["style"]:
        parts.append("## Style transfer\n")
        parts += [style(one) for one in kinds["style"]]
    if kinds["speed"]:
        parts.append("## Speed\n")
        parts += [speed(one) for one in kinds["speed"]]
    return "\n".join(part for part in parts if part)


def ranking(group):
    """Records of one protocol, the best first."""
    main = next(iter(group[0]["metrics"]))
    others = list(dict.fromkeys(key for one in group for key in one["metrics"] if key != main))
    better = "lower" if group[0]["metrics"][main]["lower_is_better"] else "higher"
    head = ("recipe", f"{main} ({better} is better)", "95 % interval", *others)
    rows = [
        (
            title(one),
            number(one, main),
            records.certainty(one["metrics"][main]),
            *(number(one, key) for key in others),
            one["epochs"],
            f"{one['train_seconds'] / 60:.3g}",
            machine(one),
        )
        for one in records.rank(group, main)
    ]
    return table((*head, "epochs", "minutes of training", "machine"), rows)


def title(record):
    """A record's recipe and budget, and why not to rely on it."""
    doubts = {"smoke": "only shows that it runs", "dirty": "made with uncommitted code"}
    found = "; ".join(told for doubt, told in doubts.items() if getattr(record, doubt))
    return f"`{record['name']}` {record['budget']}" + (f" ({found})" if found else "")


def beside(group):
    """What has been published beside the records."""
    lines = [
        f"- `{one['name']}` {one['budget']}: {records.beside(one, reference)}"
        for one in group
        for reference in one["recipe"]["references"] or [None]
    ]
    limits = dict.fromkeys(one["recipe"]["limits"] for one in group if one["recipe"]["limits"])
    return "\n".join([*lines, *(f"- {limit}" for limit in limits)]) + "\n"


def differences(group):
    """Every model against the base with the same tag and budget, image by image."""
    rows = []
    for one, base in itertools.product(group, group):
        tag = one["name"].partition(".")[2]
        if one is base or base["name"] != f"{BASE}.{tag}" or base["budget"] != one["budget"]:
            continue
        for metric, number in one["metrics"].items():
            same = base["metrics"].get(metric, {}).get("protocol") == number["protocol"]
            if same and number.get("interval"):
                found = records.paired(one, base, metric)
                rows.append(
                    (
                        title(one),
                        f"`{base['name']}`",
                        metric,
                        f"{found.difference:+.3g}",
                        "{:+.3g} to {:+.3g}".format(*found.interval),
                        f"{found.n:,}",
                        verdict(found.interval, number["lower_is_better"]),
                    )
                )
    head = ("recipe", "against", "metric", "difference", "95 % interval", "images", "it is")
    return f"Differences on the same images:\n\n{table(head, rows)}" if rows else ""


def verdict(interval, lower_is_better):
    low, high = interval
    if low <= 0 <= high:
        return "no difference shown"
    return "better" if (high < 0) == lower_is_better else "worse"


def speed(record):
    """The variants of each model of a speed record."""
    head = ("variant", "ratio", "range", "ms a step", "examples a second")
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
        parts += [f"`{model}`{doubt(record)}, {machine(record)}:\n", table(head, rows)]
    return "\n".join(parts)


def finetuning(record):
    """Every way against fresh weights, at each number of steps, of a record of fine-tuning."""
    told = record["metric"]
    better = "lower" if told["lower_is_better"] else "higher"
    metric = f"{told['metric']} ({told['unit']}, {better} is better)"
    head = ("way", "steps", metric, "from scratch", "difference", "95 % interval", "it is")
    rows = [
        (
            row["way"],
            f"{row['steps']:,}",
            f"{row['value']:.5g}",
            f"{row['scratch']:.5g}",
            f"{row['difference']:+.3g}",
            "{:+.3g} to {:+.3g}".format(*row["interval"]),
            verdict(row["interval"], told["lower_is_better"]),
        )
        for row in record["results"]
    ]
    name, minutes = record["source"]["name"], record["seconds"] / 60
    made = f"`{record['name']}` {record['budget']}, from `{name}`{doubt(record)}"
    line = f"{made}; {minutes:.3g} minutes, {machine(record)}:\n"
    return "\n".join([f"{record['protocol']}.\n", line, table(head, rows)])


def style(record):
    """Both ways down of each pair of a style record, side by side."""
    head = ("content x style", "by", "loss", "after", "evaluations", "minutes")
    rows = [
        (
            pair,
            optimizer,
            f"{found['loss']:.5g}",
            f"{found['step']:,} steps",
            f"{found['evaluations']:,}",
            f"{found['seconds'] / 60:.3g}",
        )
        for pair, ways in record["results"].items()
        for optimizer, found in ways.items()
    ]
    network = f"Features: `{record['settings']['features']}`{doubt(record)}, {machine(record)}."
    return "\n".join([record["protocol"] + "\n", network + "\n", table(head, rows)])


def yardstick(record):
    """What a network says of real images that were altered."""
    head = ("real images", "extractor", "frechet", "precision", "recall")
    rows = [
        (alteration, f"`{extractor}`", *(f"{value:.3g}" for value in said.values()))
        for extractor, alterations in record["results"].items()
        for alteration, said in alterations.items()
    ]
    return "\n".join([record["protocol"] + "\n", table(head, rows)])


def doubt(record):
    return " (made with uncommitted code)" if record.dirty else ""


def machine(record):
    return "{cores} x {cpu}".format(**record["device"])


def number(record, metric):
    one = record["metrics"].get(metric)
    return records.written(one) if one else ""


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.results_page", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if stale")
    check = parser.parse_args(arguments).check
    page = render(records.all(ROOT / records.RESULTS))
    if not check:
        PAGE.write_text(page)
    elif not PAGE.exists() or PAGE.read_text() != page:
        sys.exit(
            f"{PAGE} is not what the records say: python -m benchmarks.results_page writes it anew"
        )


if __name__ == "__main__":
    main()
