"""What weights that have learned something else are worth, against fresh ones at equal budget.

    python -m benchmarks.finetuning kmnist --source vae.mnist --record
    python -m benchmarks.finetuning labels --source vae.mnist --record
    python -m benchmarks.finetuning direction --source seq2seq.multi30k_de_en --record
    python -m benchmarks.finetuning domain --source seq2seq.multi30k_de_en --record

    kmnist       a VAE of digits learns a few Japanese characters
    labels       the encoder of a VAE of digits becomes a classifier, with 10 labels a digit
    direction    a translator from German to English learns the way back from a few pairs
    domain       it learns dates, from nine languages to ISO 8601, by the words it has

Each way has the same network, data, order of the data, optimizer, seeds and number of steps; only
what it begins with differs. --source is the reference of any preset with such a network. With
--record it writes benchmarks/results/finetuning.CASE.BUDGET.json; `python -m
benchmarks.result_figures finetuning` draws the curves. The cpu-hour budget takes some ten minutes
on one thread.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from scipy import stats

from benchmarks.finetuning_tasks import (
    FROZEN,
    SCRATCH,
    TUNED,
    Spent,
    characters,
    dates,
    digits,
    way_back,
)
from zoo import metrics, presets, threads
from zoo.recipes import environment, records

ROOT = Path(__file__).parent.parent


# What is compared: both have a score of each seed.


def over_images(ours, theirs):
    """Means over the seeds, image by image."""
    mean = [replace(s[0], values=np.mean([one.values for one in s], 0)) for s in (ours, theirs)]
    return metrics.compare(*mean)


def over_texts(ours, theirs):
    """By a paired bootstrap, of one seed."""
    return metrics.compare_texts(*ours, *theirs)


def over_seeds(ours, theirs):
    """Run by run, with Student's t: few runs are compared."""
    differences = np.subtract(ours, theirs)
    mean, error, student = differences.mean(), stats.sem(differences), stats.t(len(ours) - 1)
    half = student.ppf(0.975) * error
    p = 2 * student.sf(abs(mean) / error) if error else float(mean == 0)
    return metrics.Comparison(mean, (mean - half, mean + half), p, len(ours), "%")


def number(score):
    """A score as one number."""
    return float(getattr(score, "mean", getattr(score, "value", score)))


# The cases.


@dataclass(frozen=True)
class Case:
    """A case.

    Attributes:
        source: preset that it is meant for.
        runs: one of `benchmarks.finetuning_tasks`.
        compare: a `metrics.Comparison` of the scores of two ways.
        metric, unit, lower_is_better: what the scores are.
        protocol: with the attributes of a `Spent` in braces.
        budgets: name -> `Spent`.
        ways: that are compared with `SCRATCH`.
    """

    source: str
    runs: Callable
    compare: Callable
    metric: str
    unit: str
    lower_is_better: bool
    protocol: str
    budgets: dict
    ways: tuple = (TUNED,)


