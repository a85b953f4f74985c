"""A landscape and brushwork: a content and a style image, generated for style transfer.

Both images are functions of (size, seed) alone and need only NumPy, so that style transfer works
without a download and without third-party images. `read_scaled` reads an image file.

Importing this module registers the TFDS data set "pictures".
"""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from zoo.data.image_files import read_image

SIZE = 256
HILLS = ((0.46, 0.43, 0.62), (0.27, 0.36, 0.45), (0.13, 0.24, 0.2))  # the farther, the hazier
PAINTS = np.array(  # from the bottom of a stroke's wave to its top
    [(0.05, 0.08, 0.3), (0.1, 0.3, 0.65), (0.35, 0.7, 0.75), (0.95, 0.9, 0.7), (0.98, 0.7, 0.1)]
)
STROKE = 12  # positions along the flow, to either side, that a brush stroke blends


def landscape(size: int = SIZE, seed: int = 0) -> np.ndarray:
    """A lake in the evening, with hills, a low sun and firs: uint8 [size, size, 3]."""
    random = np.random.default_rng((seed, 0))
    y, x = np.mgrid[:size, :size] / size
    shore = 0.6
    sun = 0.3 + 0.4 * random.random()
    height = np.where(y < shore, y, 2 * shore - y + 0.012 * np.sin(260 * y**2))  # water mirrors
    image = _blend((0.2, 0.38, 0.7), (1.0, 0.75, 0.45), np.clip(height / shore, 0, 1))
    image = _overlay(image, (1.0, 0.96, 0.8), 0.07 - np.hypot(x - sun, height - 0.3))
    for k, color in enumerate(HILLS):
        image = _overlay(image, color, height - 0.38 - 0.08 * k + 0.14 * _ridge(x, random))
    image = np.where((y > shore)[..., None], 0.75 * image + (0.0, 0.03, 0.08), image)
    for foot in random.permutation(8)[:5] / 8 + 0.05:
        tall = 0.3 + 0.25 * random.random()
        down = (y - 1 + tall) / tall  # 0 at the top of the fir, 1 at its foot
        boughs = 0.13 * tall * down * (0.5 + (6 * down) % 1)
        image = _overlay(image, (0.04, 0.1, 0.08), boughs - abs(x - foot))
    return np.round(255 * np.clip(image, 0, 1)).astype(np.uint8)


def brushwork(size: int = SIZE, seed: int = 0) -> np.ndarray:
    """Whirling strokes of strong colors: uint8 [size, size, 3]."""
    random = np.random.default_rng((seed, 1))
    y, x = np.mgrid[:size, :size] / size
    flow = np.stack([np.full_like(x, 0.4), 0.2 * np.sin(5 * x)])
    for a, b, turn in random.random((6, 3)):
        vortex = np.exp(-((x - a) ** 2 + (y - b) ** 2) / 0.02) * np.sign(turn - 0.5)
        flow += 12 * vortex * np.stack([y - b, a - x])
    flow /= np.hypot(*flow)
    wave = sum(np.sin(7 * (a * x + b * y) + 7 * c) for a, b, c in random.random((4, 3)) * 2 - 1)
    bristles = wave / 4 + 1.6 * (random.random((size, size)) - 0.5)
    blended = bristles.copy()
    for sign in (-1, 1):
        column = x * size
        row = y * size
        for _ in range(STROKE):
            cell = (row.astype(int) % size, column.astype(int) % size)
            column = column + sign * flow[0][cell]
            row = row + sign * flow[1][cell]
            blended += bristles[row.astype(int) % size, column.astype(int) % size]
    rank = blended.ravel().argsort().argsort().reshape(size, size) / (size * size)
    tone = rank * (len(PAINTS) - 1)
    low = np.minimum(tone.astype(int), len(PAINTS) - 2)
    image = PAINTS[low] + (tone - low)[..., None] * (PAINTS[low + 1] - PAINTS[low])
    return np.round(255 * image).astype(np.uint8)


def _blend(a: tuple[float, ...], b: tuple[float, ...], fraction: np.ndarray) -> np.ndarray:
    """Color a where the fraction [h, w] is 0, color b where it is 1: [h, w, 3]."""
    return np.array(a) + fraction[..., None] * (np.array(b) - a)


def _overlay(image: np.ndarray, color: tuple[float, ...], inside: np.ndarray) -> np.ndarray:
    """A color over an image where `inside`, a distance in units of the image's size, is above 0."""
    cover = np.clip(0.5 + inside * len(image), 0, 1)[..., None]  # smooth at the edge
    return (1 - cover) * image + cover * np.array(color)


def _ridge(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A mountain range over x in [0, 1): heights from 0 to 1."""
    octaves = 2 ** np.arange(1, 6)
    waves = sum(np.sin(np.pi * (f * x + 2 * random.random())) / f for f in octaves)
    return (waves - waves.min()) / np.ptp(waves)


def read_scaled(path: str | os.PathLike, size: int | None = None) -> np.ndarray:
    """An image file, its longest side resized to `size` pixels: uint8 [h, w, 1 or 3]."""
    image = read_image(path)
    h, w = image.shape[:2]
    if size is None:
        return image
    scaled = Image.fromarray(image.squeeze()).resize(
        [max(1, round(side * size / max(h, w))) for side in (w, h)], Image.Resampling.LANCZOS
    )
    return np.asarray(scaled).reshape((scaled.height, scaled.width, -1))


class Pictures(tfds.core.GeneratorBasedBuilder):
    """TFDS builder with content (the landscape) and style (the brushwork), uint8 (256, 256, 3).

    One pair, the same in both splits: style transfer optimizes an image for a single pair.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "One pair."}

    def _info(self) -> tfds.core.DatasetInfo:
        image = tfds.features.Image(shape=(SIZE, SIZE, 3), encoding_format="png")
        return tfds.core.DatasetInfo(
            builder=self,
            description="A generated landscape and brushwork, for style transfer.",
            features=tfds.features.FeaturesDict({"content": image, "style": image}),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        return {"train": self._generate_examples(), "test": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
        yield 0, {"content": landscape(), "style": brushwork()}
