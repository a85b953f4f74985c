"""What `benchmarks.finetuning` compares: it learns, and tells how good it is on its way.

Each of them is a generator, (source, way, seed, spent) -> scores: it begins with the weights of the
preset `source`, or with fresh ones if `way` is `SCRATCH`, and gives a score after each number of
steps in `spent.steps`. All else is the same for all ways.
"""

import functools
import itertools
from dataclasses import dataclass, replace

import keras
import numpy as np
import tensorflow as tf

import zoo
from zoo import metrics
from zoo.data import corpora
from zoo.data.text_dataset import TextDataset
from zoo.errors import UsageError

SCRATCH, TUNED, FROZEN = "from scratch", "fine-tuned", "frozen"


@dataclass(frozen=True)
class Spent:
    """A budget.

    Attributes:
        steps: where it is measured.
        examples: to learn from.
        tests: held-out examples, to measure on.
        batch_size: examples a step.
        seeds: how many runs, with the seeds 0, 1, ...
    """

    steps: tuple
    examples: int
    tests: int
    batch_size: int
    seeds: int = 1


def begun(source, way, seed):
    """The model of a preset, with its weights or with fresh ones."""
    keras.utils.set_random_seed(seed)
    return zoo.get(source, pretrained=way != SCRATCH)


def pauses(model, data, seed, steps):
    """Trains a model of the zoo, and stops after each of `steps`."""
    adam = zoo.optimizers.Adam(1e-3, global_clipnorm=1.0)
    trainer = zoo.Trainer(model, optimizers=adam, seed=seed, figures_every=0, verbose=False)
    for count in steps:
        yield trainer.fit(data, steps=count)


def order(seed, spent):
    """How training data come."""
    common = {"batch_size": spent.batch_size, "shuffle": True, "drop_remainder": True}
    return {**common, "seed": seed}


def characters(source, way, seed, spent):
    """A VAE learns KMNIST: bounds on the log-likelihood, as nats that one has to pay."""
    how = order(seed, spent)
    train = zoo.data.load("kmnist", f"test[:{spent.examples}]", binarize="dynamic", **how)
    test = zoo.data.load("kmnist", f"test[-{spent.tests}:]", batch_size=100, binarize="fixed")
    model = begun(source, way, seed)
    for _ in pauses(model, train, seed, spent.steps):
        bound = metrics.log_likelihood(model, test, samples=20)
        yield replace(bound, values=-bound.values, higher_is_better=False)


def digits(source, way, seed, spent):
    """The encoder of a VAE and dense layers, in plain Keras, learn labels: accuracy, in %."""
    known, test = black_and_white("train[50000:]"), black_and_white(f"test[:{spent.tests}]")
    rows = few(known["label"], spent.examples, seed)
    encoder = begun(source, way, seed).encoder
    encoder.trainable = way != FROZEN
    keras.utils.set_random_seed(seed)  # of the head
    hidden, head = keras.layers.Dense(128, activation="relu"), keras.layers.Dense(10)
    model = keras.Sequential([keras.Input(test["image"].shape[1:]), encoder, hidden, head])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(zoo.optimizers.Adam(1e-3), loss)
    learnt = tf.data.Dataset.from_tensor_slices((known["image"][rows], known["label"][rows]))
    learnt = learnt.shuffle(spent.examples, seed).repeat().batch(spent.batch_size)
    for before, count in itertools.pairwise((0, *spent.steps)):
        model.fit(learnt, steps_per_epoch=count - before, shuffle=False, verbose=0)
        told = model.predict(test["image"], batch_size=500, verbose=0).argmax(-1)
        yield 100 * float(np.mean(told == test["label"]))


@functools.cache  # reading them takes longer than learning from a hundred
def black_and_white(split):
    """Images of MNIST and their labels as one batch."""
    data = zoo.data.load("mnist", split, shuffle=False, binarize="threshold")
    return data.take(data.num_examples)


def few(labels, count, seed):
    """Rows of `count` examples drawn at random, as many of each label."""
    random, kinds = np.random.default_rng(seed), np.unique(labels)
    each = [random.permutation(np.flatnonzero(labels == kind)) for kind in kinds]
    return np.concatenate([rows[: count // len(kinds)] for rows in each])


def sentences(pairs, score, source, way, seed, spent):
    """A translator learns other pairs, (data set, language, language), by the words it has."""
    name, *languages = pairs
    model = begun(source, way, seed)
    one, other = model.vocabularies.values()
    if one != other:
        raise UsageError(f"{source} must have one vocabulary for both of its languages")
    corpus = corpora.load_pairs(name, f"train[:{spent.examples}]", languages)
    test = corpora.load_pairs(name, f"test[:{spent.tests}]", languages).texts
    for _ in pauses(model, TextDataset(corpus, one, **order(seed, spent)), seed, spent.steps):
        yield score(model.translate(test["source"], max_length=100, truncate=True), test["target"])


def bleu(hypotheses, references):
    return metrics.bleu(hypotheses, references, "13a")


way_back = functools.partial(sentences, ("multi30k", "en", "de"), bleu)
dates = functools.partial(sentences, ("dates", "written", "iso"), metrics.exact_match)
