"""A figure has the format of its suffix, or is rejected before anything is computed."""

import base64
import inspect
import io
import re

import numpy as np
import pytest
from figure_models import Mixture, Plane
from PIL import Image

from zoo import figures
from zoo.errors import UsageError, WriteError

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.random((24, 2, 2, 1)).astype(np.float32)
PHOTOS = RANDOM.random((3, 8, 8, 3)).astype(np.float32)
MAPS = [(["ein", "Hund"], ["a", "dog"], np.eye(2))]
STEPS = [{"step": 1, "evaluations": 2, "loss": 3.0}, {"step": 9, "evaluations": 12, "loss": 1.0}]
LOSSES = {"loss": [3.0, 2.0], "val_loss": [3.5, 2.5]}


class Path(Plane):
    def sample_path(self, n, seed):
        return np.repeat(IMAGES[:n, None], 3, axis=1)


class Translator(Plane):
    def translate(self, sources, seed):
        return 1 - np.asarray(sources)


# Each figure, and its arguments with the content.
FIGURES = {
    "attention": ([MAPS], {}),
    "caption_maps": ([PHOTOS[:1], [(["a"], PHOTOS[:1, :4, :4, 0])]], {}),
    "loss_trajectories": ([{"lbfgs": STEPS}], {}),
    "film": ([Path()], {"n": 2, "frames": 3}),
    "grid": ([IMAGES], {}),
    "interpolation": ([Plane(), IMAGES[:2], IMAGES[2:4]], {"steps": 3}),
    "latent_grid": ([Plane()], {"n": 4}),
    "latent_scatter": ([Plane(), IMAGES, np.arange(24) % 3], {}),
    "loss_curves": ([LOSSES], {}),
    "piano_roll": ([np.full((8, 4), 60)], {}),
    "prior_components": ([Mixture()], {}),
    "sample_series": ([list(PHOTOS)], {"rows": 2}),
    "reconstructions": ([Plane(), IMAGES], {"n": 3}),
    "comparison": ([{"a": Plane(), "b": Plane()}, IMAGES], {"n": 3}),
    "samples": ([Plane()], {"n": 4}),
    "epoch_series": ([list(PHOTOS)], {"n": 2}),
    "stylized": ([*PHOTOS], {}),
    "translations": ([Translator(), IMAGES, IMAGES], {"n": 2}),
}
PLOTS = ("attention", "loss_trajectories", "latent_scatter", "loss_curves")
WRITERS = {
    name
    for name in figures.__all__
    if callable(function := getattr(figures, name))
    and "path" in inspect.signature(function).parameters
}


def make_figure(name, path, dpi=None):
    args, options = FIGURES[name]
    return getattr(figures, name)(*args, **options, path=path, dpi=dpi)


class Untouched:
    """Fails the test if a figure uses it."""

    def __getattribute__(self, name):
        raise AssertionError(f"the figure was begun: {name}")

    def __len__(self):
        raise AssertionError("the figure was begun")

    __getitem__ = __iter__ = __bool__ = __len__


def test_every_function_that_writes_is_in_the_table():
    assert WRITERS - {"save", "check_format", "animation"} == FIGURES.keys()  # a GIF of its own


@pytest.mark.parametrize(
    ("path", "dpi", "message"),
    [
        ("x", None, "'x', which has no suffix: the formats are .png, .jpg, .jpeg, .pdf, .svg"),
        ("x.tiff", None, "the suffix '.tiff'"),
        ("x.png.", None, "cannot be written as"),
        ("x.", 100, "cannot be written as"),
        (io.BytesIO(), None, "path must be the name of a file, got BytesIO"),
        ("x.png", 0, "dpi must be a finite number >= 1 and <= 2400, got 0"),
        ("x.pdf", float("nan"), "dpi must be"),
        (None, "high", "dpi must be"),
    ],
)
def test_invalid_paths_are_rejected_before_anything_is_plotted(path, dpi, message):
    for name, (args, _) in FIGURES.items():
        with pytest.raises(UsageError, match=re.escape(message)):
            getattr(figures, name)(*(Untouched() for _ in args), path=path, dpi=dpi)
    with pytest.raises(UsageError, match=re.escape(message)):
        figures.save(path, Untouched(), dpi)


def test_an_unwritable_path_is_rejected_before_anything_is_plotted(tmp_path):
    (tmp_path / "file").touch()
    for name, (args, _) in FIGURES.items():
        with pytest.raises(WriteError, match="is not a folder"):
            getattr(figures, name)(*(Untouched() for _ in args), path=tmp_path / "file" / "x.png")


