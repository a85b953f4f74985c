"""The list of models: paper, a measured result, preset, card, and the paper beside the code."""

import json
from typing import Any

from docs.generators.sources import ROOT, title_of_paper

RESULTS = ROOT / "benchmarks" / "results"
# Model -> the recipe whose main metric stands for it.
HEADLINES = {
    "vae": "vae.mnist_gated",
    "vamp_vae": "vamp_vae.mnist_gated",
    "mixture_vae": "mixture_vae.kmnist_d40",
    "flow_vae": "flow_vae.kmnist_d40",
    "mmd_vae": "mmd_vae.mnist",
    "dcgan": "dcgan.fashion_mnist",
    "deligan": "deligan.mnist",
    "instance_dcgan": "instance_dcgan.fashion_mnist",
    "pix2pix": "pix2pix.facades_128",
    "seq2seq": "seq2seq.multi30k_de_en",
    "transformer": "transformer.multi30k_de_en",
    "captioning": "captioning.flickr8k",
    "gpt": "gpt.tiny_shakespeare",
    "rnn_language_model": "rnn_language_model.tiny_shakespeare",
    "flow_matching": "flow_matching.mnist",
}
# Metric -> the words of the table, with the value in place of {}.
METRICS = {
    "iwae_5000": "{} nats (IWAE-5000)",
    "iwae_200": "{} nats (IWAE-200)",
    "reconstruction_error": "squared error {}",
    "frechet": "Frechet distance {}",
    "l1": "L1 distance {}",
    "token_nll_stride_32": "{} nats per character",
    "bleu_13a_beam5": "BLEU {}",
    "coco_BLEU-4_beam3": "BLEU-4 {}",
}
DATA = {
    "mnist": "MNIST",
    "kmnist": "KMNIST",
    "fashion_mnist": "Fashion-MNIST",
    "multi30k": "Multi30k de-en",
    "flickr8k": "Flickr8k",
    "facades": "facades",
    "tiny_shakespeare": "Tiny Shakespeare",
}
HEAD = """\
# Models

Each model is one file and one card. "Beside code" shows the paper's equations next to the lines
that compute them. A result links to its protocol; results of different protocols are not
comparable.
"""


def names() -> list[str]:
    """The names of all models, from their files."""
    return sorted(path.stem for path in ROOT.glob("zoo/models/*.py") if path.stem != "__init__")


def presets(model: str) -> list[str]:
    """The names of the presets of a model that this package ships."""
    return sorted(path.name for path in ROOT.glob(f"zoo/presets/{model}.*"))


def headline(model: str) -> str:
    """The measured result that stands for a model, such as "MNIST: 83.74 nats (IWAE-5000)"."""
    recipe = HEADLINES.get(model)
    paths = sorted(RESULTS.glob(f"{recipe}.cpu-*.json"))
    if not paths:
        return ""
    record: dict[str, Any] = json.loads(paths[0].read_text())
    metric = next(iter(record["metrics"]))
    value = f"{record['metrics'][metric]['value']:#.4g}"
    data = record["recipe"]["data"]
    return f"{DATA.get(data, data)}: {METRICS[metric].format(value)}"


def pages() -> dict[str, str]:
    """The page `models`."""
    rows = ["| model | paper | measured | presets | equations |", "| --- | --- | --- | --- | --- |"]
    for name in names():
        result = headline(name)
        linked = f"[{result}](../results.md)" if result else ""
        shipped = ", ".join(f"`{preset}`" for preset in presets(name))
        rows.append(
            f"| [{name}](../models/{name}.md) | {title_of_paper(name)} | {linked} | {shipped} |"
            f" [beside code](paper/{name}.md) |"
        )
    cards = "\n".join(f"../models/{name}" for name in names())
    papers = "\n".join(f"paper/{name}" for name in names())
    trees = (
        f"\n## Cards\n\n```{{toctree}}\n:maxdepth: 1\n\n{cards}\n```\n"
        f"\n## Paper beside code\n\n```{{toctree}}\n:maxdepth: 1\n\n{papers}\n```\n"
    )
    return {"models": "\n".join([HEAD, *rows]) + "\n" + trees}
