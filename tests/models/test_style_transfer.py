"""Style transfer: the losses are the paper's, the canvas alone moves, and pictures come out."""

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


def model(**config):
    return zoo.get("style_transfer", **{"image_shape": (16, 16, 3), **SHALLOW, **config})


def random(*shape, seed=0):
    return np.random.default_rng(seed).random(shape).astype("float32")


def convolutions(*filters, seed=0):
    """A Keras model of convolutions `conv0`, `conv1`, ... on RGB pictures."""
    keras.utils.set_random_seed(seed)
    x = pixels = keras.Input((None, None, 3))
    for k, n in enumerate(filters):
        x = keras.layers.Conv2D(n, 3, padding="same", activation="relu", name=f"conv{k}")(x)
    return keras.Model(pixels, x)


def brief(it, *pair, **options):
    """`stylize` in plain eager steps: a few of them take less time than tracing one."""
    tf.config.run_functions_eagerly(True)
    try:
        return it.stylize(*pair, **options)
    finally:
        tf.config.run_functions_eagerly(False)


# The losses.


def test_the_gram_matrix_is_the_mean_product_of_two_features():
    f = random(2, 3, 4, 5)
    expected = np.zeros((2, 5, 5))
    for b, row, column, i, j in np.ndindex(2, 3, 4, 5, 5):
        expected[b, i, j] += f[b, row, column, i] * f[b, row, column, j] / 12
    np.testing.assert_allclose(gram_matrix(tf.constant(f)), expected, rtol=1e-5)


def test_total_variation_is_the_mean_square_step_down_and_across():
    x = random(2, 4, 5, 3)
    down = [(x[:, i + 1, j] - x[:, i, j]) ** 2 for i in range(3) for j in range(5)]
    across = [(x[:, i, j + 1] - x[:, i, j]) ** 2 for i in range(4) for j in range(4)]
    expected = np.mean(down, axis=(0, 2)) + np.mean(across, axis=(0, 2))
    np.testing.assert_allclose(total_variation(tf.constant(x)), expected, rtol=1e-5)


def test_style_does_not_care_where_things_are_and_content_does():
    f = random(1, 6, 4, 5)
    places = np.random.default_rng(1).permutation(24)
    moved = f.reshape(1, 24, 5)[:, places].reshape(1, 4, 6, 5)
    np.testing.assert_allclose(gram_matrix(tf.constant(f)), gram_matrix(tf.constant(moved)), 1e-5)
    assert relative_error(tf.constant(f), tf.constant(moved.reshape(f.shape))) > 0.1
    twice = np.tile(f, (1, 2, 3, 1))  # nor how much of it there is
    np.testing.assert_allclose(gram_matrix(tf.constant(f)), gram_matrix(tf.constant(twice)), 1e-5)


def test_errors_are_relative_to_what_is_wanted_and_a_mean_over_layers():
    p = tf.constant(random(3, 2, 2, 4))
    np.testing.assert_allclose(relative_error(1.5 * p, p), [0.25] * 3, rtol=1e-4)
    np.testing.assert_allclose(relative_error(0 * p[:1], 9 * p), [1] * 3, rtol=1e-4)
    error = layer_error({"a": p, "b": 2 * p, "c": p}, {"a": p, "b": p})
    np.testing.assert_allclose(error, [0.5] * 3, rtol=1e-4)


def test_the_loss_weighs_content_style_and_variation():
    it = model(content_weight=2.0, style_weight=3.0, total_variation_weight=0.5)
    batch = {"content": random(2, 16, 16, 3), "style": random(2, 16, 16, 3, seed=1)}
    found = it.eval_step(batch)
    parts = 2 * found["content_loss"] + 3 * found["style_loss"] + 0.5 * found["total_variation"]
    np.testing.assert_allclose(found["loss"], parts, rtol=1e-6)
    it.canvas.pixels.assign(batch["content"][:1])
    own = it.eval_step({"content": batch["content"], "style": batch["content"]})
    assert own["content_loss"][0] == own["style_loss"][0] == 0 < own["style_loss"][1]


# The way down.


def bowl(x):
    """Losses with their least value, 0, at 1, 2, 3, ...; much steeper in some directions."""
    aim = tf.reshape(tf.range(1.0, 13.0), (1, 3, 4))
    return {"loss": tf.reduce_sum(aim**3 * tf.square(x - aim))[None], "x0": x[0, 0, :1]}


