"""Precision, recall, density, coverage, memorization: brute force, known sets, other packages."""

import math

import numpy as np
import pytest
from feature_sets import normal, of, two

from zoo import metrics
from zoo.metrics import neighbors


def naive_prdc(x, y, k):
    def distance(a, b):
        return math.sqrt(sum((p - q) ** 2 for p, q in zip(a, b, strict=True)))

    def radii(s):
        return [sorted(distance(p, q) for q in s)[k] for p in s]  # the first is p itself

    rx, ry = radii(x), radii(y)
    inside = [[distance(p, q) <= r for p, r in zip(x, rx, strict=True)] for q in y]
    recalled = [any(distance(p, q) <= r for q, r in zip(y, ry, strict=True)) for p in x]
    return (
        np.mean([any(row) for row in inside]),
        np.mean(recalled),
        np.sum(inside) / (k * len(y)),
        np.mean(np.any(inside, axis=0)),
    )


def prdc(real, generated, k):
    scores = [
        *metrics.precision_recall(real, generated, k),
        *metrics.density_coverage(real, generated, k),
    ]
    return tuple(score.value for score in scores)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_neighbourhoods_agree_with_brute_force_also_in_pieces(k, monkeypatch):
    x, y = two()
    expected = naive_prdc(x.values, y.values, k)
    assert prdc(x, y, k) == pytest.approx(expected)
    monkeypatch.setattr(neighbors, "MEGABYTES", 0.003)  # 6 rows at once
    assert prdc(x, y, k) == pytest.approx(expected)


def test_neighbourhoods_of_points_on_a_line():
    real = of([[0], [1], [2], [3], [10], [11]])  # k=1: all balls have the radius 1
    generated = of([[0.5], [4], [5], [30]])  # radii 3.5, 1, 1, 25
    precision, recall, density, coverage = prdc(real, generated, 1)
    assert precision == 2 / 4  # 0.5, and 4 on the edge of 3's ball
    assert recall == 6 / 6  # the outlier 30 reaches down to 5, and 0.5 up to 4
    assert density == (2 + 1) / 4
    assert coverage == 3 / 6  # 0, 1 and 3
    first, second = metrics.precision_recall(real, generated, 1)
    assert (first.name, second.name) == ("precision (k=1), net-v1", "recall (k=1), net-v1")
    assert not first.lower_is_better and (second.n_real, second.n_generated) == (6, 4)


def test_equal_far_and_collapsed_sets():
    x = normal(200)
    precision, recall, density, coverage = prdc(x, x, 4)
    assert precision == recall == coverage == 1 and density == pytest.approx(1, abs=0.3)
    assert prdc(x, of(x.values + 100), 3) == (0, 0, 0, 0)
    one = of(np.tile(x.values[:1], (50, 1)))  # one good image, again and again
    precision, recall, _, coverage = prdc(x, one, 3)
    assert precision == 1 and recall < 0.05 and coverage < 0.1
    fresh = prdc(normal(1000, 3), normal(1000, 3, 1), 5)
    assert fresh[2] == pytest.approx(1, abs=0.1)  # a perfect model
    assert fresh[3] == pytest.approx(1 - 0.5**5, abs=0.03)  # expected, by Naeem et al.


def test_other_packages_compute_the_same():
    x, y = two()
    # prdc 0.2, compute_prdc(x, y, k): precision, recall, density, coverage
    assert prdc(x, y, 3) == pytest.approx((0.82, 0.8666666666666667, 0.96, 0.8166666666666667))
    assert prdc(x, y, 5) == pytest.approx((0.92, 0.9333333333333333, 0.924, 0.8833333333333333))
    # torch-fidelity 0.4.0, prc_features_to_metric(y, x, prc_neighborhood=3)
    assert prdc(x, y, 3)[:2] == pytest.approx((0.8199999928474426, 0.8666666746139526))
    # torch-fidelity 0.4.0, fid_statistics_to_metric
    assert metrics.frechet_distance(x, y).value == pytest.approx(1.718252264446697, rel=1e-9)
    # torch-fidelity 0.4.0, kernel_mmd on the 5 blocks of RNG(0)
    found = metrics.kernel_distance(of(x.values[:50]), y, blocks=5)
    assert (found.value, found.error) == pytest.approx(
        (2.371404071607441, 1.0610695364340044), rel=1e-9
    )


def test_copies_of_training_images_are_detected():
    train = normal(400, split="train")
    test, fresh = normal(300, seed=1), normal(200, seed=2, split="model")
    found = metrics.memorization(train, fresh, test)
    assert abs(found.z) < 3 and found.ratio == pytest.approx(1, abs=0.15)
    assert found.copies == pytest.approx(found.copies_in_test, abs=0.05)
    near = of(train.values[:200] + 1e-4)
    copied = metrics.memorization(train, near, test)
    assert copied.z < -15 and copied.ratio < 0.01 and copied.copies > 0.99
    assert copied.copies_in_test == found.copies_in_test
    wide = metrics.memorization(train, of(3 * fresh.values), test)
    assert wide.z > 10 and wide.ratio > 2
    some = metrics.memorization(train, of([*near.values[:20], *fresh.values[:180]]), test)
    assert some.copies - found.copies == pytest.approx(0.1, abs=0.03)
    assert (found.n_train, found.n_generated, found.n_test) == (400, 200, 300)
    assert "nearest of train, net-v1: z = " in str(found) and "200 generated" in str(found)


def test_memorization_equals_brute_force():
    train, generated, test = normal(12, 2), normal(7, 2, 1), normal(9, 2, 2)
    generated.values[:2] = train.values[:2]  # ties, too
    test.values[0] = train.values[3]

    def sorted_distances(points):
        return np.sort([[np.linalg.norm(p - t) for t in train.values] for p in points], axis=1)

    a, b = sorted_distances(generated.values), sorted_distances(test.values)
    u = sum((p > q) + 0.5 * (p == q) for p in a[:, 0] for q in b[:, 0])
    found = metrics.memorization(train, generated, test)
    assert found.z == pytest.approx((u - 63 / 2) / math.sqrt(63 * 17 / 12))
    assert found.ratio == pytest.approx(np.median(a[:, 0]) / np.median(b[:, 0]))
    assert found.copies == np.mean(3 * a[:, 0] < a[:, 1])


def test_z_is_standard_where_nothing_is_copied():
    z = [
        metrics.memorization(normal(50, 2, i), normal(30, 2, i + 1000), normal(40, 2, i + 2000)).z
        for i in range(40)
    ]
    assert abs(np.mean(z)) < 0.5 and 0.7 < np.std(z) < 1.3
