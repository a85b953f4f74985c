"""Makes the classifiers of zoo.metrics.classifiers again, and prints how often they are right.

    python -m benchmarks.train_classifiers [NAME...] [--epochs 16] [--folder zoo/metrics/weights]

A few minutes each. The weights come out alike and not to the bit: threads add up in any order. So
new weights are a new version: a new name in `CLASSIFIERS`, with the hash that this prints.
"""

import argparse
import hashlib
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import zoo
from zoo.metrics import classifiers

DATA = {  # name -> (data set, what it learns from, what it is tested on, whether it is mirrored)
    "mnist-classifier-v1": ("mnist", "train", "test", False),
    "fashion_mnist-classifier-v1": ("fashion_mnist", "train[:50000]", "train[50000:]", True),
}
BATCH = 128


def trained(name, epochs):
    """(network, the images to test it on)."""
    keras.utils.set_random_seed(0)
    data, train, test, mirrored = DATA[name]
    train = zoo.data.load(data, train, batch_size=BATCH, shuffle=True, drop_remainder=True)
    test = zoo.data.load(data, test, batch_size=1000, shuffle=False, drop_remainder=False)
    network = classifiers.build_network(dropout=0.1)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, epochs * len(train), alpha=0.001, warmup_target=3e-3, warmup_steps=200
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-2)
    whole = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)

    @tf.function
    def step(images, labels, shift, seed):
        images = varied(images, shift, seed)
        if mirrored:
            images = tf.image.stateless_random_flip_left_right(images, seed)
        with tf.GradientTape() as tape:
            _, logits = network(images, training=True)
            loss = whole(tf.one_hot(labels, classifiers.Classifier.num_classes), logits)
        variables = network.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    random = np.random.default_rng(0)
    for epoch in range(epochs):
        losses = [
            float(
                step(b["image"], b["label"], random.integers(-2, 3, 2), random.integers(0, 99, 2))
            )
            for b in train(epoch)
        ]
        print(f"{name}: epoch {epoch + 1}/{epochs}, loss {np.mean(losses):.4f}", flush=True)
    return network, test


def varied(images, shift, seed):
    """Images moved by up to 2 pixels, a little greyer, brighter and noisier, each in its own way.

    The background of these data is 0 to the bit. A network that has seen nothing else takes one of
    0.03, which no person can see, for another world.
    """
    images = tf.roll(tf.pad(images, [[0, 0], [2, 2], [2, 2], [0, 0]]), shift, axis=(1, 2))
    images = images[:, 2:-2, 2:-2]
    greyer, brighter, noisier = tf.unstack(
        tf.random.stateless_uniform((3, len(images), 1, 1, 1), seed)
    )
    images = (1 - 0.1 * greyer) * images
    images += 0.05 * brighter * (1 - images)
    images += 0.05 * noisier * tf.random.stateless_normal(images.shape, seed)
    return tf.clip_by_value(images, 0.0, 1.0)


def accuracy(classifier, data):
    """Share of the images whose label is told."""
    right = [np.argmax(classifier(b["image"])[1], -1) == b["label"] for b in data]
    return float(np.mean(np.concatenate(right)))


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.train_classifiers", description=__doc__
    )
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*DATA, []])
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--folder", type=Path, default=classifiers.WEIGHTS)
    asked = parser.parse_args(arguments)
    for name in asked.names or DATA:
        network, test = trained(name, asked.epochs)
        raw = classifiers.pack_weights(network)
        path = asked.folder / f"{name}.npz"
        path.write_bytes(raw)
        right = accuracy(classifiers.Classifier(name, classifiers.unpack_classifier(raw)), test)
        print(f"{path}: {len(raw) / 1000:.0f} kB, sha256 {hashlib.sha256(raw).hexdigest()}")
        print(f"{name}: {right:.2%} of {test.num_examples:,} images of {test.name} {test.split}")


if __name__ == "__main__":
    main()
