"""Sensitivity of the Frechet classifier distance: slightly altered real images.

    python -m benchmarks.metric_sensitivity [--images 10000] [--record]

Training images, as many as a recipe generates, are evaluated in place of generated ones: unaltered,
and with one alteration that is hard to see. Half a minute each; the record is
benchmarks/results/metric_sensitivity.json.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

import zoo
from benchmarks.train_classifiers import DATA
from zoo import metrics
from zoo.metrics.model_outputs import sample_rows
from zoo.recipes import environment, records

ROOT = Path(__file__).parent.parent
PROTOCOL = (
    "Altered training images in place of generated ones: {images:,} of them, drawn with seed 0,"
    " compared with all test images."
)


def half_a_pixel(images: np.ndarray) -> Any:
    """Images shifted to the right by half a pixel."""
    move = np.float32([[1, 0, -0.5, 0, 1, 0, 0, 0]])
    return ops.image.affine_transform(images, move.repeat(len(images), 0), "bilinear")


def blurred(images: np.ndarray) -> Any:
    return ops.image.gaussian_blur(images, kernel_size=(5, 5), sigma=(0.5, 0.5))


def noisy(images: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 0.05, images.shape)
    return np.clip(images + noise, 0, 1)


def darker(images: np.ndarray) -> np.ndarray:
    return 0.9 * images


ALTERATIONS = {
    "unaltered": np.asarray,
    "0.9 of the brightness": darker,
    "noise of 0.05": noisy,
    "blurred, sigma 0.5 pixels": blurred,
    "shifted by half a pixel": half_a_pixel,
}


def measure(extractor: str, images: int) -> dict[str, dict[str, float]]:
    """{alteration: {metric: value}} of images from the data of a classifier.

    Args:
        extractor: name of the classifier.
        images: number of altered images.
    """
    net = metrics.load_classifier(extractor)
    name, train, test, _ = DATA[extractor]
    test = zoo.data.load(name, test, batch_size=500)
    train = zoo.data.load(name, train, batch_size=500)

    def extract(images, split):
        return metrics.extract_features(net, np.float32(images), name=net.name, split=split)

    real = extract(test.take(test.num_examples)["image"], test.split)
    rows = sample_rows(train.num_examples, images, seed=0)
    sample = train.take(train.num_examples)["image"][rows]
    values = {}
    for alteration, alter in ALTERATIONS.items():
        altered = extract(alter(sample), alteration)
        precision, recall = metrics.precision_recall(real, altered)
        distance = metrics.frechet_distance(real, altered)
        values[alteration] = {
            "frechet": distance.value,
            "precision": precision.value,
            "recall": recall.value,
        }
        print(f"{name}, {alteration}: {distance}", flush=True)
    return values


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.metric_sensitivity", description=__doc__
    )
    parser.add_argument("--images", type=int, default=10_000, help="number of altered images")
    parser.add_argument("--record", action="store_true", help="write the record")
    options = parser.parse_args(arguments)
    record = {
        "kind": "metric_sensitivity",
        "protocol": PROTOCOL.format(images=options.images),
        **environment.environment(),
        "results": {extractor: measure(extractor, options.images) for extractor in DATA},
    }
    if options.record:
        records.write(ROOT / records.RESULTS / "metric_sensitivity.json", record)
    return record


if __name__ == "__main__":
    main()
