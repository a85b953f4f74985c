"""Are the variants that `benchmarks.speed` compares the same computation?

`python -m benchmarks.equality vae` copies the zoo's initial weights into each baseline, gives both
the same batch and the same noise, and takes three real training steps with each. Equal outputs of
every network before the first step and equal losses at each step mean equal networks, losses,
gradients and optimizers. Dropout, which nobody could compare, is off here; its rate is one setting
for all variants. Prints the worst relative difference of each as JSON; fails above the tolerance.
"""

import argparse
import json
import sys

import keras
import numpy as np
import tensorflow as tf

import zoo
from benchmarks.tf_runners import optimizers
from benchmarks.variants import SETTINGS, VARIANTS, factory, prepared

TOLERANCE = 1e-4
STEPS = 3


def check(name, variants=VARIANTS, batch_size=16):
    """Variant -> worst relative difference from the zoo; raises AssertionError above TOLERANCE.

    Those that take the zoo's step as it is, and those that cannot run here, are passed over.
    """
    return {
        variant: compare(name, variant, batch_size)
        for variant in variants
        if variant not in ("zoo", "zoo eager") and not VARIANTS[variant].missing()
    }


def compare(name, variant, batch_size):
    keras.utils.set_random_seed(0)
    settings = dict.fromkeys(SETTINGS[name], 0.0)  # the only setting is dropout
    ours, theirs = factory("zoo", name)(**settings), factory(variant, name)(**settings)
    ours.prepare(optimizers(name))
    pixels = 255 * (np.random.default_rng(0).random((batch_size, 28, 28, 1)) > 0.8)
    images = prepared(name, pixels.astype("uint8"))
    batch = {"image": tf.constant(pixels / 255, tf.float32)}
    key = tf.constant([1, 2], tf.int32)
    ours.seed = lambda value=None: key
    if variant == "zoo train":
        theirs = InPieces(name, theirs, batch, ours.seed)
    elif VARIANTS[variant].needs:
        from benchmarks.mirror import Mirror

        theirs = Mirror(theirs)

    noise, pairs = copied(ours, theirs, images)
    theirs.noise, theirs.seed = (lambda _: noise), key  # it draws with the one or the other
    for step in range(STEPS):
        for metric in getattr(theirs, "metrics", []):
            metric.reset_state()
        wanted, got = ours.train_step(batch), theirs.train_step(tf.constant(images))
        pairs |= {f"{loss}, step {step + 1}": (wanted[loss], got[loss]) for loss in got}

    differences = {what: difference(*pair) for what, pair in pairs.items()}
    worst = max(differences, key=differences.get)
    if not differences[worst] <= TOLERANCE:  # a NaN is no agreement
        a, b = (np.ravel(value)[:3] for value in pairs[worst])
        raise AssertionError(
            f"{name}, {variant!r} is not the zoo's computation: {worst} differs by"
            f" {differences[worst]:.1e} (tolerance {TOLERANCE}): {a} in the zoo, {b} in it"
        )
    return differences[worst]


class InPieces:
    """The zoo's model trained as `zoo train` does, by pieces, each of which is the whole batch."""

    def __init__(self, name, model, batch, seed):
        model.seed = seed
        self.model, self.steps, count = model, 0, type(model).sub_batches
        chosen = {"sub_batches": count, "optimizers": optimizers(name)}
        self.trainer = zoo.Trainer(model, eager=True, verbose=False, **chosen)
        copies = {name: tf.concat([value] * count, 0) for name, value in batch.items()}
        self.data = tf.data.Dataset.from_tensors(copies)  # an epoch is one step
        self.prior = model.latent_prior.weights if hasattr(model, "latent_prior") else []

    def __getattr__(self, part):
        return getattr(self.model, part)

    def train_step(self, _):
        self.steps += 1
        history = self.trainer.fit(self.data, epochs=self.steps).history
        return {name: values[-1] for name, values in history.items()}


def copied(ours, theirs, images):
    """Copies the weights; returns the noise of the zoo's step and each network's two outputs."""
    if hasattr(ours, "generator"):
        noise = ours.noise(len(images))
        inputs = {"generator": noise, "discriminator": images}
    else:
        q = ours.posterior(images)
        noise = (q.sample(seed=ours.seed()) - q.mean()) / q.stddev()
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
    """Largest difference, relative to the largest value."""
    a, b = np.asarray(a), np.asarray(b)
    return float(np.max(np.abs(a - b)) / np.max(np.abs(a)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--variants", nargs="+", default=VARIANTS)
    options = parser.parse_args()
    try:
        print(json.dumps({name: check(name, options.variants) for name in options.models}))
    except AssertionError as error:
        sys.exit(str(error))
