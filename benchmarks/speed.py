"""How fast does the zoo train, beside the same models written without it?

    python -m benchmarks.speed vae mixture_vae dcgan --rounds 5 --steps 20 --record

The variants of each model do the same work (28 x 28 images, equal networks, losses, optimizers):

    tf.function loop   TensorFlow's tutorial style: Sequential networks, losses by hand, a Python
                       loop over a tf.data pipeline; the base of all ratios
    keras fit          keras.io's style: a keras.Model with its own train_step, and `fit`
    zoo                `Trainer.fit` over `zoo.data.load(array)`: its pipeline, callbacks, logging
                       and checks of each loss are inside the time
    zoo train          the same with what the command `zoo train` sets before TensorFlow starts:
                       one thread an operation, each batch in independent pieces side by side
    zoo eager          the same as zoo with `eager=True`: every step in plain Python
    eager loop         Keras networks and TFP distributions in plain Python, one persistent tape;
                       for the GAN, the tutorial's step without its tf.function
    pytorch            PyTorch as one writes it, fed by indexing one tensor
    pytorch tuned      channels last, fused Adam, and a C library that keeps freed memory
    pytorch compiled   the tuned one through torch.compile

First the claim of equal work is put to the test (`benchmarks.equality`): from the same weights,
with the same noise, every variant must give the zoo's losses over three training steps. If it does
not, nothing is timed. `--check` stops after this. The check allows PyTorch two differences of
convention that cost nothing: its images are mirrored, its Adam's epsilon is scaled otherwise.

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
import time
from pathlib import Path

import rich.box
from rich.console import Console
from rich.table import Table

from benchmarks.variants import BASE, MODELS, VARIANTS
from zoo import records

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3"}
PROTOCOL = (
    "Seconds for {steps} training steps at batch size {batch_size}, in {rounds} interleaved rounds"
    " after {warmup} warm-up steps; one process a variant, one of them computing at a time, the"
    " first step of a round not timed. Ratio: seconds of the tf.function loop / seconds of the"
    " variant in the same round; above 1 is faster. Beforehand every variant gave equal losses"
    " over three training steps from equal weights and noise."
)


class Worker:
    """A `benchmarks.worker` process; close it, or use it as a context.

    Attributes:
        ready: what it said of its first step.
    """

    def __init__(self, variant, **settings):
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, closed with the worker
        settings = json.dumps({"variant": variant, **settings})
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", settings],
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
    command = [sys.executable, "-m", "benchmarks.equality", model, "--variants", *variants]
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
        "images_per_s": batch_size / step,
        "ratio": statistics.median(ratios),
        "ratio_range": [min(ratios), max(ratios)],
    }


def table(model, measured, settings):
    """A model's results for people."""
    title = "{}: {rounds} rounds of {steps} steps, batch {batch_size}".format(model, **settings)
    shown = Table(title=title, box=rich.box.SIMPLE_HEAD, show_edge=False)
    shown.add_column("variant", no_wrap=True)
    for column in ("ms/step", "img/s", "ratio", "range", "first s", "peak MB"):
        shown.add_column(column, justify="right", no_wrap=True)
    for variant, row in measured.items():
        shown.add_row(
            variant,
            f"{row['ms_per_step']:.1f}",
            f"{row['images_per_s']:.0f}",
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
    found = records.circumstances()
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
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--check", action="store_true", help="only check that the work is equal")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write a record of everything")
    parser.add_argument(
        "--record", action="store_true", help=f"write {records.RESULTS}/speed.MODEL.json"
    )
    options = vars(parser.parse_args(arguments))
    taken = [options.pop(name) for name in ("models", "variants", "check", "json", "record")]
    models, variants, only_check, file, keep = taken

    began, console, results = time.perf_counter(), Console(), {}
    variants = installed(variants, console)
    differences = {model: check(model, variants) for model in models}
    for model, worst in differences.items():
        console.print(f"{model}: equal losses, to a relative {max(worst.values()):.0e}")
    record = {
        "kind": "speed",
        "protocol": PROTOCOL.format(**options),
        "settings": options,
        **circumstances(),
    }
    for model in [] if only_check else models:
        results[model] = measure(model, variants, **options)
        console.print(table(model, results[model], options))
        if keep:
            one = {"worst_relative_difference": differences, "results": results}
            one = {name: {model: value[model]} for name, value in one.items()}
            records.write(ROOT / records.RESULTS / f"speed.{model}.json", record | one)
    record |= {
        "worst_relative_difference": differences,
        "results": results,
        "seconds": time.perf_counter() - began,
    }
    if file:
        file.write_text(json.dumps(record, indent=1) + "\n")
    return record


if __name__ == "__main__":
    main()
