"""Shapes: a procedural data set of small scenes and captions, to measure what a captioner learns.

    generate(1)["caption"][0]       # "a red circle left of a blue square and above a green cross"

A scene has one to three shapes on a dark background: in a row, in a column, or in an L. Its
caption names the color and the shape of each and their arrangement, starting with the top left
one. A scene has one correct caption and no two captions fit one scene, so the fraction of exactly
correct captions is a complete measure.

`generate` needs only NumPy. Importing this module registers the TFDS data set "shapes".
"""

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from zoo.checks import check_numbers

SPLITS = {"train": 24_000, "validation": 1_000, "test": 1_000}
SIZE = 48  # pixels
FINE = 3  # samples per pixel and axis, averaged
COLORS = {
    "red": (0.90, 0.16, 0.14),
    "green": (0.15, 0.75, 0.22),
    "blue": (0.20, 0.36, 0.95),
    "yellow": (0.96, 0.85, 0.16),
    "purple": (0.66, 0.22, 0.82),
    "white": (0.95, 0.95, 0.95),
}
# A point (x, y), in units of the shape's radius, is inside where the function is below 1.
SHAPES = {
    "circle": lambda x, y: np.hypot(x, y),
    "square": lambda x, y: np.maximum(abs(x), abs(y)) / 0.85,
    "triangle": lambda x, y: np.maximum(y / 0.7, (abs(x) * 1.9 - y) / 0.95),
    "cross": lambda x, y: np.where(
        np.minimum(abs(x), abs(y)) < 0.34, np.maximum(abs(x), abs(y)), 2
    ),
}
# Layouts of scenes: the words between the shapes, and (row, column) of each, in cells.
LAYOUTS = (
    ("a {}", ((0, 0),)),
    ("a {} left of a {}", ((0, 0), (0, 1))),
    ("a {} above a {}", ((0, 0), (1, 0))),
    ("a {} left of a {} left of a {}", ((0, 0), (0, 1), (0, 2))),
    ("a {} above a {} above a {}", ((0, 0), (1, 0), (2, 0))),
    ("a {} left of a {} and above a {}", ((0, 0), (0, 1), (1, 0))),
)
CELL = 15  # pixels between centers
RADII = (4.8, 6.3)  # pixels, of a shape
JITTER = 1.0  # pixels, of a position


def generate(n: int, seed: int = 0, first: int = 0) -> dict[str, np.ndarray | list[str]]:
    """Scenes first .. first + n - 1, each a function of (seed, its number) alone.

    Returns:
        A dict with `image`, uint8 [n, 48, 48, 3]; `caption`, a list of n str; and `centres`,
        float32 [n, 3, 2], (row, column) of the shapes in the caption's order, as fractions of the
        image, -1 where a scene has fewer shapes.

    Raises:
        UsageError: n < 1.
    """
    check_numbers(n=n, seed=seed, first=first)
    scenes = [_scene(np.random.default_rng((seed, i))) for i in range(first, first + n)]
    image, caption, centers = zip(*scenes, strict=True)
    return {"image": np.stack(image), "caption": [*caption], "centres": np.stack(centers)}


def _scene(random: np.random.Generator) -> tuple[np.ndarray, str, np.ndarray]:
    """(image, caption, centers) of one scene."""
    words, layout = LAYOUTS[random.integers(len(LAYOUTS))]
    cells = np.array(layout, np.float64)
    radii = random.uniform(*RADII, len(cells))
    positions = cells * CELL + random.uniform(-JITTER, JITTER, cells.shape)
    low = (radii + 1)[:, None] - positions  # the scene may move as long as no shape is cut off
    high = (SIZE - radii - 1)[:, None] - positions
    positions += random.uniform(low.max(0), np.maximum(low.max(0), high.min(0)))
    names = [(_choice(random, COLORS), _choice(random, SHAPES)) for _ in cells]
    background = random.uniform(0.02, 0.25, 3).mean() + random.uniform(0, 0.06, 3)
    image = np.tile(background, (SIZE * FINE, SIZE * FINE, 1))
    grid = (np.arange(SIZE * FINE) + 0.5) / FINE
    for (row, column), radius, (color, shape) in zip(positions, radii, names, strict=True):
        y = (grid - row) / radius
        x = (grid - column) / radius
        inside = SHAPES[shape](x[None, :], y[:, None]) < 1
        image[inside] = np.clip(np.array(COLORS[color]) + random.uniform(-0.05, 0.05, 3), 0, 1)
    image = image.reshape(SIZE, FINE, SIZE, FINE, 3).mean((1, 3))
    centers = np.full((3, 2), -1, np.float32)
    centers[: len(cells)] = positions / SIZE
    caption = words.format(*(f"{color} {shape}" for color, shape in names))
    return np.round(255 * image).astype(np.uint8), caption, centers


def _choice(random: np.random.Generator, names: Collection[str]) -> str:
    return [*names][random.integers(len(names))]


class Shapes(tfds.core.GeneratorBasedBuilder):
    """TFDS builder with image uint8 (48, 48, 3), captions (one text), centres float32 (3, 2)."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {"1.1.0": "24,000 + 1,000 + 1,000 scenes.", "1.0.0": "12,000 + 1,000 + 1,000."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Scenes of one to three colored shapes with a caption each.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(SIZE, SIZE, 3), encoding_format="png"),
                    "captions": tfds.features.Sequence(tfds.features.Text()),
                    "centres": tfds.features.Tensor(shape=(3, 2), dtype=np.float32),
                }
            ),
            disable_shuffling=True,  # scene i stays example i
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        starts = np.cumsum([0, *SPLITS.values()]).tolist()
        return {
            name: self._generate_examples(first, SPLITS[name])
            for name, first in zip(SPLITS, starts, strict=False)
        }

    def _generate_examples(self, first: int, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
        scenes = generate(count, first=first)
        for i in range(count):
            yield (
                i,
                {
                    "image": scenes["image"][i],
                    "captions": [scenes["caption"][i]],
                    "centres": scenes["centres"][i],
                },
            )
