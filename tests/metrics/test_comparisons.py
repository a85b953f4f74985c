"""Differences between single runs cover test examples; between several, training seeds too."""

import numpy as np
import pytest
from record_files import write
from scipy import stats

from zoo import metrics
from zoo.errors import UsageError
from zoo.recipes import records

LINES = ["a b c d e f", "b c d e f g", "c d e f g h", "d e f g h a", "e f g h a b", "f g h a b c"]


def run(shift=0.0, seed=0, n=200, seeds=0.3, images="x", name="IWAE-5 bound"):
    """An Estimate: hardness of images, a shift of the model, one of its seed, and noise."""
    rng = np.random.default_rng(seed)
    hardness = np.random.default_rng(1234).normal(-85, 20, n)
    values = hardness + shift + seeds * rng.normal() + rng.normal(0, 1, n)
    return metrics.Estimate(values, name, "nats", True, images)


def text_run(seed, share):
    rng = np.random.default_rng(seed)
    hypotheses = [
        " ".join("x" if rng.random() < share else w for w in t.split()) for t in LINES * 20
    ]
    return metrics.bleu(hypotheses, LINES * 20)


def test_two_seeds_of_one_model_are_no_difference():
    """The interval over images of single runs excludes 0 although only the seeds differ."""
    single = [metrics.compare(run(seed=2 * k), run(seed=2 * k + 1)).p for k in range(60)]
    assert np.mean(np.less(single, 0.05)) > 0.5
    runs = [[run(seed=4 * k + j) for j in range(4)] for k in range(100)]
    several = [metrics.compare(four[:2], four[2:]) for four in runs]
    assert np.mean([found.p < 0.05 for found in several]) <= 0.08
    assert np.mean([found.excludes_zero for found in several]) <= 0.08


def test_a_difference_that_seeds_do_not_explain_is_found():
    a, b = ([run(shift, seed) for seed in seeds] for shift, seeds in ((3, (1, 2, 3)), (0, (4, 5))))
    found = metrics.compare(a, b)
    assert found.runs == (3, 2) and found.excludes_zero and found.p < 0.05
    assert found.difference == pytest.approx(
        np.mean([one.mean for one in a]) - np.mean([one.mean for one in b])
    )
    low, high = found.interval
    assert low < found.difference < high and low < 3 < high
    back = metrics.compare(b, a)
    assert back.p == found.p and back.interval == pytest.approx((-high, -low))


def test_the_interval_is_that_of_welch_where_examples_play_no_part():
    """Two plus two runs whose differences are the same on every image."""
    base = np.random.default_rng(0).normal(size=50)
    a, b = (
        [metrics.Estimate(base + shift, "m", "nats", True, "x") for shift in shifts]
        for shifts in ((1.0, 2.0), (0.0, 0.4))
    )
    found = metrics.compare(a, b)
    error, freedom = (0.5 / 2 + 0.08 / 2) ** 0.5, (0.25 + 0.04) ** 2 / (0.25**2 + 0.04**2)
    student = stats.t(freedom)
    half = error * student.ppf(0.975)
    assert found.p == pytest.approx(2 * student.sf(1.3 / error))
    assert found.interval == pytest.approx((1.3 - half, 1.3 + half))


def test_without_a_spread_of_seeds_the_test_images_decide():
    differences = np.random.default_rng(0).normal(0.3, 1, 100)
    half = differences - differences.mean()  # two runs that differ, with one mean
    a = [metrics.Estimate(differences + k * half, "m", "nats", True, "x") for k in (1, -1)]
    b = [metrics.Estimate(k * half, "m", "nats", True, "x") for k in (2, -2)]
    found = metrics.compare(a, b)
    alone = metrics.compare(
        metrics.Estimate(differences, "m", "nats", True, "x"),
        metrics.Estimate(np.zeros(100), "m", "nats", True, "x"),
    )
    assert found.interval == pytest.approx(alone.interval, abs=0.02)
    assert alone.p < found.p < 3 * alone.p  # Student's t, and not the normal distribution


