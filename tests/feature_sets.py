"""Sets of features whose distances are known, for the tests of image metrics."""

import dataclasses

import numpy as np

from zoo import metrics

RNG = np.random.default_rng


def of(values, extractor="net-v1", split="test", **more):
    return metrics.ImageFeatures(np.asarray(values, np.float64), extractor, split, **more)


def normal(n, d=4, seed=0, **more):
    return of(RNG(seed).normal(size=(n, d)), **more)


def two():
    """Two sets that overlap in part."""
    rng = RNG(0)
    x = rng.normal(size=(60, 4))
    return of(x), of(rng.normal(size=(50, 4)) * [1, 0.5, 2, 1] + 0.3)


def score(value, lower=True, **more):
    return dataclasses.replace(
        metrics.Score(value, "Frechet distance, net-v1", 10, 10, "test", lower), **more
    )


def images(n=10, size=12, channels=1, seed=0):
    return RNG(seed).random((n, size, size, channels), np.float32)
