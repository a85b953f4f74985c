"""Pairs of images: from folders, arrays and by name; equal jitter of both images."""

import unicodedata

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import zoo
from zoo.data.builders import snowflake_maps
from zoo.errors import DataNotPreparedError, UnknownNameError, UsageError, ZooError

# ---------------------------------------------------------------- jitter


def whole(data, epoch):
    batches = [{k: v.numpy() for k, v in batch.items()} for batch in data(epoch)]
    return {k: np.concatenate([batch[k] for batch in batches]) for k in batches[0]}


def test_jitter_moves_both_alike_and_is_a_function_of_seed_epoch_and_batch():
    images = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3)).astype(np.uint8)
    pairs = {"source": images, "target": 255 - images}
    load = lambda **more: zoo.data.load(pairs, batch_size=4, augment="jitter", **more)  # noqa: E731
    data = load()
    first = whole(data, 0)
    np.testing.assert_allclose(first["source"], 1 - first["target"], atol=1e-5)
    np.testing.assert_array_equal(first["source"], whole(load(), 0)["source"])
    for other in (whole(data, 1), whole(load(seed=1), 0)):
        assert np.abs(other["source"] - first["source"]).mean() > 0.05
    again = next(iter(data(0).skip(2)))["source"]
    np.testing.assert_array_equal(again, first["source"][8:])
    assert np.abs(first["source"][:4] - images[:4] / 255).mean() > 0.05
    np.testing.assert_array_equal(data.take(12)["source"], images.astype(np.float32) / 255)
    assert data.describe().endswith("12 pairs 32x32x3, in order, binarize: none, augment: jitter")


def test_jitter_is_resizing_to_286_256ths_cutting_and_mirroring():
    """Every result is one of the crops that the paper's recipe can give, and all of them occur."""
    image = np.random.default_rng(0).random((1, 16, 16, 1)).astype(np.float32)
    large = tf.image.resize(image[0], (18, 18)).numpy()
    crops = [large[i : i + 16, j : j + 16] for i in range(3) for j in range(3)]
    crops = np.stack(crops + [crop[:, ::-1] for crop in crops])
    data = zoo.data.load(np.repeat(image, 400, 0), batch_size=100, augment="jitter")
    moved = whole(data, 0)["image"]
    distance = np.abs(moved[:, None] - crops[None]).max((2, 3, 4))
    assert distance.min(1).max() < 1e-5
    counts = np.bincount(distance.argmin(1), minlength=18)
    assert counts.min() > 8 and counts.max() < 40  # 22 expected, standard deviation below 5


def test_augmentation_is_chosen_by_name():
    images = np.zeros((4, 8, 8), np.uint8)
    with pytest.raises(UnknownNameError, match="augmentation 'jiter'.*'jitter'"):
        zoo.data.load(images, augment="jiter")
    with pytest.raises(UsageError, match="'threshold' gray again"):
        zoo.data.load(images, augment="jitter", binarize="threshold")


# ---------------------------------------------------------------- pairs from folders


def write_image(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)


def side_by_side(path, number, size=8):
    """A file that is (number, 0, 0) on the left and (0, number, 0) on the right."""
    both = np.zeros((size, 2 * size, 3))
    both[:, :size, 0] = both[:, size:, 1] = number
    write_image(path, both)


def test_pairs_side_by_side_are_read_in_either_direction(tmp_path):
    for number in (30, 10, 20):
        side_by_side(tmp_path / f"{number}.png", number)
    forth = zoo.data.load(f"AtoB:{tmp_path}").take(3)
    back = zoo.data.load(f"BtoA:{tmp_path}", image_size=4).take(3)
    assert forth["source"].shape == (3, 8, 8, 3) and back["source"].shape == (3, 4, 4, 3)
    np.testing.assert_allclose(255 * forth["source"][:, 0, 0], [[n, 0, 0] for n in (10, 20, 30)])
    np.testing.assert_allclose(255 * forth["target"][:, 0, 0], [[0, n, 0] for n in (10, 20, 30)])
    np.testing.assert_allclose(back["target"][:, 0, 0], forth["source"][:, 0, 0])


def test_pairs_in_two_folders_are_matched_by_name(tmp_path):
    for name, grey, colour in (("b", 1, 5), ("a", 2, 6)):
        write_image(tmp_path / "edges" / f"{name}.png", np.full((4, 4), grey))
        write_image(tmp_path / "photos" / f"{name}.PNG", np.full((4, 4, 3), colour))
    batch = zoo.data.load(f"AtoB:{tmp_path}").take(2)
    assert batch["source"].shape == (2, 4, 4, 1) and batch["target"].shape == (2, 4, 4, 3)
    np.testing.assert_allclose(255 * batch["source"][:, 0, 0, 0], [2, 1])
    np.testing.assert_allclose(255 * batch["target"][:, 0, 0, 0], [6, 5])


def test_folders_train_val_and_test_are_splits(tmp_path):
    for split, count in (("train", 4), ("val", 1), ("test", 2)):
        for number in range(count):
            side_by_side(tmp_path / split / f"{number}.png", number)
    source = f"BtoA:{tmp_path}"
    assert zoo.data.splits(source) == ["train", "val", "test"]
    assert zoo.data.splits("mnist") == ["train", "test"] and zoo.data.splits("photos/") == ["train"]
    sizes = {split: zoo.data.load(source, split).num_examples for split in zoo.data.splits(source)}
    assert sizes == {"train": 4, "val": 1, "test": 2}
    assert zoo.data.load(source, "train[:50%]").num_examples == 2
    with pytest.raises(UsageError, match="'train', 'val', 'test'.*got 'valid'"):
        zoo.data.load(source, "valid")


