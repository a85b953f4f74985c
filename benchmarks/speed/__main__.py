"""Training and decoding speed of the zoo, compared with the same models written without it.

    python -m benchmarks.speed vae mixture_vae dcgan ddpm --rounds 5 --steps 20 --record
    python -m benchmarks.speed seq2seq seq2seq-decode captioning captioning-decode --record
    python -m benchmarks.speed ddpm ddpm-sample --batch-size 64 --record
    python -m benchmarks.speed gpt gpt-small gpt-decode gpt-small-decode --record
    python -m benchmarks.speed gpt-decode gpt-small-decode --batch-size 1 --record

All variants of a model do the same work (equal networks, losses, optimizers). Image models train on
28 x 28 pixels. Text models have 16 tokens per sequence, vocabularies of 8,000 or 5,000 tokens,
embeddings of width 256, states of width 512, and additive attention over a sequence or over 8 x 8
image positions. "gpt" has 6 layers of width 384 and a context of 256, "gpt-small" 4 of width 128
and 64, 65 characters, no dropout, and AdamW. "-decode": greedy decoding of 20 tokens, of "gpt" 256
for 16 prompts, or as many as `--batch-size`; "-sample": images of a diffusion model in 20 steps.

    tf.function loop   the style of TensorFlow's tutorials: Sequential networks, explicit losses, a
                       Python loop over a tf.data pipeline; tokens one after the other, with a
                       decoder that projects the attention's keys in each step; the base of all
                       ratios
    tf.function step   decoding only: a compiled step, called for each token from Python, so that
                       the compiler cannot share the projected keys between tokens
    keras fit          the style of keras.io: a keras.Model with its own train_step, and `fit`; all
                       tokens of a sequence in one call, by `layers.RNN`
    zoo                a script: `Trainer.fit` with the zoo's own pipeline; the time includes
                       callbacks, logging and the check of each loss; `generate`
    zoo threads        a script that begins with `zoo.threads.configure(model)`: one thread per
                       operation and micro-batches in parallel, for models that this makes faster
    zoo train          the settings of the command `zoo train`, which should be as fast as
                       "zoo threads"
    zoo translate      the same for decoding, as in `zoo translate`; `zoo caption` does not do it,
                       because image networks need all threads
    zoo xla            the same as zoo with `jit_compile=True`; training of text models only
    zoo keras adam, ...  what a part of the zoo gains, see `benchmarks.speed.plain_parts`
    zoo eager          the same as zoo with `eager=True`: steps are not compiled
    eager loop         Keras networks and TFP distributions without tf.function, one persistent
                       tape; for the GAN and text models, the tutorial's step without tf.function
    pytorch            the usual style of PyTorch, with batches made by indexing tensors
    pytorch tuned      channels last, fused Adam, and a C library that reuses freed memory; for text
                       models, as much as possible is computed outside of the loop
    pytorch compiled   the tuned variant with torch.compile; not for recurrent models
    keras hub          gpt by keras_hub's GPT-2 classes
    diffusers, lucidrains  ddpm by UNet2DModel of diffusers, and by denoising_diffusion_pytorch, at
                       equal widths and tuned; "compiled": with torch.compile. Their networks
                       differ: the record has the numbers of parameters and operations of all

First, `benchmarks.speed.equivalence` checks that the work is equal: from the same weights, with the
same noise, every variant must have the zoo's losses in three training steps, or decode the zoo's
tokens. If one does not, nothing is timed. `--check` stops after this check. It allows PyTorch two
differences of convention without effect on speed: mirrored images and another scale of Adam's
epsilon.

Each variant then runs in its own process, which builds the model, takes the first step, warms up
and waits. In a round, each process in turn takes one untimed step and `--steps` timed steps while
the others sleep; the order rotates from round to round. Nothing is traced again between rounds.

How to read the table: absolute times depend on the load of the machine, so compare the ratios,
which are computed within each round: (seconds of the tf.function loop) / (seconds of the variant).
Above 1 is faster than the loop. The table has the median and the range over rounds; if the ranges
of two variants overlap, no difference is shown. "First s" includes data, building, tracing and one
step, without imports. "Peak MB" is the largest resident memory of the process, including data: the
zoo stores images as bytes, the other variants as floats. The record has the numbers of threads of
each variant; 0 means that TensorFlow chooses.
"""

import argparse
import contextlib
import importlib.metadata
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.speed.protocols import PROTOCOL, task_of, work_text
from benchmarks.speed.summary import results_table, summarize
from benchmarks.speed.variants import (
    BASE,
    DECODING,
    GPT_MODELS,
    IMAGE_MODELS,
    MODELS,
    SAME_WORK,
    SAMPLING,
    VARIANTS,
    variants_of,
)
from benchmarks.speed.worker_process import ROOT, Worker, run_module
from zoo.recipes import environment, records

Results = dict[str, dict[str, Any]]


def check(model: str, variants: Sequence[str]) -> dict[str, float]:
    """Variant -> largest relative difference from the zoo; exits with an error if not equal."""
    process = run_module("equivalence", model, "--variants", *variants)
    if process.returncode:
        sys.exit(f"not timed, the work is not equal: {process.stderr[-3000:].strip()}")
    return json.loads(process.stdout)[model]


