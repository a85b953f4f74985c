"""Heads, priors, divergences and bounds, against closed forms and each other."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from cases import examples, small_model

import blocks
from blocks.bounds import get_bound
from blocks.priors import DiagonalMixture

tfd = tfp.distributions


def random(shape, seed=0):
    return np.random.default_rng(seed).random(shape).astype("float32")


def test_the_gaussian_head_has_the_parametrization_of_the_tfp_introduction():
    head = blocks.GaussianHead(3)
    outputs = head(random((4, 5)))
    q = head.distribution(outputs)
    loc, raw = np.split(np.array(outputs), 2, -1)
    np.testing.assert_allclose(q.mean(), loc)
    np.testing.assert_allclose(q.stddev(), np.log1p(np.exp(raw + 1e-5)), rtol=1e-5)


def test_the_standard_normal_returns_log_probabilities():
    z = random((4, 3))
    expected = -0.5 * (z**2).sum(-1) - 1.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(blocks.StandardNormal(3)(z), expected, rtol=1e-5)


def test_the_mixture_returns_log_probabilities_of_its_weights():
    prior = blocks.GaussianMixture(2, num_components=3)
    prior.build()
    loc = np.array([[0, 0], [4, 0], [0, 4]], "float32")
    prior.loc.assign(loc)
    prior.raw_scale.assign(np.full((3, 2), np.log(np.expm1(0.5))))
    prior.logits.assign(np.log([0.2, 0.3, 0.5]).astype("float32"))
    z = random((5, 2)) * 4
    d = ((z[:, None] - loc) ** 2).sum(-1) / 0.25
    expected = np.log((np.array([0.2, 0.3, 0.5]) * np.exp(-0.5 * d) / (2 * np.pi * 0.25)).sum(-1))
    np.testing.assert_allclose(prior(z), expected, rtol=1e-4)
    np.testing.assert_allclose(prior.distribution().log_prob(z), expected, rtol=1e-4)
    draws = prior.distribution().sample(4000, seed=(0, 1)).numpy()
    nearest = ((draws[:, None] - loc) ** 2).sum(-1).argmin(-1)
    np.testing.assert_allclose(np.bincount(nearest) / 4000, [0.2, 0.3, 0.5], atol=0.03)


def test_both_divergences_agree_on_gaussians():
    head, p = blocks.GaussianHead(2), blocks.StandardNormal(2).distribution()
    q = head.distribution(head(random((3, 5))))
    z = q.sample(50_000, seed=(0, 1))
    exact = blocks.analytic_kl(q, p, None)
    np.testing.assert_allclose(tf.reduce_mean(blocks.monte_carlo_kl(q, p, z), 0), exact, atol=0.02)


def test_free_bits_have_no_gradient_below_the_threshold():
    head, p = blocks.GaussianHead(2), blocks.StandardNormal(2).distribution()
    x = random((3, 5))
    for nats, moves in ((100.0, False), (0.0, True)):
        with tf.GradientTape() as tape:
            q = head.distribution(head(x))
            kl = blocks.FreeBits(nats, "analytic")(q, p, q.mean())
        gradient = tape.gradient(kl, head.dense.kernel.value)
        assert (gradient is not None and np.abs(gradient).max() > 0) == moves
        if not moves:
            np.testing.assert_array_equal(kl, [nats] * 3)


def test_free_bits_compare_the_mean_over_the_batch():
    q = tfd.MultivariateNormalDiag([[0.0], [2.0]], [[1.0], [1.0]])  # 0 and 2 nats: 1 on average
    p = tfd.MultivariateNormalDiag([0.0], [1.0])
    np.testing.assert_allclose(blocks.FreeBits(0.9, "analytic")(q, p, None), [0.0, 2.0])
    np.testing.assert_allclose(blocks.FreeBits(1.1, "analytic")(q, p, None), [1.1, 1.1])


def test_likelihood_heads_are_normalized():
    x = (random((2, 3, 3, 1)) > 0.5).astype("float32")
    outputs = tf.constant(random((2, 3, 3, 1)))
    p = 1 / (1 + np.exp(-outputs.numpy()))
    expected = np.log(np.where(x > 0, p, 1 - p)).sum((1, 2, 3))
    got = blocks.BernoulliHead(1).distribution(outputs).log_prob(x)
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    head = blocks.NormalHead(1)
    head.build((None, 3, 3, 1))
    scale = np.log(2) + 1e-3
    expected = (-0.5 * ((x - p) / scale) ** 2 - np.log(scale) - 0.5 * np.log(2 * np.pi)).sum(
        (1, 2, 3)
    )
    np.testing.assert_allclose(head.distribution(outputs).log_prob(x), expected, rtol=1e-4)


# Trainable priors.


def test_the_mixture_by_matrix_products_equals_that_of_tfp():
    rng = np.random.default_rng(1)
    logits, loc = rng.normal(size=50).astype("float32"), rng.normal(size=(50, 20)).astype("float32")
    scale = rng.uniform(0.05, 2.0, (50, 20)).astype("float32")
    parts = tfd.Categorical(logits=logits), tfd.MultivariateNormalDiag(loc, scale)
    z = rng.normal(size=(7, 3, 20)).astype("float32")
    expected = tfd.MixtureSameFamily(*parts).log_prob(z)
    np.testing.assert_allclose(DiagonalMixture(*parts).log_prob(z), expected, rtol=1e-4)


def vamp(components=3):
    encoder = blocks.Stack([keras.layers.Flatten(), blocks.GaussianHead(2)])
    prior = blocks.VampPrior(2, encoder, (4, 4, 1), components)
    prior.build()
    return prior


def test_the_vamp_prior_is_the_mean_of_the_posteriors_of_its_pseudo_inputs():
    prior, images, z = vamp(), random((3, 4, 4, 1)), random((5, 2))
    prior.pseudo_inputs.assign(images)
    each = prior.encoder.distribution(images).prob(z[:, None])
    np.testing.assert_allclose(prior.distribution().prob(z), np.mean(each, -1), rtol=1e-4)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(prior(z))
    gradients = tape.gradient(loss, [v.value for v in prior.trainable_variables])
    assert len(gradients) == 3 and all(np.abs(g).max() > 0 for g in gradients)


@pytest.mark.parametrize("images", [3, 4])
def test_fewer_images_than_pseudo_inputs_give_a_warning(images, capsys):
    model = small_model("vamp_vae", num_pseudo_inputs=4)
    model.adapt(tf.data.Dataset.from_tensor_slices(examples(model, images)).batch(2))
    warned = "4 pseudo-inputs, but only 3 training images" in capsys.readouterr().err
    assert warned == (images < 4)


def test_the_vamp_prior_clips_its_pseudo_inputs():
    prior, z = vamp(), random((5, 2))
    outside = 3 * random((3, 4, 4, 1)) - 1
    prior.pseudo_inputs.assign(outside)
    log_probs = prior(z).numpy()
    prior.pseudo_inputs.assign(np.clip(outside, 0, 1))
    np.testing.assert_array_equal(log_probs, prior(z))


@pytest.mark.parametrize("latent_dim", [2, 5])
def test_the_flow_changes_every_dimension(latent_dim):
    prior = blocks.FlowPrior(latent_dim, num_couplings=2, units=8)
    prior.build()
    rng = np.random.default_rng(0)
    for v in prior.trainable_variables:
        v.assign(rng.normal(scale=0.4, size=v.shape))
    z = random((64, latent_dim))
    x = np.array(prior.distribution().bijector.forward(z))
    # As many exchanges as couplings: after two, each dimension is where it was.
    assert (np.abs(x - z).max(axis=0) > 1e-3).all()


def test_adapt_initializes_the_pseudo_inputs_with_images():
    prior, images = vamp(), random((3, 4, 4, 1))
    prior.adapt(images)
    assert 0 < np.abs(prior.pseudo_inputs - images).max() < 0.06


def test_the_flow_is_initially_close_to_normal_and_always_normalized():
    prior = blocks.FlowPrior(2, num_couplings=4, units=8)
    prior.build()
    z = 3 * random((5, 2)) - 1
    np.testing.assert_allclose(prior(z), blocks.StandardNormal(2)(z), atol=0.05)
    rng = np.random.default_rng(0)
    for v in prior.trainable_variables:
        v.assign(rng.normal(scale=0.4, size=v.shape))
    assert np.abs(prior(z) - blocks.StandardNormal(2)(z)).max() > 0.1
    axis = np.linspace(-12, 12, 481, dtype="float32")
    density = prior.distribution().prob(np.stack(np.meshgrid(axis, axis), -1))
    np.testing.assert_allclose(np.sum(density) * (axis[1] - axis[0]) ** 2, 1.0, atol=0.01)
    flow = prior.distribution().bijector
    np.testing.assert_allclose(flow.inverse(tf.identity(flow.forward(z))), z, atol=1e-4)


# The discrepancy.


def test_the_mmd_equals_the_u_statistic():
    x, y = random((6, 3)), random((6, 3), seed=1)

    def k(a, b):
        square = ((a - b) ** 2).sum()
        return sum(6 * s / (6 * s + square) for s in (0.1, 0.2, 0.5, 1, 2, 5, 10))

    pairs = [(i, j) for i in range(6) for j in range(6)]
    expected = sum(k(x[i], x[j]) + k(y[i], y[j]) for i, j in pairs if i != j) / 30
    expected -= 2 * sum(k(x[i], y[j]) for i, j in pairs) / 36
    terms = blocks.mmd(tf.constant(x), tf.constant(y))
    assert terms.shape == (6,)
    np.testing.assert_allclose(tf.reduce_mean(terms), expected, rtol=1e-4)


def test_the_mmd_is_unbiased_and_grows_with_the_distance():
    rng = np.random.default_rng(0)

    discrepancy = tf.function(lambda x, y: tf.reduce_mean(blocks.mmd(x, y)))

    def estimate(shift):
        x, y = rng.normal(size=(2, 16, 2)).astype("float32")
        return float(discrepancy(tf.constant(x), tf.constant(y + shift)))

    null = [estimate(0.0) for _ in range(300)]
    assert min(null) < 0 < max(null)
    assert abs(np.mean(null)) < 3 * np.std(null) / 300**0.5
    assert np.mean(null) < estimate(1.0) < estimate(3.0)


# Bounds: x = z + noise with z ~ N(0, 1) has log p(x) = log N(x; 0, 2), and q = N(x / 2, 1 / 2).

X = np.linspace(-2, 2, 64, dtype="float32")[:, None]


def log_weights(q, z):
    p = tfd.MultivariateNormalDiag([0.0], [1.0])
    likelihood = tfd.MultivariateNormalDiag(z, tf.ones_like(z))
    return likelihood.log_prob(X) + p.log_prob(z) - q.log_prob(z)


def estimates(name, k, loc, raw_scale, runs=1):
    """[runs, 3]: the mean loss, its gradients for the parameters of q(z|x) = N(loc x, scale)."""
    bound, estimator = get_bound(name)

    @tf.function
    def estimate(seed):
        parameters = [tf.constant(loc), tf.constant(raw_scale)]
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            scale = tf.fill(X.shape, tf.nn.softplus(parameters[1]))
            q = tfd.MultivariateNormalDiag(parameters[0] * X, scale)
            q, z = estimator(q, q.sample(k, seed=seed), lambda: log_w)
            log_w = log_weights(q, z)
            loss = -tf.reduce_mean(bound(log_w))
        return [loss, *tape.gradient(loss, parameters)]

    return np.array([estimate(tf.constant([run, 0])) for run in range(runs)])


def log_marginal():
    return float(tf.reduce_mean(tfd.Normal(0.0, 2**0.5).log_prob(X)))


def test_more_samples_tighten_the_bound():
    elbo, one, five, fifty = (
        -estimates(name, k, 0.2, 0.8, 100)[:, 0].mean()
        for name, k in (("elbo", 5), ("iwae", 1), ("iwae", 5), ("iwae", 50))
    )
    assert abs(one - elbo) < 0.02
    assert one < five - 0.05 < fifty < log_marginal() + 0.005
    assert log_marginal() - fifty < 0.02


def test_the_doubly_reparameterized_gradient_is_the_same_on_average_and_less_noisy():
    plain, doubly = (estimates(name, 8, 0.4, 0.6, 300) for name in ("iwae", "dreg"))
    np.testing.assert_allclose(plain[:, 0], doubly[:, 0], rtol=1e-5)  # the same bound
    error = (plain.var(0) / 300 + doubly.var(0) / 300) ** 0.5
    assert (np.abs(plain.mean(0) - doubly.mean(0)) < 4 * error)[1:].all()
    assert (doubly.std(0) < 0.7 * plain.std(0))[1:].all()


def test_at_the_true_posterior_the_gradient_through_the_samples_vanishes():
    raw_scale = float(np.log(np.expm1(0.5**0.5)))
    for name, other, k in (("dreg", "iwae", 4), ("stl", "elbo", 1)):
        assert np.abs(estimates(name, k, 0.5, raw_scale)[:, 1:]).max() < 1e-5
        assert np.abs(estimates(other, k, 0.5, raw_scale)[:, 1:]).max() > 1e-3


@pytest.mark.parametrize(("bound", "num_samples"), [("stl", 1), ("iwae", 2)])
@pytest.mark.parametrize("prior", ["vae", "mixture_vae", "vamp_vae", "flow_vae"])
def test_every_prior_trains_with_every_bound(prior, bound, num_samples):
    from cases import shuffled, small_model, small_trainer

    model = small_model(prior, bound=bound, num_samples=num_samples)
    adam = keras.optimizers.Adam(1e-2)
    run = small_trainer(prior, model=model, optimizers=adam, eager=True)
    loss = run.fit(shuffled(prior), epochs=3).history["loss"]
    assert np.isfinite(loss).all() and loss[-1] < loss[0] - 0.1, loss
