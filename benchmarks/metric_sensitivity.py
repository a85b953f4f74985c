"""What a Frechet classifier distance means: real images, altered a little, against real images.

    python -m benchmarks.metric_sensitivity [--images 10000] [--record]

As many training images as a recipe generates stand in for the generated ones: as they are, and with
one thing wrong that an eye may not see. Half a minute each; the record is
benchmarks/results/yardstick.json.
"""

import argparse
from pathlib import Path

import numpy as np
from keras import ops

import zoo
from benchmarks.train_classifiers import DATA
from zoo import metrics
from zoo.metrics.model_outputs import sample_rows
from zoo.recipes import records

ROOT = Path(__file__).parent.parent
PROTOCOL = (
    "Training images, altered, in place of generated ones: {images:,} of them, drawn with seed 0,"
    " against all test images."
)


def half_a_pixel(images):
    """Moved to the right, between pixels the mean of both."""
    move = np.float32([[1, 0, -0.5, 0, 1, 0, 0, 0]])
    return ops.image.affine_transform(images, move.repeat(len(images), 0), "bilinear")


def blurred(images):
    return ops.image.gaussian_blur(images, kernel_size=(5, 5), sigma=(0.5, 0.5))


def noisy(images):
    noise = np.random.default_rng(0).normal(0, 0.05, images.shape)
    return np.clip(images + noise, 0, 1)


def darker(images):
    return 0.9 * images


ALTERED = {
    "as they are": np.asarray,
    "0.9 of the brightness": darker,
    "noise of 0.05": noisy,
    "blurred, sigma 0.5 pixels": blurred,
    "moved by half a pixel": half_a_pixel,
}


def measured(extractor, images):
    """{alteration: {metric: value}} on the data of an extractor."""
    net = metrics.load_classifier(extractor)
    name, train, test, _ = DATA[extractor]
    test = zoo.data.load(name, test, batch_size=500)
    train = zoo.data.load(name, train, batch_size=500)

    def see(found, split):
        return metrics.extract_features(net, np.float32(found), name=net.name, split=split)

    real = see(test.take(test.num_examples)["image"], test.split)
    drawn = train.take(train.num_examples)["image"][sample_rows(train.num_examples, images, seed=0)]
    found = {}
    for alteration, alter in ALTERED.items():
        seen = see(alter(drawn), alteration)
        precision, recall = metrics.precision_recall(real, seen)
        distance = metrics.frechet_distance(real, seen)
        found[alteration] = {
            "frechet": distance.value,
            "precision": precision.value,
            "recall": recall.value,
        }
        print(f"{name}, {alteration}: {distance}", flush=True)
    return found


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.metric_sensitivity", description=__doc__
    )
    parser.add_argument("--images", type=int, default=10_000, help="how many are altered")
    parser.add_argument("--record", action="store_true", help="write the record")
    options = parser.parse_args(arguments)
    record = {
        "kind": "yardstick",
        "protocol": PROTOCOL.format(images=options.images),
        **records.circumstances(),
        "results": {extractor: measured(extractor, options.images) for extractor in DATA},
    }
    if options.record:
        records.write(ROOT / records.RESULTS / "yardstick.json", record)
    return record


if __name__ == "__main__":
    main()