def test_composed_and_decomposed_names_are_partners(tmp_path):
    for side, form in (("A", "NFC"), ("B", "NFD")):
        name = unicodedata.normalize(form, "été.png")
        write_image(tmp_path / side / name, np.zeros((4, 4)))
    assert zoo.data.load(f"AtoB:{tmp_path}").num_examples == 1


def test_folders_that_hold_no_pairs_are_rejected_by_name(tmp_path):
    def refused(folder, message):
        with pytest.raises(UsageError, match=message):
            zoo.data.load(f"AtoB:{tmp_path / folder}")

    refused("nowhere", "no folder .*nowhere")
    (tmp_path / "empty").mkdir()
    refused("empty", "0 images.*0 folders")
    write_image(tmp_path / "odd" / "x.png", np.zeros((4, 7)))
    refused("odd", "x.png is 7 pixels wide, which is odd")
    for name in ("A/1.png", "A/2.png", "B/2.png", "B/3.png"):
        write_image(tmp_path / "alone" / name, np.zeros((4, 4)))
    refused("alone", r"2 images without a partner \(A/1, B/3\) and 1 pairs")
    write_image(tmp_path / "sizes" / "A" / "1.png", np.zeros((4, 4)))
    write_image(tmp_path / "sizes" / "B" / "1.png", np.zeros((6, 4)))
    refused("sizes", "4x4 and 4x6.*image_size")
    write_image(tmp_path / "three" / "C" / "1.png", np.zeros((4, 4)))
    refused("three", "1 folders")


def test_arrays_of_pairs_are_checked_like_images():
    good = np.zeros((3, 4, 4, 3), np.uint8)
    assert zoo.data.load({"source": good, "target": good}, image_size=2).take(1)[
        "target"
    ].shape == (1, 2, 2, 3)
    with pytest.raises(
        UsageError, match="'image', and pairs of images the keys 'source' and 'target'.*'source'"
    ):
        zoo.data.load({"source": good})
    with pytest.raises(UsageError, match="from 0 to 7"):
        zoo.data.load({"source": good, "target": np.full((3, 4, 4, 3), 7.0) * [0, 1, 1]})


# ---------------------------------------------------------------- named pairs


def test_a_pair_is_a_function_of_its_index_and_the_image_follows_the_map():
    many, targets = snowflake_maps.generate(24, size=16)
    source, target = snowflake_maps.generate(4, size=16, first=3)
    np.testing.assert_array_equal(source, many[3:7])
    np.testing.assert_array_equal(target, targets[3:7])
    assert source.dtype == target.dtype == np.uint8 and source.shape == (4, 16, 16, 3)
    colors = {tuple(color) for color in many.reshape(-1, 3)}
    assert colors == {tuple(color) for color in snowflake_maps.COLORS}
    air = (many == snowflake_maps.COLORS[0]).all(-1)
    assert targets[~air].mean() > 2 * targets[air].mean()


def test_facades_are_read_from_the_manual_folder(tmp_path, offline):
    by_hand = tmp_path / "downloads" / "manual" / "facades"
    for attempt in (zoo.data.load, zoo.data.prepare):
        with pytest.raises(DataNotPreparedError, match=f"{by_hand}.*zoo data prepare facades"):
            attempt("facades", data_dir=tmp_path)
    for split, count in (("train", 2), ("test", 1)):
        for number in range(count):
            side_by_side(by_hand / split / f"{number}.png", 100 + number, size=256)
    zoo.data.prepare("facades", tmp_path)
    assert zoo.data.is_prepared("facades", tmp_path)
    data = zoo.data.load("facades", batch_size=2, image_size=128, data_dir=tmp_path)
    batch = data.take(2)
    assert data.shuffle and batch["source"].shape == batch["target"].shape == (2, 128, 128, 3)
    np.testing.assert_allclose(255 * batch["target"][:, 0, 0], [[100, 0, 0], [101, 0, 0]])
    np.testing.assert_allclose(255 * batch["source"][:, 0, 0], [[0, 100, 0], [0, 101, 0]])
    with pytest.raises(UsageError, match="splits train, test; got 'val'"):
        zoo.data.load("facades", "val", data_dir=tmp_path)


def test_facades_of_another_size_are_errors_with_advice(tmp_path):
    side_by_side(tmp_path / "downloads" / "manual" / "facades" / "train" / "a.png", 1, size=64)
    with pytest.raises(ZooError, match="64x64x3, not 256x256x3.*BtoA:"):
        zoo.data.prepare("facades", tmp_path)


def test_maps_of_snowflakes_are_generated_when_needed(monkeypatch, tmp_path, offline):
    monkeypatch.setattr(snowflake_maps, "SPLITS", {"train": 3, "test": 2})
    data = zoo.data.load("snowflake_maps", "test", data_dir=tmp_path)
    source, target = snowflake_maps.generate(2, first=3)
    np.testing.assert_array_equal(data.take(2)["source"], source.astype(np.float32) / 255)
    np.testing.assert_array_equal(data.take(2)["target"], target.astype(np.float32) / 255)
