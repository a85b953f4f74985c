"""Images with their generated captions, and an attention map for each word."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from zoo.errors import UsageError
from zoo.figures.formats import check_format
from zoo.figures.rendering import WHITE, grid, pixels

TILE = 120  # pixels: height of an image
DARK = 0.25  # brightness of regions without attention


def caption_maps(
    images: Any,
    maps: Sequence[tuple[Sequence[str], Any]],
    path: str | os.PathLike | None = None,
    dpi: float | None = None,
) -> np.ndarray:
    """A row for each image: the image, then for each word the attended region, the rest dark.

    Args:
        images: [n, h, w, 1 or 3].
        maps: the result of `model.attention_maps(images)`: n times (tokens, weights
            [t, rows, columns]).
        path, dpi: see `save`.

    Raises:
        UsageError: there are not as many maps as images.
    """
    check_format(path, dpi)
    if len(images) != len(maps) or not len(maps):
        raise UsageError(
            f"caption_maps needs one map for each image: got {len(images)} images and {len(maps)}"
            " maps"
        )
    columns = 1 + max(len(tokens) for tokens, _ in maps)
    tiles = []
    captions = []
    for image, (tokens, weights) in zip(pixels(images), maps, strict=True):
        h, w = image.shape[:2]
        size = (max(1, round(TILE * w / h)), TILE)
        tile = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
        rest = columns - 1 - len(tokens)
        tiles += [tile, *(_overlay(tile, token_weights) for token_weights in weights)]
        tiles += [np.full_like(tile, WHITE)] * rest
        captions += ["", *tokens, *[""] * rest]
    return grid(tiles, columns, padding=4, scale=1, captions=captions, path=path, dpi=dpi)


def _overlay(image: np.ndarray, weights: Any) -> np.ndarray:
    """An image, uint8 [h, w, 3], as bright as the weights [rows, columns]: uint8 [h, w, 3]."""
    h, w = image.shape[:2]
    relative = np.asarray(weights, np.float32) / max(float(np.max(weights)), 1e-9)
    smooth = Image.fromarray(relative).resize((w, h), Image.Resampling.BICUBIC)
    brightness = DARK + (1 - DARK) * np.asarray(smooth).clip(0, 1)[..., None]
    return np.round(image * brightness).astype(np.uint8)
