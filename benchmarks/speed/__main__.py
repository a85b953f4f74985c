"""How fast does the zoo train, beside the same models written without it?

    python -m benchmarks.speed vae mixture_vae dcgan --rounds 5 --steps 20 --record
    python -m benchmarks.speed seq2seq seq2seq-decode captioning captioning-decode --record

The variants of each model do the same work (equal networks, losses, optimizers). The models of
images learn from 28 x 28 pixels; those of words from 16 a sentence, of a vocabulary of 8,000 or
5,000, with embeddings of 256, states of 512, additive attention over a sentence or over 8 x 8
places of an image. "-decode": what they answer, the most probable word 20 times.

    tf.function loop   TensorFlow's tutorial style: Sequential networks, losses by hand, a Python
                       loop over a tf.data pipeline; words one after the other, a decoder that
                       projects the attention's keys at each; the base of all ratios
    tf.function step   decoding only: a compiled step, called for each word by plain Python, where
                       no compiler can see that all words project the same keys
    keras fit          keras.io's style: a keras.Model with its own train_step, and `fit`; of
                       words all at once, by `layers.RNN`
    zoo                `Trainer.fit` over the zoo's own pipeline, which with callbacks, logging
                       and checks of each loss is inside the time; `generate`
    zoo train          the same with what the command `zoo train` sets before TensorFlow starts:
                       one thread an operation, each batch in independent pieces side by side
    zoo translate      the same for decoding: one thread an operation, two halves of a batch
    zoo threads        captions so, which no command does, since its image network wants all
                       threads for itself: in Python, `zoo.threads.single_threaded_ops()`
    zoo xla            the same as zoo with `jit_compile=True`; training on words only
    zoo eager          the same as zoo with `eager=True`: every step in plain Python
    eager loop         Keras networks and TFP distributions in plain Python, one persistent tape;
                       for the GAN and for words, the tutorial's step without its tf.function
    pytorch            PyTorch as one writes it, fed by indexing tensors
    pytorch tuned      channels last, fused Adam, and a C library that keeps freed memory; of words
                       a rewrite in which no loop holds what can be outside of it
    pytorch compiled   the tuned one through torch.compile; images only

First the claim of equal work is put to the test (`benchmarks.speed.equivalence`): from the same
weights, with the same noise, every variant must give the zoo's losses over three training steps, or
the zoo's words. If it does not, nothing is timed. `--check` stops after this. The check allows
PyTorch
two differences of convention that cost nothing: its images are mirrored, its Adam's epsilon is
scaled otherwise.

Each variant then lives in a process of its own, which builds, takes its first step, warms up and
waits. A round lets every process in turn take one untimed step and `--steps` timed ones, while the
others sleep; the turn rotates from round to round. Nothing is traced anew between rounds.

How to read the table: absolute times drift with the machine, so compare the ratios, which are made
within each round: (seconds of the tf.function loop) / (seconds of the variant). Above 1 is faster
than the loop. The median over rounds comes with its range; two variants whose ranges overlap have
not been told apart. "First" is data, building, tracing and one step, imports excluded. "Peak"
is the process' largest resident memory, data included: the zoo keeps images as bytes, the
others as floats. Each variant's threads are in the record; 0 is TensorFlow's own choice.
"""

import argparse
import contextlib
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import rich.box
from rich.console import Console
from rich.table import Table

from benchmarks.speed.synthetic_data import SAID
from benchmarks.speed.variants import BASE, DECODED, MODELS, PICTURES, VARIANTS, of
from zoo.recipes import environment, records

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3"}
PROTOCOL = (
    "Seconds for {steps} {task} at batch size {batch_size}, in {rounds} interleaved rounds"
    " after {warmup} warm-up steps; one process a variant, one of them computing at a time, the"
    " first step of a round not timed. Ratio: seconds of the tf.function loop / seconds of the"
    " variant in the same round; above 1 is faster. Beforehand every variant gave {equal}."
)
TRAINING = {
    "task": "training steps",
    "equal": "equal losses over three training steps from equal weights and noise",
}
DECODING = {
    "task": f"greedy decodings of {SAID} words",
    "equal": "the same words from equal weights",
}


class Worker:
    """A `benchmarks.speed.worker` process; close it, or use it as a context.

    Attributes:
        ready: what it said of its first step.
    """

    def __init__(self, variant, **settings):
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, closed with the worker
        settings = json.dumps({"variant": variant, **settings})
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.speed.worker", settings],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            cwd=ROOT,
            env=os.environ | ENVIRONMENT | VARIANTS[variant].environment,
        )
        try:
            self.ready = self.hear()
        except BaseException:
            self.close()
            raise

    def round(self):
        """Lets it run one round; {"seconds": ..., "peak_mb": ...}."""
        print("go", file=self.process.stdin, flush=True)
        return self.hear()

    def hear(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        self.errors.seek(0)
        raise RuntimeError(f"a worker died:\n{self.errors.read()[-3000:]}")

    def close(self):
        self.process.kill()
        with self.process:  # closes the pipes and waits
            self.errors.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def check(model, variants):
    """Variant -> worst relative difference from the zoo; exits with the reason if not equal."""
    command = [sys.executable, "-m", "benchmarks.speed.equivalence", model, "--variants", *variants]
    env = os.environ | ENVIRONMENT
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"no ratios, the work is not equal: {done.stderr[-3000:].strip()}")
    return json.loads(done.stdout)[model]


