"""Are the variants that `benchmarks.speed` compares the same computation?

`python -m benchmarks.speed.equivalence vae` copies the zoo's initial weights into each baseline,
gives both the same batch and the same noise, and takes three real training steps with each. Equal
outputs of every network before the first step and equal losses at each step mean equal networks,
losses, gradients and optimizers. Dropout, which nobody could compare, is off here; its rate is one
setting for all variants. Prints the worst relative difference of each as JSON; fails above the
tolerance.
"""

import argparse
import json
import sys

import keras
import numpy as np
import tensorflow as tf

import zoo
from benchmarks.speed.synthetic_data import END, SAID, examples, prepared
from benchmarks.speed.tf_runners import optimizers, tokens
from benchmarks.speed.variants import DECODED, PICTURES, VARIANTS, factory, of, settings

TOLERANCE = 1e-4
STEPS = 3
LOUDER = 2.0  # weights of a model that says many different words
NEVER = -1e9


def check(name, variants=VARIANTS, batch_size=16):
    """Variant -> worst relative difference from the zoo; raises AssertionError above TOLERANCE.

    Those that take the zoo's step as it is, and those that cannot run here, are passed over.
    """
    return {
        variant: compare(name, variant, batch_size)
        for variant in of(name, variants)
        if variant not in ("zoo", "zoo eager") and not VARIANTS[variant].missing()
    }


def compare(name, variant, batch_size):
    keras.utils.set_random_seed(0)
    pairs = (pictures if name in PICTURES else sentences)(name, variant, batch_size)
    differences = {what: difference(*pair) for what, pair in pairs.items()}
    worst = max(differences, key=differences.get)
    if not differences[worst] <= TOLERANCE:  # a NaN is no agreement
        a, b = (np.ravel(value)[:3] for value in pairs[worst])
        raise AssertionError(
            f"{name}, {variant!r} is not the zoo's computation: {worst} differs by"
            f" {differences[worst]:.1e} (tolerance {TOLERANCE}): {a} in the zoo, {b} in it"
        )
    return differences[worst]


def pictures(name, variant, batch_size):
    """What -> the zoo's value and the variant's, of a model of images."""
    chosen = dict.fromkeys(settings(name), 0.0)  # the only setting is dropout
    ours, theirs = factory("zoo", name)(**chosen), factory(variant, name)(**chosen)
    ours.prepare(optimizers(name))
    pixels = 255 * (np.random.default_rng(0).random((batch_size, 28, 28, 1)) > 0.8)
    images = prepared(name, pixels.astype("uint8"))
    batch = {"image": tf.constant(pixels / 255, tf.float32)}
    key = tf.constant([1, 2], tf.int32)
    ours.seed = lambda value=None: key
    if variant == "zoo train":
        theirs = ByTrainer(name, theirs, batch, type(theirs).micro_batches, eager=True)
        theirs.model.seed = ours.seed
    elif VARIANTS[variant].needs:
        from benchmarks.speed.torch_weights import Mirror

        theirs = Mirror(theirs)

    noise, pairs = copied(ours, theirs, images)
    theirs.noise, theirs.seed = (lambda _: noise), key  # it draws with the one or the other
    return pairs | losses(ours, theirs, batch, tf.constant(images))


def sentences(name, variant, batch_size):
    """What -> the zoo's value and the variant's, of a model of words: its losses, or its words."""
    ours, theirs = (factory(one, name)(**settings(name)) for one in ("zoo", variant))
    batch = examples(name, batch_size)
    fed = tuple(map(tf.constant, prepared(name, batch)))
    if variant in ("zoo train", "zoo xla"):
        count = type(theirs).micro_batches if variant == "zoo train" else 1
        ours.prepare(optimizers(name))
        theirs.prepare(optimizers(name))
        theirs.set_weights(ours.get_weights())
        theirs = ByTrainer(name, theirs, batch, count, jit_compile=variant == "zoo xla")
        return losses(ours, theirs, batch, fed)
    if name in DECODED:  # lively, and without an end
        ours.set_weights([LOUDER * weight for weight in ours.get_weights()])
        ours.output_layer.bias.assign(
            tf.where(tf.range(ours.vocabulary_sizes[ours.target_feature]) > END, 0.0, NEVER)
        )
    how = {}
    if variant in ("zoo translate", "zoo threads"):
        theirs.set_weights(ours.get_weights())
        how = {"micro_batches": 2}
    elif VARIANTS[variant].needs:
        from benchmarks.speed.torch_weights import Reader

        theirs = Reader(theirs)
        theirs.set_weights(ours.weights)
    else:
        for variable, value in zip(theirs.network.weights, ours.weights, strict=True):
            variable.assign(value)
    if name in DECODED:
        wanted, got = (
            ours.generate(fed[0], max_length=SAID),
            theirs.generate(fed[0], max_length=SAID, **how),
        )
        return {"words": (tokens(wanted), tokens(got))}
    ours.prepare(optimizers(name))
    return losses(ours, theirs, {key: tf.constant(value) for key, value in batch.items()}, fed)


def losses(ours, theirs, batch, fed):
    """The losses of each step, as pairs, while both learn from the same batch."""
    pairs = {}
    for step in range(STEPS):
        for metric in getattr(theirs, "metrics", []):
            metric.reset_state()
        wanted, got = ours.train_step(batch), theirs.train_step(fed)
        pairs |= {f"{loss}, step {step + 1}": (wanted[loss], got[loss]) for loss in got}
    return pairs


class ByTrainer:
    """The zoo's model as a Trainer trains it; in pieces, each of which is the whole batch."""

    def __init__(self, name, model, batch, count=1, **how):
        how |= {"micro_batches": count, "optimizers": optimizers(name)}
        self.model, self.trainer = model, zoo.Trainer(model, verbose=False, **how)
        copies = {name: tf.concat([value] * count, 0) for name, value in batch.items()}
        self.data = tf.data.Dataset.from_tensors(copies)  # an epoch is one step
        self.prior = model.latent_prior.weights if hasattr(model, "latent_prior") else []
        self.logs, self.steps = None, 0

    def __getattr__(self, part):
        return getattr(self.model, part)

    def train_step(self, _):
        if self.logs is None:  # all steps by one fit, which compiles once
            self.logs = self.trainer.fit(self.data, epochs=STEPS).history
        self.steps += 1
        return {name: values[self.steps - 1] for name, values in self.logs.items()}


def copied(ours, theirs, images):
    """Copies the weights; returns the noise of the zoo's step and each network's two outputs."""
    if hasattr(ours, "generator"):
        noise = ours.noise(len(images))
        inputs = {"generator": noise, "discriminator": images}
    else:
        q = ours.posterior(images)
        noise = (q.sample(seed=ours.next_seed()) - q.mean()) / q.stddev()
        inputs = {"encoder": images, "decoder": noise}
        for variable, value in zip(theirs.prior, ours.latent_prior.weights, strict=True):
            variable.assign(value)
    pairs = {}
    for part, value in inputs.items():
        mine, other = getattr(ours, part), getattr(theirs, part)
        other.set_weights(mine.get_weights())
        pairs[part] = mine(value), other(value)
    return noise, pairs


def difference(a, b):
    """Largest difference, relative to the largest value; 0 if there is none."""
    a, b = np.asarray(a), np.asarray(b)
    apart = np.max(np.abs(a - b))
    return float(apart / np.max(np.abs(a))) if apart else 0.0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--variants", nargs="+", default=VARIANTS)
    options = parser.parse_args()
    try:
        print(json.dumps({name: check(name, options.variants) for name in options.models}))
    except AssertionError as error:
        sys.exit(str(error))