PAIRS = {
    "smoke": Spent((2, 4), examples=64, tests=20, batch_size=32),
    "cpu-hour": Spent((75, 150, 300, 600), examples=2000, tests=1000, batch_size=32),
}
CASES = {
    "kmnist": Case(
        "vae.mnist",
        characters,
        over_images,
        "IS-20",
        "nats",
        True,
        "A VAE learns {examples:,} images of KMNIST, binarized anew each epoch. They are"
        " test[:{examples}]: the split train is not used. IS-20 on test[-{tests}:], binarized once"
        " (seed 777); mean of {seeds} seeds, interval over images",
        {
            "smoke": Spent((2, 4), examples=64, tests=20, batch_size=32),
            "cpu-hour": Spent((50, 100, 200, 500, 1000, 2000), 1000, 1000, 50, seeds=2),
        },
    ),
    "labels": Case(
        "vae.mnist",
        digits,
        over_seeds,
        "accuracy",
        "%",
        False,
        "The encoder of a VAE and two dense layers learn to tell digits from {examples} labels of"
        " MNIST, as many of each digit, drawn from train[50000:]. Pixels are 0 or 1 (threshold)."
        " Accuracy on test[:{tests}]; mean of {seeds} seeds (of images, weights, order), interval"
        " over seeds",
        {
            "smoke": Spent((2, 4), examples=20, tests=100, batch_size=10, seeds=2),
            "cpu-hour": Spent((20, 50, 100, 200, 500), 100, 10_000, 50, seeds=10),
        },
        (FROZEN, TUNED),
    ),
    "direction": Case(
        "seq2seq.multi30k_de_en",
        way_back,
        over_texts,
        "BLEU 13a",
        "%",
        False,
        "A translator from German to English learns from English to German: multi30k"
        " train[:{examples}]. BLEU 13a, greedy, on test[:{tests}]; one seed, paired bootstrap over"
        " texts",
        PAIRS,
    ),
    "domain": Case(
        "seq2seq.multi30k_de_en",
        dates,
        over_texts,
        "exact match",
        "%",
        False,
        "A translator from German to English learns dates in nine languages, to ISO 8601, by the"
        " sub-words it has: dates train[:{examples}]. Exact match, greedy, on test[:{tests}]; one"
        " seed, paired bootstrap over texts",
        PAIRS,
    ),
}


def measured(case, source, spent):
    """Rows for a record: every other way against `SCRATCH`, at each number of steps."""
    scores = {}
    for way in (SCRATCH, *case.ways):
        scores[way] = [[] for _ in spent.steps]
        for seed in range(spent.seeds):
            found = zip(spent.steps, case.runs(source, way, seed, spent), strict=True)
            for k, (steps, score) in enumerate(found):
                scores[way][k].append(score)
                log(f"{way}, seed {seed}, {steps:,} steps: {case.metric} {number(score):.5g}")
    return [
        row(case, way, steps, scores[way][k], scores[SCRATCH][k])
        for way in case.ways
        for k, steps in enumerate(spent.steps)
    ]


def row(case, way, steps, ours, theirs):
    found = case.compare(ours, theirs)
    each = [[number(score) for score in scores] for scores in (ours, theirs)]
    return {
        "way": way,
        "steps": steps,
        "value": float(np.mean(each[0])),
        "scratch": float(np.mean(each[1])),
        "difference": float(found.difference),
        "interval": [float(end) for end in found.interval],
        "p": float(found.p),
        "n": found.n,
        "by_seed": each,
    }


def log(text):
    print(time.strftime("%H:%M:%S"), text, flush=True)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.finetuning",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--source", help="a preset: a name, a folder, hf://owner/name")
    parser.add_argument("--budget", choices=("smoke", "cpu-hour"), default="cpu-hour")
    parser.add_argument("--record", action="store_true", help="write the record")
    options = parser.parse_args(arguments)
    case = CASES[options.case]
    spent, source = case.budgets[options.budget], options.source or case.source
    preset, facts, began = presets.info(source), environment.environment(), time.perf_counter()
    rows = measured(case, source, spent)
    for one in rows:
        told = "{way}, {steps:,} steps: {value:.5g} against {scratch:.5g}, {difference:+.3g}"
        log(told.format(**one) + " [{:+.3g}, {:+.3g}]".format(*one["interval"]))
    record = {
        "kind": "finetuning",
        "name": options.case,
        "budget": options.budget,
        "protocol": case.protocol.format(**asdict(spent)),
        "source": {key: preset[key] for key in ("name", "model", "digest")},
        "metric": {k: getattr(case, k) for k in ("metric", "unit", "lower_is_better")},
        "settings": asdict(spent),
        "seconds": time.perf_counter() - began,
        "threads": threads.thread_counts(),
        **facts,
        "results": rows,
    }
    if options.record:
        file = f"finetuning.{options.case}.{options.budget}.json"
        record = records.write(ROOT / records.RESULTS / file, record)
        log(f"record: {record.path.name}")
    return record


if __name__ == "__main__":
    main()
