"""Snow crystals: six arms, many forms, a function of the seed."""

import time

import numpy as np
import pytest
from PIL import Image

import zoo.data
from zoo.data.builders import snowflakes
from zoo.errors import UsageError


def test_crystals_are_a_function_of_seed_and_number_alone():
    many = snowflakes.generate(snowflakes.CHUNK + 4, size=32)
    assert many.shape == (snowflakes.CHUNK + 4, 32, 32, 1)
    assert many.dtype == np.uint8
    assert np.array_equal(many[-6:], snowflakes.generate(6, size=32, first=snowflakes.CHUNK - 2))
    assert not np.array_equal(many[:3], snowflakes.generate(3, size=32, seed=1))


def test_simulating_one_twelfth_equals_the_whole_hexagon():
    """Reiter's rules cell by cell on the full lattice, without any symmetry."""
    radius, alpha, beta, gamma = 14, 1.3, 0.45, 0.003
    span = range(-radius, radius + 1)
    inside = [(a, b) for a in span for b in span if abs(a + b) <= radius]
    place = {point: i for i, point in enumerate(inside)}
    around = [(1, 0), (0, 1), (-1, 1), (-1, 0), (0, -1), (1, -1)]
    near = np.array([[place.get((a + i, b + j), 0) for i, j in around] for a, b in inside])
    rim = np.array([max(abs(a), abs(b), abs(a + b)) == radius for a, b in inside])
    cells, neighbors, index = snowflakes.wedge(radius)
    whole, part = np.full(len(inside), beta), np.full((len(cells), 1), beta)
    whole[place[0, 0]] = part[0] = 1
    for _ in range(150):
        frozen = whole >= 1
        receptive = frozen | frozen[near].any(1)
        u = np.where(receptive, 0, whole)
        v = np.where(receptive, whole + gamma, 0)
        whole = np.where(rim, beta, u + alpha / 2 * (u[near].mean(1) - u) + v)
        part = snowflakes._step(part, neighbors, alpha, gamma)
        part[cells.sum(1) == radius] = beta
    assert 50 < (whole >= 1).sum() < len(inside)
    assert np.allclose(part[index(np.array(inside)), 0], whole)


def test_images_have_six_arms_at_the_right_angles():
    crystal = snowflakes.generate(20).astype(np.float32)[..., 0]
    assert np.array_equal(crystal, crystal[:, ::-1])
    assert np.array_equal(crystal, crystal[:, :, ::-1])
    for image in crystal:
        turned = {
            angle: np.asarray(Image.fromarray(image).rotate(angle, Image.Resampling.BICUBIC))
            for angle in (30, 60)
        }
        alike = {angle: np.corrcoef(image.ravel(), t.ravel())[0, 1] for angle, t in turned.items()}
        assert alike[60] > 0.9
        assert alike[60] > alike[30] + 0.1


def test_crystals_are_diverse_and_neither_empty_nor_full():
    images = snowflakes.generate(200, size=48)[..., 0]
    ice = (images > 60).mean((1, 2))
    assert 0.08 < ice.min() < 0.2
    assert 0.3 < ice.max() < 0.6
    assert len({image.tobytes() for image in images}) == 200
    alike = np.corrcoef(images.reshape(200, -1))[np.triu_indices(200, 1)]
    assert np.median(alike) < 0.92
    assert np.percentile(alike, 5) < 0.75


def test_an_impossible_crystal_is_rejected():
    with pytest.raises(UsageError, match="n must be .*got 0"):
        snowflakes.generate(0)


def test_snowflakes_are_generated_once_and_read_back_unchanged(
    monkeypatch, tmp_path, offline, capsys
):
    monkeypatch.setattr(snowflakes, "SPLITS", {"train": 12, "test": 5})
    start = time.perf_counter()
    train = zoo.data.load("snowflakes", batch_size=4, data_dir=tmp_path)
    assert time.perf_counter() - start < 20
    assert capsys.readouterr().err.splitlines() == [
        f"preparing snowflakes in {tmp_path} (only once)"
    ]
    test = zoo.data.load("snowflakes", "test", batch_size=4, data_dir=tmp_path)
    assert capsys.readouterr().err == ""
    images, air = snowflakes.generate(17), snowflakes.growth_parameters(17)
    for data, rows in (train, slice(0, 12)), (test, slice(12, 17)):
        batch = data.take(12)
        assert np.array_equal(batch["image"], images[rows].astype(np.float32) / 255)
        for name in "alpha", "beta", "gamma":
            assert np.array_equal(batch[name], air[name][rows])


def test_a_split_that_is_not_on_disk_is_rejected_with_those_that_are(monkeypatch, tmp_path):
    monkeypatch.setattr(snowflakes, "SPLITS", {"test": 3})
    zoo.data.prepare("snowflakes", tmp_path)
    with pytest.raises(UsageError, match="has the splits test; got 'train'.*incomplete"):
        zoo.data.load("snowflakes", data_dir=tmp_path)
