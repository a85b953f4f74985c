"""Colors of image files with an ICC profile, such as Display P3 of phones, as sRGB."""

import contextlib
import io

from PIL import Image, ImageCms

from zoo.errors import one_line

SRGB = ("sRGB", "IEC 61966-2", "IEC61966-2")  # its descriptions begin so
COLORS = {"RGB": "RGB", "RGBA": "RGBA", "CMYK": "RGB"}  # mode -> mode after conversion


def to_srgb(image: Image.Image) -> Image.Image:
    """A color image as sRGB, with perceptual intent, as image viewers show it.

    Images without a profile, with one of sRGB, with one that is damaged, and gray images are
    unchanged.
    """
    raw = image.info.get("icc_profile")
    if not raw:
        return image
    with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
        profile = ImageCms.ImageCmsProfile(io.BytesIO(raw))
        if one_line(ImageCms.getProfileDescription(profile)).startswith(SRGB):
            return image
        if image.has_transparency_data:
            image = image.convert("RGBA")
        elif image.mode in ("P", "YCbCr", "LAB"):
            image = image.convert("RGB")
        if image.mode in COLORS:
            standard = ImageCms.createProfile("sRGB")
            mode = COLORS[image.mode]
            converted = ImageCms.profileToProfile(image, profile, standard, outputMode=mode)
            return converted or image
    return image
