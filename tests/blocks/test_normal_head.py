"""The Normal likelihood: the optimal scale of a batch and its moving average."""

import numpy as np
import pytest
import tensorflow as tf
from cases import same_bits, small_model, small_trainer

import blocks

SHAPE = (8, 8, 3)


def head():
    layer = blocks.NormalHead(3)
    layer.build((None, *SHAPE))
    return layer


def images(n=48, seed=0):
    """Colored gradients under a little noise."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(0, 1, 8)[:, None, None] * rng.random((n, 1, 1, 3))
    return np.clip(np.broadcast_to(slope, (n, *SHAPE)) + rng.normal(0, 0.02, (n, *SHAPE)), 0, 1)


def data(n=48):
    return tf.data.Dataset.from_tensor_slices({"image": images(n).astype("float32")}).batch(
        8, drop_remainder=True
    )


def best_nll(errors):
    """In nats per image, with the optimal scale for these errors."""
    pixels = np.prod(SHAPE)
    return pixels / 2 * (np.log(2 * np.pi * np.mean(errors**2)) + 1)


def test_the_training_scale_is_optimal_and_the_gradient_that_of_the_log_error():
    layer, x = head(), tf.constant(images(4), tf.float32)
    outputs = tf.Variable(tf.random.stateless_normal((4, *SHAPE), (0, 1)))
    with tf.GradientTape(persistent=True) as tape:
        nll = -layer.training_distribution(outputs).log_prob(x)
        mean, error = tf.reduce_mean(nll), tf.reduce_mean((x - tf.sigmoid(outputs)) ** 2)
        log_error = np.prod(SHAPE) / 2 * tf.math.log(error)
    np.testing.assert_allclose(mean, best_nll(x - tf.sigmoid(outputs)), rtol=1e-4)
    slopes = [tape.gradient(y, outputs).numpy() for y in (mean, log_error)]
    np.testing.assert_allclose(*slopes, rtol=1e-3, atol=1e-5)
    # The first batch sets the moving average, and later ones update it.
    np.testing.assert_allclose(layer.scale(), error**0.5, rtol=1e-4)
    before = float(layer.raw_scale)
    layer.training_distribution(outputs).log_prob(tf.sigmoid(outputs) + 0.01)
    assert before - 0.5 < float(layer.raw_scale) < before
    layer.trainable, raw_scale = False, layer.raw_scale.numpy()
    same = [how(outputs).log_prob(x) for how in (layer.training_distribution, layer.distribution)]
    np.testing.assert_array_equal(*same)
    assert layer.raw_scale.numpy() == raw_scale


@pytest.mark.parametrize("x", [0.0, 1.0], ids=["black", "white"])
def test_images_without_error_have_finite_losses(x):
    layer = head()
    outputs = tf.fill((2, *SHAPE), 200.0 * (2 * x - 1))
    log_probs = layer.training_distribution(outputs).log_prob(tf.fill((2, *SHAPE), x))
    assert np.isfinite(log_probs).all() and 1e-3 < float(layer.scale()) < 3e-3


@pytest.mark.parametrize("name", ["vae", "mmd_vae"])
def test_after_a_short_run_the_nll_is_that_of_the_optimal_scale(name):
    model = small_model(name, image_shape=SHAPE, output_distribution="normal")
    run = small_trainer(name, model=model, eager=True)
    run.fit(data(), epochs=5)
    nll, x = run.evaluate(data())["nll"], images().astype("float32")
    z = model.posterior(x).sample(seed=(0, 1))
    assert abs(nll - best_nll(x - model.likelihood(z).mean())) < 4  # a fixed start: 150 off


def test_a_run_on_color_images_resumes_to_the_same_bits(tmp_path):
    def run(folder, *stops):
        for steps in stops:
            model = small_model("vae", image_shape=SHAPE, output_distribution="normal")
            one = small_trainer("vae", tmp_path / folder, model=model, eager=True)
            one.fit(data(), steps=steps)
        return one.state.arrays()

    assert same_bits(run("at_once", 6), run("stopped", 3, 6)) == []


def test_replicas_and_micro_batches_fit_their_own_scales(two_replicas):
    with two_replicas.scope():
        model = small_model("vae", image_shape=SHAPE, output_distribution="normal")
        together = small_trainer("vae", model=model, strategy=two_replicas, eager=True)
    model = small_model("vae", image_shape=SHAPE, output_distribution="normal")
    pieces = small_trainer("vae", model=model, eager=True)
    pieces.state.choose_micro_batches(2)
    for run in (together, pieces):
        run.fit(data(16), epochs=2)
        assert np.isfinite([*run.evaluate(data(16)).values()]).all()
        assert float(run.model.decoder.layers[-1].scale()) < 0.5
