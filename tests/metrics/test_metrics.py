"""Metrics of latent models equal numbers that are known independently."""

import numpy as np
import pytest
import tensorflow as tf
from cases import small_model
from metric_models import Linear, Pixels, batches, uniform

import zoo
from blocks.kernel_mmd import kernel
from zoo import errors, metrics
from zoo.metrics.model_outputs import fold_seed


def estimate(values, images="a", name="IWAE-5 bound", unit="nats"):
    return metrics.Estimate(np.asarray(values), name, unit, True, images)


# An estimate and a comparison.


def test_intervals_cover_the_truth_19_times_of_20():
    values = np.random.default_rng(0).normal(3, 2, (2000, 100))
    intervals = np.array([estimate(row).interval for row in values])
    covered = (intervals[:, 0] <= 3) & (intervals[:, 1] >= 3)
    assert 0.935 < covered.mean() < 0.965


def test_an_estimate_reads_well():
    values = np.tile([-85.98, -83.98], 5000)
    assert str(estimate(values)) == "-84.980 [-85.000, -84.960] nats, 10,000 images"
    assert str(estimate([1.0, 3.0])) == "2.0 [0.0, 4.0] nats, 2 images"
    assert str(estimate([1.5])) == "1.50 [-inf, inf] nats, 1 images"
    assert "array" not in repr(estimate(values))


def test_a_comparison_finds_a_shift_that_the_two_intervals_hide():
    rng = np.random.default_rng(0)
    hardness = rng.normal(-85, 20, 1000)
    a, b = (hardness + shift + rng.normal(0, 1, 1000) for shift in (0.3, 0))
    found = metrics.compare(estimate(a), estimate(b))
    assert estimate(a).interval[0] < estimate(b).interval[1]  # they overlap by far
    low, high = found.interval
    assert low < 0.3 < high and high - low < 0.2
    assert found.excludes_zero and found.p < 1e-4 and found.n == 1000
    back = metrics.compare(estimate(b), estimate(a))
    assert back.difference == -found.difference and back.p == found.p
    assert str(found).startswith("+0.") and str(found).endswith("1,000 images")


def test_p_values_of_a_comparison_are_uniform_where_nothing_differs():
    rng = np.random.default_rng(1)
    zero = estimate(np.zeros(50))
    p = [metrics.compare(estimate(row), zero).p for row in rng.normal(size=(1000, 50))]
    assert abs(np.mean(p) - 0.5) < 0.04
    assert 0.03 < np.mean(np.less(p, 0.05)) < 0.08
    same = metrics.compare(zero, zero)
    assert same.p == 1 and not same.excludes_zero


def test_only_like_is_compared_with_like():
    a = estimate([1.0, 2.0])
    with pytest.raises(errors.UsageError, match="different test sets cannot be compared"):
        metrics.compare(a, estimate([1.0, 2.0], images="b"))
    with pytest.raises(errors.UsageError, match="'IWAE-5 bound' in nats with 'IWAE-50 bound'"):
        metrics.compare(a, estimate([1.0, 2.0], name="IWAE-50 bound"))
    with pytest.raises(errors.UsageError, match="in nats with 'IWAE-5 bound' in bits"):
        metrics.compare(a, estimate([1.0, 2.0], unit="bits"))
    with pytest.raises(errors.UsageError, match="2 images or more, got 1"):
        metrics.compare(estimate([1.0]), estimate([2.0]))


def test_a_fingerprint_is_that_of_the_pixels_and_their_order():
    bytes_ = np.random.default_rng(0).integers(0, 256, (6, 2, 2, 1), np.uint8)
    floats = np.concatenate([batch["image"] for batch in zoo.data.load(bytes_, batch_size=4)])
    assert metrics.fingerprint(bytes_) == metrics.fingerprint(floats)
    others = [bytes_[::-1], bytes_[:5], bytes_ ^ 1, bytes_.reshape(6, 4, 1, 1), uniform(6)]
    assert len({metrics.fingerprint(x) for x in [bytes_, *others]}) == 6


# The bound on the log-likelihood.


def test_the_bound_climbs_to_the_exact_log_likelihood_and_stays_below():
    model = Linear()
    x = model.images(300)
    exact = model.exact().log_prob(x.reshape(-1, 4)).numpy()
    gaps = {}
    for samples in (1, 8, 64, 1000):
        found = metrics.log_likelihood(model, batches(x), samples)
        gap = metrics.Estimate(exact - found.values, "gap", "nats", False, found.images)
        gaps[samples] = gap.mean
        assert gap.interval[1] > 0, "below on average"
        if samples == 1:  # the gap of the ELBO is KL(q || p(z|x)): the same for every image here
            kl = 1.3**2 - 1 - 2 * np.log(1.3) + 0.5**2
            assert gap.interval[0] < kl < gap.interval[1]
    assert gaps[1] > gaps[8] > gaps[64] > abs(gaps[1000])
    assert abs(gaps[1000]) < 0.005


