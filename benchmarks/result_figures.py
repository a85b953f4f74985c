"""Pictures of reproduced models side by side, in docs/figures.

    python -m benchmarks.result_figures [NAME...]

Takes the models as `zoo reproduce` left them in runs/reproduce; a run that is not complete is gone
on with first.

    kmnist_d2, mnist_d2
                 the TFP introduction: characters and latent grid of both priors
    mmd          VAE and MMD-VAE: reconstructions, draws from the prior and from fitted codes
    gated        the likelihood net: draws under both priors, and the learned pseudo-inputs
    dcgan_mnist, dcgan_fashion_mnist, dcgan_quickdraw_cat
                 real images, generated ones, and the same noise over the epochs
    instance_dcgan_fashion_mnist
                 the same, and test images with drawings of their neighbourhoods
    pix2pix_facades_128
                 label maps, translations and photographs of the test split
    seq2seq_dates
                 where the translator looks while it writes a date
    seq2seq_multi30k_de_en, seq2seq_multi30k_de_en_additive, transformer_multi30k_de_en
                 the five best and five worst translations of short test sentences, by chrF, and
                 where the translator looked; below each what a person wrote
    captioning_shapes
                 where the captioner looks while it says what it sees
    finetuning   fine-tuned against from scratch, from the records of benchmarks.finetuning
"""

import argparse
import functools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from sacrebleu.metrics import CHRF

from zoo import figures, metrics, recipes
from zoo.cli import runs
from zoo.cli.load import load_model
from zoo.data import corpora
from zoo.recipes import records
from zoo.recipes import run as reproduction

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "figures"
SIDE = 560  # pixels of each picture
DATES = (
    "the 4th of July 2031",
    "7.3.65",
    "Σάββατο 1 Σεπτεμβρίου 2040",
    "mercredi 9 novembre 2044",
    "piątek, 12 maja 1978 r.",
    "Sonntag, den 30. März 2025",
)


def opened(name, budget="cpu-hour"):
    """(model with the weights that were evaluated, training data, test data) of a recipe."""
    recipe = recipes.get(name)
    kept = folder(name, budget) / "recipe.json"
    if kept.exists():  # its data may be a person's own
        recipe = replace(recipe, data=json.loads(kept.read_text())["data"])
    train, valid, test = recipe.splits(budget)
    data = reproduction.load_split(recipe, train, training=True)
    valid = valid and reproduction.load_split(recipe, valid)
    trainer, _ = reproduction.train_recipe(recipe, budget, folder(name, budget), data, valid)
    trainer.restore(select_best_epoch=recipe.select_best_epoch)
    with (
        trainer.averaged_weights() as model
    ):  # leave the averages in place: nothing is trained here
        weights = model.get_weights()
    model.set_weights(weights)
    return model, data, reproduction.load_split(recipe, test)


def folder(name, budget="cpu-hour"):
    """Where `zoo reproduce` left the run."""
    return runs.RUNS / "reproduce" / f"{name}-{budget}"


def introduction(data):
    """[(caption, picture)]"""
    pictures = []
    for name, prior in (("vae", "N(0, I)"), ("mixture_vae", "mixture of 16")):
        model, *_ = opened(f"{name}.{data}_d2")
        pictures.append((f"{prior}: samples", figures.samples(model, 100)))
        pictures.append((f"{prior}: latent grid", figures.latent_grid(model)))
    return pictures


def mmd():
    pictures = []
    for name in ("vae", "mmd_vae"):
        model, train, test = opened(f"{name}.mnist")
        density = metrics.fit_latent_density(model, train, num_components=10)
        fitted = model.decode(density.sample(100, seed=(0, 1)))
        again = figures.reconstructions(model, test.take(16)["image"])
        pictures.append((f"{name}: reconstructions", again))
        pictures.append((f"{name}: prior", figures.samples(model, 100)))
        pictures.append((f"{name}: density fitted to codes", figures.grid(fitted)))
    return pictures


def gated():
    vae, *_ = opened("vae.mnist_gated")
    vamp, *_ = opened("vamp_vae.mnist_gated")
    inputs = np.clip(vamp.latent_prior.pseudo_inputs, 0, 1)
    return [
        ("N(0, I): samples", figures.samples(vae, 100)),
        ("VampPrior: samples", figures.samples(vamp, 100)),
        ("100 of the pseudo-inputs", figures.grid(inputs[:100])),
    ]


def actors(name):
    model, _, test = opened(name)
    return [
        ("real images", figures.grid(test.take(64)["image"])),
        ("generated images", figures.samples(model)),
        (
            "the same noise at each epoch",
            figures.sample_series(folder(name) / "figures" / "samples"),
        ),
    ]


