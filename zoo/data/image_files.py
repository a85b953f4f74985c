"""Image files as arrays, as viewers show them: the one reader of people's image files."""

import contextlib
import stat
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from zoo.checks import check_numbers
from zoo.errors import UsageError, one_line
from zoo.log import log_message_once

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
ANIMATED = ("PNG", "WEBP", "GIF", "TIFF", "AVIF")  # of an MPO all frames show the same
GRAY = ("1", "L", "LA", "La", "I;16", "I;16L", "I;16B")
ORIENTATION = 0x0112  # the EXIF tag: where the camera was up
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SHOWN = 3  # names that a note lists


def read_image(file, channels=None, size=None):
    """One image file as uint8 [h, w, 1 or 3], upright, transparency laid over white.

    Of an animated file it is the first frame; 16 bits a channel are scaled to 8.

    Args:
        file: PNG, JPEG, WebP, GIF, BMP, TIFF, PPM or AVIF.
        channels: 3 repeats a gray image, 1 takes the luminance of a color image; None: as it is.
        size: cut the center square out and scale it to this many pixels; None: as it is.

    Raises UsageError, which names the file, for whatever cannot be read.
    """
    pixels, animated = _decode(file)
    _report_animated([file] if animated else [])
    return _fit(pixels, channels, size)


def read_each(files, channels=None, size=None):
    """A list of what `read_image` gives for each file; one note for all animated files."""
    images, animated = [], []
    for file in files:
        pixels, moves = _decode(file)
        images.append(_fit(pixels, channels, size))
        animated += [file] if moves else []
    _report_animated(animated)
    return images


def read_images(files, place, channels=None, size=None):
    """Image files as one array, uint8 [n, h, w, 1 or 3]; see `read_image` and `stack_images`."""
    return stack_images(read_each(files, channels, size), place)


def stack_images(images, place, size=None):
    """Images [h, w, 1 or 3] as one array, which is gray if all are, cut and scaled on request.

    Raises UsageError, which names `place`, for images of several sizes.
    """
    channels = max(image.shape[-1] for image in images)
    images = [_fit(image, channels, size) for image in images]
    return np.stack(check_same_size(images, place))


def has_color(file):
    """Whether an image file is not gray, by its header; of a damaged file False."""
    try:
        with _open(file) as image:
            return image.mode not in GRAY
    except Exception:  # reading it says what is wrong
        return False


def to_channels(pixels, channels):
    """An image [h, w, 1 or 3] with 1 or 3 channels: gray repeated, or the luminance of colors."""
    if channels in (None, pixels.shape[-1]):
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=-1)
    if channels == 1:
        return np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
    raise UsageError(f"an image file gives 1 or 3 channels, {channels} were asked for")


def check_same_size(images, place):
    """A list of images [..., h, w, c]; UsageError if they differ in height or width."""
    sizes = sorted({image.shape[-3:-1] for image in images})
    if len(sizes) > 1:
        listed = ", ".join(f"{w}x{h}" for h, w in sizes[:3])
        raise UsageError(
            f"the images in {place} have {len(sizes)} sizes (width x height: {listed}"
            f"{', ...' if len(sizes) > 3 else ''}); give image_size to cut and scale them to one"
        )
    return images


def center_square(images, size):
    """Cut the center square out of images [..., h, w, c] and scale it to [..., size, size, c].

    Bilinear with anti-aliasing; the type stays. A TensorFlow tensor gives a tensor, an array an
    array (in pieces, since the floats of many images do not fit in memory).
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


def _center_square(tf, images, size):
    height, width = images.shape[-3], images.shape[-2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    images = tf.image.crop_to_bounding_box(images, top, left, side, side)
    scaled = tf.image.resize(images, (size, size), antialias=True)
    return tf.saturate_cast(tf.round(scaled) if images.dtype == tf.uint8 else scaled, images.dtype)


def _fit(pixels, channels, size):
    pixels = to_channels(pixels, channels)
    if size is None:
        return pixels
    check_numbers(size=size)
    return center_square(pixels, size)


def _decode(file):
    """(uint8 [h, w, 1 or 3], whether there are more frames) of a file; UsageError names it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on metadata
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
            f"{file} cannot be read as an image: it is damaged, or of none of the formats"
            f" {', '.join(FORMATS)}"
        ) from error
    except Exception as error:  # what a decoder raises on damaged bytes cannot be enumerated
        reason = getattr(error, "strerror", None) or one_line(error)
        raise UsageError(f"{file} cannot be read as an image: {reason}") from error


@contextlib.contextmanager
def _open(file):
    """The file opened by Pillow; a UsageError without its name if it is not a regular file.

    Pillow is given no name, as it would map the file and mix up the rows of a TIFF on its side.
    """
    path = Path(file)
    if not stat.S_ISREG(path.stat().st_mode):
        raise UsageError("cannot be read as an image: it is not a regular file")
    with path.open("rb") as stream, Image.open(stream, formats=FORMATS) as image:
        yield image


def _pixels(image):
    image.load()
    turn = _orientation(image)
    if image.mode.startswith("I;16") or (image.mode, image.format) == ("I", "PPM"):
        image = _eight_bits(image)
    if image.mode in ("I", "F"):
        raise UsageError(
            "cannot be read as an image: its pixels are 32-bit numbers without a known range; save"
            " it with 8 or 16 bits a channel"
        )
    mode = "L" if image.mode in GRAY else "RGB"
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    image = image.convert(mode)
    if turn in TURNS:
        image = image.transpose(TURNS[turn])
    pixels = np.asarray(image)
    return pixels[..., None] if mode == "L" else pixels


def _eight_bits(image):
    """A gray image of 16 bits scaled to 8; its transparent gray value, if any, becomes white."""
    pixels = np.asarray(image).astype(np.int64)
    scaled = ((pixels + 128) // 257).astype(np.uint8)
    scaled[pixels == image.info.get("transparency", -1)] = 255
    return Image.fromarray(scaled)


def _orientation(image):
    try:
        return image.getexif().get(ORIENTATION)
    except Exception:  # damaged metadata say nothing about the pixels
        return None


def _is_animated(image):
    try:
        return image.format in ANIMATED and image.is_animated
    except Exception:  # the first frame could be read
        return False


def _report_animated(files):
    if not files:
        return
    names = ", ".join(str(file) for file in files[:SHOWN]) + (", ..." if files[SHOWN:] else "")
    one = len(files) == 1
    have = "has more than one frame" if one else "have more than one frame"
    log_message_once(f"note: {names} {have}; the first{'' if one else ' of each'} is read")
