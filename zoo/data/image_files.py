"""Image files as arrays, decoded as image viewers show them."""

from __future__ import annotations

import contextlib
import os
import stat
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from zoo.checks import check_numbers
from zoo.data.color_profiles import to_srgb
from zoo.errors import UsageError, one_line
from zoo.files import user_path
from zoo.log import log_message_once

if TYPE_CHECKING:
    from types import ModuleType

    import tensorflow as tf
    from PIL.ImageFile import ImageFile

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
ANIMATED = ("PNG", "WEBP", "GIF", "TIFF", "AVIF")  # all frames of an MPO show the same
GRAY = ("1", "L", "LA", "La", "I;16", "I;16L", "I;16B")
ORIENTATION = 0x0112  # the EXIF tag of the camera's orientation
TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SHOWN = 3  # names that a message lists


def read_image(
    file: str | os.PathLike, channels: int | None = None, size: int | None = None
) -> np.ndarray:
    """One image file as uint8 [h, w, 1 or 3], upright, with transparency over white.

    An animated file gives its first frame; 16 bits per channel are scaled to 8. Colors with an ICC
    profile are converted to sRGB.

    Args:
        file: PNG, JPEG, WebP, GIF, BMP, TIFF, PPM or AVIF.
        channels: 3 repeats a gray image, 1 takes the luminance of a color image; None: unchanged.
        size: crop the center square and resize it to this many pixels; None: unchanged.

    Raises:
        UsageError: the file cannot be read; the message names it.
    """
    pixels, animated = _decode(file)
    _note_animated([file] if animated else [])
    return _convert(pixels, channels, size)


def read_each(
    files: Iterable[Path], channels: int | None = None, size: int | None = None
) -> list[np.ndarray]:
    """`read_image` of each file, as a list; one message for all animated files."""
    images = []
    animated = []
    for file in files:
        pixels, is_animated = _decode(file)
        images.append(_convert(pixels, channels, size))
        animated += [file] if is_animated else []
    _note_animated(animated)
    return images


def read_images(
    files: Iterable[Path], folder: Any, channels: int | None = None, size: int | None = None
) -> np.ndarray:
    """Image files as one array, uint8 [n, h, w, 1 or 3]; see `read_image` and `stack_images`."""
    return stack_images(read_each(files, channels, size), folder)


def stack_images(images: Sequence[np.ndarray], folder: Any, size: int | None = None) -> np.ndarray:
    """Images [h, w, 1 or 3] as one array; gray if all are gray, resized on request.

    Raises UsageError, which names `folder`, for images of several sizes.
    """
    channels = max(image.shape[-1] for image in images)
    images = [_convert(image, channels, size) for image in images]
    return np.stack(check_same_size(images, folder))


def named_file(folder: str | os.PathLike, name: str) -> Path:
    """The file of a name (Unicode NFC) in a folder; macOS stores names decomposed (NFD)."""
    decomposed = user_path(folder) / unicodedata.normalize("NFD", name)
    return decomposed if decomposed.is_file() else user_path(Path(folder) / name)


def has_color(file: Path) -> bool:
    """Whether an image file has color, by its header; False for a damaged file."""
    try:
        with _open(file) as image:
            return image.mode not in GRAY
    except Exception:  # reading it raises a helpful error
        return False


def to_channels(pixels: np.ndarray, channels: int | None) -> np.ndarray:
    """An image [h, w, 1 or 3] with 1 or 3 channels: gray repeated, or the luminance of colors."""
    if channels in (None, pixels.shape[-1]):
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=-1)
    if channels == 1:
        return np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
    raise UsageError(f"channels must be 1 or 3 for image files, got {channels}")


def check_same_size(images: list[np.ndarray], folder: Any) -> list[np.ndarray]:
    """The list of images [..., h, w, c]. Raises UsageError if they differ in height or width."""
    sizes = sorted({image.shape[-3:-1] for image in images})
    if len(sizes) > 1:
        listed = ", ".join(f"{w}x{h}" for h, w in sizes[:3])
        raise UsageError(
            f"the images in {folder} have {len(sizes)} sizes (width x height: {listed}"
            f"{', ...' if len(sizes) > 3 else ''}); give image_size to crop and resize them to one"
        )
    return images


