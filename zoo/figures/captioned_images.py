"""Images with the words that a model says of them, and where it looked for each."""

import numpy as np
from PIL import Image

from zoo.errors import UsageError
from zoo.figures.formats import check_format
from zoo.figures.rendering import WHITE, grid, pixels

TILE = 120  # pixels: height of an image
DARK = 0.25  # of its light that a place keeps which was not looked at


def caption_maps(images, found, path=None, dpi=None):
    """A row for each image: the image, then for each word where the model looked, the rest dark.

    Args:
        images: [n, h, w, 1 or 3].
        found: what `model.attention_maps(images)` gives: n times (pieces, maps [t, rows, columns]).
        path, dpi: see `save`.
    """
    check_format(path, dpi)
    if len(images) != len(found) or not len(found):
        raise UsageError(
            f"caption_maps needs what was seen in each image: {len(images)} and {len(found)}"
        )
    columns = 1 + max(len(pieces) for pieces, _ in found)
    tiles, captions = [], []
    for image, (pieces, maps) in zip(pixels(images), found, strict=True):
        h, w = image.shape[:2]
        size = (max(1, round(TILE * w / h)), TILE)
        light = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
        rest = columns - 1 - len(pieces)
        tiles += [light, *(_overlay(light, one) for one in maps)]
        tiles += [np.full_like(light, WHITE)] * rest
        captions += ["", *pieces, *[""] * rest]
    return grid(tiles, columns, padding=4, scale=1, captions=captions, path=path, dpi=dpi)


def _overlay(image, weights):
    """An image, uint8 [h, w, 3], as bright as the weights [rows, columns]: uint8 [h, w, 3]."""
    h, w = image.shape[:2]
    share = np.asarray(weights, np.float32) / max(float(np.max(weights)), 1e-9)
    smooth = Image.fromarray(share).resize((w, h), Image.Resampling.BICUBIC)
    light = DARK + (1 - DARK) * np.asarray(smooth).clip(0, 1)[..., None]
    return np.round(image * light).astype(np.uint8)
