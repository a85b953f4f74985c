"""MNIST in the order of its original files, with the published bits."""

import hashlib

import numpy as np
import pytest
from tensorflow_datasets.core import hashing

import zoo.data
from zoo.data import original_order
from zoo.errors import UsageError, ZooError

RANDOM = np.random.default_rng(0)
GRAY = {
    split: RANDOM.integers(0, 256, (n, 4, 4, 1), np.uint8)
    for split, n in (("train", 60), ("test", 10))
}


@pytest.fixture
def small_mnist(monkeypatch, tmp_path):
    """A small MNIST, stored as TFDS stores it; the folder to load it from."""

    def stored(name, part, data_dir):
        rows = sorted(range(len(GRAY[part])), key=hashing.Hasher(part).hash_key)
        return {"image": GRAY[part][rows], "label": np.array(rows)}

    def md5(images):
        header = b"".join(n.to_bytes(4, "big") for n in (2051, len(images), 4, 4))
        return hashlib.md5(header + images.tobytes()).hexdigest()

    sums = {("mnist", split): md5(images) for split, images in GRAY.items()}
    stream = (("train", slice(50, 60)), ("test", slice(0, 10)), ("train", slice(0, 50)))
    monkeypatch.setattr(original_order, "FILES", sums)
    monkeypatch.setattr(original_order, "STREAM", stream)
    monkeypatch.setattr(original_order.tfds_store, "read_images", stored)
    original_order._read_file.cache_clear()
    yield tmp_path
    original_order._read_file.cache_clear()


def test_images_are_in_the_order_of_the_original_file(small_mnist):
    arrays = original_order.read_images("mnist", "train.original[50:]", data_dir=small_mnist)
    assert arrays["label"].tolist() == list(range(50, 60))
    np.testing.assert_array_equal(arrays["image"], GRAY["train"][50:])


@pytest.mark.parametrize("bounds", ["", "[3:]"])
def test_bits_are_of_one_stream_with_the_validation_images_first(small_mnist, bounds):
    random = np.random.RandomState(777)  # the published code
    gray = {split: images.astype(np.float32) / 255 for split, images in GRAY.items()}
    valid = random.binomial(1, gray["train"][50:])
    test = random.binomial(1, gray["test"])
    rest = random.binomial(1, gray["train"][:50])
    read = {
        split: original_order.read_images("mnist", f"{split}.original{bounds}", 777, small_mnist)
        for split in ("train", "test")
    }
    first = 3 if bounds else 0
    np.testing.assert_array_equal(read["test"]["image"], 255 * test[first:])
    expected = np.concatenate([rest, valid])[first:]
    np.testing.assert_array_equal(read["train"]["image"], 255 * expected)


def test_other_images_than_the_original_ones_are_an_error(small_mnist, monkeypatch):
    monkeypatch.setitem(original_order.FILES, ("mnist", "test"), "0" * 32)
    with pytest.raises(ZooError, match="the MD5 of the images is .*expected 000.*zoo data prepare"):
        original_order.read_images("mnist", "test.original", data_dir=small_mnist)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("kmnist", {}, "known only for mnist, got 'kmnist': leave .original out"),
        ("mnist", {"image_size": 14}, "leave image_size out"),
        (np.zeros((9, 4, 4), np.uint8), {}, "the splits are: 'train'.*got 'train.original'"),
    ],
)
def test_the_order_of_other_data_is_an_error(source, options, message):
    with pytest.raises(UsageError, match=message):
        zoo.data.load(source, "train.original", **options)


def test_real_mnist_has_the_order_of_the_literature():
    """Of the test split, since decoding the training split takes seconds."""
    if not zoo.data.is_prepared("mnist"):
        pytest.skip(f"MNIST is not in {zoo.data.directory()}; run: zoo data prepare mnist")
    batch = zoo.data.load("mnist", "test.original[:10]").take(10)
    assert batch["label"].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
