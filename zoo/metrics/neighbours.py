"""Who lives next to whom: fidelity, variety and copying, told by distances between features.

Distances are Euclidean, in float64, and computed for some rows at a time.
"""

from dataclasses import dataclass

import numpy as np

from zoo.checks import check_numbers
from zoo.errors import UsageError
from zoo.metrics.image_features import feature_tables
from zoo.metrics.scores import Score

MEGABYTES = 256  # of distances in memory at once


def precision_recall(real, generated, k=3):
    """Share of generated images that could be real, and of real ones that could be generated.

    Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models"
    (2019, arXiv 1904.06991), section 2. A set of images reaches as far as balls around each of
    them, up to its k-th nearest neighbour in the set; precision is the share of generated images
    in the reach of the real ones, recall the share of real images in the reach of the generated.
    Both depend on the number of images; the paper takes 50,000 of either.

    Args:
        real: `ImageFeatures` [n, d].
        generated: `ImageFeatures` [m, d] by the same extractor.
        k: size of a neighbourhood.

    Returns:
        (precision, recall): two `Score`s in [0, 1].

    Raises:
        UsageError: different extractors, or not more than k images.
    """
    x, y = _neighbourhoods(real, generated, k)
    precision = (_balls_around(y, x, _radii(x, k)) > 0).mean()
    recall = (_balls_around(x, y, _radii(y, k)) > 0).mean()
    return (
        _score(precision, "precision", real, generated, k),
        _score(recall, "recall", real, generated, k),
    )


def density_coverage(real, generated, k=5):
    """How densely real images are surrounded by generated ones, and how many are at all.

    Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models" (2020, arXiv
    2002.09797), section 3. Balls around real images only, up to the k-th nearest real neighbour:
    density is the number of balls that a generated image lies in, over k, on average, and about 1
    for a perfect model; coverage is the share of balls with a generated image in them. A single
    far-off image hardly changes either, as it does precision and recall.

    Args:
        real: `ImageFeatures` [n, d].
        generated: `ImageFeatures` [m, d] by the same extractor.
        k: size of a neighbourhood.

    Returns:
        (density, coverage): two `Score`s, from 0 up and in [0, 1].

    Raises:
        UsageError: different extractors, or not more than k images.
    """
    x, y = _neighbourhoods(real, generated, k)
    radii = _radii(x, k)
    density = _balls_around(y, x, radii).mean() / k
    coverage = (_nearest(y, 1, x)[:, 0] <= radii).mean()
    return (
        _score(density, "density", real, generated, k),
        _score(coverage, "coverage", real, generated, k),
    )


@dataclass(frozen=True)
class Memorization:
    """Whether generated images are copies of training images: see `memorization`.

    Args:
        z: how much farther generated images are from the training images than real test images
            are, in standard deviations of chance. Far below 0: copies; far above: underfitted.
        ratio: of the median distances: 1 where generated images are as new as test images.
        copies: share of generated images that are the copy of one training image.
        copies_in_test: the same of the real test images.
        name: what was measured, and by which extractor.
        n_train: number of training images.
        n_generated: number of generated images.
        n_test: number of real test images.
    """

    z: float
    ratio: float
    copies: float
    copies_in_test: float
    name: str
    n_train: int
    n_generated: int
    n_test: int

    def __str__(self):
        return (
            f"{self.name}: z = {self.z:+.1f}, distance ratio {self.ratio:.3f},"
            f" {self.copies:.2%} copies (test images: {self.copies_in_test:.2%});"
            f" {self.n_generated:,} generated, {self.n_test:,} test, {self.n_train:,} training"
        )


def memorization(train, generated, real_test) -> Memorization:
    """Whether generated images are closer to the training images than new real images are.

    The test of Meehan, Chaudhuri, Dasgupta, "A Non-Parametric Test to Detect Data-Copying in
    Generative Models" (2020, arXiv 2004.05675), with the whole space as the only cell: the
    Mann-Whitney U of the distances to the nearest training image, standardized. It notices a
    tendency of all images. Single copies among new images show in the share of images whose
    nearest training image is less than a third as far as the second nearest, by Gu et al., "On
    Memorization in Diffusion Models" (2023, arXiv 2310.02664); an image that is in the training
    set twice escapes it.

    Args:
        train: `ImageFeatures` of the images that the model was trained on; of all, or copies of the
            others are missed.
        generated: `ImageFeatures` of its images.
        real_test: `ImageFeatures` of real images that it was not trained on.

    Raises:
        UsageError: different extractors, or half of the test images are training images.
    """
    known, new, test = feature_tables(train, generated, real_test)
    distances, expected = _nearest(known, 2, new), _nearest(known, 2, test)
    typical = np.median(expected[:, 0])
    if typical == 0:
        raise UsageError(
            f"half of {real_test.split!r} or more are images of {train.split!r}; give test images"
            " that the model was not trained on"
        )
    return Memorization(
        _mann_whitney_z(distances[:, 0], expected[:, 0]),
        float(np.median(distances[:, 0]) / typical),
        _copies(distances),
        _copies(expected),
        f"distance to the nearest of {train.split}, {train.extractor}",
        train.n,
        generated.n,
        real_test.n,
    )


def _copies(distances):
    return float((distances[:, 0] < distances[:, 1] / 3).mean())


def _mann_whitney_z(a, b):
    """Standardized number of pairs with a > b, ties for a half: about N(0, 1) if a and b agree."""
    b, n, m = np.sort(b), len(a), len(b)
    u = sum(np.searchsorted(b, a, side).sum() for side in ("left", "right")) / 2
    return float((u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))


def _neighbourhoods(real, generated, k):
    check_numbers(k=k)
    x, y = feature_tables(real, generated)
    if min(len(x), len(y)) <= k:
        raise UsageError(
            f"{k} neighbours of an image need more than {k} images, got {len(x):,} real and"
            f" {len(y):,} generated ones; give more, or a smaller k"
        )
    return x, y


def _nearest(among, k, points=None):
    """Distances [n, k], ascending, from each point to its k nearest; by default, to the others."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=k, algorithm="brute").fit(among).kneighbors(points)[0]


def _radii(centres, k):
    return _nearest(centres, k)[:, -1]


def _balls_around(points, centres, radii):
    """In how many balls each point lies: [n]."""
    from sklearn.metrics import pairwise_distances_chunked

    chunks = pairwise_distances_chunked(points, centres, working_memory=MEGABYTES)
    return np.concatenate([(chunk <= radii).sum(axis=1) for chunk in chunks])


def _score(value, what, real, generated, k):
    name = f"{what} (k={k}), {real.extractor}"
    return Score(float(value), name, real.n, generated.n, real.split, lower_is_better=False)