def test_with_the_true_posterior_one_sample_is_exact():
    model = Linear(wide=1, off=0)
    x = model.images(20)
    found = metrics.log_likelihood(model, batches(x), 1).values
    np.testing.assert_allclose(found, model.exact().log_prob(x.reshape(-1, 4)), atol=1e-3)


def test_with_one_sample_the_bound_is_the_elbo():
    model = small_model("vae")
    x = np.float32(np.random.default_rng(0).random((12, 8, 8, 1)) > 0.5)
    found = metrics.log_likelihood(model, batches(x), samples=1, seed=5)
    q = model.posterior(x)
    z = q.sample(1, seed=fold_seed(5, 0, 0))[0]
    elbo = model.likelihood(z).log_prob(x) - q.log_prob(z) + model.prior().log_prob(z)
    np.testing.assert_allclose(found.values, elbo, rtol=1e-5)
    assert (found.name, found.unit, found.higher_is_better) == ("IWAE-1 bound", "nats", True)
    assert found.images == metrics.fingerprint(x)


class Counted(Pixels):
    """Its bound is a function of the number of samples; records the shapes."""

    def __init__(self):
        super().__init__()
        self.traced = []

    def log_prob_bound(self, x, samples=1, seed=None):
        self.traced.append((x.shape[0], samples))
        return 1000.0 * samples + x[:, 0, 0, 0]


@pytest.mark.parametrize(
    "samples, chunk, pieces", [(7, 3, [3, 3, 1]), (8, 4, [4, 4]), (5, 64, [5])]
)
def test_chunks_are_joined_exactly_and_traced_once_a_shape(samples, chunk, pieces):
    model, x = Counted(), uniform(13)
    found = metrics.log_likelihood(model, batches(x, 5), samples, chunk=chunk)
    # log(sum_i n_i exp(1000 n_i) / n): the exponentials alone overflow
    logs = 1000.0 * np.array(pieces) + np.log(pieces)
    expected = logs.max() + np.log(np.exp(logs - logs.max()).sum()) - np.log(samples)
    np.testing.assert_allclose(found.values, expected + x[:, 0, 0, 0], rtol=1e-7)
    rows = max(1, chunk // samples)
    assert model.traced == [(rows, count) for count in dict.fromkeys(pieces)]


def test_chunks_change_the_noise_and_nothing_else():
    model = Linear()
    data = batches(model.images(200))
    whole = metrics.log_likelihood(model, data, 10)
    for chunk in (4, 64):
        found = metrics.compare(metrics.log_likelihood(model, data, 10, chunk=chunk), whole)
        assert found.difference != 0 and found.p > 0.01


class Noise(Pixels):
    """Its bound is nothing but the noise of its seed."""

    def log_prob_bound(self, x, samples=1, seed=None):
        return tf.random.stateless_normal((x.shape[0],), seed)


def test_noise_is_a_function_of_the_seed_and_of_the_position():
    def values(seed, samples=1):
        found = metrics.log_likelihood(Noise(), batches(uniform(9)), samples, seed=seed, chunk=2)
        return found.values

    np.testing.assert_array_equal(values(0), values(0))  # also for another model
    assert not np.isin(values(0), values(1)).any()
    assert len(set(values(0))) == 9
    noise = [[tf.random.stateless_normal((), fold_seed(0, i, j)) for j in (0, 1)] for i in range(9)]
    expected = np.log(np.exp(noise).mean(1))  # 4 samples in two chunks with different noise
    np.testing.assert_allclose(values(0, samples=4), expected, rtol=1e-5)


def test_a_subset_of_the_images_is_sampled_from_all_of_them_in_order():
    model, x = Linear(), Linear().images(100)
    some = metrics.log_likelihood(model, batches(x), 2, images=30, seed=1)
    rows = np.sort(np.random.default_rng(1).choice(100, 30, replace=False))
    assert some.n == 30 and some.images == metrics.fingerprint(x[rows])
    assert rows.max() > 60  # not the first ones
    again = metrics.log_likelihood(model, batches(x[rows]), 2, seed=1)
    np.testing.assert_array_equal(some.values, again.values)
    assert metrics.log_likelihood(model, batches(x), 2, images=500).n == 100


def test_grey_images_with_a_bernoulli_head_give_a_warning():
    model = small_model("vae")
    grey = np.random.default_rng(0).random((4, 8, 8, 1), np.float32)
    with pytest.warns(metrics.ProtocolWarning, match="not a likelihood.*binarize='fixed'"):
        metrics.log_likelihood(model, batches(grey), 1)
    metrics.log_likelihood(model, batches(np.round(grey)), 1)  # a warning would be an error
    metrics.log_likelihood(small_model("vae", output_distribution="normal"), batches(grey), 1)


def test_progress_is_for_terminals(capfd, monkeypatch):
    metrics.log_likelihood(Noise(), batches(uniform(9)), 3, progress=True)
    assert capfd.readouterr().err == ""
    monkeypatch.setenv("FORCE_COLOR", "1")
    metrics.log_likelihood(Noise(), batches(uniform(9)), 3)
    assert capfd.readouterr().err == ""
    metrics.log_likelihood(Noise(), batches(uniform(9)), 3, progress=True)
    assert "IWAE-3 bound" in capfd.readouterr().err


@pytest.mark.parametrize("samples", [0, -1, 1.5, True, "many"])
def test_samples_are_a_whole_number(samples):
    with pytest.raises(errors.UsageError, match="samples must be an integer >= 1"):
        metrics.log_likelihood(Linear(), batches(uniform(4)), samples)


# Codes.


def test_active_units_are_those_that_vary_with_the_image():
    x = np.zeros((1000, 2, 2, 1), np.float32)
    x[:, 0] = np.random.default_rng(0).random((1000, 2, 1)) * [[1.0], [0.1]]  # variance s^2 / 12
    count, variances = metrics.active_units(Pixels(), batches(x))
    assert count == 1
    np.testing.assert_allclose(variances, [1 / 12, 0.01 / 12, 0, 0], rtol=0.1)
    assert metrics.active_units(Pixels(), batches(x), threshold=1e-4)[0] == 2


def test_neighbors_classify_separate_classes_and_are_at_chance_without_structure():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 400)
    x = (0.6 * label[:, None, None, None] + 0.4 * uniform(400)).astype(np.float32)
    halves = [batches(x[i], label=label[i]) for i in (slice(0, 200), slice(200, 400))]
    found = metrics.knn_accuracy(Pixels(), *halves)
    assert found.mean == 1.0 and found.n == 200 and found.unit == "accuracy"
    assert found.name == "10-NN accuracy from 200 codes"
    blind = [batches(uniform(200, i), label=label[:200]) for i in range(2)]
    low, high = metrics.knn_accuracy(Pixels(), *blind, k=3).interval
    assert low < 0.5 < high


