"""Fidelity, diversity and copying of generated images, by nearest neighbors of their features.

Distances are Euclidean, in float64, computed in chunks of rows.
"""

from dataclasses import dataclass

import numpy as np

from zoo.checks import check_numbers
from zoo.errors import UsageError
from zoo.metrics.image_features import ImageFeatures, feature_tables
from zoo.metrics.scores import Score

MEGABYTES = 256  # of distances in memory at once


def precision_recall(
    real: ImageFeatures, generated: ImageFeatures, k: int = 3
) -> tuple[Score, Score]:
    """Fractions of generated images that look real, and of real images that can be generated.

    Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models"
    (2019, arXiv 1904.06991), section 2. The manifold of a set of images is the union of balls
    around each of them, up to its k-th nearest neighbor in the set; precision is the fraction of
    generated images in the manifold of the real ones, recall the fraction of real images in the
    manifold of the generated ones. Both depend on the number of images; the paper uses 50,000.

    Args:
        real: `ImageFeatures` [n, d].
        generated: `ImageFeatures` [m, d] by the same extractor.
        k: size of a neighborhood.

    Returns:
        (precision, recall): two `Score`s in [0, 1].

    Raises:
        UsageError: different extractors, or not more than k images.
    """
    x, y = _check_tables(real, generated, k)
    precision = (_count_balls(y, x, _radii(x, k)) > 0).mean()
    recall = (_count_balls(x, y, _radii(y, k)) > 0).mean()
    return (
        _score(precision, "precision", real, generated, k),
        _score(recall, "recall", real, generated, k),
    )


def density_coverage(
    real: ImageFeatures, generated: ImageFeatures, k: int = 5
) -> tuple[Score, Score]:
    """How densely generated images surround real ones, and how many real ones have any nearby.

    Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models" (2020, arXiv
    2002.09797), section 3. With balls around real images only, up to the k-th nearest real
    neighbor: density is the mean number of balls that a generated image lies in, divided by k, and
    about 1 for a perfect model; coverage is the fraction of balls with a generated image in them.
    A single outlier hardly changes either; it does change precision and recall.

    Args:
        real: `ImageFeatures` [n, d].
        generated: `ImageFeatures` [m, d] by the same extractor.
        k: size of a neighborhood.

    Returns:
        (density, coverage): two `Score`s, from 0 up and in [0, 1].

    Raises:
        UsageError: different extractors, or not more than k images.
    """
    x, y = _check_tables(real, generated, k)
    radii = _radii(x, k)
    density = _count_balls(y, x, radii).mean() / k
    coverage = (_nearest(y, 1, x)[:, 0] <= radii).mean()
    return (
        _score(density, "density", real, generated, k),
        _score(coverage, "coverage", real, generated, k),
    )


@dataclass(frozen=True)
class Memorization:
    """Whether generated images are copies of training images: see `memorization`.

    Args:
        z: standardized difference of the distances to the training images, generated minus test
            images. Far below 0: copies; far above 0: underfitting.
        ratio: ratio of the median distances: 1 if generated images are as new as test images.
        copies: fraction of generated images that copy one training image.
        copies_in_test: the same for the real test images.
        name: the metric and its extractor.
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

    def __str__(self) -> str:
        return (
            f"{self.name}: z = {self.z:+.1f}, distance ratio {self.ratio:.3f},"
            f" {self.copies:.2%} copies (test images: {self.copies_in_test:.2%});"
            f" {self.n_generated:,} generated, {self.n_test:,} test, {self.n_train:,} training"
        )


def memorization(
    train: ImageFeatures, generated: ImageFeatures, real_test: ImageFeatures
) -> Memorization:
    """Whether generated images are closer to the training images than new real images are.

    The test of Meehan, Chaudhuri, Dasgupta, "A Non-Parametric Test to Detect Data-Copying in
    Generative Models" (2020, arXiv 2004.05675), with the whole space as the only cell: the
    standardized Mann-Whitney U of the distances to the nearest training image. It detects
    a tendency of all images. Single copies among new images are detected by the fraction of images
    whose nearest training image is less than a third as far as the second nearest, by Gu et al.,
    "On Memorization in Diffusion Models" (2023, arXiv 2310.02664); an image that is twice in the
    training set is not detected.

    Args:
        train: `ImageFeatures` of all training images; copies of missing ones are not detected.
        generated: `ImageFeatures` of generated images.
        real_test: `ImageFeatures` of real images that the model was not trained on.

    Raises:
        UsageError: different extractors, or half of the test images are training images.
    """
    training, new, test = feature_tables(train, generated, real_test)
    distances = _nearest(training, 2, new)
    expected = _nearest(training, 2, test)
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


def _copies(distances: np.ndarray) -> float:
    return float((distances[:, 0] < distances[:, 1] / 3).mean())


def _mann_whitney_z(a: np.ndarray, b: np.ndarray) -> float:
    """Standardized number of pairs with a > b, ties as 1/2: about N(0, 1) if a and b agree."""
    b = np.sort(b)
    n = len(a)
    m = len(b)
    u = sum(np.searchsorted(b, a, side).sum() for side in ("left", "right")) / 2
    return float((u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))


def _check_tables(
    real: ImageFeatures, generated: ImageFeatures, k: int
) -> tuple[np.ndarray, np.ndarray]:
    check_numbers(k=k)
    x, y = feature_tables(real, generated)
    if min(len(x), len(y)) <= k:
        raise UsageError(
            f"{k} neighbors of an image need more than {k} images, got {len(x):,} real and"
            f" {len(y):,} generated ones; give more, or a smaller k"
        )
    return x, y


def _nearest(among: np.ndarray, k: int, points: np.ndarray | None = None) -> np.ndarray:
    """Distances [n, k], ascending, from each point to its k nearest; default: to the others."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=k, algorithm="brute").fit(among).kneighbors(points)[0]


def _radii(centers: np.ndarray, k: int) -> np.ndarray:
    return _nearest(centers, k)[:, -1]


def _count_balls(points: np.ndarray, centers: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """The number of balls that contain each point: [n]."""
    from sklearn.metrics import pairwise_distances_chunked

    chunks = pairwise_distances_chunked(points, centers, working_memory=MEGABYTES)
    return np.concatenate([(chunk <= radii).sum(axis=1) for chunk in chunks])


def _score(
    value: float, metric: str, real: ImageFeatures, generated: ImageFeatures, k: int
) -> Score:
    name = f"{metric} (k={k}), {real.extractor}"
    return Score(float(value), name, real.n, generated.n, real.split, lower_is_better=False)
