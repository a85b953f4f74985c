"""What only models that follow a path from noise to images do."""

from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import examples, small_model
from scipy.stats import multivariate_normal

import zoo
from blocks.solvers import DDIM, Heun, Solver
from zoo.errors import UsageError
from zoo.models.flow_matching import FlowMatching

IMAGES = np.random.default_rng(0).random((3, 8, 8, 1)).astype("float32")
TOP = np.zeros((8, 8), bool)
TOP[:4] = True
NAMES = ["ddpm", "flow_matching"]


@pytest.fixture(scope="module")
def models():
    """One model of each kind with ten classes, for tests that only sample."""
    return {name: small_model(name, num_classes=10) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("eager_steps")
def test_an_image_depends_on_its_seed_and_class_and_not_on_the_batch(models, name):
    model = models[name]
    few, many = (model.sample(n, seed=3, guidance=2.0) for n in (3, 12))
    np.testing.assert_allclose(few, many[:3], atol=1e-5)
    labels = [k % 10 for k in range(12)]  # by default each class in turn
    np.testing.assert_array_equal(many, model.sample(12, 3, label=labels, guidance=2.0))
    assert np.abs(few - model.sample(3, seed=4, guidance=2.0)).max() > 0


def test_guidance_leads_from_no_class_to_a_class_and_beyond(models):
    model = models["flow_matching"]
    xt, labels = tf.constant(IMAGES), tf.constant([1, 2, 3], tf.int64)
    free, guided, plain, twice = (
        model.components(xt, tf.constant(0.5), labels, scale)[0] for scale in (0.0, 1.0, None, 2.0)
    )
    np.testing.assert_allclose(guided, plain, atol=1e-5)
    np.testing.assert_allclose(twice, 2 * guided - free, atol=1e-5)
    np.testing.assert_allclose(free, model.components(xt, tf.constant(0.5))[0], atol=1e-5)
    assert np.abs(free - guided).max() > 1e-4


def test_sampling_is_traced_once_for_any_number_of_images_steps_and_seeds():
    model, traces = small_model("ddpm"), []

    @dataclass(frozen=True)
    class Counting(DDIM):
        def step(self, *args):
            traces.append(1)
            return super().step(*args)

    for n, seed, steps in ((1, 0, 2), (3, 1, 2), (2, 2, 5)):
        assert model.sample(n, seed, steps=steps, sampler=Counting()).shape[0] == n
    assert len(traces) == 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("eager_steps")
def test_the_film_ends_with_the_sample(models, name):
    model = models[name]
    film = model.sample_path(2, seed=1, steps=3)
    assert film.shape == (2, 4, 8, 8, 1)
    np.testing.assert_allclose(film[:, -1], model.sample(2, seed=1, steps=3), atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_codes_lead_back(models, name):
    model = models[name]
    errors = [np.abs(model.decode(model.encode(IMAGES, n), n) - IMAGES).mean() for n in (4, 40)]
    assert errors[1] < 0.02 and errors[1] < errors[0]


@pytest.mark.usefixtures("eager_steps")
def test_a_mask_changes_only_its_pixels(models):
    model = models["flow_matching"]
    found = model.inpaint(IMAGES, TOP, seed=0, label=3, guidance=2.0)
    np.testing.assert_array_equal(found[:, 4:], IMAGES[:, 4:])
    assert np.abs(found[:, :4] - IMAGES[:, :4]).mean() > 0.05
    whole = np.ones((8, 8), bool)
    free = [model.inpaint(np.zeros((n, 8, 8, 1)), whole, seed=0) for n in (1, 3)]
    no_class = model(model.generator_inputs(3, 0))
    np.testing.assert_allclose(free[1], no_class, atol=1e-5)  # and not each class in turn
    np.testing.assert_allclose(free[0], free[1][:1], atol=1e-5)
    with pytest.raises(UsageError, match="guidance=2 needs a label"):
        model.inpaint(IMAGES, TOP, guidance=2)
    masks = np.stack([TOP, TOP, ~TOP])
    found = model.inpaint(IMAGES, masks, seed=0)
    np.testing.assert_array_equal(found[2, :4], IMAGES[2, :4])


MEAN, COVARIANCE = np.array([0.1, -0.2], "f"), np.array([[0.2, 0.1], [0.1, 0.15]], "f")


class GaussianFlow(FlowMatching):
    """A flow of two pixels whose velocity is the exact one for Gaussian data."""

    def components(self, xt, t, labels=None, guidance=None):
        x = tf.reshape(xt, (-1, 2))
        alpha, sigma = self.probability_path.coefficients(t)
        inverse = tf.linalg.inv(alpha**2 * COVARIANCE + sigma**2 * tf.eye(2))
        away = tf.matmul(x - alpha * MEAN, inverse)
        data, noise = MEAN + alpha * tf.matmul(away, COVARIANCE), sigma * away
        return tf.reshape(data, tf.shape(xt)), tf.reshape(noise, tf.shape(xt))


@pytest.mark.usefixtures("eager_steps")
def test_the_log_probability_of_two_pixels_is_the_exact_one():
    model = GaussianFlow(image_shape=(1, 2, 1), filters=(8,))
    model.build()
    levels = np.random.default_rng(0).integers(90, 160, (4000, 1, 2, 1)).astype(np.uint8)
    found = model.log_prob(levels, seed=0, steps=40)
    centers = 2 * (levels.reshape(-1, 2) + 0.5) / 256 - 1
    exact = multivariate_normal(MEAN, COVARIANCE).logpdf(centers) + 2 * np.log(2 / 256)
    assert float(np.mean(found)) == pytest.approx(exact.mean(), abs=0.05)
    data = tf.data.Dataset.from_tensors({"image": tf.constant(levels / 255, tf.float32)})
    bits = zoo.metrics.bits_per_dimension(model, data, sampling_steps=40, chunk=4000)
    assert bits.mean == pytest.approx(-exact.mean() / (2 * np.log(2)), abs=0.05)
    low, high = bits.interval
    assert low < bits.mean < high and bits.unit == "bits/dim" and bits.n == 4000


@pytest.mark.usefixtures("eager_steps")
def test_a_new_sampler_is_one_class(models):
    @dataclass(frozen=True)
    class PredictorCorrector(Solver):
        """DDIM, then one step of noise and denoising at the new time."""

        def step(self, predict, path, x, t, next_t, seed):
            return DDIM(1.0).step(predict, path, x, t, next_t, seed)

    model = models["ddpm"]
    found = model.sample(2, seed=0, sampler=PredictorCorrector())
    np.testing.assert_allclose(found, model.sample(2, seed=0, sampler=DDIM(1.0)), atol=1e-5)


class Scaled(Solver):
    """Scales the noise: a sampler whose attribute can change."""

    def __init__(self, scale):
        self.scale = scale

    def step(self, predict, path, x, t, next_t, seed):
        return x * self.scale


def test_a_changed_sampler_has_another_graph(models):
    sampler = Scaled(1.0)
    before = models["ddpm"].sample(2, seed=0, steps=1, sampler=sampler)
    sampler.scale = 0.0
    after = models["ddpm"].sample(2, seed=0, steps=1, sampler=sampler)
    assert np.ptp(before) > 0 and np.ptp(after) == 0


def test_a_sampler_needs_its_step():
    with pytest.raises(TypeError, match="abstract"):
        Solver()


@pytest.mark.usefixtures("eager_steps")
def test_a_flow_is_the_prior_of_an_autoencoder_that_it_does_not_change(tmp_path):
    vae = small_model("vae")
    model = small_model("flow_matching", autoencoder=vae, pairing="optimal_transport")
    assert model.code_shape == (2,) and model.encode(IMAGES).shape == (3, 2)
    assert model.sample(3, seed=0).shape == (3, 8, 8, 1)
    unclipped = model.sample(3, seed=0, steps=3, sampler=DDIM(clip=None))
    np.testing.assert_array_equal(model.sample(3, seed=0, steps=3, sampler="ddim"), unclipped)
    frozen = [np.array(v) for v in vae.weights]
    model.prepare()
    model.train_step(examples(model, 8))
    for before, after in zip(frozen, vae.weights, strict=True):
        np.testing.assert_array_equal(before, after)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.sample(2, seed=1), model.sample(2, seed=1), atol=1e-5)
    for call in (lambda: model.log_prob(IMAGES), lambda: model.inpaint(IMAGES, TOP)):
        with pytest.raises(UsageError, match="needs a model of pixels"):
            call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.sample(2, steps=0), "steps must be an integer >= 1.*, got 0"),
        (lambda m: m.sample(2, sampler="euleer"), "sampler must be one of.*got 'euleer'"),
        (lambda m: m.sample(2, sampler=""), "sampler must be one of.*got ''"),
        (lambda m: m.sample(2, sampler=Scaled([1.0])), "sampler .*has no hash.*frozen=True"),
        (lambda m: m.sample(2, sampler="ancestral"), "ancestral sampler.*path is LinearPath"),
        (lambda m: m.sample(2, label=3), "flow_matching has no classes: leave out label=3"),
        (lambda m: m.sample(2, guidance=2), "no classes, so guidance=2 would have no effect"),
        (lambda m: m.sample(2, guidance=-1), "guidance must be a finite number >= 0.*got -1"),
        (lambda m: m.sample(2, guidance=1e39), "guidance must be .*<= 1000, got 1e.39"),
        (lambda m: m.encode(IMAGES, steps=10**9), "steps must be an integer .*<= 100000, got"),
        (lambda m: m.inpaint(IMAGES, TOP[:2]), r"mask must be of shape \(8, 8\), or \(3, 8, 8\)"),
        (lambda m: m.inpaint(IMAGES, TOP * 0.5), r"mask must hold True \(pixels to generate\)"),
        (lambda m: m.inpaint(IMAGES, [[1], [0, 1]]), r"mask must be one array of shape \(8, 8\)"),
        (lambda m: m.inpaint(2 * IMAGES, TOP), r"expects 'image' in \[0, 1\]"),
        (lambda m: m.log_prob(IMAGES, steps=2.5), "steps must be an integer"),
        (lambda m: small_model("ddpm", sampler="ancestral", sampling_steps=2000), "at most the"),
        (lambda m: small_model("ddpm", sampling_steps=10**6), "sampling_steps .* at most 100,000"),
        (
            lambda m: small_model("ddpm", patch_size=1, filters=(8,) * 5),
            "8 x 8 can be halved 3 times.*halve it 4 times: use at most 4 levels.*9 pixels",
        ),
        (lambda m: small_model("ddpm", patch_size=3), "multiples of 3, got 8 x 8"),
        (lambda m: small_model("flow_matching", autoencoder="vae.nothing"), "autoencoder"),
        (
            lambda m: small_model("flow_matching", autoencoder=zoo.get("vae")),
            r"autoencoder is for images of shape \(28, 28, 1\)",
        ),
    ],
)
def test_impossible_requests_are_errors_of_one_line(call, message):
    with pytest.raises(UsageError, match=message) as caught:
        call(small_model("flow_matching"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.sample(2, guidance=2),
        lambda m: m.encode(IMAGES),
        lambda m: m.decode(IMAGES),
        lambda m: m.interpolate(IMAGES, IMAGES),
        lambda m: m.log_prob(IMAGES),
        lambda m: m.inpaint(IMAGES, TOP),
    ],
)
def test_what_uses_no_class_needs_dropped_labels(call):
    model = small_model("ddpm", num_classes=3, label_dropout=0.0)
    with pytest.raises(UsageError, match="was trained with label_dropout=0"):
        call(model)
    assert [*model.signatures()] == ["sample"]


