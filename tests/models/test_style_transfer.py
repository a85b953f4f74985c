"""Style transfer: the losses of the paper, training of the canvas only, the resulting images."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import small_model

import zoo
from blocks.feature_network import MEANS, FeatureNetwork
from blocks.image_optimization import minimize_image
from blocks.style import gram_matrix, layer_error, relative_error, total_variation
from zoo import figures, inspection
from zoo.data.builders import style_images
from zoo.errors import UsageError

SHALLOW = {"content_layers": ("block1_conv2",), "style_layers": ("block1_conv1", "block1_conv2")}


def make_model(**config):
    return zoo.get("style_transfer", **{"image_shape": (16, 16, 3), **SHALLOW, **config})


def random(*shape, seed=0):
    return np.random.default_rng(seed).random(shape).astype("float32")


def convolutions(*filters, seed=0):
    """A Keras model of convolutions `conv0`, `conv1`, ... on RGB images."""
    keras.utils.set_random_seed(seed)
    x = pixels = keras.Input((None, None, 3))
    for k, n in enumerate(filters):
        x = keras.layers.Conv2D(n, 3, padding="same", activation="relu", name=f"conv{k}")(x)
    return keras.Model(pixels, x)


def stylize_quietly(model, *pair, **options):
    """`stylize` in eager steps: a few of them take less time than tracing."""
    tf.config.run_functions_eagerly(True)
    try:
        return model.stylize(*pair, **options)
    finally:
        tf.config.run_functions_eagerly(False)


# The losses.


def test_the_gram_matrix_is_the_mean_product_of_two_features():
    f = random(2, 3, 4, 5)
    expected = np.zeros((2, 5, 5))
    for b, row, column, i, j in np.ndindex(2, 3, 4, 5, 5):
        expected[b, i, j] += f[b, row, column, i] * f[b, row, column, j] / 12
    np.testing.assert_allclose(gram_matrix(tf.constant(f)), expected, rtol=1e-5)


def test_total_variation_is_the_mean_squared_difference_of_neighbors():
    x = random(2, 4, 5, 3)
    down = [(x[:, i + 1, j] - x[:, i, j]) ** 2 for i in range(3) for j in range(5)]
    across = [(x[:, i, j + 1] - x[:, i, j]) ** 2 for i in range(4) for j in range(4)]
    expected = np.mean(down, axis=(0, 2)) + np.mean(across, axis=(0, 2))
    np.testing.assert_allclose(total_variation(tf.constant(x)), expected, rtol=1e-5)


def test_style_ignores_positions_and_content_does_not():
    f = random(1, 6, 4, 5)
    places = np.random.default_rng(1).permutation(24)
    moved = f.reshape(1, 24, 5)[:, places].reshape(1, 4, 6, 5)
    np.testing.assert_allclose(gram_matrix(tf.constant(f)), gram_matrix(tf.constant(moved)), 1e-5)
    assert relative_error(tf.constant(f), tf.constant(moved.reshape(f.shape))) > 0.1
    twice = np.tile(f, (1, 2, 3, 1))  # nor how much of it there is
    np.testing.assert_allclose(gram_matrix(tf.constant(f)), gram_matrix(tf.constant(twice)), 1e-5)


def test_errors_are_relative_to_the_targets_and_a_mean_over_layers():
    p = tf.constant(random(3, 2, 2, 4))
    np.testing.assert_allclose(relative_error(1.5 * p, p), [0.25] * 3, rtol=1e-4)
    np.testing.assert_allclose(relative_error(0 * p[:1], 9 * p), [1] * 3, rtol=1e-4)
    error = layer_error({"a": p, "b": 2 * p, "c": p}, {"a": p, "b": p})
    np.testing.assert_allclose(error, [0.5] * 3, rtol=1e-4)


def test_the_loss_is_the_weighted_sum_of_its_terms():
    model = make_model(content_weight=2.0, style_weight=3.0, total_variation_weight=0.5)
    batch = {"content": random(2, 16, 16, 3), "style": random(2, 16, 16, 3, seed=1)}
    found = model.eval_step(batch)
    parts = 2 * found["content_loss"] + 3 * found["style_loss"] + 0.5 * found["total_variation"]
    np.testing.assert_allclose(found["loss"], parts, rtol=1e-6)
    model.canvas.pixels.assign(batch["content"][:1])
    own = model.eval_step({"content": batch["content"], "style": batch["content"]})
    assert own["content_loss"][0] == own["style_loss"][0] == 0 < own["style_loss"][1]


# Optimization.


def bowl(x):
    """Losses with their least value, 0, at 1, 2, 3, ...; much steeper in some directions."""
    aim = tf.reshape(tf.range(1.0, 13.0), (1, 3, 4))
    return {"loss": tf.reduce_sum(aim**3 * tf.square(x - aim))[None], "x0": x[0, 0, :1]}


def test_lbfgs_finds_the_minimum_and_stops():
    *_, (entry, x) = found = list(minimize_image(bowl, tf.zeros((1, 3, 4)), steps=200, every=10))
    np.testing.assert_allclose(x[0], np.arange(1, 13).reshape(3, 4), rtol=1e-4)
    assert found[0][0] == {
        "step": 0,
        "evaluations": 1,
        "loss": sum(k**5 for k in range(13)),
        "x0": 0,
    }
    assert entry["step"] < 200 and entry["step"] < entry["evaluations"]
    assert [entry["step"] for entry, _ in found[:3]] == [0, 10, 20]


def test_any_keras_optimizer_works():
    sgd = keras.optimizers.SGD(1e-4)
    found = list(minimize_image(bowl, tf.zeros((1, 3, 4)), 25, sgd, every=10))
    assert [entry["step"] for entry, _ in found] == [0, 10, 20, 25]
    losses = [entry["loss"] for entry, _ in found]
    assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0] / 5
    assert [entry["evaluations"] for entry, _ in found] == [0, 10, 20, 25]


@pytest.fixture(scope="module")
def results():
    """optimizer -> (image, history), from the same start, with as many evaluations."""
    model, content, style = (
        make_model(),
        style_images.landscape(24),
        style_images.brushwork(20)[:, :16],
    )
    found = {"lbfgs": stylize_quietly(model, content, style, steps=10)}
    steps = found["lbfgs"][1][-1]["evaluations"]
    return {**found, "adam": stylize_quietly(model, content, style, steps=steps, optimizer="adam")}


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_the_loss_decreases_and_the_image_has_the_size_of_the_content(results, optimizer):
    image, history = results[optimizer]
    assert image.shape == (24, 24, 3) and image.dtype == tf.float32
    assert np.min(image) >= 0 and np.max(image) <= 1
    assert history[0]["step"] == 0 and history[0]["content_loss"] < 1e-9
    assert history[-1]["loss"] < history[0]["loss"] / 4
    assert history[-1]["style_loss"] < history[0]["style_loss"] / 4


def test_lbfgs_reaches_a_lower_loss_than_adam_with_as_many_evaluations(results):
    ends = {name: history[-1] for name, (_, history) in results.items()}
    assert ends["lbfgs"]["evaluations"] == ends["adam"]["evaluations"]
    assert ends["lbfgs"]["loss"] < ends["adam"]["loss"]


# Stylizing.


def test_noise_depends_on_the_seed_and_the_model_does_not_change():
    model, content, style = make_model(), random(12, 10, 3), random(16, 8, 3, seed=1)
    weights = [np.array(layer.kernel) for layer in kernels(model)]
    before = [np.array(v) for v in model.variables]
    options = {"steps": 3, "optimizer": "adam", "init": "noise"}
    first, again, other = (
        stylize_quietly(model, content, style, seed=k, **options)[0] for k in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 0.1
    for old, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, variable)
    for old, layer in zip(weights, kernels(model), strict=True):
        np.testing.assert_array_equal(old, layer.kernel)


def kernels(model):
    found = [layer for layer in model.network.layers.values() if hasattr(layer, "kernel")]
    assert found
    return found


def test_samples_are_the_stylized_image(tmp_path):
    model = make_model()
    pair = {"content": random(1, 16, 16, 3), "style": random(1, 16, 16, 3, seed=1)}
    model.canvas.pixels.assign(random(1, 16, 16, 3, seed=2))
    for name in ("image.npy", "image.png"):
        model.write_samples(tmp_path / name, zoo.data.ArrayDataset(pair, batch_size=1))
    np.testing.assert_array_equal(np.load(tmp_path / "image.npy"), model.stylized_image())
    assert (tmp_path / "image.png").stat().st_size


def test_training_changes_the_canvas_only():
    model = make_model()
    weights = [np.array(layer.kernel) for layer in kernels(model)]
    pair = {"content": random(1, 16, 16, 3), "style": random(1, 16, 16, 3, seed=1)}
    data = tf.data.Dataset.from_tensors(pair).repeat(40)
    trainer = zoo.Trainer(model, eager=True, verbose=False)
    trainer.fit(data, steps=1)
    first = trainer.evaluate(data.take(1))["loss"]
    assert not model.canvas.is_blank()
    trainer.fit(data, steps=40)
    assert trainer.evaluate(data.take(1))["loss"] < first / 2
    for old, layer in zip(weights, kernels(model), strict=True):
        np.testing.assert_array_equal(old, layer.kernel)
    slots = [v.shape for v in model.optimizers[""].variables if len(v.shape) > 1]
    assert set(slots) == {(1, 16, 16, 3)}  # none for the network
    assert set(model.figures(pair)) == {"stylized_image"}


def test_adapt_keeps_a_canvas_that_is_not_blank():
    model, mine = make_model(), random(1, 16, 16, 3)
    model.canvas.pixels.assign(mine)
    model.adapt([])
    np.testing.assert_array_equal(model.canvas(), mine)


def test_grayscale_images_are_repeated_to_rgb():
    grey, style = random(12, 12, 1), (255 * random(9, 9, 3, seed=1)).astype("uint8")
    image, _ = stylize_quietly(make_model(), grey, style, steps=2, optimizer="adam")
    assert image.shape == (12, 12, 3)
    network = small_model("style_transfer").network
    first, same = (network(x[None])["block1_conv1"] for x in (grey, grey.repeat(3, axis=-1)))
    np.testing.assert_allclose(first, same, atol=1e-6)


# The feature network.


def test_the_features_equal_those_of_keras_vgg19(tmp_path):
    """The first block of VGG19 in a file of the old format: the network ends there."""
    x = pixels = keras.Input((None, None, 3))
    for k in (1, 2):
        x = keras.layers.Conv2D(64, 3, padding="same", activation="relu", name=f"block1_conv{k}")(x)
    vgg = keras.Model(pixels, x)
    vgg.save(tmp_path / "vgg.h5")
    network = FeatureNetwork(str(tmp_path / "vgg.h5"), ["block1_conv2"])
    images = random(2, 8, 9, 3)
    bgr = 255 * images[..., ::-1] - np.array(MEANS, "float32")
    np.testing.assert_allclose(bgr, keras.applications.vgg19.preprocess_input(255 * images), 1e-3)
    np.testing.assert_allclose(network(images)["block1_conv2"], vgg(bgr), rtol=1e-3, atol=1e-3)
    assert network.variables == [] and [*network.layers] == [
        "pixels",
        "block1_conv1",
        "block1_conv2",
    ]
    with pytest.raises(
        ValueError, match="'block2_conv1'; it has pixels, block1_conv1, block1_conv2, block1_pool$"
    ):
        FeatureNetwork(str(tmp_path / "vgg.h5"), ["block2_conv1"])


def flat():
    pixels = keras.Input((16, 16, 3))
    return keras.Model(pixels, keras.layers.Flatten(name="flat")(pixels))


LAYERS = {"content_layers": ("conv1",), "style_layers": ("conv0", "conv1")}


def test_a_keras_model_is_copied_and_saved_with_the_canvas(tmp_path):
    mine = convolutions(4, 6, 5)
    model = make_model(feature_network=mine, **LAYERS)
    images = random(1, 16, 16, 3)
    features = model.network(images)["conv1"]
    assert [*model.network.layers] == ["conv0", "conv1"]  # layers after it are left out
    mine.set_weights([0 * w for w in mine.get_weights()])
    np.testing.assert_array_equal(model.network(images)["conv1"], features)
    assert len(model.trainable_variables) == 1
    model.save(tmp_path / "own.keras")
    again = keras.models.load_model(tmp_path / "own.keras")
    np.testing.assert_array_equal(again.network(images)["conv1"], features)


def test_a_network_from_a_file_is_saved_by_name_only(tmp_path):
    file = str(tmp_path / "network.keras")
    convolutions(64, 64, 64).save(file)
    model = make_model(feature_network=file, **LAYERS)
    model.save(tmp_path / "painting.keras")
    assert (tmp_path / "painting.keras").stat().st_size < (
        tmp_path / "network.keras"
    ).stat().st_size / 4
    again = keras.models.load_model(tmp_path / "painting.keras")
    images = random(1, 16, 16, 3)
    np.testing.assert_array_equal(again.network(images)["conv1"], model.network(images)["conv1"])


def test_inspection_shows_the_frozen_layers_by_name():
    model = make_model()
    paths = [path for path, _ in inspection.layers(model)]
    assert "network/layers/block1_conv2" in paths and "canvas" in paths
    found = inspection.activations(model, random(1, 16, 16, 3), ["network/layers/block1_conv1"])
    assert found["network/layers/block1_conv1"].shape == (1, 16, 16, 16)


@pytest.mark.parametrize(
    "config, message",
    [
        ({"style_layers": ("block9",)}, "no layer 'block9'; it has pixels, block1_conv1"),
        ({"style_layers": ()}, "style_layers must be one or more names"),
        ({"content_layers": "block1_conv1"}, "content_layers must be one or more names"),
        ({"style_weight": float("nan")}, "style_weight must be a number >= 0, got nan"),
        ({"content_weight": -1.0}, "content_weight must be a number >= 0, got -1.0"),
        ({"feature_network": "vgg"}, "feature_network must be 'random', 'vgg19', an .h5 file"),
        ({"feature_network": "nowhere.h5"}, "no file 'nowhere.h5'"),
        ({"feature_network": __file__ + ".keras"}, "no file"),
        ({"image_shape": (16, 16, 2)}, "images of 3 channels, got 2"),
        (
            {"image_shape": (3, 9, 3), "content_layers": ("block3_conv1",)},
            "3 x 9 .* at least 4 x 4",
        ),
        ({"feature_network": Path("vgg.h5")}, "feature_network must be 'random'"),
        ({"feature_network": keras.Sequential()}, "functional or built sequential"),
        (
            {"feature_network": flat(), **dict.fromkeys(SHALLOW, ("flat",))},
            "'flat' must return feature maps",
        ),
    ],
)
def test_errors_of_the_constructor_name_the_cause(config, message):
    with pytest.raises(UsageError, match=message):
        make_model(**config)


def test_an_invalid_weights_file_is_an_error(tmp_path):
    (tmp_path / "torn.h5").write_bytes(b"nothing")
    convolutions(4).save(tmp_path / "other.h5")
    for name in ("torn.h5", "other.h5"):
        with pytest.raises(UsageError, match=f"{name} has no weights of VGG19"):
            make_model(feature_network=str(tmp_path / name))


def test_missing_vgg19_weights_are_an_error_with_advice(monkeypatch, offline, capsys):
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: "/nonexistent")
    with pytest.raises(
        UsageError, match="VGG19 are not in Keras.*applications.VGG19.*h5 file.*'random'"
    ):
        make_model(feature_network="vgg19")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "content, options, message",
    [
        (random(8, 8), {}, r"content must be an image.*got float32 \(8, 8\)"),
        (random(8, 8, 4), {}, r"got float32 \(8, 8, 4\)"),
        (2 * random(8, 8, 3), {}, r"content must have pixels in \[0, 1\], got"),
        (random(8, 8, 3) * np.nan, {}, "got nan to nan"),
        (random(8, 8, 3), {"init": "style"}, "init must be one of.*got 'style'"),
        (random(8, 8, 3), {"optimizer": "sgd"}, "optimizer must be 'lbfgs' or.*'sgd'"),
        (random(8, 8, 3), {"seed": 1}, "seed=1 would change nothing: it needs init='noise'"),
        (random(8, 8, 3), {"steps": 0}, "steps must be an integer >= 1, got 0"),
    ],
)
def test_errors_of_stylize_name_the_cause(content, options, message):
    with pytest.raises(ValueError, match=message):
        make_model().stylize(content, random(8, 8, 3), **options)


def test_images_too_small_for_the_network_are_errors():
    model = zoo.get("style_transfer", image_shape=(16, 16, 3))
    with pytest.raises(ValueError, match="images of 16 x 3 pixels are too small for block3_conv1"):
        model.stylize(random(16, 16, 3), random(16, 3, 3))


# Images, figures, the command.


def test_figures_show_the_row_and_the_descent():
    row = figures.stylized(
        random(20, 30, 3), random(40, 20, 1), random(20, 30, 3), random(20, 30, 3)
    )
    assert row.shape == (20 + 26 + 20, 10 + 4 * 40, 3)
    entries = [{"step": k, "evaluations": 3 * k, "loss": 1 / (k + 1)} for k in range(5)]
    over = {
        by: figures.loss_trajectories({"lbfgs": entries, "adam": entries}, by)
        for by in ("step", "evaluations")
    }
    assert over["step"].shape == (460, 640, 3) and (over["step"] != over["evaluations"]).any()
    with pytest.raises(UsageError, match="nothing to plot"):
        figures.loss_trajectories({})
