"""The formats of figure files. The suffix of the file name chooses one; any other is refused."""

import io
import os
from pathlib import Path

from PIL import Image

from zoo.checks import check_optional_numbers
from zoo.errors import UsageError
from zoo.files import check_writable, write_atomically

DPI = 120  # dots per inch of plots and of images in vector files, unless another is asked for
JPEG = {"format": "JPEG", "quality": 95, "subsampling": 0}
RASTER = {".png": {"format": "PNG"}, ".jpg": JPEG, ".jpeg": JPEG}
VECTOR = {".pdf": "CreationDate", ".svg": "Date"}  # and the metadata that would hold the time
FORMATS = (*RASTER, *VECTOR)


def check_format(path, dpi=None):
    """Raises unless a figure can be written as `path`; every figure calls it before it computes.

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


def write(path, picture, figure=None, dpi=None):
    """Writes a figure in the format that the suffix of `path` says, all or nothing.

    Args:
        path: a name that `check_format` accepts.
        picture: uint8 [rows, columns, 3].
        figure: the Matplotlib figure that `picture` shows, vectors in PDF and SVG; None: the pixels
            are embedded there without loss.
        dpi: dots per inch. None: not noted in PNG and JPEG.
    """
    suffix = Path(path).suffix.lower()
    if suffix in RASTER:
        resolution = {} if dpi is None else {"dpi": (dpi, dpi)}
        image = Image.fromarray(picture)
        write_atomically(path, lambda file: image.save(file, **RASTER[suffix], **resolution))
        return
    figure = figure or _figure_of(picture, DPI if dpi is None else dpi)
    text = _vectors(figure, suffix, title=Path(path).stem)
    write_atomically(path, lambda file: file.write(text))


def _figure_of(picture, dpi):
    """A Matplotlib figure that is one image, with its pixels as they are."""
    from matplotlib.figure import Figure

    rows, columns = picture.shape[:2]
    figure = Figure((columns / dpi, rows / dpi), dpi=dpi)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(picture, interpolation="none", aspect="auto")
    return figure


def _vectors(figure, suffix, title):
    """The bytes of a PDF or SVG file, the same ones for the same figure."""
    import matplotlib

    file = io.BytesIO()
    metadata = {"Title": title, VECTOR[suffix]: None}
    with matplotlib.rc_context({"svg.hashsalt": "zoo"}):
        figure.savefig(file, format=suffix[1:], metadata=metadata)
    return file.getvalue()