def count_work(model: str, variants: Sequence[str]) -> dict[str, dict[str, float]]:
    """Variant -> the work of its network; {} if all variants have the zoo's network."""
    others = [variant for variant in variants if not VARIANTS[variant].same_network]
    if not others:
        return {}
    process = run_module("network_work", model, "--variants", SAME_WORK, *others)
    if process.returncode:
        sys.exit(f"the work cannot be counted: {process.stderr[-3000:].strip()}")
    return json.loads(process.stdout)


def measure(model: str, variants: list[str], rounds: int, **settings: Any) -> Results:
    """Variant -> measurements: seconds of each round, medians, ratios to the base."""
    with contextlib.ExitStack() as stack:
        workers = {  # started one after the other: first steps are timed
            variant: stack.enter_context(Worker(variant, model=model, **settings))
            for variant in variants
        }
        results = {variant: [] for variant in variants}
        for index in range(rounds):
            first = index % len(variants)
            for variant in variants[first:] + variants[:first]:
                results[variant].append(workers[variant].run_round())
        ready = {variant: worker.ready for variant, worker in workers.items()}
    seconds = {variant: [result["seconds"] for result in results[variant]] for variant in variants}
    return {
        variant: summarize(seconds[variant], seconds[BASE], **settings)
        | ready[variant]
        | {"peak_mb": results[variant][-1]["peak_mb"]}
        for variant in variants
    }


def parse_variants(text: str) -> list[str]:
    """The variants in a comma-separated list, and the base."""
    names = [BASE, *(name.strip() for name in text.split(","))]
    if unknown := set(names) - VARIANTS.keys():
        raise argparse.ArgumentTypeError(f"unknown variants: {unknown}; choose from {[*VARIANTS]}")
    return [variant for variant in VARIANTS if variant in names]


def available(variants: list[str], console: Console) -> list[str]:
    """The variants that can run here; prints which are skipped, and what is not installed."""
    missing = {variant: VARIANTS[variant].missing() for variant in variants}
    skipped = [variant for variant, requirements in missing.items() if requirements]
    if skipped:
        requirements = ", ".join(dict.fromkeys(sum(missing.values(), [])))
        console.print(f"skipped: {', '.join(skipped)}; not installed: {requirements}")
    return [variant for variant in variants if variant not in skipped]


def environment_with_torch() -> dict[str, Any]:
    """The environment in any record, with the version of PyTorch if it is installed."""
    entries = environment.environment()
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        entries["versions"]["torch"] = importlib.metadata.version("torch")
    return entries


def main(arguments: Sequence[str] | None = None) -> Results:
    """Runs the command; returns model -> record."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", nargs="+", choices=MODELS, metavar="MODEL", help=str(MODELS))
    parser.add_argument(
        "--variants", type=parse_variants, default=[*VARIANTS], metavar="A,B", help="default: all"
    )
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default: 5)")
    parser.add_argument("--steps", type=int, default=20, help="timed steps per round (default: 20)")
    parser.add_argument(
        "--warmup", type=int, default=5, help="steps before the first round (default: 5)"
    )
    parser.add_argument("--batch-size", type=int, help="default: 256 images, 64 texts, 12 of gpt")
    parser.add_argument("--check", action="store_true", help="only check that the work is equal")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all records as JSON")
    parser.add_argument(
        "--record", action="store_true", help=f"write {records.RESULTS}/speed.MODEL.json"
    )
    options = vars(parser.parse_args(arguments))
    models = options.pop("models")
    only_check = options.pop("check")
    json_file = options.pop("json")
    record = options.pop("record")

    console = Console()
    variants = available(options.pop("variants"), console)
    variants_by_model = {model: variants_of(model, variants) for model in models}
    differences = {model: check(model, variants_by_model[model]) for model in models}
    for model, by_variant in differences.items():
        quantity = task_of(model)["check"]
        worst = max(by_variant.values())
        console.print(f"{model}: {quantity}, to a relative difference of {worst:.0e}")
    results = {}
    for model in [] if only_check else models:
        settings = options | {"batch_size": options["batch_size"] or default_batch_size(model)}
        work = count_work(model, variants_by_model[model])
        measured = measure(model, variants_by_model[model], **settings)
        console.print(results_table(model, measured, settings))
        results[model] = {
            "kind": "speed",
            "protocol": PROTOCOL.format(**settings, **task_of(model)) + work_text(work),
            "settings": settings,
            **environment_with_torch(),
            "max_relative_difference": {model: differences[model]},
            "results": {model: measured},
        }
        if record:
            name = record_name(model, settings["batch_size"])
            records.write(ROOT / records.RESULTS / name, results[model])
    if json_file:
        json_file.write_text(json.dumps(results, indent=1) + "\n")
    return results


def record_name(model: str, batch_size: int) -> str:
    """The file of a record, with the batch size if it is not the default."""
    other = f"_batch_{batch_size}" if batch_size != default_batch_size(model) else ""
    return f"speed.{model}{other}.json"


def default_batch_size(model: str) -> int:
    if model in GPT_MODELS:
        return 16 if model in DECODING else 12
    if model in SAMPLING:
        return 64
    return 256 if model in IMAGE_MODELS else 64


if __name__ == "__main__":
    main()