def neighbourhoods(name="instance_dcgan.fashion_mnist", each=7):
    model, _, test = opened(name)
    images = test.take(8)["image"]
    drawn = model.sample(8 * each, seed=0, reference=np.repeat(images, each, axis=0)).numpy()
    rows = np.concatenate([images[:, None], drawn.reshape(8, each, *images.shape[1:])], axis=1)
    like = figures.grid(rows.reshape(-1, *images.shape[1:]), columns=1 + each)
    return [*actors(name), ("test images, on the left, and drawings like them", like)]


def translations():
    model, _, test = opened("pix2pix.facades_128")
    batch = test.take(16)
    sides = {"label map": batch["source"], "photograph": batch["target"]}
    sides["translation"] = model.translate(batch["source"], seed=0)
    order = ("label map", "translation", "photograph")
    return [(f"{side}s", figures.grid(sides[side], columns=4)) for side in order]


def dates():
    model = load_model(str(folder("seq2seq.dates")))
    return [(text, figures.attention(model.attention_maps([text]))) for text in DATES]


def sentences(name, short=60, each=5):
    model = load_model(str(folder(name)))
    texts = corpora.load_pairs("multi30k", "test", languages=("de", "en")).texts
    pairs = zip(texts["source"], texts["target"], strict=True)
    sources, right = zip(*(pair for pair in pairs if len(pair[0]) < short), strict=True)
    said = model.translate(sources, num_beams=5)
    like = CHRF().sentence_score
    scores = [like(one, [other]).score for one, other in zip(said, right, strict=True)]
    order = np.argsort(scores, kind="stable")
    chosen = [*order[-each:], *order[:each]]
    return [
        (right[i], figures.attention(model.attention_maps([sources[i]], [said[i]]))) for i in chosen
    ]


def scenes():
    images = corpora.load_captions("shapes", "test").arrays["image"][:6]
    looks = load_model(str(folder("captioning.shapes"))).attention_maps(images)
    return [("", figures.caption_maps(images, looks))]


def gains():
    found = records.read_all(ROOT / records.RESULTS)
    return [("", gain(one)) for one in found if one["kind"] == "finetuning"]


def gain(record):
    """The curves of a record of fine-tuning: every way, with the interval of its difference."""
    figure, axes = figures.plot(SIDE, SIDE * 3 // 4)
    told, ways = record["metric"], {}
    for row in record["results"]:
        ways.setdefault(row["way"], []).append(row)
    for (way, rows), colour in zip(ways.items(), figures.PALETTE, strict=False):
        steps, values = ([row[key] for row in rows] for key in ("steps", "value"))
        half = [(row["interval"][1] - row["interval"][0]) / 2 for row in rows]
        axes.errorbar(steps, values, half, fmt="o-", color=colour, capsize=3, label=way)
    scratch = [row["scratch"] for row in rows]
    axes.plot(steps, scratch, "s--", color="#777777", label="from scratch")
    label = f"{told['metric']}, {told['unit']}"
    axes.set(title=record["name"], xlabel="steps", ylabel=label, xscale="log")
    axes.set_xticks(steps, [f"{count:,}" for count in steps], minor=False)
    axes.set_xticks([], minor=True)
    axes.legend(frameon=False)
    return figures.to_array(figure)


PICTURES = {
    "finetuning": gains,
    "mmd": mmd,
    "gated": gated,
    "instance_dcgan_fashion_mnist": neighbourhoods,
    "pix2pix_facades_128": translations,
    "seq2seq_dates": dates,
    "captioning_shapes": scenes,
}
PICTURES |= {f"{data}_d2": functools.partial(introduction, data) for data in ("kmnist", "mnist")}
PICTURES |= {
    name.replace(".", "_"): functools.partial(kind, name)
    for kind, pattern in ((actors, "dcgan.*"), (sentences, "*.multi30k_*"))
    for name in recipes.names(pattern)
}


def draw(name, path):
    """Writes the pictures of a name beside each other, as many in a row as belong together."""
    captions, pictures = zip(*PICTURES[name](), strict=True)
    if len(pictures) == 1:
        figures.save(path, pictures[0])
        return
    tiles = [ImageOps.pad(Image.fromarray(p), (SIDE, SIDE), color="white") for p in pictures]
    columns = 3 if len(tiles) % 3 == 0 else 2
    figures.grid(
        np.stack([np.asarray(tile) for tile in tiles]),
        columns=columns,
        padding=10,
        scale=1,
        captions=captions,
        path=path,
    )


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.result_figures", description=__doc__
    )
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*PICTURES, []])
    for name in parser.parse_args(arguments).names or PICTURES:
        draw(name, FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
