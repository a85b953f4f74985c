"""Distances between generated and real images, by the features of a network."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from zoo.checks import check_numbers
from zoo.errors import UsageError
from zoo.metrics.estimate import ProtocolWarning
from zoo.metrics.image_features import ImageFeatures, feature_tables
from zoo.metrics.neighbors import density_coverage, precision_recall
from zoo.metrics.scores import Score


def frechet_distance(real: ImageFeatures, generated: ImageFeatures) -> Score:
    """Frechet distance between Gaussians with the mean and covariance of the features.

    Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
    Equilibrium" (2017, arXiv 1706.08500), eq. 6; with Inception features it is the FID. It is
    |m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)), in squared units of the features.

    With C = R^T R, the trace of the root is the sum of the singular values of R R'^T; R comes
    from a QR decomposition of the centered features, and no covariance is squared or inverted.

    The estimate is biased upwards, by an amount that falls with 1/n and depends on the model
    (Chong, Forsyth, 2020, arXiv 1911.07023): only scores of equally many images are comparable.

    Args:
        real: `ImageFeatures` [n, d].
        generated: `ImageFeatures` [m, d] by the same extractor.

    Raises:
        UsageError: different extractors.

    Warns:
        ProtocolWarning: there are no more images than features, so the bias is large.
    """
    x, y = feature_tables(real, generated)
    n = min(len(x), len(y))
    d = x.shape[1]
    if n <= d:
        warnings.warn(
            f"a Frechet distance of {n:,} images in {d:,} features: the covariances lack full"
            " rank, and the distance is biased upwards by an amount that falls with the number of"
            " images; give many more images than features, or take kernel_distance, which has no"
            " bias",
            ProtocolWarning,
            stacklevel=2,
        )
    a = _covariance_root(x)
    b = _covariance_root(y)
    shift = ((x.mean(0) - y.mean(0)) ** 2).sum()
    overlap = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    value = shift + (a**2).sum() + (b**2).sum() - 2 * overlap
    return _score(max(value, 0.0), "Frechet distance", real, generated)  # rounding may go below


def _covariance_root(values: np.ndarray) -> Any:
    """R [min(n, d), d] with R^T R = the covariance."""
    return np.linalg.qr((values - values.mean(0)) / np.sqrt(len(values) - 1), mode="r")


def kernel_distance(
    real: ImageFeatures, generated: ImageFeatures, blocks: int = 10, seed: int = 0
) -> Score:
    """Squared maximum mean discrepancy with the kernel (x.y / d + 1)^3, without bias.

    Binkowski et al., "Demystifying MMD GANs" (2018, arXiv 1801.01401), section 4; with Inception
    features it is the KID. Both sets are divided at random into blocks. The value is the mean of
    the blocks' U-statistics; its standard error is valid because no two blocks share an image.
    If both sets come from one distribution, the value is 0 on average and often negative.

    Args:
        real: `ImageFeatures` [n, d].
        generated: `ImageFeatures` [m, d] by the same extractor.
        blocks: number of blocks, 2 or more, with 2 or more images of either set in each. Memory and
            time grow with the square of a block's size; about 1000 is usual.
        seed: seed of the division.

    Raises:
        UsageError: different extractors, or too many blocks for the number of images.
    """
    check_numbers(blocks=blocks, seed=seed)
    x, y = feature_tables(real, generated)
    if not 2 <= blocks <= min(len(x), len(y)) // 2:
        raise UsageError(
            f"kernel_distance needs 2 blocks or more of 2 images or more, got {blocks} blocks for"
            f" {len(x):,} real and {len(y):,} generated images; change blocks or give more images"
        )
    rng = np.random.default_rng(seed)
    divided = [np.array_split(rng.permutation(table), blocks) for table in (x, y)]
    values = [_squared_mmd(*pair) for pair in zip(*divided, strict=True)]
    error = np.std(values, ddof=1) / np.sqrt(blocks)
    return _score(np.mean(values), "kernel distance", real, generated, float(error))


def _squared_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """U-statistic of the squared MMD between x [n, d] and y [m, d]."""

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def within(a: np.ndarray) -> float:  # without pairs of an image with itself
        similar = kernel(a, a)
        n = len(a)
        return (similar.sum() - np.trace(similar)) / (n * (n - 1))

    return within(x) + within(y) - 2 * kernel(x, y).mean()


def label_histogram_distance(
    real_labels: Any, generated_labels: Any, num_classes: int
) -> tuple[float, list[int]]:
    """Total variation between the class frequencies, and the classes that are missing.

    Half the sum of |p - q| over classes: 0 for equal frequencies, 1 for no class in common. Label
    both sets with one classifier, so that both have its errors.

    Args:
        real_labels: integers [n] in 0 ... num_classes - 1.
        generated_labels: integers [m] in the same range.
        num_classes: number of classes.

    Returns:
        (distance, dropped): a float, and a list of the classes of real images that no generated
        image has.

    Raises:
        UsageError: the labels are not such integers, or there are none.
    """
    check_numbers(num_classes=num_classes)
    p, q = (_class_frequencies(labels, num_classes) for labels in (real_labels, generated_labels))
    return float(np.abs(p - q).sum() / 2), np.flatnonzero((p > 0) & (q == 0)).tolist()


def _class_frequencies(labels: Any, num_classes: int) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.ndim != 1 or not labels.size or not np.issubdtype(labels.dtype, np.integer):
        raise UsageError(
            f"labels are integers [n], n >= 1, got {labels.dtype} {labels.shape}; take the argmax"
            " of probabilities"
        )
    if labels.min() < 0 or labels.max() >= num_classes:
        raise UsageError(
            f"labels of {num_classes} classes are 0 ... {num_classes - 1}, got {labels.min()} ..."
            f" {labels.max()}; give the right number of classes"
        )
    return np.bincount(labels, minlength=num_classes) / len(labels)


def image_scores(
    real: ImageFeatures,
    generated: ImageFeatures,
    reference: ImageFeatures,
    blocks: int = 10,
    seed: int = 0,
) -> dict[str, Score]:
    """All scores of generated images, each with its floor: the score of other real images.

    No model is expected to be closer to the real images than real images are. A floor is most
    informative if `reference` are as new to the real images as generated images are, like a test
    set to a training set.

    Args:
        real: `ImageFeatures` of real images.
        generated: `ImageFeatures` of generated images.
        reference: `ImageFeatures` of other real images, as many as generated ones.
        blocks: see `kernel_distance`.
        seed: see `kernel_distance`.

    Returns:
        A dict of `Score`s with floors: "frechet", "kernel", "precision", "recall", "density",
        "coverage".

    Raises:
        UsageError: different extractors, different numbers of reference and generated images, or
            the real images are their own reference.
    """
    feature_tables(real, generated, reference)
    if reference.n != generated.n:
        raise UsageError(
            f"a floor of {reference.n:,} real images does not fit {generated.n:,} generated ones:"
            " scores depend on the number of images; give equally many"
        )
    if reference.split == real.split:
        raise UsageError(
            f"the floor is the score of other real images, got {real.split!r} twice; give a"
            " second split, or two halves of one"
        )
    floors = _scores(real, reference, blocks, seed)
    scores = _scores(real, generated, blocks, seed)
    return {name: replace(score, floor=floors[name]) for name, score in scores.items()}


def _scores(real: ImageFeatures, other: ImageFeatures, blocks: int, seed: int) -> dict[str, Score]:
    precision, recall = precision_recall(real, other)
    density, coverage = density_coverage(real, other)
    return {
        "frechet": frechet_distance(real, other),
        "kernel": kernel_distance(real, other, blocks, seed),
        "precision": precision,
        "recall": recall,
        "density": density,
        "coverage": coverage,
    }


def _score(
    value: Any,
    metric: str,
    real: ImageFeatures,
    generated: ImageFeatures,
    error: float | None = None,
) -> Score:
    name = f"{metric}, {real.extractor}"
    return Score(float(value), name, real.n, generated.n, real.split, True, error)
