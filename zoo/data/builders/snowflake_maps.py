"""Snow crystals as pairs: a color-coded map of the ice's thickness and a rendering of the crystal.

A procedural set for image translation. The map has five colors, for air and four thicknesses; the
target image shows the crystal of `snowflakes` as a relief lit from the upper left before a night
sky. A model must learn what the map does not contain: slopes, highlights and the shadow, all of
which follow from the surrounding shape.

`generate` needs only NumPy. Importing this module registers the TFDS data set "snowflake_maps".
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from zoo.data.builders import snowflakes

SPLITS = {"train": 400, "test": 40}
SIZE = snowflakes.SIZE
EDGES = (0.2, 0.5, 0.65, 0.8)  # levels of light between the five colors
COLORS = np.array(  # the palette of the facades maps
    [(0, 0, 170), (0, 85, 255), (0, 255, 255), (170, 255, 85), (255, 170, 0)], np.uint8
)
SKY = np.array([(0.05, 0.08, 0.20), (0.16, 0.26, 0.48)])  # top, bottom
ICE = np.array([(0.27, 0.51, 0.80), (0.88, 0.96, 1.00)])  # thin, thick


def generate(
    n: int, seed: int = 0, first: int = 0, size: int = SIZE
) -> tuple[np.ndarray, np.ndarray]:
    """Maps and images of crystals first .. first + n - 1: two uint8 arrays [n, size, size, 3].

    A pair is a function of (size, seed, its number) alone. Raises UsageError as
    `snowflakes.generate` does.
    """
    light = snowflakes.generate(n, seed, first, size)[..., 0] / 255
    return COLORS[np.digitize(light, EDGES)], _render(light)


def _render(light: np.ndarray) -> np.ndarray:
    """The relief of light [n, h, w] in [0, 1] as images, uint8 [n, h, w, 3]."""
    height = _blur(light)
    down, right = np.gradient(height, axis=(1, 2))
    slope = -(down + right)  # toward the light
    shade = np.clip(0.5 + 2.5 * slope, 0, 1)[..., None]
    highlight = np.clip(slope - 0.12, 0, 1)[..., None]
    depth = height[..., None]
    ice = ICE[0] + (ICE[1] - ICE[0]) * (0.6 * depth + 0.4 * shade)
    ice = ice * (0.55 + 0.6 * shade) + 2 * highlight

    rows = np.linspace(0, 1, light.shape[1])[:, None, None]
    shadow = _blur(_blur(np.roll(light, (2, 2), axis=(1, 2))))[..., None]
    sky = (SKY[0] + (SKY[1] - SKY[0]) * rows) * (1 - 0.7 * shadow)

    cover = np.clip(light / 0.4, 0, 1)[..., None]  # the edge of the ice covers part of a pixel
    image = cover * ice + (1 - cover) * sky
    return np.round(255 * np.clip(image, 0, 1)).astype(np.uint8)


def _blur(images: np.ndarray) -> np.ndarray:
    """Images [n, h, w] convolved with the window 1, 2, 1 in both directions."""
    for axis in (1, 2):
        images = (np.roll(images, 1, axis) + 2 * images + np.roll(images, -1, axis)) / 4
    return images


class SnowflakeMaps(tfds.core.GeneratorBasedBuilder):
    """TFDS builder with source (the map) and target (the image), uint8 (64, 64, 3)."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "400 + 40 pairs."}

    def _info(self) -> tfds.core.DatasetInfo:
        image = tfds.features.Image(shape=(SIZE, SIZE, 3), encoding_format="png")
        return tfds.core.DatasetInfo(
            builder=self,
            description="Snow crystals: maps of thickness and the crystals in the light.",
            features=tfds.features.FeaturesDict({"source": image, "target": image}),
            citation="C. A. Reiter, Chaos, Solitons & Fractals 23 (2005) 1111-1119",
            disable_shuffling=True,  # crystal i stays example i
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        starts = np.cumsum([0, *SPLITS.values()]).tolist()
        return {
            name: self._generate_examples(first, SPLITS[name])
            for name, first in zip(SPLITS, starts, strict=False)
        }

    def _generate_examples(self, first: int, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
        for i, (source, target) in enumerate(zip(*generate(count, first=first), strict=True)):
            yield i, {"source": source, "target": target}