def test_lbfgs_finds_the_bottom_and_stops_there():
    *_, (entry, x) = found = list(minimize_image(bowl, tf.zeros((1, 3, 4)), steps=200, every=10))
    np.testing.assert_allclose(x[0], np.arange(1, 13).reshape(3, 4), rtol=1e-4)
    assert found[0][0] == {
        "step": 0,
        "evaluations": 1,
        "loss": sum(k**5 for k in range(13)),
        "x0": 0,
    }
    assert entry["step"] < 200 and entry["step"] < entry["evaluations"]
    assert [one["step"] for one, _ in found[:3]] == [0, 10, 20]


def test_any_keras_optimizer_goes_down_step_by_step():
    sgd = keras.optimizers.SGD(1e-4)
    found = list(minimize_image(bowl, tf.zeros((1, 3, 4)), 25, sgd, every=10))
    assert [one["step"] for one, _ in found] == [0, 10, 20, 25]
    losses = [one["loss"] for one, _ in found]
    assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0] / 5
    assert [one["evaluations"] for one, _ in found] == [0, 10, 20, 25]


@pytest.fixture(scope="module")
def painted():
    """optimizer -> (picture, history), from the same start, with as many evaluations."""
    it, content, style = model(), style_images.landscape(24), style_images.brushwork(20)[:, :16]
    found = {"lbfgs": brief(it, content, style, steps=10)}
    steps = found["lbfgs"][1][-1]["evaluations"]
    return {**found, "adam": brief(it, content, style, steps=steps, optimizer="adam")}


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_the_loss_falls_and_the_picture_has_the_contents_size(painted, optimizer):
    image, history = painted[optimizer]
    assert image.shape == (24, 24, 3) and image.dtype == tf.float32
    assert np.min(image) >= 0 and np.max(image) <= 1
    assert history[0]["step"] == 0 and history[0]["content_loss"] < 1e-9
    assert history[-1]["loss"] < history[0]["loss"] / 4
    assert history[-1]["style_loss"] < history[0]["style_loss"] / 4


def test_lbfgs_is_below_adam_after_as_many_evaluations(painted):
    ends = {name: history[-1] for name, (_, history) in painted.items()}
    assert ends["lbfgs"]["evaluations"] == ends["adam"]["evaluations"]
    assert ends["lbfgs"]["loss"] < ends["adam"]["loss"]


# Painting.


