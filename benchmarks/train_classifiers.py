"""Trains the classifiers of zoo.metrics.classifiers again, and prints their accuracy.

    python -m benchmarks.train_classifiers [NAME...] [--epochs 16] [--folder zoo/metrics/weights]

Takes a few minutes for each. Runs are not reproducible to the bit, because threads sum in any
order. So new weights are a new version: add a new name to `CLASSIFIERS`, with the printed hash.
"""

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import zoo
from zoo.metrics import classifiers

DATA = {  # name -> (data set, training split, test split, whether to flip images at random)
    "mnist-classifier-v1": ("mnist", "train", "test", False),
    "fashion_mnist-classifier-v1": ("fashion_mnist", "train[:50000]", "train[50000:]", True),
}
BATCH_SIZE = 128


def train_classifier(name: str, epochs: int) -> tuple[keras.Model, zoo.data.ArrayDataset]:
    """Returns (network, test data)."""
    keras.utils.set_random_seed(0)
    dataset, train_split, test_split, flip = DATA[name]
    train = zoo.data.load(
        dataset, train_split, batch_size=BATCH_SIZE, shuffle=True, drop_remainder=True
    )
    test = zoo.data.load(dataset, test_split, batch_size=1000, shuffle=False, drop_remainder=False)
    network = classifiers.build_network(dropout=0.1)
    learning_rate = keras.optimizers.schedules.CosineDecay(
        0.0, epochs * len(train), alpha=0.001, warmup_target=3e-3, warmup_steps=200
    )
    optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=1e-2)
    loss_fn = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)

    @tf.function
    def step(images, labels, shift, seed):
        images = augment(images, shift, seed)
        if flip:
            images = tf.image.stateless_random_flip_left_right(images, seed)
        with tf.GradientTape() as tape:
            _, logits = network(images, training=True)
            loss = loss_fn(tf.one_hot(labels, classifiers.Classifier.num_classes), logits)
        variables = network.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    rng = np.random.default_rng(0)
    for epoch in range(epochs):
        losses = [
            float(step(b["image"], b["label"], rng.integers(-2, 3, 2), rng.integers(0, 99, 2)))
            for b in train(epoch)
        ]
        print(f"{name}: epoch {epoch + 1}/{epochs}, loss {np.mean(losses):.4f}", flush=True)
    return network, test


def augment(images: tf.Tensor, shift: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Images shifted by up to 2 pixels, with random contrast, brightness and noise for each image.

    The background of these data is exactly 0. Without noise in training, a network is not robust to
    a background of 0.03, which is not visible.

    Args:
        images: float32 [n, h, w, 1] in [0, 1].
        shift: int [2], rows and columns.
        seed: int [2].
    """
    images = tf.roll(tf.pad(images, [[0, 0], [2, 2], [2, 2], [0, 0]]), shift, axis=(1, 2))
    images = images[:, 2:-2, 2:-2]
    contrast, brightness, noise = tf.unstack(
        tf.random.stateless_uniform((3, len(images), 1, 1, 1), seed)
    )
    images = (1 - 0.1 * contrast) * images
    images += 0.05 * brightness * (1 - images)
    images += 0.05 * noise * tf.random.stateless_normal(images.shape, seed)
    return tf.clip_by_value(images, 0.0, 1.0)


def accuracy(classifier: classifiers.Classifier, data: zoo.data.ArrayDataset) -> float:
    """Fraction of the images that are classified correctly."""
    correct = [np.argmax(classifier(b["image"])[1], -1) == b["label"] for b in data]
    return float(np.mean(np.concatenate(correct)))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.train_classifiers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*DATA, []])
    parser.add_argument("--epochs", type=int, default=16, help="default: 16")
    parser.add_argument(
        "--folder", type=Path, default=classifiers.WEIGHTS, help="folder of the weights"
    )
    options = parser.parse_args(arguments)
    for name in options.names or DATA:
        network, test = train_classifier(name, options.epochs)
        raw = classifiers.pack_weights(network)
        path = options.folder / f"{name}.npz"
        path.write_bytes(raw)
        classifier = classifiers.Classifier(name, classifiers.unpack_classifier(raw))
        print(f"{path}: {len(raw) / 1000:.0f} kB, sha256 {hashlib.sha256(raw).hexdigest()}")
        print(
            f"{name}: accuracy {accuracy(classifier, test):.2%} on {test.num_examples:,} images of"
            f" {test.name} {test.split}"
        )


if __name__ == "__main__":
    main()
