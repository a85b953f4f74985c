"""zoo.data: order, resuming, binarization by name, sources, errors."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import zoo.data
from zoo.errors import UnknownNameError, UsageError

GREY = np.random.RandomState(0).randint(0, 256, (50, 4, 4, 1)).astype(np.uint8)
NUMBERED = {"image": GREY, "label": np.arange(50)}


def batches(dataset):
    return [{name: value.numpy() for name, value in batch.items()} for batch in dataset]


def same(left, right):
    return len(left) == len(right) and all(
        np.array_equal(a[name], b[name]) for a, b in zip(left, right, strict=True) for name in a
    )


def labels(dataset):
    return np.concatenate([batch["label"] for batch in batches(dataset)])


# ---------------------------------------------------------------- order and resuming


def test_order_is_a_function_of_seed_and_epoch():
    data = zoo.data.load(NUMBERED, batch_size=8, shuffle=True, seed=3)
    expected = np.random.default_rng((3, 5)).permutation(50)
    assert np.array_equal(labels(data(5)), expected)
    assert np.array_equal(labels(data(5)), labels(data(5)))
    assert not np.array_equal(labels(data(5)), labels(data(6)))
    other = zoo.data.load(NUMBERED, batch_size=8, shuffle=True, seed=4)
    assert not np.array_equal(labels(data(5)), labels(other(5)))
    assert np.array_equal(np.sort(labels(data(6))), np.arange(50))


@pytest.mark.parametrize("binarize", ["none", "dynamic", "fixed"])
@pytest.mark.parametrize("drop_remainder", [False, True])
def test_skipping_gives_the_remaining_batches_bit_for_bit(binarize, drop_remainder):
    data = zoo.data.load(
        NUMBERED, batch_size=8, shuffle=True, binarize=binarize, drop_remainder=drop_remainder
    )
    every = batches(data(2))
    assert len(every) == len(data) == (6 if drop_remainder else 7)
    for k in (0, 1, 4, len(data)):
        assert same(batches(data(2).skip(k)), every[k:])


def test_batches_do_not_depend_on_global_seeds():
    def draw(seed):
        tf.random.set_seed(seed)
        np.random.seed(seed)
        data = zoo.data.load(NUMBERED, batch_size=8, shuffle=True, binarize="dynamic")
        return batches(data(1))

    assert same(draw(1), draw(2))


def test_a_shuffled_batch_keeps_images_with_their_labels():
    for batch in batches(zoo.data.load(NUMBERED, batch_size=8, shuffle=True)(0)):
        assert np.array_equal(batch["image"], GREY[batch["label"]].astype(np.float32) / 255)


def test_iterating_gives_epoch_zero():
    data = zoo.data.load(NUMBERED, batch_size=8, shuffle=True)
    assert same(batches(data), batches(data(0)))


def test_spec_and_batches_agree():
    data = zoo.data.load(NUMBERED, batch_size=8)
    assert data.spec["image"] == tf.TensorSpec((None, 4, 4, 1), tf.float32)
    assert data.spec["label"] == tf.TensorSpec((None,), tf.int64)
    even = zoo.data.load(NUMBERED, batch_size=10)
    assert even.spec["image"].shape == (10, 4, 4, 1)


def test_take_gives_the_first_examples_unshuffled():
    data = zoo.data.load(NUMBERED, batch_size=8, shuffle=True)
    assert np.array_equal(data.take(5)["label"], np.arange(5))
    assert data.take(5)["image"].dtype == np.float32
    assert len(data.take(1000)["label"]) == 50


def test_describe_is_one_line():
    data = zoo.data.load(NUMBERED, shuffle=True, binarize="dynamic")
    assert data.describe() == (
        "arrays train: 50 images 4x4x1, shuffled with seed 0, binarize: dynamic"
    )
    assert (data.num_examples, data.batch_size, data.binarize) == (50, 64, "dynamic")


def test_batches_can_be_distributed():
    data = zoo.data.load(NUMBERED, batch_size=10, shuffle=True)
    spread = tf.distribute.MirroredStrategy(["CPU:0"]).experimental_distribute_dataset(data(1))
    assert same(batches(spread), batches(data(1)))


# ---------------------------------------------------------------- binarization


def test_none_keeps_the_grey_values():
    image = zoo.data.load(GREY).take(50)["image"]
    assert np.array_equal(image, GREY.astype(np.float32) / 255)


def test_threshold_is_one_from_half_up():
    ramp = np.arange(256, dtype=np.uint8).reshape(256, 1, 1)
    image = zoo.data.load(ramp, binarize="threshold").take(256)["image"].ravel()
    assert np.array_equal(image, np.arange(256) / 255 >= 0.5)


def test_fixed_binarization_equals_the_published_numpy_code():
    grey = np.random.RandomState(1).randint(0, 256, (1500, 6, 6, 1)).astype(np.uint8)
    expected = np.random.RandomState(777).binomial(1, grey.astype(np.float32) / 255)
    data = zoo.data.load(grey, binarize="fixed", shuffle=True)
    assert np.array_equal(data.take(1500)["image"], expected)
    other = zoo.data.load(grey, binarize="fixed", binarize_seed=1)
    assert not np.array_equal(other.take(1500)["image"], expected)
    first, second = (
        np.concatenate([batch["image"] for batch in data(epoch)])[np.argsort(data.order(epoch))]
        for epoch in (0, 1)
    )
    assert np.array_equal(first, second)


def test_dynamic_binarization_is_sampled_in_each_epoch_with_the_grey_value_as_its_mean():
    grey = np.tile(np.arange(0, 256, 15, dtype=np.uint8), (500, 2, 1))
    data = zoo.data.load(grey, batch_size=100, binarize="dynamic")
    epochs = [np.concatenate([b["image"] for b in batches(data(epoch))]) for epoch in range(4)]
    assert set(np.unique(epochs)) == {0.0, 1.0}
    assert not np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[0][:100], epochs[0][100:200])
    mean = np.mean(epochs, axis=(0, 1, 2, 4))
    assert np.abs(mean - np.arange(0, 256, 15) / 255).max() < 0.04  # 5 standard errors
    assert (mean[0], mean[-1]) == (0, 1)


def test_the_error_for_an_unknown_binarization_lists_all_names():
    with pytest.raises(UnknownNameError, match="binarization 'dynamc'.*'dynamic'"):
        zoo.data.load(GREY, binarize="dynamc")


# ---------------------------------------------------------------- arrays and files


def test_arrays_of_every_valid_dtype_become_floats_in_the_unit_interval():
    grey = GREY[..., 0]
    kinds = [grey, GREY, grey / 255, (grey / 255).astype(np.float32), grey > 100, GREY.repeat(3, 3)]
    for images in kinds:
        image = zoo.data.load(images).take(50)["image"]
        assert image.dtype == np.float32
        assert image.ndim == 4
        assert image.min() >= 0
        assert image.max() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (GREY / 127.5 - 1, "from -1 to 1"),
        (GREY.astype(np.float32), r"\[0, 1\].*to 25"),
        (np.where(GREY > 250, np.nan, 0), "NaN"),
        (GREY.astype(np.int64), "uint8.*got int64"),
        (np.zeros((4, 4), np.uint8), r"shape \(4, 4\)"),
        (np.zeros((0, 4, 4), np.uint8), r"shape \(0, 4, 4"),
        (np.zeros((5, 3, 32, 32), np.uint8), "channels last"),
        (np.array(["a", "b"]).reshape(2, 1, 1), "got <U1"),
        ({"images": GREY}, "key 'image'.*'images'"),
        ({"image": GREY, "label": np.arange(49)}, "50 images but 'label'"),
        ({"image": GREY, "label": np.array(["a"] * 50)}, "must hold numbers"),
    ],
)
def test_invalid_arrays_are_rejected_with_the_value_and_the_expectation(images, message):
    with pytest.raises(UsageError, match=message):
        zoo.data.load(images)


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("train", range(50)),
        ("train[:10]", range(10)),
        ("train[10:]", range(10, 50)),
        ("train[-5:]", range(45, 50)),
        ("train[:90%]", range(45)),
        ("train[90%:]", range(45, 50)),
        ("train[10%:-10%]", range(5, 45)),
    ],
)
def test_slices_of_arrays_are_written_as_tfds_writes_them(split, expected):
    assert np.array_equal(zoo.data.load(NUMBERED, split).take(50)["label"], expected)


@pytest.mark.parametrize(
    "split", [None, "test", "train[5]", "train[:60]", "train[5:5]", "train[a:]"]
)
def test_impossible_slices_are_rejected(split):
    with pytest.raises(UsageError, match=r"train"):
        zoo.data.load(NUMBERED, split)


def test_npy_and_npz_files_are_read_by_their_keys(tmp_path):
    np.save(tmp_path / "a.npy", GREY)
    np.savez(tmp_path / "b.npz", GREY)
    np.savez(tmp_path / "c.npz", images=GREY, labels=np.arange(50, dtype=np.uint8))
    for name in "a.npy", "b.npz", "c.npz":
        batch = zoo.data.load(tmp_path / name, "train[10:20]").take(10)
        assert np.array_equal(batch["image"], GREY[10:20].astype(np.float32) / 255)
    assert batch["label"].dtype == np.int64
    assert np.array_equal(batch["label"], range(10, 20))


def test_bad_files_are_rejected(tmp_path):
    np.savez(tmp_path / "other.npz", pixels=GREY)
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 nothing")
    (tmp_path / "text.csv").write_text("1,2")
    for name, message in [
        ("other.npz", "got pixels"),
        ("cut.npz", "cannot be read"),
        ("text.csv", "a folder of images"),
        ("absent.npz", "no file or folder"),
    ]:
        with pytest.raises(UsageError, match=message):
            zoo.data.load(str(tmp_path / name))


def write_image(path, value=0, size=(6, 4), mode="L"):
    path.parent.mkdir(exist_ok=True)
    Image.new(mode, size, value).save(path)


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path):
    for i in (2, 0, 1):
        write_image(tmp_path / f"{i}.png", i * 51)
    (tmp_path / "notes.txt").write_text("not an image")
    batch = zoo.data.load(tmp_path).take(3)
    assert batch["image"].shape == (3, 4, 6, 1)
    assert batch["image"][:, 0, 0, 0] == pytest.approx([0, 0.2, 0.4])
    assert "label" not in batch


def test_folders_of_classes_give_labels_by_sorted_name(tmp_path):
    write_image(tmp_path / "dog" / "a.JPG", 255)
    write_image(tmp_path / "cat" / "b.png", (255, 0, 0), mode="RGB")
    write_image(tmp_path / "cat" / "a.png", 0)
    batch = zoo.data.load(str(tmp_path)).take(3)
    assert batch["image"].shape == (3, 4, 6, 3)
    assert np.array_equal(batch["label"], [0, 0, 1])
    assert np.array_equal(batch["image"][:, 0, 0], [[0, 0, 0], [1, 0, 0], [1, 1, 1]])


def test_mixed_sizes_need_an_image_size(tmp_path):
    write_image(tmp_path / "a.png", size=(6, 4))
    write_image(tmp_path / "b.png", 255, size=(9, 20))
    with pytest.raises(UsageError, match="2 sizes.*6x4.*image_size"):
        zoo.data.load(tmp_path)
    batch = zoo.data.load(tmp_path, image_size=5).take(2)
    assert batch["image"].shape == (2, 5, 5, 1)
    assert np.array_equal(batch["image"][:, 0, 0, 0], [0, 1])


def test_bad_folders_are_rejected(tmp_path):
    with pytest.raises(UsageError, match="no images"):
        zoo.data.load(tmp_path)
    write_image(tmp_path / "a.png")
    write_image(tmp_path / "cat" / "a.png")
    with pytest.raises(UsageError, match="both images and folders"):
        zoo.data.load(tmp_path)
    (tmp_path / "cat" / "b.png").write_bytes(b"torn")
    with pytest.raises(UsageError, match=r"b\.png cannot be read"):
        zoo.data.load(tmp_path / "cat")


def test_a_folder_of_bitmaps_has_a_class_for_each_file(tmp_path):
    flat = np.arange(3 * 784, dtype=np.int64).reshape(3, 784).astype(np.uint8)
    np.save(tmp_path / "cat.npy", flat)  # as Quick, Draw! hands them out
    np.savez(tmp_path / "apple.npz", images=np.full((2, 28, 28), 255, np.uint8))
    batch = zoo.data.load(tmp_path).take(9)
    assert batch["image"].shape == (5, 28, 28, 1) and batch["label"].tolist() == [0, 0, 1, 1, 1]
    assert (batch["image"][:2] == 1).all()
    assert np.array_equal(batch["image"][2:], flat.reshape(3, 28, 28, 1) / np.float32(255))
    one = zoo.data.load(tmp_path / "cat.npy").take(9)
    assert "label" not in one and np.array_equal(one["image"], batch["image"][2:])
    assert zoo.data.load(tmp_path, image_size=14).take(1)["image"].shape == (1, 14, 14, 1)
    np.savez(tmp_path / "wide.npz", images=np.zeros((2, 8, 9), np.uint8))
    with pytest.raises(UsageError, match="2 sizes.*image_size"):
        zoo.data.load(tmp_path)


def test_an_empty_class_is_named(tmp_path):
    np.savez(tmp_path / "apple.npz", images=GREY)
    np.save(tmp_path / "cat.npy", GREY[:0])
    with pytest.raises(UsageError, match=r"the class .*cat\.npy is empty"):
        zoo.data.load(tmp_path)
    for name in ("cat", "dog", ".hidden"):
        (tmp_path / "photos" / name).mkdir(parents=True)
    write_image(tmp_path / "photos" / "dog" / "a.png")
    with pytest.raises(UsageError, match="the class .*cat is empty; remove the folder"):
        zoo.data.load(tmp_path / "photos")


def test_image_size_crops_the_center_square():
    wide = np.zeros((300, 4, 8, 1), np.uint8)
    wide[:, :, 2:6] = 200
    image = zoo.data.load(wide, image_size=2).take(300)["image"]
    assert image.shape == (300, 2, 2, 1)
    assert np.allclose(image, 200 / 255)


@pytest.mark.parametrize(
    "wrong",
    [{"batch_size": 0}, {"batch_size": 2.5}, {"seed": -1}, {"seed": None}, {"image_size": 0}],
)
def test_impossible_numbers_are_rejected_by_name(wrong):
    with pytest.raises(UsageError, match=f"{next(iter(wrong))} must be an integer"):
        zoo.data.load(GREY, **wrong)


def test_data_without_a_single_batch_is_rejected_at_load():
    with pytest.raises(UsageError, match="50 examples, not enough for one batch of 64"):
        zoo.data.load(GREY, drop_remainder=True)
