"""Metrics of generated images: known values, brute force, other packages' numbers, errors."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from feature_sets import RNG, images, normal, of, score, two
from scipy.linalg import sqrtm

from zoo import errors, metrics


def exactly(mean, covariance, n=500, seed=0):
    """Features with exactly this mean and covariance."""
    x = RNG(seed).normal(size=(n, len(mean)))
    x = np.linalg.qr(x - x.mean(0))[0] * np.sqrt(n - 1)
    return of(x @ np.linalg.cholesky(covariance).T + mean)


def covariance(d, seed):
    a = RNG(seed).normal(size=(d, d))
    return a @ a.T + 0.1 * np.eye(d)


# Frechet and kernel distance.


def test_the_frechet_distance_of_known_gaussians():
    a, b = np.array([1.0, 4.0, 9.0]), np.array([4.0, 4.0, 1.0])
    found = metrics.frechet_distance(
        exactly([0, 0, 0], np.diag(a)), exactly([1, 2, 2], np.diag(b), 300, 1)
    )
    assert found.value == pytest.approx(9 + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum(), rel=1e-10)
    assert (found.n_real, found.n_generated, found.lower_is_better) == (500, 300, True)
    assert found.name == "Frechet distance, net-v1" and found.split == "test"
    c, d = covariance(6, 0), covariance(6, 1)
    expected = np.trace(c + d - 2 * sqrtm(c @ d).real) + 6 * 0.25
    found = metrics.frechet_distance(exactly(np.zeros(6), c), exactly(np.full(6, 0.5), d, seed=1))
    assert found.value == pytest.approx(expected, rel=1e-9)


def test_the_frechet_distance_is_a_distance_of_sets():
    x, y = two()
    assert metrics.frechet_distance(x, x).value == pytest.approx(0, abs=1e-10)
    back = metrics.frechet_distance(y, x).value
    assert metrics.frechet_distance(x, y).value == pytest.approx(back, rel=1e-12)
    turn = np.linalg.qr(RNG(3).normal(size=(4, 4)))[0]
    turned = metrics.frechet_distance(of(x.values @ turn + 5), of(y.values @ turn + 5))
    assert turned.value == pytest.approx(back, rel=1e-9)
    huge = of(1e6 + 1e-3 * x.values)
    assert metrics.frechet_distance(huge, huge).value == pytest.approx(0, abs=1e-10)


def test_more_features_than_images_are_computed_with_a_warning():
    x, y = normal(20, 50), normal(30, 50, seed=1)
    with pytest.warns(metrics.ProtocolWarning, match="20 images in 50 features.*biased upwards"):
        found = metrics.frechet_distance(x, y).value
    c, d = (np.cov(one.values, rowvar=False) for one in (x, y))
    roots = np.sqrt(np.linalg.eigvals(c @ d).astype(complex)).real  # only some digits survive
    shift = ((x.values.mean(0) - y.values.mean(0)) ** 2).sum()
    assert found == pytest.approx(shift + np.trace(c + d) - 2 * roots.sum(), rel=1e-4)
    with pytest.warns(metrics.ProtocolWarning):
        assert metrics.frechet_distance(x, x).value == pytest.approx(0, abs=1e-10)


def naive_discrepancy(x, y):
    def mean(a, b, skip):
        return np.mean(
            [
                (p @ q / len(p) + 1) ** 3
                for i, p in enumerate(a)
                for j, q in enumerate(b)
                if i != j or not skip
            ]
        )

    return mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)


def test_the_kernel_distance_is_the_mean_of_u_statistics_of_blocks():
    x, y = two()
    found = metrics.kernel_distance(x, y, blocks=3, seed=7)
    rng = RNG(7)
    blocks = [np.array_split(rng.permutation(one.values), 3) for one in (x, y)]
    values = [naive_discrepancy(*pair) for pair in zip(*blocks, strict=True)]
    assert found.value == pytest.approx(np.mean(values))
    assert found.error == pytest.approx(np.std(values, ddof=1) / math.sqrt(3))
    assert found == metrics.kernel_distance(x, y, blocks=3, seed=7)
    assert found != metrics.kernel_distance(x, y, blocks=3, seed=8)


def test_the_kernel_distance_has_no_bias_and_an_honest_error():
    found = [
        metrics.kernel_distance(normal(60, 3, 2 * i), normal(40, 3, 2 * i + 1)) for i in range(400)
    ]
    values = np.array([score.value for score in found])
    assert abs(values.mean()) < 3 * values.std() / 20  # any bias shows: 6 images are in a block
    assert 0.3 < (values < 0).mean() < 0.7
    errors_ = np.array([score.error for score in found])
    assert np.sqrt((errors_**2).mean()) == pytest.approx(values.std(), rel=0.1)
    far = metrics.kernel_distance(normal(500, 3), of(normal(500, 3, 1).values + 0.5))
    assert far.value > 5 * far.error > 0


# Samples.


class Sampler:
    name = "sampler"

    def sample(self, n, seed):
        return tf.random.stateless_uniform((n, 2, 2, 1), seed)


def test_samples_come_in_batches_and_are_those_of_the_seed():
    found = metrics.generate(Sampler(), 7, seed=3, batch_size=3)
    assert found.shape == (7, 2, 2, 1) and len(np.unique(found)) == 28  # no batch comes twice
    np.testing.assert_array_equal(found, metrics.generate(Sampler(), 7, seed=3, batch_size=3))
    np.testing.assert_array_equal(found[:6], metrics.generate(Sampler(), 6, seed=3, batch_size=3))
    assert not np.isin(found, metrics.generate(Sampler(), 7, seed=4, batch_size=3)).any()
    with pytest.raises(errors.UsageError, match="has no method 'translate'"):
        metrics.translate(Sampler(), None)
    with pytest.raises(errors.UsageError, match="n must be an integer >= 1"):
        metrics.generate(Sampler(), 0)


# Labels.


def test_dropped_classes_are_listed():
    real = np.repeat([0, 1, 2, 3], 25)
    assert metrics.label_histogram_distance(real, np.tile([0, 1, 2, 3], 5), 4) == (0, [])
    assert metrics.label_histogram_distance(real, [0, 0, 1], 5) == (pytest.approx(0.5), [2, 3])
    assert metrics.label_histogram_distance([0, 0], [1], 2) == (1, [0])


# Features and scores.


def test_features_are_those_of_a_network_in_batches():
    sizes = []

    def extract(x):
        sizes.append(len(x))
        return x.mean((1, 2)), np.eye(3)[np.arange(len(x)) % 3]

    x = images(channels=2)
    found = metrics.extract_features(extract, x, 4, name="mean v1", split="mnist test")
    np.testing.assert_allclose(found.values, x.mean((1, 2)))
    assert sizes == [4, 4, 2] and found.n == 10
    assert found.labels.tolist() == [0, 1, 2, 0, 0, 1, 2, 0, 0, 1]
    assert (found.extractor, found.split) == ("mean v1", "mnist test")
    assert "array" not in repr(found)
    net = keras.Sequential([keras.Input((12, 12, 2)), keras.layers.GlobalAveragePooling2D()])
    again = metrics.extract_features(net, x, 4, name="mean v1", split="mnist test")
    np.testing.assert_allclose(again.values, found.values, rtol=1e-5)
    assert again.labels is None


def test_progress_is_for_terminals(capfd, monkeypatch):
    given = {"name": "mean v1", "split": "test", "progress": True}
    metrics.extract_features(lambda x: x.mean((1, 2)), images(), **given)
    assert capfd.readouterr().err == ""
    monkeypatch.setenv("FORCE_COLOR", "1")
    metrics.extract_features(lambda x: x.mean((1, 2)), images(), **given)
    assert "features by mean v1" in capfd.readouterr().err


def test_every_score_has_the_floor_of_other_real_images():
    real, other = normal(300), normal(200, seed=1, split="train")
    mine = of(1.5 * normal(200, seed=2).values, split="mine")
    found = metrics.image_scores(real, mine, other, blocks=5)
    assert [*found] == ["frechet", "kernel", "precision", "recall", "density", "coverage"]
    assert found["frechet"].value == metrics.frechet_distance(real, mine).value
    assert found["frechet"].floor == metrics.frechet_distance(real, other)
    assert found["kernel"].floor == metrics.kernel_distance(real, other, blocks=5)
    assert found["recall"].floor == metrics.precision_recall(real, other)[1]
    assert found["coverage"].floor == metrics.density_coverage(real, other)[1]
    assert found["density"].value < found["density"].floor.value
    score = found["frechet"]
    assert score.ratio == score.value / score.floor.value > 2
    assert math.isnan(score.floor.ratio)
    assert f"net-v1: {score.value:.4g}; real images {score.floor.value:.4g}" in str(score)
    assert "(200 generated, 300 of test)" in str(score)
    assert f"± {found['kernel'].error:.2g}; real" in str(found["kernel"])


def test_models_are_ranked_the_best_first():
    assert [*metrics.rank({"a": score(2.0), "b": score(1.0)})] == ["b", "a"]
    assert [*metrics.rank({"a": score(2.0, False), "b": score(1.0, False)})] == ["a", "b"]


@pytest.mark.parametrize(
    "other",
    [
        {"name": "Frechet distance, net-v2"},
        {"n_real": 11},
        {"n_generated": 9},
        {"split": "train"},
    ],
    ids=str,
)
def test_scores_of_different_kinds_are_not_ranked(other):
    with pytest.raises(errors.UsageError, match=f"cannot be ranked.*{[*other.values()][0]}"):
        metrics.rank({"a": score(1.0), "b": score(2.0, **other)})


# Pairs.


def test_pairs_have_known_distances():
    x = np.full((3, 12, 12, 2), 0.5, np.float32)
    y = x + np.float32([0.1, 0.01, 0])[:, None, None, None]
    found = metrics.psnr(x, y)
    np.testing.assert_allclose(found.values, [20, 40, 100], rtol=1e-4)
    assert (found.unit, found.higher_is_better) == ("dB", True) and found.n == 3
    found = metrics.l1(x, y)
    np.testing.assert_allclose(found.values, [0.1, 0.01, 0], rtol=1e-4, atol=1e-9)
    assert not found.higher_is_better
    # of constant images a and b, the similarity is (2 a b + c) / (a^2 + b^2 + c), c = 0.01^2
    found = metrics.ssim(x, y)
    expected = [(a + 1e-4) / (b + 1e-4) for a, b in [(0.6, 0.61), (0.51, 0.5101), (0.5, 0.5)]]
    np.testing.assert_allclose(found.values, expected, atol=5e-4)
    assert found.images == metrics.fingerprint(x)


def naive_ssim(x, y):
    """Of one grey image, by Wang et al., eq. 13, window by window."""
    axis = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    w = np.outer(axis, axis) / axis.sum() ** 2
    values = []
    for i in range(len(x) - 10):
        for j in range(len(x) - 10):
            p, q = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
            m, n = (w * p).sum(), (w * q).sum()
            pp, qq, pq = ((w * a).sum() for a in ((p - m) ** 2, (q - n) ** 2, (p - m) * (q - n)))
            top = (2 * m * n + 1e-4) * (2 * pq + 9e-4)
            values.append(top / ((m**2 + n**2 + 1e-4) * (pp + qq + 9e-4)))
    return np.mean(values)


def test_structure_is_compared_window_by_window():
    x = images(300, 13)
    y = np.clip(x + 0.3 * (images(300, 13, seed=1) - 0.5), 0, 1)
    found = metrics.ssim(x, y).values  # in two batches
    for i in (0, 255, 256, 299):
        assert found[i] == pytest.approx(naive_ssim(x[i, ..., 0], y[i, ..., 0]), abs=1e-4)


def test_reconstructions_of_the_same_images_are_compared_in_pairs():
    x = images(50)
    a, b = (metrics.psnr(x, np.clip(x + e, 0, 1)) for e in (0.01, 0.1))
    assert metrics.compare(a, b).excludes_zero
    with pytest.raises(errors.UsageError, match="different test sets"):
        metrics.compare(a, metrics.psnr(images(50, seed=1), x))


# Invalid arguments.


def test_features_of_different_networks_are_never_compared():
    x, y = normal(30), normal(30, seed=1, extractor="net-v2")
    for call in (
        lambda: metrics.frechet_distance(x, y),
        lambda: metrics.kernel_distance(x, y),
        lambda: metrics.precision_recall(x, y),
        lambda: metrics.density_coverage(x, y),
        lambda: metrics.memorization(x, x, y),
        lambda: metrics.image_scores(x, x, y),
    ):
        with pytest.raises(errors.UsageError, match="extractors.*'net-v1' and .*'net-v2'"):
            call()
    with pytest.raises(errors.UsageError, match="4 features by 'net-v1' and 5 features"):
        metrics.frechet_distance(x, normal(30, 5))
    with pytest.raises(errors.UsageError, match="takes ImageFeatures, got ndarray; make them with"):
        metrics.kernel_distance(x, x.values)


def test_invalid_features_are_errors():
    for values in (np.zeros((1, 4)), np.zeros((3, 2, 2)), np.zeros(4), np.zeros((4, 4), int)):
        with pytest.raises(errors.UsageError, match=r"floats \[n, d\] of n >= 2 .*of 'test'"):
            metrics.ImageFeatures(values, "net-v1", "test")
    broken = np.zeros((5, 2))
    broken[1, 0], broken[3] = np.nan, np.inf
    with pytest.raises(errors.UsageError, match="2 of 5 images of 'test' .*NaN or infinite"):
        of(broken)
    with pytest.raises(errors.UsageError, match=r"each of the 5 images, got the shape \(5, 3\)"):
        of(np.zeros((5, 2)), labels=np.zeros((5, 3)))
    given = {"name": "net-v1", "split": "test"}
    for x in (np.zeros((4, 8, 8)), np.zeros((1, 8, 8, 1))):
        with pytest.raises(errors.UsageError, match=r"images \[n, h, w, c\], n >= 2, got"):
            metrics.extract_features(lambda x: x, x, **given)
    for extract in (lambda x: x, lambda x: np.zeros((1, 3))):
        with pytest.raises(errors.UsageError, match=r"net-v1 must give \[4, d\] for images"):
            metrics.extract_features(extract, np.zeros((4, 8, 8, 1)), **given)
    with pytest.raises(errors.UsageError, match="batch_size must be an integer"):
        metrics.extract_features(lambda x: x, images(), 0, **given)


def test_invalid_arguments_are_errors():
    x = normal(10)
    with pytest.raises(errors.UsageError, match="got 6 blocks for 10 real and 20 generated"):
        metrics.kernel_distance(x, normal(20), blocks=6)
    with pytest.raises(errors.UsageError, match="needs 2 blocks or more"):
        metrics.kernel_distance(x, x, blocks=1)
    for metric in (metrics.precision_recall, metrics.density_coverage):
        with pytest.raises(errors.UsageError, match="10 neighbors .* 20 real and 10 generated"):
            metric(normal(20), x, k=10)
        with pytest.raises(errors.UsageError, match="k must be an integer"):
            metric(x, x, k=0)
    with pytest.raises(errors.UsageError, match="floor of 10 real .* 20 generated"):
        metrics.image_scores(x, normal(20), normal(10, split="train"))
    with pytest.raises(errors.UsageError, match="other real images, got 'test' twice"):
        metrics.image_scores(x, normal(10, split="mine"), x)
    with pytest.raises(errors.UsageError, match="half of 'test' or more are images of 'train'"):
        metrics.memorization(of([[0], [1], [2]], split="train"), of([[1], [5]]), of([[1], [0]]))


@pytest.mark.parametrize(
    "labels, message",
    [([], "integers"), ([0.5], "integers"), ([[0, 1]], "integers"), ([3], "3 ... 3"), ([-1], "-1")],
)
def test_labels_are_integers_of_known_classes(labels, message):
    with pytest.raises(errors.UsageError, match=message):
        metrics.label_histogram_distance([0, 1], labels, 3)


def test_pairs_are_of_one_shape_and_range():
    x = images()
    for metric in (metrics.psnr, metrics.ssim, metrics.l1):
        for other in (x[:5], x[..., 0], images(channels=3)):
            with pytest.raises(errors.UsageError, match="of one shape"):
                metric(x, other)
        for other in (x + 1, -x, np.full_like(x, np.nan), np.zeros(x.shape, np.uint8)):
            with pytest.raises(errors.UsageError, match=r"float images in \[0, 1\]"):
                metric(x, other)
    with pytest.raises(errors.UsageError, match="11 x 11 pixels or more"):
        metrics.ssim(images(size=10), images(size=10))
    assert metrics.psnr(tf.constant(x), tf.constant(x)).mean == 100
