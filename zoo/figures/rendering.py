"""Tools of all figures: pixels, grids of images, Matplotlib without its global state."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras.ops import convert_to_numpy
from PIL import Image, ImageDraw, ImageFont

from zoo.checks import check_numbers, check_optional_numbers
from zoo.errors import UsageError
from zoo.figures.figure import Figure
from zoo.figures.formats import DPI, check_format, write

SIDE = 900  # maximum pixels of a grid of small images
PADDING = 2  # white pixels between its images
WHITE = 255
INK = (64, 64, 64)
RED = (230, 0, 0)
BLUE = "#4477aa"
ORANGE = "#cc5500"
# Paul Tol's "muted" scheme, safe for color-blind readers, and a gray.
PALETTE = ["#332288", "#cc6677", "#117733", "#88ccee", "#ddcc77"]
PALETTE += ["#882255", "#44aa99", "#aa4499", "#999933", "#777777"]


def save(path: str | os.PathLike | None, image: Any, dpi: float | None = None) -> Figure:
    """The pixels of a figure, written in the format of the path's suffix if there is a path.

    Returns uint8 [rows, columns, 3], which a notebook shows as an image.

    Args:
        path: a file name that ends in .png, .jpg, .jpeg, .pdf or .svg; None: nothing is written.
        image: an image [h, w, 1 or 3], or a Matplotlib figure of `plot`.
        dpi: dots per inch; default 120. It sets the pixels of a plot, which is vectors in PDF and
            SVG. An image keeps its pixels, and `dpi` sets its printed size.

    Raises:
        UsageError: another format.
        WriteError: the file cannot be written.
    """
    check_format(path, dpi)
    figure = image if hasattr(image, "savefig") else None
    if figure is not None and dpi is not None:
        figure.set_dpi(dpi)
    array = pixels(image) if figure is None else to_array(figure)
    if path is not None:
        write(path, array, figure, dpi)
    return array.view(Figure)


def grid(
    images: Any,
    columns: int | None = None,
    padding: int = PADDING,
    scale: int | None = None,
    captions: Sequence[str] | None = None,
    title: str = "",
    row_labels: Sequence[str] | None = None,
    path: str | os.PathLike | None = None,
    dpi: float | None = None,
) -> Figure:
    """Images [n, h, w, c] as a grid, row by row.

    Args:
        images: one or more.
        columns: images per row; None: the figure is nearly square.
        padding: white pixels around each image.
        scale: integer factor by which pixels are enlarged; None: the largest that fits 900 pixels.
        captions: a text under each image.
        title: a text above all images.
        row_labels: a text to the left of each row.
        path, dpi: see `save`.

    Raises:
        UsageError: the images, captions or labels have a wrong shape or number.
    """
    check_format(path, dpi)
    check_numbers(padding=padding)
    check_optional_numbers(columns=columns, scale=scale)
    tiles = pixels(images)
    if tiles.ndim != 4 or not len(tiles):
        raise UsageError(f"expected images [n, h, w, c] with n >= 1, got shape {np.shape(images)}")
    n, h, w, _ = tiles.shape
    if captions is not None and len(captions) != n:
        raise UsageError(f"captions must be {n} texts, one for each image, got {len(captions)}")
    if columns is None:
        columns = min(range(n, 0, -1), key=lambda k: max(-(-n // k) * h, k * w))
    rows = -(-n // columns)
    columns = min(n, columns)
    if row_labels is not None and len(row_labels) != rows:
        raise UsageError(f"row_labels must be {rows} texts, one for each row, got {row_labels}")
    fits = ((SIDE - padding * (k + 1)) // (k * size) for k, size in ((rows, h), (columns, w)))
    scale = max(1, min(fits)) if scale is None else scale
    tiles = tiles.repeat(scale, axis=1).repeat(scale, axis=2)
    if captions is not None:
        tiles = np.concatenate([tiles, [text_strip(t, tiles.shape[2]) for t in captions]], axis=1)
    h = tiles.shape[1] + padding
    w = tiles.shape[2] + padding
    image = np.full((rows * h + padding, columns * w + padding, 3), WHITE, np.uint8)
    for k, tile in enumerate(tiles):
        top = padding + k // columns * h
        left = padding + k % columns * w
        image[top : top + h - padding, left : left + w - padding] = tile
    if row_labels is not None:
        image = np.hstack([label_column(row_labels, h, padding), image])
    if title:
        image = np.vstack([text_strip(title, image.shape[1]), image])
    return save(path, image, dpi)


def pixels(images: Any) -> np.ndarray:
    """Images [..., h, w, 1 or 3], floats in [0, 1] or uint8, as uint8 [..., h, w, 3]."""
    values = convert_to_numpy(images)
    valid = values.dtype.kind not in "iu" or values.dtype == np.uint8
    if values.ndim < 3 or values.shape[-1] not in (1, 3) or not valid:
        got = f"{values.dtype} {values.shape}"
        raise UsageError(f"expected images [h, w, 1 or 3], floats in [0, 1] or uint8, got {got}")
    colors = np.broadcast_to(values, (*values.shape[:-1], 3))
    if values.dtype == np.uint8:
        return colors
    finite = np.isfinite(colors).all(axis=-1, keepdims=True)
    levels = 255 * np.where(finite, colors, 0).astype(np.float32).clip(0, 1)
    return np.where(finite, levels.round(), RED).astype(np.uint8)


def text_strip(text: str, width: int) -> np.ndarray:
    """A white strip [26, width, 3] with a centered text, in a smaller font if it would not fit."""
    font = _font(max(1, min(15, int(1.6 * width / max(1, len(text))))))
    strip = Image.new("RGB", (width, 26), "white")
    ImageDraw.Draw(strip).text((width / 2, 13), text, INK, font, anchor="mm")
    return np.asarray(strip)


def label_column(labels: Sequence[str], height: int, padding: int) -> np.ndarray:
    """A white column with a label beside each row of a grid.

    Args:
        labels: one for each row.
        height: of a row and the padding below it, in pixels.
        padding: as in `grid`.
    """
    font = _font(max(1, min(15, height)))
    width = int(max(map(font.getlength, labels))) + 16
    column = Image.new("RGB", (width, padding + height * len(labels)), "white")
    for k, label in enumerate(labels):
        middle = padding + k * height + (height - padding) / 2
        ImageDraw.Draw(column).text((width - 8, middle), label, INK, font, anchor="rm")
    return np.asarray(column)


def _font(size: int) -> ImageFont.FreeTypeFont:
    import matplotlib

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)


def plot(width: int, height: int, panels: int = 1) -> tuple[Any, ...]:
    """A Matplotlib figure and its axes of the given pixels: three per row, or four as 2 x 2.

    Returns:
        (figure, *axes).
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = 2 if panels == 4 else min(3, panels)
    rows = -(-panels // columns)
    size = columns * width / DPI, rows * height / DPI
    figure = Figure(size, dpi=DPI)
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12)
    FigureCanvasAgg(figure)
    for k in range(panels):
        axes = figure.add_subplot(rows, columns, k + 1, axisbelow=True)
        axes.grid(color="0.92")
        axes.spines[["top", "right"]].set_visible(False)
    return figure, *figure.axes


def to_array(figure: Any) -> np.ndarray:
    """A figure of `plot` as uint8 [rows, columns, 3]."""
    figure.canvas.draw()
    return np.array(figure.canvas.buffer_rgba())[..., :3]