def test_the_line_states_what_the_interval_covers():
    one = "one run each: the interval covers test examples, not training seeds"
    several = "2 and 3 runs: it covers test examples and training seeds"
    a, b = [run(seed=1), run(seed=2)], [run(seed=3), run(seed=4), run(seed=5)]
    assert one in str(metrics.compare(a[0], b[0])) and one in str(metrics.compare(a[:1], b[:1]))
    assert several in str(metrics.compare(a, b))
    a, b = [text_run(1, 0.1), text_run(2, 0.1)], [text_run(seed, 0.2) for seed in (3, 4, 5)]
    assert one in str(metrics.compare_texts(a[0], b[0]))
    assert several in str(metrics.compare_texts(a, b))


def test_texts_of_several_runs_are_compared_over_seeds_and_texts():
    shares = (0.1, 0.1), (0.11, 0.25)  # one seed of the second model did badly
    good, bad = (
        [text_run(10 * k + j, share) for j, share in enumerate(side)]
        for k, side in enumerate(shares)
    )
    found = metrics.compare_texts(good, bad)
    singles = [metrics.compare_texts(*pair) for pair in zip(good, bad, strict=True)]
    assert found.difference == pytest.approx(np.mean([one.difference for one in singles]))
    low, high = found.interval
    assert low < 0 < high and high - low > max(b - a for a, b in (s.interval for s in singles))
    assert singles[1].excludes_zero and singles[1].p < found.p


def test_the_p_of_equal_systems_is_1_and_no_p_is_0():
    good, bad = text_run(1, 0.0), text_run(2, 0.9)
    assert metrics.compare_texts(good, good).p == 1
    assert metrics.compare_texts(good, bad).p == metrics.compare_texts(bad, good).p > 0
    assert metrics.compare(run(), run()).p == 1


def test_the_p_of_texts_is_two_sided():
    for seeds in ((1, 2), (3, 4), (5, 6)):
        a, b = (text_run(seed, 0.1) for seed in seeds)
        found = metrics.compare_texts(a, b)
        error = np.std(a.resampled - b.resampled)
        normal = 2 * stats.norm.sf(abs(found.difference) / error)
        assert 0.8 * normal - 0.02 < found.p < 1.2 * normal + 0.02


def test_records_of_several_runs_are_compared(tmp_path):
    values = {
        "a.x": [2.0, 3.0, 5.0],
        "a.y": [2.5, 3.0, 5.5],
        "b.x": [1.0, 2.0, 3.5],
        "b.y": [1.0, 2.0, 3.0],
    }
    a, a2, b, b2 = (write(tmp_path, name, each) for name, each in values.items())
    found = records.compare([a, a2], [b, b2], "iwae_5")
    assert found.runs == (2, 2)
    assert found.difference == pytest.approx(
        np.mean([values["a.x"], values["a.y"]]) - np.mean([values["b.x"], values["b.y"]])
    )
    assert records.compare([a], [b], "iwae_5") == records.compare(a, b, "iwae_5")


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([run(seed=1), run(seed=2)], run(seed=3), "2 runs against 1"),
        ([], run(), "a side of a comparison must be one Estimate, or a list"),
        (run(), [0.5], "a side of a comparison must be one Estimate, or a list"),
        (3.5, run(), "got 3.5"),
        ([run(seed=1)] * 2, [run(seed=2), run(seed=3)], "runs 1 and 2 of a side have identical"),
        ([run(seed=1), run(seed=2, images="y")], [run(seed=3), run(seed=4)], "different test sets"),
        (run(), run(seed=2, n=100), "200 images with .* and 100 with"),
        ([run(seed=1), run(seed=2, name="l1")], [run(seed=3), run(seed=4)], "cannot compare"),
        (run(n=1), run(seed=2, n=1), "2 images or more, got 1"),
    ],
)
def test_incomparable_estimates_are_rejected(a, b, message):
    with pytest.raises(UsageError, match=message):
        metrics.compare(a, b)


def test_texts_that_cannot_be_compared_are_rejected():
    one = metrics.bleu(["a b c d"], ["a b c d"])
    assert one.interval == (-np.inf, np.inf)
    with pytest.raises(UsageError, match="2 texts or more, got 1"):
        metrics.compare_texts(one, one)
    with pytest.raises(UsageError, match="one CorpusScore, or a list"):
        metrics.compare_texts(one, 3)
    with pytest.raises(UsageError, match="2 runs against 1"):
        metrics.compare_texts([text_run(1, 0.1), text_run(2, 0.1)], text_run(3, 0.1))
