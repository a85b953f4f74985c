"""Figures of reproduced models, in docs/figures.

    python -m benchmarks.result_figures [NAME...]

Uses the runs of `zoo reproduce` in runs/reproduce; an unfinished run is resumed first.

    kmnist_d2, mnist_d2
                 the TFP introduction: samples and latent grid of both priors
    mmd          VAE and MMD-VAE: reconstructions, samples of the prior and of fitted codes
    gated        gated networks: samples with both priors, and the trained pseudo-inputs
    deligan_mnist, dcgan_fashion_mnist, dcgan_quickdraw_cat
                 real images, generated images, and fixed noise over the epochs
    instance_dcgan_fashion_mnist
                 the same, and images conditioned on test images
    flow_matching_mnist
                 real images, generated images, and the film from noise to image
    gpt_jsb_chorales
                 the piano roll of a generated chorale
    pix2pix_facades_128
                 label maps, translations and photographs of the test split
    seq2seq_dates
                 attention while translating dates
    seq2seq_multi30k_de_en, seq2seq_multi30k_de_en_additive, transformer_multi30k_de_en
                 the five best and five worst translations of short test sentences, by chrF, with
                 their attention, and the reference below each
    captioning_shapes
                 attention while captioning
    finetuning   fine-tuned and from scratch, from the records of benchmarks.finetuning
"""

import argparse
import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from sacrebleu.metrics import CHRF

import zoo
from zoo import figures, metrics, music, recipes
from zoo.data import corpora
from zoo.recipes import records
from zoo.training import run_folder as run_folders
from zoo.training.run_training import locked, prepare_run, train_run
from zoo.training.workdir import RUNS

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "figures"
SIDE = 560  # pixels of each panel
Panels = list[tuple[str, np.ndarray]]  # (caption, image)
DATES = (
    "the 4th of July 2031",
    "7.3.65",
    "Σάββατο 1 Σεπτεμβρίου 2040",
    "mercredi 9 novembre 2044",
    "piątek, 12 maja 1978 r.",
    "Sonntag, den 30. März 2025",
)


def load_run(name: str) -> tuple[Any, Any, Any]:
    """(model with the evaluated weights, training data, test data) of a recipe."""
    recipe = recipes.get(name)
    budget = recipe.default_budget
    folder = run_folder(name)
    config = recipe.run_config(budget)
    if folder.exists():  # its data may be a path
        config = replace(config, data=run_folders.read(folder).config.data)
    prepared = prepare_run(config, folder, zoo.load)
    with locked(prepared):
        train_run(prepared, f"zoo reproduce {name} --budget {budget}")
    return zoo.load(folder), prepared.train, prepared.test


def run_folder(name: str) -> Path:
    """The folder of the run of `zoo reproduce`."""
    return RUNS / "reproduce" / f"{name}-{recipes.get(name).default_budget}"


def tfp_introduction(data: str) -> Panels:
    """Both priors of the TFP introduction."""
    panels = []
    for name, prior in (("vae", "N(0, I)"), ("mixture_vae", "mixture of 16")):
        model, *_ = load_run(f"{name}.{data}_d2")
        panels.append((f"{prior}: samples", figures.samples(model, 100)))
        panels.append((f"{prior}: latent grid", figures.latent_grid(model)))
    return panels


def mmd() -> Panels:
    panels = []
    for name in ("vae", "mmd_vae"):
        model, train, test = load_run(f"{name}.mnist")
        density = metrics.fit_latent_density(model, train, num_components=10)
        fitted = model.decode(density.sample(100, seed=(0, 1)))
        reconstructions = figures.reconstructions(model, test.take(16)["image"])
        panels.append((f"{name}: reconstructions", reconstructions))
        panels.append((f"{name}: prior", figures.samples(model, 100)))
        panels.append((f"{name}: density fitted to codes", figures.grid(fitted)))
    return panels


def gated() -> Panels:
    vae, *_ = load_run("vae.mnist_gated")
    vamp, *_ = load_run("vamp_vae.mnist_gated")
    inputs = np.clip(vamp.latent_prior.pseudo_inputs, 0, 1)
    return [
        ("N(0, I): samples", figures.samples(vae, 100)),
        ("VampPrior: samples", figures.samples(vamp, 100)),
        ("100 of the pseudo-inputs", figures.grid(inputs[:100])),
    ]


def gan_samples(name: str) -> Panels:
    model, _, test = load_run(name)
    return [
        ("real images", figures.grid(test.take(64)["image"])),
        ("generated images", figures.samples(model)),
        (
            "fixed noise at each epoch",
            figures.sample_series(run_folder(name) / "figures" / "samples"),
        ),
    ]


def conditioned_samples(name: str = "instance_dcgan.fashion_mnist", each: int = 7) -> Panels:
    model, _, test = load_run(name)
    images = test.take(8)["image"]
    samples = model.sample(8 * each, seed=0, reference=np.repeat(images, each, axis=0)).numpy()
    rows = np.concatenate([images[:, None], samples.reshape(8, each, *images.shape[1:])], axis=1)
    grid = figures.grid(rows.reshape(-1, *images.shape[1:]), columns=1 + each)
    return [*gan_samples(name), ("test images, on the left, and samples conditioned on them", grid)]


