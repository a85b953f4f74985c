"""The catalog: what each name loads and what is rejected, without a download."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

import zoo.data
from zoo.errors import DataNotPreparedError, UnknownNameError, UsageError, ZooError


def test_names_and_info_need_neither_tensorflow_nor_tfds():
    code = (
        "import sys, zoo.data; zoo.data.names(); zoo.data.info('mnist');"
        "assert not {'tensorflow', 'tensorflow_datasets', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_names_match_a_pattern():
    assert zoo.data.names("*mnist") == ["binarized_mnist", "fashion_mnist", "kmnist", "mnist"]
    assert zoo.data.info("mnist").splits == {"train": 60_000, "test": 10_000}
    assert zoo.data.info("mnist").network
    assert not zoo.data.info("snowflakes").network


def test_an_unknown_data_set_gets_close_names():
    with pytest.raises(UnknownNameError, match="data set 'mnits'.*'mnist'"):
        zoo.data.load("mnits")
    with pytest.raises(UnknownNameError, match="data set 'mnits'"):
        zoo.data.info("mnits")
    with pytest.raises(UsageError, match="no file or folder './mnits'"):
        zoo.data.load("./mnits")


@pytest.fixture
def prepared(monkeypatch, tmp_path):
    """Every data set seems to be prepared, and holds noise."""
    monkeypatch.setattr(tfds.core.DatasetBuilder, "is_prepared", lambda self: True)
    with tfds.testing.mock_data(num_examples=40):
        yield tmp_path


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("mnist", (28, 28, 1)),
        ("fashion_mnist", (28, 28, 1)),
        ("kmnist", (28, 28, 1)),
        ("binarized_mnist", (28, 28, 1)),
        ("cifar10", (32, 32, 3)),
        ("celeb_a", (64, 64, 3)),
    ],
)
def test_every_row_gives_float_images_of_its_shape(prepared, name, shape):
    data = zoo.data.load(name, "test", batch_size=10, data_dir=prepared)
    assert not data.shuffle
    batch = data.take(40)
    assert batch["image"].shape == (40, *shape)
    assert batch["image"].dtype == np.float32
    assert batch["image"].min() >= 0
    assert 0.5 < batch["image"].max() <= 1
    assert ("label" in batch) == ("label" in zoo.data.info(name).features)
    if name == "binarized_mnist":
        assert set(np.unique(batch["image"])) == {0.0, 1.0}
    train = zoo.data.load(name, "train[:90%]", batch_size=30, data_dir=prepared)
    assert train.shuffle
    assert len(train) == 1  # the remainder is dropped


def test_one_class_is_chosen_by_name(prepared):
    number = int(tfds.load("quickdraw_bitmap", split="train").take(1).get_single_element()["label"])
    kind = tfds.builder("quickdraw_bitmap").info.features["label"].int2str(number)
    data = zoo.data.load(f"quickdraw_bitmap/{kind}", drop_remainder=False, data_dir=prepared)
    assert set(data.take(40)["label"]) == {number}
    assert 1 <= data.num_examples < 20
    with pytest.raises(UsageError, match="quickdraw_bitmap/cat"):
        zoo.data.load("quickdraw_bitmap", data_dir=prepared)
    with pytest.raises(UnknownNameError, match="class of quickdraw_bitmap 'catt'.*'cat'"):
        zoo.data.load("quickdraw_bitmap/catt", data_dir=prepared)


def test_loading_a_set_that_is_not_prepared_names_the_command(offline, tmp_path):
    start = time.perf_counter()
    with pytest.raises(DataNotPreparedError, match=f"{tmp_path}.*zoo data prepare cifar10"):
        zoo.data.load("cifar10", data_dir=tmp_path)
    assert time.perf_counter() - start < 5
    assert not zoo.data.is_prepared("cifar10", tmp_path)


def test_preparing_without_a_network_fails_in_seconds(offline, tmp_path):
    start = time.perf_counter()
    with pytest.raises(ZooError, match=r"cannot download 'mnist'.*ConnectionError.*connection"):
        zoo.data.prepare("mnist", tmp_path)
    assert time.perf_counter() - start < 10


def test_the_directory_follows_tfds_data_dir(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert zoo.data.directory() == tmp_path
    assert zoo.data.directory("elsewhere") == Path("elsewhere")
    monkeypatch.delenv("TFDS_DATA_DIR")
    assert zoo.data.directory() == Path.home() / "tensorflow_datasets"


@pytest.fixture
def real_mnist():
    if not zoo.data.is_prepared("mnist"):
        pytest.skip(f"MNIST is not in {zoo.data.directory()}; run: zoo data prepare mnist")


def test_real_mnist_is_mnist(real_mnist):
    data = zoo.data.load("mnist", "test")
    batch = data.take(10_000)
    assert data.num_examples == 10_000
    assert batch["image"].mean() == pytest.approx(0.1325, abs=1e-4)
    assert np.bincount(batch["label"].astype(int))[:3].tolist() == [980, 1135, 1032]
    threes = zoo.data.load("mnist/3", "test")
    assert threes.num_examples == 1010
    with pytest.raises(UsageError, match="splits train, test; got 'validation'"):
        zoo.data.load("mnist", "validation")
    with pytest.raises(UsageError, match="goes beyond the 10,000 examples"):
        zoo.data.load("mnist", "test[:20000]")
