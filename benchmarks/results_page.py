"""Writes the results page, docs/results.md, from the records only.

python -m benchmarks.results_page            write the page
python -m benchmarks.results_page --check    exit with 1 if the page differs from the records
"""

import argparse
import sys
from pathlib import Path

from benchmarks import other_sections, recipe_sections
from zoo.recipes import records
from zoo.recipes.records import Record

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "results.md"
FIGURES = {  # file -> caption
    "gated.png": "Samples of the gated networks with both priors, and some trained pseudo-inputs.",
    "kmnist_d2.png": "The TFP introduction's experiment: generated characters and latent grid.",
    "mnist_d2.png": "The same on MNIST.",
    "mmd.png": "VAE and MMD-VAE with the same networks.",
    "deligan_mnist.png": "DeLiGAN: test images, generated images, and fixed noise over the epochs.",
    "dcgan_fashion_mnist.png": "The same for dcgan on Fashion-MNIST.",
    "dcgan_quickdraw_cat.png": "The same for dcgan on the cats of Quick, Draw!",
    "instance_dcgan_fashion_mnist.png": "The same for instance_dcgan on Fashion-MNIST, and samples"
    " conditioned on a given image.",
    "flow_matching_mnist.png": "Flow matching: test images, generated images, and the film from"
    " noise to image.",
    "gpt_jsb_chorales.png": "A generated chorale: the pitch of each voice over quarter notes.",
    "pix2pix_facades_128.png": "pix2pix: label maps, generated facades, and photographs.",
    "seq2seq_dates.png": "Attention of seq2seq: input characters (columns) for each character of a"
    " date (rows).",
    "seq2seq_multi30k_de_en.png": "The five best and five worst translations of short sentences:"
    " generated words (rows), attention to source words (columns), and the reference below.",
    "seq2seq_multi30k_de_en_additive.png": "The same with Bahdanau's attention.",
    "transformer_multi30k_de_en.png": "The same for the Transformer; attention weights are means"
    " over heads and layers.",
    "captioning_shapes.png": "Attention maps of captioning for a scene, word by word.",
    "finetuning.png": "Fine-tuning compared with training from scratch, over the steps; bars are"
    " intervals of the differences.",
    "style.jpg": "Style transfer: content, style, and the results of both optimizers.",
    "style_losses.png": "Losses over iterations and over evaluations.",
}
HEAD = """\
<!-- Made by `python -m benchmarks.results_page` from benchmarks/results. Never edit it by hand. -->

# Results

Every number on this page comes from a record in `benchmarks/results`, which has the full recipe,
the environment and the values of single images; [Reproducing](reproducing.md) explains how to
reproduce it. All numbers in a table have the same protocol, which is given above the table.
Numbers in different tables are not comparable.
"""
SUMMARY = """\
## Summary

The main metric of each recipe. SAME PROTOCOL: the published number has the same protocol, and the
status shows whether it is within the interval. OTHER PROTOCOL: published numbers, of which one is
in parentheses, differ in data, splits, preprocessing or metric. With several seeds, the interval is
that of their mean; with one seed, it covers the choice of test examples only. A floor is the
metric of real images. Minutes are the time of one training run, including validation.
"""


def render(all_records: list[Record]) -> str:
    """The page as Markdown text."""
    kinds = {kind: [r for r in all_records if r["kind"] == kind] for kind in records.KINDS}
    parts = [HEAD]
    if not all_records:
        parts.append("There are no records yet.\n")
    if kinds["reproduction"]:
        parts += [SUMMARY, recipe_sections.summary(kinds["reproduction"])]
        parts += recipe_sections.sections(kinds["reproduction"])
    parts += [
        f"![{caption}](figures/{file})\n\n{caption}\n"
        for file, caption in FIGURES.items()
        if (PAGE.parent / "figures" / file).exists()
    ]
    for kind, heading, section in (
        (
            "metric_sensitivity",
            "Sensitivity of the Frechet distance",
            other_sections.sensitivity,
        ),
        ("finetuning", "Fine-tuning", other_sections.finetuning),
        ("style_transfer", "Style transfer", other_sections.style_transfer),
        ("speed", "Speed", other_sections.speed),
    ):
        if kinds[kind]:
            parts += [f"## {heading}\n", *map(section, kinds[kind])]
    return "\n".join(part for part in parts if part)


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