def test_the_reconstruction_error_is_summed_over_pixels():
    x = uniform(20)
    found = metrics.reconstruction_error(Pixels(), batches(x))
    np.testing.assert_allclose(found.values, (x**2 / 4).sum((1, 2, 3)), rtol=1e-5)
    assert not found.higher_is_better


def test_the_density_of_codes_finds_two_clusters_and_decodes():
    x = np.clip(0.2 + 0.05 * np.random.default_rng(0).normal(size=(600, 4)), 0, 1)
    x[:200] += 0.5
    density = metrics.fit_latent_density(
        Pixels(), batches(np.float32(x.reshape(-1, 2, 2, 1))), num_components=2
    )
    weights = density.mixture_distribution.probs.numpy()
    order = np.argsort(weights)
    np.testing.assert_allclose(weights[order], [1 / 3, 2 / 3], atol=0.01)
    components = density.components_distribution
    np.testing.assert_allclose(components.mean().numpy()[order], [[0.7] * 4, [0.2] * 4], atol=0.01)
    np.testing.assert_allclose(components.stddev(), 0.05, atol=0.01)
    z = density.sample(500, seed=1)
    assert z.dtype == tf.float32 and Pixels().decode(z).shape == (500, 2, 2, 1)
    assert abs(np.mean(z.numpy().mean(1) > 0.45) - 1 / 3) < 0.1


def test_the_density_is_that_of_posterior_samples_where_there_is_a_posterior():
    model = Linear(wide=10, off=0)  # the spread of q is most of the spread of its samples
    density = metrics.fit_latent_density(model, batches(model.images(2000)), num_components=1)
    means = model.to_mean @ (model.w @ model.w.T + 0.05**2 * np.eye(4)) @ model.to_mean.T
    expected = means + 100 * model.root @ model.root.T
    found = density.components_distribution.covariance().numpy()[0]
    np.testing.assert_allclose(found, expected, atol=0.1 * expected.max())
    vae = small_model("vae")
    x = np.float32(np.random.default_rng(0).random((32, 8, 8, 1)) > 0.5)
    images = vae.decode(
        metrics.fit_latent_density(vae, batches(x), num_components=2).sample(5, seed=0)
    )
    assert images.shape == (5, 8, 8, 1)