def measure(model, variants, rounds, **settings):
    """Variant -> what was measured: lists over rounds, their medians, ratios to the base."""
    with contextlib.ExitStack() as stack:
        workers = {  # one after the other: nobody's first step is disturbed
            variant: stack.enter_context(Worker(variant, model=model, **settings))
            for variant in variants
        }
        answers = {variant: [] for variant in variants}
        for turn in range(rounds):
            first = turn % len(variants)
            for variant in variants[first:] + variants[:first]:
                answers[variant].append(workers[variant].round())
        ready = {variant: worker.ready for variant, worker in workers.items()}
    seconds = {variant: [a["seconds"] for a in answers[variant]] for variant in variants}
    return {
        variant: summary(seconds[variant], seconds[BASE], **settings)
        | ready[variant]
        | {"peak_mb": answers[variant][-1]["peak_mb"]}
        for variant in variants
    }


def summary(seconds, base, steps, batch_size, **_):
    """Medians over rounds of one variant's seconds, and of its ratios to the base's."""
    ratios = [b / s for b, s in zip(base, seconds, strict=True)]
    step = statistics.median(seconds) / steps
    return {
        "seconds": seconds,
        "ms_per_step": 1000 * step,
        "examples_per_s": batch_size / step,
        "ratio": statistics.median(ratios),
        "ratio_range": [min(ratios), max(ratios)],
    }


def table(model, measured, settings):
    """A model's results for people."""
    title = "{}: {rounds} rounds of {steps} steps, batch {batch_size}".format(model, **settings)
    shown = Table(title=title, box=rich.box.SIMPLE_HEAD, show_edge=False)
    shown.add_column("variant", no_wrap=True)
    for column in ("ms/step", "per s", "ratio", "range", "first s", "peak MB"):
        shown.add_column(column, justify="right", no_wrap=True)
    for variant, row in measured.items():
        shown.add_row(
            variant,
            f"{row['ms_per_step']:.1f}",
            f"{row['examples_per_s']:.0f}",
            f"{row['ratio']:.2f}",
            "{:.2f}-{:.2f}".format(*row["ratio_range"]),
            f"{row['first_step_s']:.1f}",
            f"{row['peak_mb']:.0f}",
        )
    return shown


def chosen(text):
    """The variants named between commas, and the base."""
    names = [BASE, *(name.strip() for name in text.split(","))]
    if unknown := set(names) - VARIANTS.keys():
        raise argparse.ArgumentTypeError(f"no such variant: {unknown}, there are {[*VARIANTS]}")
    return [variant for variant in VARIANTS if variant in names]


def installed(variants, console):
    """Those that can run here; says which cannot, and why."""
    missing = {variant: VARIANTS[variant].missing() for variant in variants}
    left_out = [variant for variant, needs in missing.items() if needs]
    if left_out:
        needs = ", ".join(dict.fromkeys(sum(missing.values(), [])))
        console.print(f"left out: {', '.join(left_out)}; not installed: {needs}")
    return [variant for variant in variants if variant not in left_out]


def circumstances():
    """Those of any record, and PyTorch's version where there is one."""
    found = environment.environment()
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        found["versions"]["torch"] = importlib.metadata.version("torch")
    return found


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", nargs="+", choices=MODELS, metavar="MODEL", help=str(MODELS))
    parser.add_argument(
        "--variants", type=chosen, default=[*VARIANTS], metavar="A,B", help="default: all"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="timed steps a round")
    parser.add_argument("--warmup", type=int, default=5, help="steps before the first round")
    parser.add_argument("--batch-size", type=int, help="default: 256 images, 64 sentences")
    parser.add_argument("--check", action="store_true", help="only check that the work is equal")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all records, by model")
    parser.add_argument(
        "--record", action="store_true", help=f"write {records.RESULTS}/speed.MODEL.json"
    )
    options = vars(parser.parse_args(arguments))
    taken = [options.pop(name) for name in ("models", "variants", "check", "json", "record")]
    models, variants, only_check, file, keep = taken

    console, found = Console(), {}
    able = installed(variants, console)
    ways = {model: of(model, able) for model in models}
    differences = {model: check(model, ways[model]) for model in models}
    for model, worst in differences.items():
        alike = "words" if model in DECODED else "losses"
        console.print(f"{model}: equal {alike}, to a relative {max(worst.values()):.0e}")
    for model in [] if only_check else models:
        settings = options | {"batch_size": options["batch_size"] or batch_size(model)}
        measured = measure(model, ways[model], **settings)
        console.print(table(model, measured, settings))
        found[model] = {
            "kind": "speed",
            "protocol": PROTOCOL.format(**settings, **DECODING if model in DECODED else TRAINING),
            "settings": settings,
            **circumstances(),
            "max_relative_difference": {model: differences[model]},
            "results": {model: measured},
        }
        if keep:
            records.write(ROOT / records.RESULTS / f"speed.{model}.json", found[model])
    if file:
        file.write_text(json.dumps(found, indent=1) + "\n")
    return found


def batch_size(model):
    return 256 if model in PICTURES else 64


if __name__ == "__main__":
    main()