def flow_samples(name: str) -> Panels:
    model, _, test = load_run(name)
    return [
        ("real images", figures.grid(test.take(64)["image"])),
        ("generated images", figures.samples(model)),
        ("from noise to image", figures.film(model, 8, frames=8)),
    ]


def chorale() -> Panels:
    model, *_ = load_run("gpt.jsb_chorales")
    (text,) = model.generate([""], max_length=8 * model.context_length, seed=1)
    return [("", figures.piano_roll(music.parse_frames(text)))]


def facades() -> Panels:
    model, _, test = load_run("pix2pix.facades_128")
    batch = test.take(16)
    sides = {"label map": batch["source"], "photograph": batch["target"]}
    sides["translation"] = model.translate(batch["source"], seed=0)
    order = ("label map", "translation", "photograph")
    return [(f"{side}s", figures.grid(sides[side], columns=4)) for side in order]


def dates() -> Panels:
    model = zoo.load(run_folder("seq2seq.dates"))
    return [(text, figures.attention(model.attention_maps([text]))) for text in DATES]


def translations(name: str, short: int = 60, each: int = 5) -> Panels:
    model = zoo.load(run_folder(name))
    texts = corpora.load_pairs("multi30k", "test", languages=("de", "en")).texts
    pairs = zip(texts["source"], texts["target"], strict=True)
    sources, references = zip(*(pair for pair in pairs if len(pair[0]) < short), strict=True)
    generated = model.translate(sources, num_beams=5)
    chrf = CHRF().sentence_score
    scores = [chrf(a, [b]).score for a, b in zip(generated, references, strict=True)]
    order = np.argsort(scores, kind="stable")
    return [
        (references[i], figures.attention(model.attention_maps([sources[i]], [generated[i]])))
        for i in [*order[-each:], *order[:each]]
    ]


def scenes() -> Panels:
    images = corpora.load_captions("shapes", "test").arrays["image"][:6]
    maps = zoo.load(run_folder("captioning.shapes")).attention_maps(images)
    return [("", figures.caption_maps(images, maps))]


def finetuning() -> Panels:
    all_records = records.read_all(ROOT / records.RESULTS)
    return [("", plot_finetuning(r)) for r in all_records if r["kind"] == "finetuning"]


def plot_finetuning(record: records.Record) -> np.ndarray:
    """The curves of a fine-tuning record: every method, with the interval of its difference."""
    figure, axes = figures.plot(SIDE, SIDE * 3 // 4)
    metric, methods = record["metric"], {}
    for row in record["results"]:
        methods.setdefault(row["method"], []).append(row)
    for (method, rows), color in zip(methods.items(), figures.PALETTE, strict=False):
        steps, values = ([row[key] for row in rows] for key in ("steps", "value"))
        half = [(row["interval"][1] - row["interval"][0]) / 2 for row in rows]
        axes.errorbar(steps, values, half, fmt="o-", color=color, capsize=3, label=method)
    from_scratch = [row["from_scratch"] for row in rows]
    axes.plot(steps, from_scratch, "s--", color="#777777", label="from scratch")
    label = f"{metric['name']}, {metric['unit']}"
    axes.set(title=record["name"], xlabel="steps", ylabel=label, xscale="log")
    axes.set_xticks(steps, [f"{count:,}" for count in steps], minor=False)
    axes.set_xticks([], minor=True)
    axes.legend(frameon=False)
    return figures.to_array(figure)


FIGURES: dict[str, Callable[[], Panels]] = {
    "finetuning": finetuning,
    "mmd": mmd,
    "gated": gated,
    "instance_dcgan_fashion_mnist": conditioned_samples,
    "flow_matching_mnist": functools.partial(flow_samples, "flow_matching.mnist"),
    "gpt_jsb_chorales": chorale,
    "pix2pix_facades_128": facades,
    "seq2seq_dates": dates,
    "captioning_shapes": scenes,
}
FIGURES |= {f"{data}_d2": functools.partial(tfp_introduction, data) for data in ("kmnist", "mnist")}
FIGURES |= {
    name.replace(".", "_"): functools.partial(make, name)
    for make, pattern in ((gan_samples, "d*gan.*"), (translations, "*.multi30k_*"))
    for name in recipes.names(pattern)
}


def write_figure(name: str, path: Path) -> None:
    """Writes the panels of a figure as a grid."""
    captions, images = zip(*FIGURES[name](), strict=True)
    if len(images) == 1:
        figures.save(path, images[0])
        return
    tiles = [ImageOps.pad(Image.fromarray(p), (SIDE, SIDE), color="white") for p in images]
    columns = 3 if len(tiles) % 3 == 0 else 2
    figures.grid(
        np.stack([np.asarray(tile) for tile in tiles]),
        columns=columns,
        padding=10,
        scale=1,
        captions=captions,
        path=path,
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.result_figures", description=__doc__
    )
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*FIGURES, []])
    for name in parser.parse_args(arguments).names or FIGURES:
        write_figure(name, FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
