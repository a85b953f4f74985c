"""Figures: layout, reproducibility for a seed, and no effect on training.

A small model of NumPy arrays defines the methods, so that the value of every pixel is known.
"""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from cases import small_model
from figure_models import Mixture, Plane
from PIL import Image

from zoo import figures
from zoo.errors import UsageError

tfd = tfp.distributions
RED = [230, 0, 0]


@pytest.fixture
def images():
    return np.random.default_rng(0).random((24, 2, 2, 1)).astype(np.float32)


def grey(values):
    return np.round(255 * np.asarray(values)).astype(int)


def has(figure, color, opacity=1.0):
    """Whether an image contains a color, "#rrggbb", with that opacity on white."""
    color = np.array(list(bytes.fromhex(color[1:])))
    return bool((np.abs(figure - (opacity * color + (1 - opacity) * 255)) <= 1).all(-1).any())


def test_grid_puts_each_image_in_its_cell_enlarged_by_whole_pixels(images):
    figure = figures.grid(images[:5], columns=2, padding=1, scale=3)
    assert figure.dtype == np.uint8 and figure.shape == (1 + 3 * 7, 1 + 2 * 7, 3)
    for k in range(5):
        top, left = 1 + k // 2 * 7, 1 + k % 2 * 7
        tile = figure[top : top + 6, left : left + 6]
        expected = grey(images[k]).repeat(3, 0).repeat(3, 1).repeat(3, 2)
        np.testing.assert_array_equal(tile, expected)
    assert (figure[0] == 255).all() and (figure[:, 7] == 255).all()
    assert (figure[15:, 8:] == 255).all()  # the empty cell


@pytest.mark.parametrize("shape", [(64, 28, 28, 1), (16, 28, 28, 1), (9, 64, 64, 3), (6, 8, 20, 1)])
def test_grid_enlarges_small_images(shape):
    rows, columns, _ = figures.grid(np.zeros(shape)).shape
    assert 450 <= max(rows, columns) <= 900
    assert max(rows, columns) < 2 * min(rows, columns)


def test_grid_leaves_large_images_at_their_size():
    assert figures.grid(np.zeros((4, 600, 500, 3)), padding=0).shape == (1200, 1000, 3)


def test_colors_are_kept_values_outside_are_clipped_and_nan_is_red():
    image = np.array([[[[0.0, 0.5, 1.0], [-3, 7, 1]], [[np.nan, 0, 0], [0, np.inf, 0]]]])
    figure = figures.grid(image, padding=0, scale=1)
    assert figure.tolist() == [[[0, 128, 255], [0, 255, 255]], [RED, RED]]


def test_tensors_of_any_float_and_uint8_arrays_are_images_too(images):
    expected = figures.grid(images)
    np.testing.assert_array_equal(figures.grid(tf.constant(images)), expected)
    np.testing.assert_array_equal(figures.grid(grey(images).astype(np.uint8)), expected)
    halves = tf.constant([0.0, 0.5, 1.0], tf.bfloat16)[:, None, None, None]
    assert figures.grid(halves, 3, 0, 1)[0, :, 0].tolist() == [0, 128, 255]


def test_captions_are_written_below_their_images_and_the_title_above():
    black = np.zeros((2, 40, 40, 1))
    figure = figures.grid(black, 2, 0, 1, captions=["", "epoch 12"], title="both")
    title, tiles, below = np.split(figure, [26, 66])
    assert (tiles == 0).all() and below.shape == (26, 80, 3)
    assert title.min() < 100 and (below[:, :40] == 255).all() and below[:, 40:].min() < 100


def test_a_long_caption_shrinks_to_fit():
    strip = figures.text_strip("a caption much longer than its picture is wide", 150)
    assert strip.shape == (26, 150, 3) and strip.min() < 200
    assert (strip[:, :2] == 255).all() and (strip[:, -2:] == 255).all()


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((0, 2, 2, 1)),
        np.zeros((2, 2, 1)),
        np.zeros((3, 2, 2, 2)),
        np.zeros((1, 2, 2, 1), int),
    ],
)
def test_invalid_images_are_rejected_by_name(images):
    with pytest.raises(UsageError, match=re.escape(str(images.shape))):
        figures.grid(images)


def test_a_saved_image_is_read_back_unchanged(tmp_path, images):
    path = tmp_path / "new" / "folder" / "grid.png"
    figure = figures.grid(images, path=path)
    with Image.open(path) as file:
        np.testing.assert_array_equal(np.asarray(file), figure)
    assert [p.name for p in path.parent.iterdir()] == ["grid.png"]


def test_save_accepts_arrays_of_models_with_their_own_figures(tmp_path):
    figures.save(tmp_path / "grey.png", np.full((2, 3, 1), 0.5, np.float32))
    with Image.open(tmp_path / "grey.png") as file:
        assert (np.asarray(file) == np.full((2, 3, 3), 128)).all()


