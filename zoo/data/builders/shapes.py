"""Shapes: a procedural data set of small scenes and captions, to see what a captioner understands.

    scenes(1)["caption"][0]         # "a red circle left of a blue square and above a green cross"

A scene has one to three shapes on a dark ground, side by side, one above the other, or at a
corner. Its caption names the colour and the shape of each and how they lie; the top left one comes
first. A scene has one right caption and no two captions fit one scene, so a share of exactly right
captions says everything.

`scenes` needs only NumPy. Importing this module registers the TFDS data set "shapes".
"""

import numpy as np
import tensorflow_datasets as tfds

from zoo.checks import check_numbers

SPLITS = {"train": 24_000, "validation": 1_000, "test": 1_000}
SIZE = 48  # pixels
FINE = 3  # samples per pixel and axis, averaged
COLOURS = {
    "red": (0.90, 0.16, 0.14),
    "green": (0.15, 0.75, 0.22),
    "blue": (0.20, 0.36, 0.95),
    "yellow": (0.96, 0.85, 0.16),
    "purple": (0.66, 0.22, 0.82),
    "white": (0.95, 0.95, 0.95),
}
# Inside where the function of (x, y), in units of the shape's radius, is below 1.
FORMS = {
    "circle": lambda x, y: np.hypot(x, y),
    "square": lambda x, y: np.maximum(abs(x), abs(y)) / 0.85,
    "triangle": lambda x, y: np.maximum(y / 0.7, (abs(x) * 1.9 - y) / 0.95),
    "cross": lambda x, y: np.where(
        np.minimum(abs(x), abs(y)) < 0.34, np.maximum(abs(x), abs(y)), 2
    ),
}
# How scenes are laid out: the words between the shapes, and (row, column) of each, in cells.
LAYOUTS = (
    ("a {}", ((0, 0),)),
    ("a {} left of a {}", ((0, 0), (0, 1))),
    ("a {} above a {}", ((0, 0), (1, 0))),
    ("a {} left of a {} left of a {}", ((0, 0), (0, 1), (0, 2))),
    ("a {} above a {} above a {}", ((0, 0), (1, 0), (2, 0))),
    ("a {} left of a {} and above a {}", ((0, 0), (0, 1), (1, 0))),
)
CELL, RADII, WOBBLE = 15, (4.8, 6.3), 1.0  # pixels: between centres, of a shape, of a place


def generate(n, seed=0, first=0):
    """Scenes first .. first + n - 1, each a function of (seed, its number) alone, as a dict.

    image: uint8 [n, 48, 48, 3].
    caption: list of n str.
    centres: float32 [n, 3, 2], (row, column) of the shapes in the caption's order, in fractions of
      the image; -1 where a scene has no more shapes.

    Raises UsageError for n < 1.
    """
    check_numbers(n=n, seed=seed, first=first)
    found = [_scene(np.random.default_rng((seed, i))) for i in range(first, first + n)]
    image, caption, centres = zip(*found, strict=True)
    return {"image": np.stack(image), "caption": [*caption], "centres": np.stack(centres)}


def _scene(random):
    """(image, caption, centres) of one scene."""
    words, cells = LAYOUTS[random.integers(len(LAYOUTS))]
    cells = np.array(cells, np.float64)
    radii = random.uniform(*RADII, len(cells))
    places = cells * CELL + random.uniform(-WOBBLE, WOBBLE, cells.shape)
    low = (radii + 1)[:, None] - places  # the whole may move as far as no shape is cut
    high = (SIZE - radii - 1)[:, None] - places
    places += random.uniform(low.max(0), np.maximum(low.max(0), high.min(0)))
    names = [(_any(random, COLOURS), _any(random, FORMS)) for _ in cells]
    ground = random.uniform(0.02, 0.25, 3).mean() + random.uniform(0, 0.06, 3)
    picture = np.tile(ground, (SIZE * FINE, SIZE * FINE, 1))
    grid = (np.arange(SIZE * FINE) + 0.5) / FINE
    for (row, column), radius, (colour, form) in zip(places, radii, names, strict=True):
        y, x = (grid - row) / radius, (grid - column) / radius
        inside = FORMS[form](x[None, :], y[:, None]) < 1
        picture[inside] = np.clip(np.array(COLOURS[colour]) + random.uniform(-0.05, 0.05, 3), 0, 1)
    picture = picture.reshape(SIZE, FINE, SIZE, FINE, 3).mean((1, 3))
    centres = np.full((3, 2), -1, np.float32)
    centres[: len(cells)] = places / SIZE
    said = words.format(*(f"{colour} {form}" for colour, form in names))
    return np.round(255 * picture).astype(np.uint8), said, centres


def _any(random, names):
    return [*names][random.integers(len(names))]


class Shapes(tfds.core.GeneratorBasedBuilder):
    """TFDS builder: image uint8 (48, 48, 3), captions (one text), centres float32 (3, 2)."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {"1.1.0": "24,000 + 1,000 + 1,000 scenes.", "1.0.0": "12,000 + 1,000 + 1,000."}

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description="Scenes of one to three coloured shapes with a caption each.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(SIZE, SIZE, 3), encoding_format="png"),
                    "captions": tfds.features.Sequence(tfds.features.Text()),
                    "centres": tfds.features.Tensor(shape=(3, 2), dtype=np.float32),
                }
            ),
            disable_shuffling=True,  # scene i stays example i
        )

    def _split_generators(self, dl_manager):
        starts = np.cumsum([0, *SPLITS.values()]).tolist()
        return {
            name: self._generate_examples(first, SPLITS[name])
            for name, first in zip(SPLITS, starts, strict=False)
        }

    def _generate_examples(self, first, count):
        found = generate(count, first=first)
        for i in range(count):
            yield (
                i,
                {
                    "image": found["image"][i],
                    "captions": [found["caption"][i]],
                    "centres": found["centres"][i],
                },
            )