@pytest.mark.parametrize("name", FIGURES)
def test_a_file_is_of_the_format_of_its_suffix(name, tmp_path):
    image = make_figure(name, tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as file:
        assert file.format == "PNG" and "dpi" not in file.info
        np.testing.assert_array_equal(np.asarray(file), image)
    make_figure(name, tmp_path / "x.PDF")
    assert (tmp_path / "x.PDF").read_bytes().startswith(b"%PDF-")


def embedded(svg):
    """The pixels of the one image in an SVG file."""
    (text,) = re.findall(r'xlink:href="data:image/png;base64,([^"]*)"', svg)
    with Image.open(io.BytesIO(base64.b64decode(text))) as file:
        return np.asarray(file.convert("RGB"))


def test_an_image_keeps_its_pixels_and_has_its_size_from_dpi(tmp_path):
    for dpi, inch in ((None, 120), (60, 60)):
        image = make_figure("grid", tmp_path / "x.svg", dpi)
        rows, columns, _ = image.shape
        svg = (tmp_path / "x.svg").read_text()
        flipped = embedded(svg)
        assert any((flipped == way).all() for way in (image, image[::-1]))
        assert f'width="{72 * columns / inch:g}pt"' in svg and "<title>x</title>" in svg
        make_figure("grid", tmp_path / "x.pdf", dpi)
        pdf = (tmp_path / "x.pdf").read_bytes()
        box = b"/MediaBox [ 0 0 %g %g ]" % (72 * columns / inch, 72 * rows / inch)
        assert box in pdf and b"/DCTDecode" not in pdf  # not through JPEG
    for suffix in (".png", ".jpg", ".JPEG"):
        path = tmp_path / f"y{suffix}"
        assert make_figure("grid", path, 300).shape == image.shape
        with Image.open(path) as file:
            assert file.format == ("PNG" if suffix == ".png" else "JPEG")
            assert file.info["dpi"] == pytest.approx((300, 300), abs=0.01)
            assert np.abs(np.asarray(file).astype(int) - image).max() <= 32


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_has_the_pixels_of_its_dpi_and_is_vectors_in_vector_formats(name, tmp_path):
    usual = make_figure(name, None)
    fine = make_figure(name, tmp_path / "x.png", 240)
    assert fine.shape[:2] == (2 * usual.shape[0], 2 * usual.shape[1])
    with Image.open(tmp_path / "x.png") as file:
        assert file.size == fine.shape[1::-1] and round(file.info["dpi"][0]) == 240
    make_figure(name, tmp_path / "x.svg", 240)
    svg = (tmp_path / "x.svg").read_text()
    assert svg.count("<path") > 10 and ("<image" in svg) == (name == "attention")  # its map
    make_figure(name, tmp_path / "y.svg", 240)
    assert (tmp_path / "y.svg").read_text() == svg.replace(">x<", ">y<")  # no time, no chance


def test_every_curve_is_plotted_even_with_more_curves_than_colors():
    many = {str(k): STEPS for k in range(len(figures.PALETTE) + 1)}
    fewer = dict(list(many.items())[:-1])
    assert (figures.loss_trajectories(many) != figures.loss_trajectories(fewer)).any()


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: figures.samples(Plane(), n=0), "n must be an integer >= 1, got 0"),
        (lambda: figures.reconstructions(Plane(), IMAGES, n=-1), "n must be"),
        (lambda: figures.latent_grid(Plane(), n=2.5), "n must be"),
        (lambda: figures.prior_components(Mixture(), n=0), "n must be"),
        (lambda: figures.epoch_series(list(PHOTOS), n=0), "n must be"),
        (lambda: figures.sample_series(list(PHOTOS), rows=0), "rows must be"),
        (lambda: figures.grid(IMAGES, columns=0), "columns must be"),
        (lambda: figures.grid(IMAGES, scale=0), "scale must be"),
        (lambda: figures.grid(IMAGES, padding=-1), "padding must be an integer >= 0, got -1"),
        (lambda: figures.grid(IMAGES, captions=["one"]), "one for each image, got 1"),
        (lambda: figures.interpolation(Plane(), IMAGES[:2], IMAGES[:3]), "one shape"),
        (lambda: figures.interpolation(Plane(), IMAGES, IMAGES, steps=-1), "steps must be"),
        (lambda: figures.translations(Translator(), IMAGES[:2], IMAGES), "of one size"),
        (lambda: figures.translations(Translator(), IMAGES, IMAGES, n=0), "n must be"),
        (lambda: figures.loss_trajectories({"a": STEPS}, by="steps"), "Did you mean 'step'"),
        (lambda: figures.loss_trajectories({"a": STEPS, "b": []}), "have no entries"),
    ],
)
def test_numbers_and_counts_are_checked(draw, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        draw()


def test_a_damaged_image_of_an_epoch_is_named(tmp_path):
    (tmp_path / "epoch-0001.png").write_bytes(b"\x89PNG")
    for draw in (figures.epoch_series, figures.sample_series):
        with pytest.raises(UsageError, match="epoch-0001.png cannot be read as an image"):
            draw(tmp_path)
