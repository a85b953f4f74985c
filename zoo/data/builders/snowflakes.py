"""Snowflakes: a procedural data set of crystals, grown on a hexagonal lattice.

Model: C. A. Reiter, "A local cellular model for snow crystal growth", Chaos, Solitons & Fractals
23 (2005) 1111-1119. A cell holds water s >= 0 and is frozen when s >= 1; it is receptive when it
or a neighbor is frozen. In each step receptive cells keep their water and gain `gamma`, the water
of all others diffuses (rate `alpha`), and the rim of the lattice is held at the vapor level
`beta`. As a real crystal falls through changing air, each of these grows in three stages, every
stage with its own alpha, beta and gamma.

A crystal grown from one seed has the twelve symmetries of the hexagon, so only one twelfth of
the lattice is computed: neighbors outside this wedge are mapped back into it. Crystals grow
together, one column each, so that every operation runs along contiguous memory.

`generate` needs only NumPy. Importing this module registers the TFDS data set "snowflakes".
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from zoo.checks import check_numbers
from zoo.errors import UsageError

SPLITS = {"train": 3600, "test": 400}
SIZE = 64  # pixels
STRIDE = 4  # steps between two checks of the arms' length
CHUNK = 96  # crystals grown together: the state fits in the processor's cache
MAX_STEPS = 6000  # far more than the slowest growth needs
FINE = 3  # samples per pixel and axis, averaged


def generate(n: int, seed: int = 0, first: int = 0, size: int = SIZE) -> np.ndarray:
    """Images of crystals first .. first + n - 1: uint8 [n, size, size, 1], one arm upright.

    Ice is bright (the more water it holds, the brighter), air is 0. A crystal is a function of
    (size, seed, its number) alone, whatever n is. Raises UsageError for n < 1 or size < 8.
    """
    check_numbers(n=n, size=size, seed=seed, first=first)
    if size < 8:
        raise UsageError(f"a crystal needs size >= 8 pixels, got {size}")
    radius = 3 * size // 4
    cells, _, index = wedge(radius)
    water = grow_crystals(growth_parameters(n, seed, first), radius)
    depth = np.log(np.maximum(water, 1))
    depth /= depth.max(0)
    light = np.where(water >= 1, 0.4 + 0.6 * np.sqrt(depth), 0)
    camera = _camera(size, radius, index, len(cells))
    images = [camera @ light[:, i : i + CHUNK] for i in range(0, n, CHUNK)]
    pixels = np.round(255 * np.concatenate(images, axis=1).T)
    return pixels.astype(np.uint8).reshape(n, size, size, 1)


def growth_parameters(n: int, seed: int = 0, first: int = 0) -> dict[str, np.ndarray]:
    """The air that crystals first .. first + n - 1 fall through: a dict of float32 arrays.

    alpha, beta, gamma [n, 3]: one value per stage of growth (per step; water of a frozen cell is
    1). turns [n, 2]: the fractions of the final radius at which the stages change. reach [n]: the
    final radius, as a fraction of the largest. Every crystal has its own random generator.
    """
    draws = np.stack([np.random.default_rng((seed, i)).random(13) for i in range(first, first + n)])
    damp = draws[:, 0:1]  # one habit per crystal ...
    beta = damp + 0.5 * (draws[:, 1:4] - 0.5)  # ... and the stages vary about it
    air = {
        "alpha": 0.9 + 1.5 * draws[:, 4:7],
        "beta": 0.3 + 0.56 * np.clip(beta, 0, 1),
        "gamma": 10 ** (-4 + 2.5 * draws[:, 7:10]),
        "turns": 0.1 + 0.8 * np.sort(draws[:, 10:12], axis=1),
        "reach": 0.85 + 0.15 * draws[:, 12],
    }
    return {name: value.astype(np.float32) for name, value in air.items()}


def grow_crystals(air: dict[str, np.ndarray], radius: int) -> np.ndarray:
    """Grows one crystal per row of `air` (see `growth_parameters`) on a lattice of `radius` cells.

    Returns the water, float32 [cells of the wedge, n]; a cell is ice where it is >= 1.
    """
    cells, neighbors, _ = wedge(radius)
    parts = [
        _grow({name: value[i : i + CHUNK] for name, value in air.items()}, cells, neighbors)
        for i in range(0, len(air["reach"]), CHUNK)
    ]
    return np.concatenate(parts, axis=1)


def wedge(radius: int) -> tuple[np.ndarray, np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """One twelfth of a hexagon: its cells, their neighbors, and a map of all other cells into it.

    A cell (a, b) lies a steps along one arm and b steps along the next; the wedge is
    a >= b >= 0, a + b <= radius.

    Returns:
        cells [c, 2], neighbors [c, 6] (numbers of cells), and `index`, a function from lattice
        points [..., 2] to numbers of cells [...]. Points beyond the rim get a cell of the rim.
    """
    cells = np.array([(a, b) for a in range(radius + 1) for b in range(min(a, radius - a) + 1)])
    numbers = np.zeros((radius + 1, radius + 1), np.int64)
    numbers[tuple(cells.T)] = np.arange(len(cells))

    def index(points: np.ndarray) -> np.ndarray:
        a, b = np.moveaxis(points, -1, 0)
        small, middle, norm = np.sort(np.abs(np.stack([a, b, a + b])), axis=0)
        return numbers[np.where(norm > radius, radius, middle), np.where(norm > radius, 0, small)]

    around = np.array([(1, 0), (0, 1), (-1, 1), (-1, 0), (0, -1), (1, -1)])
    return cells, index(cells[:, None] + around), index


def _grow(air: dict[str, np.ndarray], cells: np.ndarray, neighbors: np.ndarray) -> np.ndarray:
    """Grows one chunk; a crystal leaves the computation when its arm reaches its final length."""
    rim = cells.sum(1) == cells.max()
    arm = cells[:, 1] == 0  # (0, 0), (1, 0), (2, 0), ...
    goal = np.round(air["reach"] * (cells.max() - 2))
    turns = air["turns"] * goal[:, None]
    water = np.repeat(air["beta"][None, :, 0], len(cells), axis=0)
    water[0] = 1
    final = np.empty_like(water)
    left = np.arange(len(goal))
    for _ in range(0, MAX_STEPS, STRIDE):
        length = (water[arm] >= 1).sum(0)
        done = length >= goal[left]
        final[:, left[done]] = water[:, done]
        water = water[:, ~done]
        left = left[~done]
        length = length[~done]
        if not len(left):
            break
        stage = (length[:, None] >= turns[left]).sum(1)
        alpha, beta, gamma = (air[name][left, stage] for name in ("alpha", "beta", "gamma"))
        water[rim] = beta
        for _ in range(STRIDE):
            water = _step(water, neighbors, alpha, gamma)
            water[rim] = beta
    final[:, left] = water
    return final


def _step(s: np.ndarray, neighbors: np.ndarray, alpha: np.ndarray, gamma: np.ndarray) -> np.ndarray:
    """One step of Reiter's automaton: water s [cells, n] -> [cells, n]."""
    frozen = s >= 1
    receptive = frozen.copy()
    for k in range(6):
        receptive |= frozen.take(neighbors[:, k], axis=0)
    u = np.where(receptive, np.float32(0), s)  # the water that diffuses
    total = u.take(neighbors[:, 0], axis=0)
    for k in range(1, 6):
        total += u.take(neighbors[:, k], axis=0)
    return s + (alpha / 2) * (total / 6 - u) + gamma * receptive