def test_noise_follows_its_seed_and_nothing_of_the_model_changes():
    it, content, style = model(), random(12, 10, 3), random(16, 8, 3, seed=1)
    weights = [np.array(layer.kernel) for layer in kernels(it)]
    before = [np.array(v) for v in it.variables]
    options = {"steps": 3, "optimizer": "adam", "init": "noise"}
    first, again, other = (brief(it, content, style, seed=k, **options)[0] for k in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 0.1
    for old, variable in zip(before, it.variables, strict=True):
        np.testing.assert_array_equal(old, variable)
    for old, layer in zip(weights, kernels(it), strict=True):
        np.testing.assert_array_equal(old, layer.kernel)


def kernels(it):
    found = [layer for layer in it.network.layers.values() if hasattr(layer, "kernel")]
    assert found
    return found


def test_training_paints_the_canvas_and_leaves_the_network_as_it_was():
    it = model()
    weights = [np.array(layer.kernel) for layer in kernels(it)]
    pair = {"content": random(1, 16, 16, 3), "style": random(1, 16, 16, 3, seed=1)}
    data = tf.data.Dataset.from_tensors(pair).repeat(40)
    trainer = zoo.Trainer(it, eager=True, verbose=False)
    trainer.fit(data, steps=1)
    first = trainer.evaluate(data.take(1))["loss"]
    assert not it.canvas.is_blank()
    trainer.fit(data, steps=40)
    assert trainer.evaluate(data.take(1))["loss"] < first / 2
    for old, layer in zip(weights, kernels(it), strict=True):
        np.testing.assert_array_equal(old, layer.kernel)
    slots = [v.shape for v in it.optimizers[""].variables if len(v.shape) > 1]
    assert set(slots) == {(1, 16, 16, 3)}  # none for the network
    assert set(it.figures(pair)) == {"stylized_image"}


def test_a_canvas_that_was_painted_on_is_gone_on_with():
    it, mine = model(), random(1, 16, 16, 3)
    it.canvas.pixels.assign(mine)
    it.adapt([])
    np.testing.assert_array_equal(it.canvas(), mine)


def test_grey_pictures_are_seen_as_colours_and_painted_in_colours():
    grey, style = random(12, 12, 1), (255 * random(9, 9, 3, seed=1)).astype("uint8")
    image, _ = brief(model(), grey, style, steps=2, optimizer="adam")
    assert image.shape == (12, 12, 3)
    seen = small_model("style_transfer").network
    first, same = (seen(x[None])["block1_conv1"] for x in (grey, grey.repeat(3, axis=-1)))
    np.testing.assert_allclose(first, same, atol=1e-6)


# The network that looks.


def test_it_sees_what_keras_vgg19_sees(tmp_path):
    """The first block of VGG19 in a file of the old format: only so far goes the network."""
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


def test_a_keras_model_is_copied_and_travels_with_the_painting(tmp_path):
    mine = convolutions(4, 6, 5)
    it = model(feature_network=mine, **LAYERS)
    images = random(1, 16, 16, 3)
    seen = it.network(images)["conv1"]
    assert [*it.network.layers] == ["conv0", "conv1"]  # what lies behind is left out
    mine.set_weights([0 * w for w in mine.get_weights()])
    np.testing.assert_array_equal(it.network(images)["conv1"], seen)
    assert len(it.trainable_variables) == 1
    it.save(tmp_path / "own.keras")
    again = keras.models.load_model(tmp_path / "own.keras")
    np.testing.assert_array_equal(again.network(images)["conv1"], seen)


def test_a_network_from_a_file_is_remembered_by_its_name_alone(tmp_path):
    file = str(tmp_path / "network.keras")
    convolutions(64, 64, 64).save(file)
    it = model(feature_network=file, **LAYERS)
    it.save(tmp_path / "painting.keras")
    assert (tmp_path / "painting.keras").stat().st_size < (
        tmp_path / "network.keras"
    ).stat().st_size / 4
    again = keras.models.load_model(tmp_path / "painting.keras")
    images = random(1, 16, 16, 3)
    np.testing.assert_array_equal(again.network(images)["conv1"], it.network(images)["conv1"])


def test_inspection_shows_the_frozen_layers_by_name():
    it = model()
    paths = [path for path, _ in inspection.layers(it)]
    assert "network/layers/block1_conv2" in paths and "canvas" in paths
    found = inspection.activations(it, random(1, 16, 16, 3), ["network/layers/block1_conv1"])
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
            "'flat' gives no feature maps",
        ),
    ],
)
def test_what_cannot_be_built_says_why(config, message):
    with pytest.raises(UsageError, match=message):
        model(**config)


def test_a_file_that_is_none_says_so(tmp_path):
    (tmp_path / "torn.h5").write_bytes(b"nothing")
    convolutions(4).save(tmp_path / "other.h5")
    for name in ("torn.h5", "other.h5"):
        with pytest.raises(UsageError, match=f"{name} has no weights of VGG19"):
            model(feature_network=str(tmp_path / name))


def test_without_the_weights_of_vgg19_one_error_names_the_ways_out(monkeypatch, offline, capsys):
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: "/nonexistent")
    with pytest.raises(
        UsageError, match="VGG19 are not in Keras.*applications.VGG19.*h5 file.*'random'"
    ):
        model(feature_network="vgg19")
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
        (random(8, 8, 3), {"steps": 0}, "steps must be an integer >= 1, got 0"),
    ],
)
def test_what_cannot_be_painted_says_why(content, options, message):
    with pytest.raises(ValueError, match=message):
        model().stylize(content, random(8, 8, 3), **options)


def test_pictures_too_small_for_the_network_are_refused():
    it = zoo.get("style_transfer", image_shape=(16, 16, 3))
    with pytest.raises(ValueError, match="images of 16 x 3 pixels are too small for block3_conv1"):
        it.stylize(random(16, 16, 3), random(16, 3, 3))


# Pictures, figures, the command.


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
