"""Paths, parametrizations, pairings and solvers, compared with exact solutions."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.integrate import solve_ivp
from scipy.stats import multivariate_normal

from blocks.pairings import PAIRINGS, OptimalTransport
from blocks.parametrizations import PARAMETRIZATIONS, VPrediction
from blocks.probability_paths import (
    PATHS,
    SCHEDULES,
    CosineSchedule,
    LinearPath,
    LinearSchedule,
)
from blocks.solvers import DDIM, SOLVERS, Euler, Heun, Midpoint, follow, log_density, velocity_of

ALL_PATHS = [*PATHS.values(), *SCHEDULES.values()]
every_path = pytest.mark.parametrize("path", ALL_PATHS, ids=repr)
SEED = tf.constant([1, 2])
MEAN = np.array([0.5, -0.25], "float32")
COVARIANCE = np.array([[0.3, 0.15], [0.15, 0.2]], "float32")


def normal(n, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=(n, 2)), tf.float32)


def gaussian(path):
    """The exact prediction for data from N(MEAN, COVARIANCE): (x, t) -> (data, noise)."""

    def predict(x, t):
        alpha, sigma = path.coefficients(t)
        inverse = tf.linalg.inv(alpha**2 * COVARIANCE + sigma**2 * tf.eye(2))
        data = MEAN + alpha * tf.matmul(x - alpha * MEAN, tf.matmul(inverse, COVARIANCE))
        noise = sigma * tf.matmul(x - alpha * MEAN, inverse)
        return data, noise

    return predict


def solve(solver, path, x, steps):
    predict = gaussian(path)

    def step(x, t, next_t, index):
        return solver.step(predict, path, x, t, next_t, SEED + index)

    return tf.function(lambda x: follow(step, x, path.times(steps)))(x)


@every_path
def test_a_path_leads_from_noise_to_data_and_its_velocity_is_the_slope(path):
    x, noise = normal(3, 1), normal(3, 2)
    np.testing.assert_allclose(path.interpolate(x, noise, path.noise_time), noise, atol=0.02)
    np.testing.assert_allclose(path.interpolate(x, noise, path.data_time), x, atol=1e-6)
    t, step = tf.constant([0.2, 0.5, 0.8004]), 1e-4
    before, after = (path.interpolate(x, noise, t + d) for d in (-step, step))
    np.testing.assert_allclose(
        path.velocity(x, noise, t), (after - before) / (2 * step), rtol=0.02, atol=0.02
    )
    times = path.random_times(1000, SEED)
    assert times.shape == (1000,) and min(times) >= 0 and max(times) <= 1
    spread = [np.mean(times), np.std(times)]
    even = path.times(1000)  # training is at the times of sampling
    np.testing.assert_allclose(spread, [np.mean(even), np.std(even)], atol=0.03)


def test_quadratic_times_are_dense_near_the_data():
    np.testing.assert_allclose(LinearPath(2.0).times(4), [0, 7 / 16, 12 / 16, 15 / 16, 1])


def test_a_schedule_has_the_variances_of_its_steps():
    betas = np.linspace(1e-4, 0.02, 1000)
    t = tf.range(1, 1001, dtype=tf.float32) / 1000
    alpha, sigma = LinearSchedule().coefficients(t)
    np.testing.assert_allclose(alpha**2, np.cumprod(1 - betas), rtol=1e-3)
    np.testing.assert_allclose(alpha**2 + sigma**2, np.ones(1000), rtol=1e-5)
    alpha, _ = CosineSchedule().coefficients(tf.constant([0.25, 0.5]))
    expected = np.cos((np.array([0.25, 0.5]) + 0.008) / 1.008 * np.pi / 2)
    np.testing.assert_allclose(alpha, expected / np.cos(0.008 / 1.008 * np.pi / 2), rtol=1e-4)


@every_path
@pytest.mark.parametrize("name", PARAMETRIZATIONS)
def test_a_perfect_prediction_gives_back_the_data_and_the_noise(path, name):
    x, noise, t = normal(4, 1), normal(4, 2), tf.constant([0.1, 0.3, 0.6, 0.85])
    parametrization = PARAMETRIZATIONS[name]
    output = parametrization.target(path, x, noise, t)
    found = parametrization.components(path, output, path.interpolate(x, noise, t), t)
    np.testing.assert_allclose(found[0], x, atol=2e-3)
    np.testing.assert_allclose(found[1], noise, atol=2e-3)


@every_path
def test_scaled_v_has_variance_1_and_no_correlation_with_x_t(path):
    x, noise = 0.3 * normal(20_000, 1), normal(20_000, 2)
    for time in (0.1, 0.5, 0.9):
        t = tf.fill((20_000,), time)
        v = VPrediction(data_std=0.3).target(path, x, noise, t)
        covariance = np.cov(np.ravel(v), np.ravel(path.interpolate(x, noise, t)))
        np.testing.assert_allclose(covariance[0], (1, 0), atol=0.03)


@pytest.mark.parametrize(("solver", "order"), [(Euler(), 1), (Midpoint(), 2), (Heun(), 2)], ids=str)
def test_solvers_converge_with_their_order_to_an_adaptive_solver(solver, order):
    path, x = LinearPath(), normal(4)
    velocity = velocity_of(gaussian(path), path)

    def slope(t, y):
        y = tf.constant(y.reshape(4, 2), tf.float32)
        return np.ravel(velocity(y, tf.constant(t, tf.float32)))

    oracle = solve_ivp(slope, (0, 1), np.ravel(x), method="RK45", rtol=1e-6, atol=1e-6)  # DOPRI5
    truth = oracle.y[:, -1].reshape(4, 2)
    errors = [np.abs(solve(solver, path, x, steps) - truth).max() for steps in (8, 16)]
    assert errors[0] / errors[1] > 0.65 * 2**order
    back = follow(
        lambda y, t, next_t, index: solver.advance(velocity, y, t, next_t),
        solve(solver, path, x, 50),
        tf.reverse(path.times(50), [0]),
    )
    np.testing.assert_allclose(back, x, atol=0.1 if order == 1 else 5e-3)


@every_path
@pytest.mark.parametrize("solver", [DDIM(0.0, None), DDIM(0.5, None), DDIM(1.0, None)], ids=str)
def test_ddim_samples_the_data_whatever_its_noise(path, solver):
    x = solve(solver, path, normal(4000), 200)
    np.testing.assert_allclose(np.mean(x, 0), MEAN, atol=0.04)
    np.testing.assert_allclose(np.cov(x.numpy().T), COVARIANCE, atol=0.04)


def test_the_ancestral_sampler_is_that_of_the_paper():
    """One step from t = 600 to 599 of 1,000: algorithm 2, with the variance of eq. 7."""
    path, x, t = LinearSchedule(), normal(5), 600
    betas = np.linspace(1e-4, 0.02, 1000)
    bars = np.cumprod(1 - betas)
    bar, bar_before, beta = bars[t - 1], bars[t - 2], betas[t - 1]
    predict = gaussian(path)
    _, noise = predict(x, tf.constant(t / 1000))
    mean = (x - beta / np.sqrt(1 - bar) * noise) / np.sqrt(1 - beta)
    std = np.sqrt((1 - bar_before) / (1 - bar) * beta)
    z = tf.random.stateless_normal(x.shape, SEED)
    solver = SOLVERS["ancestral"].from_config({"clip": None})
    found = solver.step(predict, path, x, tf.constant(t / 1000), tf.constant((t - 1) / 1000), SEED)
    np.testing.assert_allclose(found, mean + std * z, atol=2e-4)


@every_path
def test_the_density_of_a_flow_is_the_exact_one(path):
    x = tf.constant(np.random.default_rng(3).multivariate_normal(MEAN, COVARIANCE, 6), tf.float32)
    many = tf.repeat(x, 200, axis=0)  # each with a random vector of its own
    times = tf.reverse(path.times(50), [0])
    found = tf.function(lambda x: log_density(Midpoint(), gaussian(path), path, x, times, SEED))(
        many
    )
    found = np.reshape(found, (6, 200))
    exact = multivariate_normal(MEAN, COVARIANCE).logpdf(x)
    error = found.std(1).max() / 200**0.5
    np.testing.assert_allclose(found.mean(1), exact, atol=4 * error + 0.03)
    assert found.std() > 0  # the covariance is not diagonal, so the estimate has a variance


def test_optimal_transport_shortens_the_way_and_keeps_noise_and_classes_apart():
    noise, data = normal(64, 1), 3 * normal(64, 2)
    labels = tf.range(64) % 2

    def length(paired):
        return float(tf.reduce_sum((paired - data) ** 2))

    pair = OptimalTransport()
    best, best_by_class = pair(noise, data), pair(noise, data, labels)
    assert length(best) < length(best_by_class) < 0.8 * length(noise)
    for part, whole in ((best, noise), (best_by_class[::2], noise[::2])):
        np.testing.assert_array_equal(np.sort(part, 0), np.sort(whole, 0))
    np.testing.assert_array_equal(PAIRINGS["independent"](noise, data), noise)


def test_objects_are_values_and_are_saved_with_a_model():
    tables = (PATHS, SCHEDULES, PARAMETRIZATIONS, SOLVERS, PAIRINGS)
    values = [*itertools.chain(*(table.values() for table in tables)), DDIM(0.5, None)]
    for value in values:
        config = keras.saving.serialize_keras_object(value)
        again = keras.saving.deserialize_keras_object(config)
        assert again == value and hash(again) == hash(value)
    assert len({*values}) == len(values)


@pytest.mark.parametrize(
    ("make_it", "message"),
    [
        (lambda: DDIM(eta=2), r"eta must be a number in \[0, 1\], got 2"),
        (lambda: DDIM(clip=-1), "clip must be a number >= 0, got -1"),
        (lambda: LinearSchedule(timesteps=0), "timesteps must be an integer >= 1, got 0"),
        (lambda: LinearSchedule(first=0.0), r"first must be a fraction in \(0, 1\), got 0.0"),
        (lambda: CosineSchedule(offset=1), "offset must be a fraction"),
        (lambda: LinearPath(time_power=0), "time_power must be a finite number > 0, got 0"),
        (lambda: SOLVERS["ancestral"].check_path(LinearPath()), "LinearPath: use ddim, euler"),
        (lambda: SOLVERS["ancestral"].check_path(LinearSchedule(), 1001), "at most the 1000 steps"),
    ],
)
def test_impossible_values_are_errors(make_it, message):
    with pytest.raises(ValueError, match=message):
        make_it()
