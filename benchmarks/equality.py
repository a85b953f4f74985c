"""Are the variants that `benchmarks.speed` compares the same computation?

`python -m benchmarks.equality vae` copies the zoo's initial weights into each baseline, gives both
the same batch and the same noise, and takes three real training steps with each. Equal outputs of
every network before the first step and equal losses at each step mean equal networks, losses,
gradients and optimizers. Dropout, which nobody could compare, is off here; its rate is one setting
for all variants. Prints the worst relative difference as JSON; fails above the tolerance.
"""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

import zoo
from benchmarks.baselines import SETTINGS, STYLES, prepared

TOLERANCE = 1e-4
STEPS = 3


def check(name, batch_size=16):
    """Style -> worst relative difference from the zoo; raises AssertionError above TOLERANCE."""
    return {style: compare(name, style, batch_size) for style in STYLES}


def compare(name, style, batch_size):
    keras.utils.set_random_seed(0)
    settings = dict.fromkeys(SETTINGS[name], 0.0)  # the only setting is dropout
    ours, theirs = zoo.get(name, **settings), STYLES[style][name](**settings)
    ours.prepare()
    pixels = 255 * (np.random.default_rng(0).random((batch_size, 28, 28, 1)) > 0.8)
    images = prepared(name, pixels.astype("uint8"))
    batch = {"image": tf.constant(pixels / 255, tf.float32)}
    key = tf.constant([1, 2], tf.int32)
    ours.seed = lambda value=None: key

    noise, pairs = copied(ours, theirs, images)
    theirs.noise = lambda _: noise
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
            f"{name}, {style!r} is not the zoo's computation: {worst} differs by"
            f" {differences[worst]:.1e} (tolerance {TOLERANCE}): {a} in the zoo, {b} in it"
        )
    return differences[worst]


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
    try:
        print(json.dumps({name: check(name) for name in sys.argv[1:]}))
    except AssertionError as error:
        sys.exit(str(error))