def test_labels_are_in_range(models):
    with pytest.raises(UsageError, match=r"labels must be in 0 \.\.\. 9"):
        models["ddpm"].sample(2, label=10)
    assert Heun() == Heun()


def test_labels_are_dropped_in_training_only(models):
    model = models["ddpm"]
    batch = {"label": tf.zeros(2000, tf.int64)}
    dropped = np.mean(model.training_labels(batch, training=True) == 10)
    assert dropped == pytest.approx(0.1, abs=0.03)
    np.testing.assert_array_equal(model.training_labels(batch, training=False), batch["label"])


def test_averages_follow_the_weights_from_the_first_steps_on():
    optimizer = zoo.optimizers.AveragingAdam(0.1, ema_momentum=0.99)
    variable = keras.Variable([0.0])
    for _ in range(30):
        optimizer.apply([tf.constant([1.0])], [variable])
    last = float(variable[0])
    optimizer.finalize_variable_values([variable])
    assert last < float(variable[0]) < last / 2  # of the last third of the steps, mostly
    again = zoo.optimizers.AveragingAdam.from_config(optimizer.get_config())
    assert again.get_config() == optimizer.get_config() and again.final_ema_momentum == 0.99


@pytest.mark.usefixtures("eager_steps")
def test_a_film_is_a_grid_or_an_animation(models, tmp_path):
    from PIL import Image

    grid = zoo.figures.film(models["ddpm"], 2, frames=3, path=tmp_path / "film.png", steps=4)
    assert grid.shape[1] > grid.shape[0] and (tmp_path / "film.png").exists()
    frames = zoo.figures.animation(models["ddpm"], tmp_path / "film.gif", 2, frames=4, steps=4)
    with Image.open(tmp_path / "film.gif") as file:
        assert file.n_frames == len(frames) == 4
    with pytest.raises(UsageError, match="written as .gif, got"):
        zoo.figures.animation(models["ddpm"], tmp_path / "film.png")


def test_the_sampler_is_part_of_an_exported_model(models, tmp_path):
    model = models["ddpm"]
    exported = zoo.export(model, tmp_path / "model")
    assert exported["sample"][0] == "int32 [], int32 [], int64 [?]"
    served = tf.saved_model.load(str(tmp_path / "model"))
    for n in (2, 3):
        labels = tf.range(n, dtype=tf.int64)
        expected = model.sample(n, seed=5)
        np.testing.assert_allclose(served.sample(n, 5, labels), expected, atol=1e-5)
    np.testing.assert_allclose(served.encode(IMAGES), model.encode(IMAGES), atol=1e-4)
