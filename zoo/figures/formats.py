"""Formats of figure files, chosen by the suffix of the file name; any other is an error."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zoo.checks import check_optional_numbers
from zoo.errors import UsageError
from zoo.files import check_writable, write_atomically

DPI = 120  # default dots per inch of plots and of images in vector files
JPEG = {"format": "JPEG", "quality": 95, "subsampling": 0}
RASTER: dict[str, dict[str, Any]] = {".png": {"format": "PNG"}, ".jpg": JPEG, ".jpeg": JPEG}
VECTOR = {
    ".pdf": "CreationDate",
    ".svg": "Date",
}  # suffix -> metadata field with the time of writing
FORMATS = (*RASTER, *VECTOR)


def check_format(path: str | os.PathLike | None, dpi: float | None = None) -> None:
    """Raises an error unless a figure can be written to `path`; every figure calls it first.

    Raises:
        UsageError: the suffix is not one of `FORMATS`, or `dpi` is not a resolution.
        WriteError: no file can be written there.
    """
    check_optional_numbers(dpi=dpi)
    if path is None:
        return
    if not isinstance(path, str | os.PathLike):
        raise UsageError(f"path must be the name of a file, got {type(path).__name__}")
    suffix = Path(path).suffix
    if suffix.lower() not in FORMATS:
        got = f"the suffix {suffix!r}" if suffix else "no suffix"
        raise UsageError(
            f"a figure cannot be written as {str(path)!r}, which has {got}: the formats are"
            f" {', '.join(FORMATS)}"
        )
    check_writable(path)


def write(
    path: str | os.PathLike, image: np.ndarray, figure: Any = None, dpi: float | None = None
) -> None:
    """Writes a figure in the format of the path's suffix, atomically.

    Args:
        path: a name that `check_format` accepts.
        image: uint8 [rows, columns, 3].
        figure: the Matplotlib figure of `image`, for vectors in PDF and SVG; None: the pixels are
            embedded there without loss.
        dpi: dots per inch. None: not recorded in PNG and JPEG.
    """
    suffix = Path(path).suffix.lower()
    if suffix in RASTER:
        resolution: dict[str, Any] = {} if dpi is None else {"dpi": (dpi, dpi)}
        file_image = Image.fromarray(image)
        write_atomically(path, lambda file: file_image.save(file, **RASTER[suffix], **resolution))
        return
    figure = figure or _figure_of(image, DPI if dpi is None else dpi)
    text = _vectors(figure, suffix, title=Path(path).stem)
    write_atomically(path, lambda file: file.write(text))


def _figure_of(image: np.ndarray, dpi: float) -> Any:
    """A Matplotlib figure of one image, with unchanged pixels."""
    from matplotlib.figure import Figure

    rows, columns = image.shape[:2]
    figure = Figure((columns / dpi, rows / dpi), dpi=dpi)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(image, interpolation="none", aspect="auto")
    return figure


def _vectors(figure: Any, suffix: str, title: str) -> bytes:
    """The bytes of a PDF or SVG file, deterministic for the same figure."""
    import matplotlib

    file = io.BytesIO()
    metadata = {"Title": title, VECTOR[suffix]: None}
    with matplotlib.rc_context({"svg.hashsalt": "zoo"}):
        figure.savefig(file, format=suffix[1:], metadata=metadata)
    return file.getvalue()
