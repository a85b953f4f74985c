"""Adversarial losses, penalties, mixture noise, and statistics of averaged weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import examples, small_model, small_trainer

import blocks
import zoo
from blocks import adversarial
from blocks.adversarial import LOSSES, PENALTIES, R1, GradientPenalty, NonSaturating
from blocks.normalization import update_batch_norm

RNG = np.random.default_rng(0)
REAL = tf.constant(RNG.normal(size=(6, 1)), tf.float32)
FAKE = tf.constant(RNG.normal(size=(6, 1)), tf.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


EXPECTED = {  # name -> (generator's, discriminator's), as in the papers
    "non_saturating": (
        lambda r, f: -np.log(sigmoid(f)),
        lambda r, f: -np.log(sigmoid(r)) - np.log(1 - sigmoid(f)),
    ),
    "least_squares": (lambda r, f: (f - 1) ** 2 / 2, lambda r, f: (r - 1) ** 2 / 2 + f**2 / 2),
    "hinge": (lambda r, f: -f, lambda r, f: np.maximum(0, 1 - r) + np.maximum(0, 1 + f)),
    "wasserstein": (lambda r, f: -f, lambda r, f: f - r),
    "relativistic": (lambda r, f: -np.log(sigmoid(f - r)), lambda r, f: -np.log(sigmoid(r - f))),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_equal_the_formulas_of_the_papers(name):
    loss = adversarial.get_loss(name)
    r, f = REAL.numpy()[:, 0], FAKE.numpy()[:, 0]
    for side, formula in zip((loss.generator, loss.discriminator), EXPECTED[name], strict=True):
        np.testing.assert_allclose(side(REAL, FAKE), formula(r, f), rtol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_of_patches_is_their_mean(name):
    loss = adversarial.get_loss(name)
    real, fake = (tf.constant(RNG.normal(size=(4, 3, 2, 1)), tf.float32) for _ in "rf")
    for side in (loss.generator, loss.discriminator):
        each = [side(real[:, i, j], fake[:, i, j]) for i in range(3) for j in range(2)]
        np.testing.assert_allclose(side(real, fake), np.mean(each, axis=0), rtol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradients_of_both_losses_have_the_right_signs(name):
    loss = adversarial.get_loss(name)
    real, fake = tf.sigmoid(REAL), tf.sigmoid(FAKE)  # within the margins, between the targets
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([real, fake])
        generator = tf.reduce_sum(loss.generator(real, fake))
        discriminator = tf.reduce_sum(loss.discriminator(real, fake))
    assert np.all(tape.gradient(generator, fake) < 0)  # more realistic images
    assert np.all(tape.gradient(discriminator, fake) > 0)
    assert np.all(tape.gradient(discriminator, real) < 0)


def test_smoothing_changes_the_label_of_real_images_only():
    smoothed, r = NonSaturating(smoothing=0.2), REAL.numpy()[:, 0]
    cross_entropy = -0.8 * np.log(sigmoid(r)) - 0.2 * np.log(1 - sigmoid(r))
    fakes = -np.log(1 - sigmoid(FAKE.numpy()[:, 0]))
    np.testing.assert_allclose(smoothed.discriminator(REAL, FAKE), cross_entropy + fakes, rtol=1e-5)
    np.testing.assert_array_equal(
        smoothed.generator(REAL, FAKE), NonSaturating().generator(REAL, FAKE)
    )


def quadratic(images):
    """Logits whose gradient at an image is the image."""
    return tf.reduce_sum(images**2, axis=(1, 2, 3)) / 2


IMAGES = tf.constant(RNG.normal(size=(3, 4, 4, 2)), tf.float32)
SEED = tf.constant([1, 2])
PARTS = ("generator", "discriminator")


def test_r1_is_half_the_squared_gradient_at_real_images():
    penalties = R1(weight=3.0, every=1)(quadratic, IMAGES, -IMAGES, 0.0, SEED)
    np.testing.assert_allclose(penalties, 1.5 * np.sum(IMAGES.numpy() ** 2, (1, 2, 3)), rtol=1e-5)


def test_the_gradient_penalty_is_zero_for_a_gradient_norm_of_one():
    flat = GradientPenalty(weight=10.0)(lambda x: x[:, 0, 0, 0], IMAGES, -IMAGES, 0.0, SEED)
    np.testing.assert_allclose(flat, 0, atol=1e-5)  # the gradient norm is 1 everywhere
    steep = GradientPenalty(weight=10.0)(lambda x: 3 * x[:, 0, 0, 0], IMAGES, -IMAGES, 0.0, SEED)
    np.testing.assert_allclose(steep, 40, rtol=1e-5)
    same = GradientPenalty(weight=1.0)(quadratic, IMAGES, IMAGES, 0.0, SEED)
    norm = np.sqrt(np.sum(IMAGES.numpy() ** 2, (1, 2, 3)))
    np.testing.assert_allclose(same, (norm - 1) ** 2, rtol=1e-4)


@pytest.mark.parametrize("graph", [False, True])
def test_a_lazy_penalty_is_sparse_and_has_the_same_mean(graph):
    lazy, always = R1(weight=1.0, every=4), R1(weight=1.0, every=1)
    call = tf.function(lazy) if graph else lazy
    penalties = [call(quadratic, IMAGES, IMAGES, tf.constant(float(s)), SEED) for s in range(8)]
    assert [bool(np.any(each)) for each in penalties] == [True, False, False, False] * 2
    expected = always(quadratic, IMAGES, IMAGES, 0.0, SEED)
    np.testing.assert_allclose(np.mean(penalties, axis=0), expected, rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in PENALTIES if name])
def test_a_penalty_has_a_gradient_for_the_discriminator(name):
    net = blocks.Stack([blocks.Downsample(4), keras.layers.Flatten(), keras.layers.Dense(1)])
    net.build(IMAGES.shape)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(adversarial.get_penalty(name)(net, IMAGES, -IMAGES, 0.0, SEED))
    kernels = [v for v in net.trainable_variables if v.shape.rank > 1]
    assert all(np.any(g) for g in tape.gradient(loss, [v.value for v in kernels]))


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_and_penalty_trains_and_is_serialized(loss):
    penalty = "gradient" if loss == "wasserstein" else R1(weight=0.5, every=2)
    model = small_model("dcgan", objective=loss, penalty=penalty, filters=(4, 8))
    again = type(model).from_config(model.get_config())
    assert type(again.objective) is type(model.objective)
    assert vars(again.penalty) == vars(model.penalty)
    history = small_trainer("dcgan", model=model, eager=True).fit(
        tf.data.Dataset.from_tensors(examples(model, 8)).repeat(2), epochs=1
    )
    assert np.isfinite(history.history["discriminator_loss"]).all()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"objective": "hing"}, "objective must be one of .*'hinge'.* got 'hing'"),
        ({"penalty": "r2"}, "penalty must be one of .*'r1'.* got 'r2'"),
        ({"feature_matching_weight": -1}, "feature_matching_weight must be a number >= 0, got -1"),
    ],
)
def test_an_unknown_loss_or_penalty_is_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        zoo.get("dcgan", **arguments)


def test_feature_matching_is_the_relative_distance_of_the_means():
    real = tf.constant([[3.0, 0.0], [1.0, 2.0]])
    match = adversarial.feature_matching
    assert match(real, tf.constant([[2.0, 1.0]])) == 0  # the mean alone counts
    np.testing.assert_allclose(match(real, tf.constant([[2.0, 3.0]])), 2**2 / 7)  # of (9 + 5) / 2
    np.testing.assert_allclose(match(100 * real, tf.constant([[200.0, 300.0]])), 2**2 / 7)
    assert match(0 * real, 0 * real) == 0


def test_unbiased_feature_matching_has_the_right_expectation():
    """The means differ by one in each of five features: 5, relative to the mean squared norm."""
    real, fake = RNG.normal(size=(2, 1000, 4, 5)).astype("float32")
    real += 1
    rows, squares = range(1000), (real**2).sum(-1).mean(-1)
    exact, biased = (
        np.mean([adversarial.feature_matching(real[i], fake[i], on) * squares[i] for i in rows])
        for on in (True, False)
    )
    np.testing.assert_allclose(exact, 5, atol=0.4)
    np.testing.assert_allclose(biased, 5 + 5 * 2 / 4, atol=0.4)


def test_feature_matching_changes_the_generator_only():
    weights = []
    for matching in (0, 10):
        keras.utils.set_random_seed(0)
        model = small_model("dcgan", feature_matching_weight=matching)
        trainer = small_trainer("dcgan", model=model, eager=True)
        trainer.fit(tf.data.Dataset.from_tensors(examples(model, 8)), epochs=1)
        networks = model.generator, model.discriminator
        weights.append([network.get_weights() for network in networks])
    (generator, discriminator), (other, same) = weights
    assert all(np.array_equal(a, b) for a, b in zip(discriminator, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(generator, other, strict=True))


def test_the_generator_learns_to_match_the_features_of_the_data():
    """The losses are 0, so only feature matching trains the generator."""

    class ZeroLoss:
        def generator(self, real, fake):
            return 0 * fake

        discriminator = generator

    keras.utils.set_random_seed(0)
    model = small_model("dcgan", objective=ZeroLoss(), penalty=None, feature_matching_weight=1.0)
    batch = examples(model, 16)
    history = small_trainer("dcgan", model=model).fit(
        tf.data.Dataset.from_tensors(batch).repeat(200), epochs=2
    )
    model.on_weights_averaged()
    samples = (model.sample(64, seed=0), small_model("dcgan").sample(64, seed=0))
    real, fake, fresh = (
        model.discriminate(2 * x - 1, None).features for x in (batch["image"], *samples)
    )
    assert adversarial.feature_matching(real, fake) < adversarial.feature_matching(real, fresh) / 3
    assert history.history["generator_loss"][-1] == 0


@pytest.mark.parametrize("make", [NonSaturating, R1, GradientPenalty])
def test_weights_out_of_range_are_errors(make):
    with pytest.raises(ValueError, match="got -1"):
        make(-1)


def test_updated_statistics_are_the_mean_over_batches():
    net = blocks.Stack([keras.layers.Dense(3), keras.layers.BatchNormalization(momentum=0.9)])
    batches = [tf.constant(RNG.normal(i, 1 + i, size=(16, 2)), tf.float32) for i in range(3)]
    net.build((None, 2))
    update_batch_norm(net, batches)
    activations = [net.layers[0](batch).numpy() for batch in batches]
    np.testing.assert_allclose(
        net.layers[1].moving_mean, np.mean([x.mean(0) for x in activations], axis=0), rtol=1e-4
    )
    np.testing.assert_allclose(
        net.layers[1].moving_variance, np.mean([x.var(0) for x in activations], axis=0), rtol=1e-4
    )
    assert net.layers[1].momentum == 0.9


def test_updated_statistics_are_those_of_the_noise():
    """For a linear map of normal noise they are 0 and the sum of squared weights."""
    model = small_model("dcgan")
    model.on_weights_averaged()
    dense, norm, *_ = model.generator.layers
    deviation = np.linalg.norm(dense.kernel, axis=0)
    assert np.sqrt(np.mean((norm.moving_mean / deviation) ** 2)) < 0.016
    np.testing.assert_allclose(norm.moving_variance, deviation**2, rtol=0.08)


def test_mixture_noise_has_a_one_hot_code_per_component():
    model, plain = small_model("deligan", num_components=5), small_model("dcgan")
    noise, code = np.split(model.noise(4000, seed=3).numpy(), [model.latent_dim], axis=1)
    np.testing.assert_array_equal(noise, plain.noise(4000, seed=3))
    distance = code.max()
    assert distance > 1 and set(np.unique(code)) == {0, distance}
    assert np.all((code > 0).sum(1) == 1)
    np.testing.assert_allclose((code > 0).mean(0), 0.2, atol=0.02)
    assert np.abs(np.corrcoef(noise[:, 0], code[:, 0])[0, 1]) < 0.05


def test_each_component_models_one_mode():
    """Black and white images: each component generates one of them, and nothing between."""
    images = tf.repeat(tf.constant([0.0, 1.0]), 16)[:, None, None, None] * tf.ones((32, 8, 8, 1))
    config = {"latent_dim": 4, "feature_matching_weight": 100.0}
    model = small_model("deligan", num_components=8, **config)
    optimizers = {part: keras.optimizers.Adam(2e-3, beta_1=0.5) for part in PARTS}
    run = small_trainer("deligan", model=model, optimizers=optimizers)
    run.fit(tf.data.Dataset.from_tensors({"image": images}).repeat(200), epochs=1)
    model.on_weights_averaged()
    noise = model.noise(512, seed=0)
    component, gray = tf.argmax(noise[:, 4:], 1).numpy(), model(noise).numpy().mean((1, 2, 3))
    means = np.array([gray[component == k].mean() for k in range(8)])
    assert (means < 0.2).sum() >= 2 and (means > 0.8).sum() >= 2
    assert np.mean((gray > 0.2) & (gray < 0.8)) < 0.02


def test_averaged_weights_have_their_own_statistics_temporarily():
    run = small_trainer("dcgan", model=small_model("dcgan", filters=(4, 8)))
    batch = examples(run.model, 16)
    run.fit(tf.data.Dataset.from_tensors(batch).repeat(60), epochs=1)
    norms = [v for v in run.model.generator.variables if "moving" in v.path]
    before = [v.numpy() for v in norms]
    with run.averaged_weights() as model:
        averaged = model.sample(512, seed=1).numpy()
        trained = model.generator(model.noise(512, 1), training=True).numpy() / 2 + 0.5
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, norms, strict=True))
    # With the right statistics, inference equals training.
    assert np.abs(averaged - trained).mean() < 0.02


@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 7, 3)])
def test_full_size_filters_add_one_layer(shape):
    plain, finer = (small_model("dcgan", image_shape=shape, full_size_filters=n) for n in (0, 5))
    for model in (plain, finer):
        assert model.sample(2, seed=0).shape == (2, *shape)
    *_, before, last = finer.generator.layers
    assert len(finer.generator.layers) == len(plain.generator.layers) + 1
    assert (before.compute_output_shape((2, 5, 4, 16)), last.strides) == ((2, *shape[:2], 5), 1)


def test_a_conditional_gan_generates_the_requested_class():
    """Two classes, black and white images."""
    labels = tf.constant([0, 1] * 16, tf.int64)
    images = tf.broadcast_to(tf.cast(labels, tf.float32)[:, None, None, None], (32, 8, 8, 1))
    model = small_model("conditional_dcgan", num_classes=2, filters=(8, 16), latent_dim=8)
    optimizers = {part: keras.optimizers.Adam(2e-3, beta_1=0.5) for part in PARTS}
    run = small_trainer("conditional_dcgan", model=model, optimizers=optimizers)
    run.fit(tf.data.Dataset.from_tensors({"image": images, "label": labels}).repeat(150), epochs=1)
    black, white = (run.model.sample(16, seed=0, label=k).numpy().mean() for k in (0, 1))
    assert black < 0.2 and white > 0.8
    in_turn = run.model.sample(4, seed=0).numpy().mean((1, 2, 3))
    assert (in_turn > 0.5).tolist() == [False, True, False, True]


def test_an_instance_gan_generates_neighborhoods_with_their_frequencies():
    """A quarter black, three quarters white, and no labels."""
    white = np.array([0, 1, 1, 1] * 8, "float32")
    images = np.broadcast_to(white[:, None, None, None], (32, 8, 8, 1))
    config = {"num_features": 2, "num_instances": 32, "filters": (8, 16), "latent_dim": 8}
    model = small_model("instance_dcgan", **config)
    optimizers = {part: keras.optimizers.Adam(2e-3, beta_1=0.5) for part in PARTS}
    run = small_trainer("instance_dcgan", model=model, optimizers=optimizers)
    run.fit(tf.data.Dataset.from_tensors({"image": images}).repeat(150), epochs=1)
    assert model.sample(16, seed=0, reference=images[:1]).numpy().mean() < 0.2
    assert model.sample(16, seed=0, reference=images[1:2]).numpy().mean() > 0.8
    each = model.sample(32, seed=0, reference=images).numpy().mean((1, 2, 3))
    assert ((each > 0.5) == white).all()
    assert abs((model.sample(400, seed=0).numpy().mean((1, 2, 3)) > 0.5).mean() - 0.75) < 0.07


@pytest.mark.parametrize("shape", [(8, 8, 1), (3, 8, 8, 1), (2, 4, 4, 1), ()])
def test_the_number_of_reference_images_is_checked(shape):
    with pytest.raises(ValueError, match=r"reference must be 1 or 2 images \(8, 8, 1\), got"):
        small_model("instance_dcgan").sample(2, reference=np.zeros(shape, "float32"))


def test_few_images_fill_the_instance_bank_and_have_few_features():
    model = small_model("instance_dcgan", num_features=6, num_instances=7, feature_noise_std=0.0)
    images = np.random.default_rng(0).random((3, 8, 8, 1), "float32")
    model.adapt([{"image": tf.constant(images[:2])}, {"image": tf.constant(images[2:])}])
    features = model.embed(images).numpy()
    np.testing.assert_allclose(features[:, :3].std(), 1, rtol=1e-3)
    assert (features[:, 3:] == 0).all()
    np.testing.assert_allclose(
        model.instance_bank.numpy(), features[[0, 1, 2, 0, 1, 2, 0]], atol=1e-5
    )
    conditions = model.generator_inputs(100, seed=0)[:, -6:].numpy()  # no noise
    assert all(np.isclose(point, features, atol=1e-5).all(1).any() for point in conditions)
    basis = model.basis.numpy()
    model.adapt([{"image": tf.constant(1 - images)}])  # other instances, the same basis
    assert np.array_equal(model.basis, basis)
    np.testing.assert_allclose(model.instance_bank[:3], model.embed(1 - images), atol=1e-5)
    model.feature_noise_std = 0.5
    moved = model.perturb(tf.zeros((1000, 6)), (0, 1)).numpy()
    np.testing.assert_allclose(moved.std(), 0.5, rtol=0.05)


def test_an_unknown_class_is_an_error():
    model = small_model("conditional_dcgan")
    with pytest.raises(ValueError, match="labels must be in 0 ... 9, got 12"):
        model.sample(2, label=12)
    batch = examples(model, 4)
    with pytest.raises(
        zoo.errors.BatchError, match="labels in 0 ... 9, got 9 to 12; .*num_classes=N"
    ):
        model.check_batch(batch | {"label": tf.constant([9, 10, 11, 12], tf.int64)})