def _camera(
    size: int, radius: int, index: Callable[[np.ndarray], np.ndarray], count: int
) -> np.ndarray:
    """The matrix [size * size, count] that turns the light of the cells into the picture.

    Linear interpolation on the triangles of the lattice, FINE x FINE samples a pixel.
    """
    grid = ((np.arange(size * FINE) + 0.5) / FINE - size / 2) * radius / (size / 2 - 0.5)
    y, x = np.meshgrid(grid, grid, indexing="ij")
    b = x / np.sqrt(0.75)  # one arm points up, the next 60 degrees to its right
    a = y - b / 2
    low_a = np.floor(a).astype(int)
    low_b = np.floor(b).astype(int)
    a = a - low_a
    b = b - low_b
    upper = (a + b > 1).astype(int)  # the half of the rhombus
    corners = [(low_a + upper, low_b + upper), (low_a + 1, low_b), (low_a, low_b + 1)]
    weights = [np.abs(1 - a - b), np.where(upper, 1 - b, a), np.where(upper, 1 - a, b)]
    pixel = np.arange(size * FINE) // FINE
    pixel = pixel[:, None] * size + pixel
    camera = np.zeros((size * size, count))
    for corner, weight in zip(corners, weights, strict=True):
        np.add.at(camera, (pixel, index(np.stack(corner, -1))), weight / FINE**2)
    return camera


class Snowflakes(tfds.core.GeneratorBasedBuilder):
    """TFDS builder with image uint8 (64, 64, 1), and alpha, beta, gamma float32 (3,) by stage."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "3,600 + 400 crystals."}

    def _info(self) -> tfds.core.DatasetInfo:
        stages = tfds.features.Tensor(shape=(3,), dtype=np.float32)
        return tfds.core.DatasetInfo(
            builder=self,
            description="Snow crystals grown by Reiter's cellular automaton in changing air.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(SIZE, SIZE, 1)),
                    "alpha": stages,
                    "beta": stages,
                    "gamma": stages,
                }
            ),
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
        images = generate(count, first=first)
        air = growth_parameters(count, first=first)
        for i in range(count):
            stages = {name: air[name][i] for name in ("alpha", "beta", "gamma")}
            yield i, {"image": images[i], **stages}