# Discrepancy.


def naive(x, y):
    def mean(a, b, skip):
        k = kernel(a, b).numpy()
        return np.mean(
            [k[i, j] for i in range(len(a)) for j in range(len(b)) if i != j or not skip]
        )

    return mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)


def test_the_discrepancy_is_the_u_statistic_and_its_p_the_fraction_of_permutations():
    x, y = (np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32) for n in (5, 4))
    value, p = metrics.mmd(x, y + 1, permutations=2000)
    assert value == pytest.approx(naive(x, y + 1), abs=1e-5)
    both, rng = np.concatenate([x, y + 1]), np.random.default_rng(5)
    divided = [naive(both[o[:5]], both[o[5:]]) for o in (rng.permutation(9) for _ in range(200))]
    assert p == pytest.approx(np.mean(np.array(divided) >= value - 1e-5), abs=0.12)
    assert metrics.mmd(np.ones((4, 2)), np.ones((3, 2))) == (pytest.approx(0, abs=1e-9), 1.0)


def test_without_a_difference_the_discrepancy_is_0_on_average_and_p_uniform():
    rng = np.random.default_rng(0)
    results = [metrics.mmd(*rng.normal(size=(2, 40, 2)), permutations=99) for _ in range(100)]
    values, p = np.array(results).T
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(100)
    assert 0.2 < np.mean(values < 0) < 0.8
    assert abs(p.mean() - 0.5) < 0.08
    assert 0.02 < np.mean(p <= 0.1) < 0.2


def test_a_shift_or_a_change_of_scale_is_found():
    x, y = np.random.default_rng(0).normal(size=(2, 300, 5))
    for other in (y + 0.3, 1.5 * y):
        value, p = metrics.mmd(x, other, permutations=500)
        assert value > 0.01 and p == 1 / 501
    assert metrics.mmd(x, y, permutations=500)[1] > 0.05


def test_codes_are_compared_with_the_prior():
    model = Linear(wide=1, off=0)  # with the true posterior, the aggregate is the prior
    data = batches(model.images(400), 64)
    value, p = metrics.aggregate_mmd(model, data, images=300, permutations=200)
    assert abs(value) < 0.05 and p > 0.05
    assert (value, p) == metrics.aggregate_mmd(model, data, images=300, permutations=200)
    far = metrics.aggregate_mmd(Linear(off=3), data, images=300, permutations=200)
    assert far[0] > 0.05 and far[1] == 1 / 201


# Invalid arguments.


def test_a_missing_method_is_named():
    gan, data = small_model("dcgan"), batches(uniform(4))
    for metric, name in [
        (metrics.log_likelihood, "log_prob_bound"),
        (metrics.active_units, "encode"),
        (metrics.reconstruction_error, "reconstruct"),
        (metrics.fit_latent_density, "encode"),
        (metrics.aggregate_mmd, "prior"),
        (lambda model, data: metrics.knn_accuracy(model, data, data), "encode"),
    ]:
        with pytest.raises(errors.UsageError, match=f"dcgan has no method '{name}'"):
            metric(gan, data)


def test_invalid_input_is_an_error():
    model, data = Pixels(), batches(uniform(4))
    labelled = batches(uniform(4), label=np.arange(4))
    with pytest.raises(errors.UsageError, match="needs the feature 'label'"):
        metrics.knn_accuracy(model, data, data)
    with pytest.raises(errors.UsageError, match="10 neighbors .* got 4"):
        metrics.knn_accuracy(model, labelled, labelled)
    with pytest.raises(errors.UsageError, match="10 Gaussians .* to 4 images"):
        metrics.fit_latent_density(model, data)
    with pytest.raises(errors.UsageError, match="no batch"):
        metrics.active_units(model, data.take(0))
    with pytest.raises(errors.BatchError, match="shape"):
        metrics.active_units(model, batches(np.zeros((4, 3, 3, 1), np.float32)))
    with pytest.raises(errors.UsageError, match="callable epoch"):
        metrics.active_units(model, uniform(4))
    for x, y in [((4, 2), (4, 3)), ((4, 2), (1, 2)), ((4, 2, 2), (4, 2, 2))]:
        with pytest.raises(errors.UsageError, match=r"mmd needs codes \[n, d\]"):
            metrics.mmd(np.zeros(x), np.zeros(y))
    with pytest.raises(errors.UsageError, match="chunk must be an integer"):
        metrics.log_likelihood(Linear(), data, chunk=0)