def center_square(images: np.ndarray | tf.Tensor, size: int) -> np.ndarray | tf.Tensor:
    """Crops the center square of images [..., h, w, c] and resizes it to [..., size, size, c].

    Bilinear with anti-aliasing; the dtype is kept. A tensor gives a tensor, an array an array
    (in chunks, since the floats of many images do not fit in memory).
    """
    import tensorflow as tf

    if tuple(images.shape[-3:-1]) == (size, size):
        return images
    if isinstance(images, np.ndarray) and images.ndim == 4:
        return np.concatenate(
            [
                _center_square(tf, images[i : i + 256], size).numpy()
                for i in range(0, len(images), 256)
            ]
        )
    scaled = _center_square(tf, images, size)
    return scaled.numpy() if isinstance(images, np.ndarray) else scaled


def _center_square(tf: ModuleType, images: np.ndarray | tf.Tensor, size: int) -> tf.Tensor:
    height = images.shape[-3]
    width = images.shape[-2]
    side = min(height, width)
    top = (height - side) // 2
    left = (width - side) // 2
    images = tf.image.crop_to_bounding_box(images, top, left, side, side)
    scaled = tf.image.resize(images, (size, size), antialias=True)
    return tf.saturate_cast(tf.round(scaled) if images.dtype == tf.uint8 else scaled, images.dtype)


def _convert(pixels: np.ndarray, channels: int | None, size: int | None) -> np.ndarray:
    pixels = to_channels(pixels, channels)
    if size is None:
        return pixels
    check_numbers(size=size)
    return center_square(pixels, size)


def _decode(file: str | os.PathLike) -> tuple[np.ndarray, bool]:
    """(uint8 [h, w, 1 or 3], whether it is animated) of a file; UsageError names it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about metadata
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with _open(file) as image:
                return _pixels(image), _is_animated(image)
    except UsageError as error:
        raise UsageError(f"{file} {error}") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UsageError(
            f"{file} cannot be read as an image: {one_line(error).partition(',')[0]}"
            " (PIL.Image.MAX_IMAGE_PIXELS); scale it down"
        ) from error
    except Image.UnidentifiedImageError as error:
        raise UsageError(
            f"{file} cannot be read as an image: it is damaged, or not in one of the formats"
            f" {', '.join(FORMATS)}"
        ) from error
    except Exception as error:  # decoders raise many kinds for damaged bytes
        reason = getattr(error, "strerror", None) or one_line(error)
        raise UsageError(f"{file} cannot be read as an image: {reason}") from error


@contextlib.contextmanager
def _open(file: str | os.PathLike) -> Iterator[ImageFile]:
    """The file opened by Pillow; UsageError, without the file's name, if it is not regular.

    Pillow gets a stream and no name: with a name it would map the file into memory and mix up the
    rows of a rotated TIFF.
    """
    path = Path(file)
    if not stat.S_ISREG(path.stat().st_mode):
        raise UsageError("cannot be read as an image: it is not a regular file")
    with path.open("rb") as stream, Image.open(stream, formats=FORMATS) as image:
        yield image


def _pixels(image: Image.Image) -> np.ndarray:
    image.load()
    orientation = _orientation(image)
    if image.mode.startswith("I;16") or (image.mode, image.format) == ("I", "PPM"):
        image = _eight_bits(image)
    if image.mode in ("I", "F"):
        raise UsageError(
            "cannot be read as an image: its pixels are 32-bit numbers without a known range; save"
            " it with 8 or 16 bits per channel"
        )
    mode = "L" if image.mode in GRAY else "RGB"
    if mode == "RGB":
        image = to_srgb(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    image = image.convert(mode)
    if orientation in TRANSPOSITIONS:
        image = image.transpose(TRANSPOSITIONS[orientation])
    pixels = np.asarray(image)
    return pixels[..., None] if mode == "L" else pixels


def _eight_bits(image: Image.Image) -> Image.Image:
    """A gray image of 16 bits scaled to 8; its transparent gray value, if any, becomes white."""
    pixels = np.asarray(image).astype(np.int64)
    scaled = ((pixels + 128) // 257).astype(np.uint8)
    scaled[pixels == image.info.get("transparency", -1)] = 255
    return Image.fromarray(scaled)


def _orientation(image: Image.Image) -> int | None:
    try:
        return image.getexif().get(ORIENTATION)
    except Exception:  # damaged metadata does not affect the pixels
        return None


def _is_animated(image: Any) -> bool:
    try:
        return image.format in ANIMATED and image.is_animated
    except Exception:  # the first frame was read
        return False


def _note_animated(files: Sequence[str | os.PathLike]) -> None:
    if not files:
        return
    names = ", ".join(str(file) for file in files[:SHOWN]) + (", ..." if files[SHOWN:] else "")
    one = len(files) == 1
    have = "has more than one frame" if one else "have more than one frame"
    log_message_once(f"note: {names} {have}; the first{'' if one else ' of each'} is read")