def test_samples_are_the_same_for_the_same_seed_only():
    first, again, other = (figures.samples(Plane(), 9, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_comparison_has_a_labelled_row_for_each_part_of_each_model(images):
    class Sampler:
        def sample(self, n, seed):
            return np.full((n, 2, 2, 1), 0.5)

    figure = figures.comparison({"plane": Plane(), "gray": Sampler()}, images, n=2, seed=1)
    rows = [*images[:2], *Plane().reconstruct(images[:2]), *Plane().sample(2, seed=1)]
    tiles = figures.grid([*rows, *Sampler().sample(2, seed=1)], columns=2)
    np.testing.assert_array_equal(figure[:, -tiles.shape[1] :], tiles)
    labels = figure[:, : -tiles.shape[1]].min((1, 2))
    assert [bool((part < 200).any()) for part in np.array_split(labels, 4)] == [True] * 4
    with pytest.raises(UsageError, match=r"one size, got .*samples.: \(2, 2, 3\)"):
        figures.comparison({"plane": Plane()}, np.zeros((2, 4, 4, 1)))
    with pytest.raises(UsageError, match="row_labels must be 2 texts"):
        figures.grid(images[:4], columns=2, row_labels=["one"])


def test_reconstructions_lie_right_below_their_originals(images):
    figure = figures.reconstructions(Plane(), images, n=3)
    scale = (900 - 4 * 10) // (3 * 2)
    for k in range(3):
        left = 10 + k * (2 * scale + 10) + scale // 2
        column = figure[26 + 10 + scale // 2 :, left]
        # two rows of the original, a white line, two rows of the reconstruction
        expected = grey([images[k, 0, 0, 0], images[k, 1, 0, 0], 1, images[k, 0, 0, 0], 0])
        np.testing.assert_array_equal(column[: 5 * scale : scale, 0], expected)


def test_interpolation_goes_from_one_original_to_the_other(images):
    figure = figures.interpolation(Plane(), images[:4], images[4:8], steps=3)
    width = 7 + 2 * 2 + 3 * 2 - 7 + 2 + 2  # pixels of a row: a, gap, three images, gap, b
    scale = (900 - 4) // width
    row = figure[26 + 2 + scale // 2, 2 + scale // 2 :: scale, 0][:width]
    a, b = images[0, 0, :, 0], images[4, 0, :, 0]
    expected = np.concatenate([a, [1, 1], a, (a + b) / 2, b, [1, 1], b])
    np.testing.assert_allclose(row, 255 * expected, atol=1)


def test_latent_grid_runs_through_the_quantiles_of_the_prior_to_the_right_and_upwards():
    figure = figures.latent_grid(Plane(), n=20)
    scale = 900 // 40
    z1 = figure[:: 2 * scale, :: 2 * scale, 0]
    z2 = figure[:: 2 * scale, scale :: 2 * scale, 0]
    normal = tfd.Normal(0.5, 0.1).quantile((np.arange(20) + 0.5) / 20).numpy()
    np.testing.assert_allclose(z1, np.tile(255 * normal, (20, 1)), atol=3)
    np.testing.assert_allclose(z2, np.tile(255 * normal[::-1, None], (1, 20)), atol=3)


def test_latent_grid_covers_a_trained_prior():
    figure = figures.latent_grid(Mixture(), n=20)
    z1 = figure[0, :: 2 * (900 // 40), 0] / 255
    assert z1[0] < 0.05 and z1[-1] > 0.85 and (np.diff(z1) >= 0).all()


def test_scatter_depends_on_labels_and_their_colors_are_those_of_the_legend(images):
    plain = figures.latent_scatter(Plane(), images)
    tens = figures.latent_scatter(Plane(), images, np.arange(24) % 10)
    others = figures.latent_scatter(Plane(), images, np.arange(24) % 3)
    assert plain.shape == tens.shape == (760, 900, 3)
    assert (tens != others).any() and (plain != others).any()
    for k, color in enumerate(figures.PALETTE):
        assert has(tens, color, 0.85)
        assert has(others, color, 0.85) == (k < 3) or k == 9  # text has that grey


def test_scatter_uses_a_color_scale_for_more_labels_than_colors(images):
    few = figures.latent_scatter(Plane(), images, np.arange(24) % 2)
    many = figures.latent_scatter(Plane(), images, np.arange(24) / 7)
    yellow = "#fde725"  # the upper end of the scale
    assert has(many, yellow, 0.85) and not has(few, yellow, 0.85)


def test_scatter_has_equal_axes():
    """A circle of codes is plotted as high as wide."""
    angle = np.linspace(0, 2 * np.pi, 200, dtype=np.float32)
    circle = np.stack([np.cos(angle), np.sin(angle), angle, angle], -1).reshape(-1, 2, 2, 1)
    figure = figures.latent_scatter(Plane(), circle).astype(int)
    dots = figure[..., 2] - figure[..., 1] > 60
    rows, columns = np.flatnonzero(dots.any(1)), np.flatnonzero(dots.any(0))
    assert abs(np.ptp(rows) - np.ptp(columns)) <= 2 and np.ptp(rows) > 400


def test_codes_that_are_not_finite_do_not_stop_the_plot(images):
    assert figures.latent_scatter(Plane(), images * np.nan, np.arange(24) % 3).shape[2] == 3
    assert (figures.reconstructions(Plane(), images * np.nan) == RED).all(-1).any()


def test_components_are_sorted_by_weight_beside_the_latent_plane():
    figure = figures.prior_components(Mixture())
    tiles = figures.grid(
        Mixture().decode(tf.constant([[0.4, 0.6], [0.8, 1.0], [0.0, 0.2]])),
        padding=6,
        captions=["1: 50.0%", "2: 30.0%", "0: 20.0%"],
    )
    np.testing.assert_array_equal(figure[:, : tiles.shape[1]], tiles)
    assert figure.shape[1] == tiles.shape[1] + len(tiles)
    assert figures.prior_components(Mixture(), n=1).shape != figure.shape


def test_curves_have_training_and_validation_in_a_panel_for_each_quantity():
    one = figures.loss_curves({"loss": [3.0, 2.0]})
    both = figures.loss_curves({"loss": [3.0, 2.0], "val_loss": [3.5, 2.5]})
    three = figures.loss_curves({"nll": [1.0], "loss": [3.0], "val_kl": [2.0]})
    assert one.shape == both.shape == (380, 480, 3) and three.shape == (380, 3 * 480, 3)
    assert has(one, figures.BLUE) and not has(one, figures.ORANGE)
    assert has(both, figures.BLUE) and has(both, figures.ORANGE)
    assert has(three[:, -480:], figures.ORANGE) and not has(three[:, -480:], figures.BLUE)


def test_curves_accept_one_point_lists_of_different_length_and_gaps():
    loss = {"loss": [3.0, 2.0, 1.5]}
    assert figures.loss_curves({"loss": [3.0]}, epochs=[0]).shape == (380, 480, 3)
    late = figures.loss_curves({**loss, "val_loss": [2.0]})
    gap = figures.loss_curves({**loss, "val_loss": [np.nan, np.nan, 2.0]})
    np.testing.assert_array_equal(late, gap)  # what is missing is missing at the start
    figures.loss_curves({"loss": [np.nan, np.inf]})
    figures.loss_curves({"loss": [None, 1.0], "empty": []})


def test_curves_read_history_files_and_count_epochs_from_one():
    values = [3.0, 2.0, 1.5]
    figure = figures.loss_curves({"loss": values}, [4, 5, 6])
    np.testing.assert_array_equal(figures.loss_curves({"epoch": [4, 5, 6], "loss": values}), figure)
    np.testing.assert_array_equal(
        figures.loss_curves({"loss": values}), figures.loss_curves({"loss": values}, [0, 1, 2])
    )
    assert (figures.loss_curves({"loss": values}) != figure).any()
    assert (figures.loss_curves({"loss": values}, [4, 5, 6], unit="nats") != figure).any()
    with pytest.raises(UsageError, match="no values"):
        figures.loss_curves({"loss": []})


def test_series_shows_first_and_last_and_more_of_the_early_epochs(tmp_path):
    for epoch in range(1, 101):
        figure = np.full((90, 90, 3), epoch, np.uint8)
        figures.save(tmp_path / "samples" / f"epoch-{epoch:04d}.png", figure)
    strip = figures.epoch_series(tmp_path / "samples", path=tmp_path / "samples" / "series.png")
    assert strip.shape == (10 + 360 + 26 + 10, 10 + 5 * 370, 3)
    assert strip[100, 100::370, 0].tolist() == [1, 3, 10, 32, 100]
    again = figures.epoch_series(
        [tmp_path / f"samples/epoch-{k:04d}.png" for k in (1, 3, 10, 32, 100)]
    )
    np.testing.assert_array_equal(again, strip)  # captions come from the names
    arrays = figures.epoch_series([np.full((90, 90, 3), k, np.uint8) for k in (1, 3, 10, 32, 100)])
    np.testing.assert_array_equal(arrays[:370], strip[:370])
    assert (arrays[370:] != strip[370:]).any()
    for count in range(1, 6):
        assert figures.epoch_series(list(np.zeros((count, 9, 9, 1)))).shape[1] == 10 + 370 * count
    assert figures.epoch_series(tmp_path / "samples", n=1)[100, 100, 0] == 1


def test_a_series_without_images_is_rejected(tmp_path):
    for nothing in (tmp_path, []):
        with pytest.raises(UsageError, match="epoch-0001.png"):
            figures.epoch_series(nothing)


def test_the_progress_shows_the_first_row_of_each_epochs_samples(tmp_path):
    for epoch in (2, 4, 6, 8):
        figure = figures.grid(np.full((64, 5, 5, 1), epoch / 10), scale=3)
        assert figure.shape == (8 * 17 + 2, 8 * 17 + 2, 3)
        figures.save(tmp_path / "samples" / f"epoch-{epoch:04d}.png", figure)
    found = figures.sample_series(tmp_path / "samples", n=3, path=tmp_path / "progress.png")
    strip, caption = 15 + 2 * 2, 26
    assert found.shape == (2 + 3 * (strip + caption + 2), 8 * 17 + 2 + 2 * 2, 3)
    tops = [2 + k * (strip + caption + 2) for k in range(3)]
    assert [found[top + 2, 4, 0] for top in tops] == [51, 102, 204]  # epochs 2, 4 and 8
    assert all((found[top + strip : top + strip + caption] < 128).any() for top in tops)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "progress.png")), found)
    with pytest.raises(UsageError, match="got nothing"):
        figures.sample_series(tmp_path)


@pytest.mark.parametrize(
    ("draw", "lacks"),
    [
        (lambda model, x: figures.samples(model), "sample"),
        (lambda model, x: figures.reconstructions(model, x), "reconstruct"),
        (lambda model, x: figures.interpolation(model, x, x), "interpolate"),
        (lambda model, x: figures.latent_scatter(model, x), "encode"),
        (lambda model, x: figures.latent_grid(model), "decode"),
        (lambda model, x: figures.prior_components(model), "decode"),
    ],
)
def test_a_model_that_lacks_the_method_is_named(draw, lacks, images):
    with pytest.raises(UsageError, match=f"^mute has no method '{lacks}'"):
        draw(SimpleNamespace(name="mute"), images)


def test_invalid_arguments_are_rejected_with_their_values(images):
    model = Plane()
    with pytest.raises(UsageError, match=r"labels \(3,\)"):
        figures.latent_scatter(model, images, [0, 1, 2])
    with pytest.raises(UsageError, match="MultivariateNormalDiag"):
        figures.prior_components(model)
    model.latent_dim = 3
    with pytest.raises(UsageError, match="latent_dim=2, got 3"):
        figures.latent_grid(model)


def test_image_figures_are_made_that_the_methods_and_the_batch_allow(images):
    batch = {"image": tf.constant(images), "label": tf.range(24) % 3}
    sampler = SimpleNamespace(sample=Plane().sample)
    unlabelled = {"samples", "reconstructions", "interpolation", "latent_grid"}
    assert set(figures.image_figures(sampler, batch)) == {"samples"}
    assert set(figures.image_figures(Plane(), {"image": images})) == unlabelled
    assert set(figures.image_figures(Plane(), batch)) == unlabelled | {"latent_scatter"}
    every = figures.image_figures(Mixture(), batch)
    assert set(every) == unlabelled | {"latent_scatter", "prior_components"}
    assert set(figures.image_figures(Plane(), {})) == {"samples", "latent_grid"}
    assert "interpolation" not in figures.image_figures(Plane(), {"image": images[:1]})
    again = figures.image_figures(Mixture(), batch)
    for name, figure in every.items():
        assert figure.dtype == np.uint8 and figure.shape[2] == 3
        np.testing.assert_array_equal(figure, again[name])


def test_only_a_few_images_are_passed_to_the_model():
    class Counted(Plane):
        def encode(self, x):
            assert len(x) <= 512
            return super().encode(x)

    batch = {"image": np.zeros((600, 2, 2, 1), np.float32), "label": np.zeros(600)}
    assert "latent_scatter" in figures.image_figures(Counted(), batch)


def test_figures_are_the_same_in_each_call():
    model = small_model("mixture_vae")
    images = np.random.default_rng(0).random((8, *model.image_shape)).astype(np.float32)
    batch = {"image": tf.constant(images), "label": tf.range(8)}
    first, second = model.figures(batch), model.figures(batch)
    assert "samples" in first
    for key, figure in first.items():
        np.testing.assert_array_equal(figure, second[key])


def test_figures_do_not_change_the_global_state_of_matplotlib(images):
    import matplotlib.pyplot as plt

    before = dict(plt.rcParams)
    figures.latent_scatter(Plane(), images)
    figures.loss_curves({"loss": [1.0]})
    assert dict(plt.rcParams) == before and plt.get_fignums() == []
