"""Folders of images: what is read and what is reported, classes, splits, and parts of them."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import zoo.data
from zoo import log
from zoo.cli import evaluation_data
from zoo.cli.main import main
from zoo.cli.run_options import config_from_options
from zoo.errors import UsageError
from zoo.models.vae import VAE
from zoo.training.run_building import load_data


def tree(root, *names):
    """Writes a file for each name: gray images by their ending ("NAME*N": N of them), else text."""
    for number, name in enumerate(names):
        name, _, count = name.partition("*")
        for i in range(int(count or 1)):
            path = root / (name.replace("?", str(i)))
            path.parent.mkdir(parents=True, exist_ok=True)
            kind = path.suffix.lower()
            if kind == ".npy":
                shape = (4, 8, 8, 3) if ".color" in name else (4, 8, 8)
                np.save(path, np.full(shape, 9 * number, np.uint8))
            elif kind == ".npz":
                np.savez(
                    path, image=np.full((4, 8, 8), 9 * number, np.uint8), label=np.arange(4) % 2
                )
            elif kind in (".txt", ".heic", ".mp4", ".db", ".ini", ""):
                path.write_text("no image")
            else:
                Image.new("L", (8, 8), 8 * number).save(path)
    return root


def loaded(folder, split="train"):
    data = zoo.data.load(folder, split, batch_size=2)
    labels = data.take(1000).get("label")
    return (
        data.num_examples,
        None if labels is None else np.bincount(labels).tolist(),
        (data.class_names),
    )


NO_NOTE = ""
FOLDERS = {  # files, {split: (examples, of each class, names of classes)}, note
    "images of many formats": (
        ("1.png", "2.JPG", "3.webp", "4.BMP", "5.gif", "6.tif", "7.TIFF", "8.jpeg"),
        {"train": (8, None, None)},
        NO_NOTE,
    ),
    "names of nobody": (
        ("a/1.png", "b/1.png", ".ipynb_checkpoints/1.png", "__MACOSX/a/1.png", "a/._1.png")
        + ("Thumbs.db", "a/desktop.ini", ".DS_Store", "b/.hidden/2.png", "@eaDir/1.png"),
        {"train": (2, [1, 1], ("a", "b"))},
        NO_NOTE,
    ),
    "deeper folders": (
        ("a/1.png", "a/x/2.png", "a/x/y/3.PNG", "b/z/1.png"),
        {"train": (4, [3, 1], ("a", "b"))},
        NO_NOTE,
    ),
    "other files": (
        ("a/1.png", "a/2.heic", "b/1.png", "b/c/3.txt", "README"),
        {"train": (2, [1, 1], ("a", "b"))},
        "note: {}: 3 files are not images and were skipped (.heic, .txt, README)\n",
    ),
    "one other file": (
        ("1.png", "2.mp4"),
        {"train": (1, None, None)},
        "note: {}: 1 file is not an image and was skipped (.mp4)\n",
    ),
    "NumPy files beside images": (
        ("a/1.png", "b/1.png", "b.npy"),
        {"train": (2, [1, 1], ("a", "b"))},
        "note: {}: 1 file is not an image and was skipped (.npy)\n",
    ),
    "splits of images": (
        ("train/?.png*3", "val/1.png", "test/1.png"),
        {"train": (3, None, None), "val": (1, None, None), "test": (1, None, None)},
        NO_NOTE,
    ),
    "splits of classes": (
        ("train/b/?.png*2", "train/c/1.png", "Valid/a/1.png", "Valid/c/?.png*2"),
        {"train": (3, [0, 2, 1], ("a", "b", "c")), "valid": (3, [1, 0, 2], ("a", "b", "c"))},
        NO_NOTE,
    ),
    "splits of NumPy files": (
        ("train/a.npy", "train/b.npy", "dev/b.npy"),
        {"train": (8, [4, 4], ("a", "b")), "dev": (4, [0, 4], ("a", "b"))},
        NO_NOTE,
    ),
    "NumPy files that are splits": (
        ("train.npz", "test.npz"),
        {"train": (4, [2, 2], None), "test": (4, [2, 2], None)},
        NO_NOTE,
    ),
    "a test split without classes": (
        ("train/a/?.png*2", "train/b/1.png", "test/1.png"),
        {"train": (3, [2, 1], ("a", "b")), "test": (1, None, ("a", "b"))},
        NO_NOTE,
    ),
    "one split": (("val/1.png",), {"val": (1, None, None)}, NO_NOTE),
    "a class called train": (
        ("bus/1.png", "car/1.png", "train/1.png"),
        {"train": (3, [1, 1, 1], ("bus", "car", "train"))},
        "note: {}: train is read as a class, like the other folders; for splits, use only"
        " folders named train, val, validation, valid, dev, eval, test\n",
    ),
    "splits in other words": (
        ("Training/?.png*2", "EVALUATION/1.png", "testing/1.png"),
        {"train": (2, None, None), "eval": (1, None, None), "test": (1, None, None)},
        NO_NOTE,
    ),
    "one folder around the classes": (
        ("photos/a/1.png", "photos/b/1.png"),
        {"train": (2, [2], ("photos",))},
        "note: {0}: photos is read as the only class, with all images inside of it; if a, b are"
        " classes or splits, name {0}/photos instead\n",
    ),
    "classes that are numbers": (
        tuple(f"{i}/1.png" for i in range(11)),
        {"train": (11, [1] * 11, ("0", "1", "10", *"23456789"))},
        "note: {}: the names of classes are sorted as text, so the label 2 is the folder"
        " 10; names like 01 and 10 make labels and names agree\n",
    ),
    "splits and another folder": (
        ("train/1.png", "val/1.png", "shown/1.png", "a.png"),
        {"train": (1, None, None), "val": (1, None, None)},
        "note: {}: 2 images do not belong to a split and were skipped (a.png, shown)\n",
    ),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_every_file_in_a_folder_is_read_or_reported(case, tmp_path, capsys):
    names, splits, note = FOLDERS[case]
    tree(tmp_path, *names)
    log.forget_messages()
    assert zoo.data.splits(tmp_path) == [*splits] == zoo.data.splits(str(tmp_path))
    for split, expected in splits.items():
        assert loaded(tmp_path, split) == expected
    assert capsys.readouterr().err == note.format(tmp_path)


def test_labels_are_those_of_the_union_of_all_splits(tmp_path):
    tree(tmp_path, "train/b/1.png", "train/c/1.png", "val/a/1.png", "val/c/1.png")
    train, val = (zoo.data.load(tmp_path, split) for split in ("train", "val"))
    assert train.take(9)["label"].tolist() == [1, 2] and val.take(9)["label"].tolist() == [0, 2]
    assert train.num_classes == val.num_classes == 3
    np.testing.assert_allclose(255 * val.take(9)["image"][:, 0, 0, 0], [16, 24])


def test_all_splits_have_the_channels_of_those_in_color(tmp_path):
    tree(tmp_path, "train/1.png", "val/1.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "train" / "2.png")
    for split in ("train", "val"):
        assert zoo.data.load(tmp_path, split).spec["image"].shape[-1] == 3


def test_circular_links_are_followed_once(tmp_path):
    tree(tmp_path / "photos", "a/1.png", "b/1.png")
    tree(tmp_path / "elsewhere", "1.png")
    for link, target in (
        ("a/up", ".."),
        ("b/self", "."),
        ("c", "../elsewhere"),
        ("d.png", "d.png"),
    ):
        (tmp_path / "photos" / link).symlink_to(target)
    (tmp_path / "photos" / "d.png").unlink()
    assert loaded(tmp_path / "photos") == (3, [1, 1, 1], ("a", "b", "c"))


REFUSED = {
    "images and classes": (("1.png", "a/1.png"), "train", "both images and folders of images"),
    "an empty class": (("a/1.png", "b/1.txt"), "train", "the class .*b is empty"),
    "no images": (("a/1.heic",), "train", "holds no images"),
    "an empty split": (("train/1.png", "val/1.txt"), "val", "val holds no images"),
    "a split that is not there": (
        ("train/1.png", "val/1.png"),
        "test",
        "'train', 'val', or a part",
    ),
    "only a test split": (("test/1.png",), "train", "the splits are: 'test'"),
    "two parts of a split": (
        ("train/1.png", "Training/2.png", "val/1.png"),
        "train",
        "two parts for the split 'train', Training and train: move one",
    ),
    "classes of gray and of color": (("a.npy", "b.color.npy"), "train", "one dtype and number of"),
    "two files of a class": (("a.npy", "a.npz"), "train", "two files of one class"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_ambiguous_folders_are_rejected(case, tmp_path):
    names, split, message = REFUSED[case]
    with pytest.raises(UsageError, match=message):
        zoo.data.load(tree(tmp_path, *names), split)


def test_pairs_are_read_and_reported_alike(tmp_path, capsys):
    tree(
        tmp_path, "dev/A/x/1.webp", "dev/B/x/1.PNG", "dev/B/.2.png", "dev/A/3.txt", "train/A/1.png"
    )
    log.forget_messages()
    source = f"AtoB:{tmp_path}"
    assert zoo.data.splits(source) == ["train", "dev"]
    assert zoo.data.load(source, "dev").num_examples == 1
    assert capsys.readouterr().err == (
        f"note: {tmp_path / 'dev'}: 1 file is not an image and was skipped (.txt)\n"
    )


# ---------------------------------------------------------------- parts


def parts(source, at, order=""):
    """The labels of the two parts, and which examples they hold (by their gray values)."""
    both = [zoo.data.load(source, f"train{order}[{part}]") for part in (f":{at}", f"{at}:")]
    assert sum(data.num_examples for data in both) == zoo.data.load(source).num_examples
    return [data.take(1000)["label"] for data in both]


@pytest.fixture
def classes(tmp_path):
    """Ten class folders of ten images each; image i of class c has the gray value 10 c + i."""
    for c in range(10):
        for i in range(10):
            path = tmp_path / "ten" / f"class{c}" / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (4, 4), 10 * c + i).save(path)
    return tmp_path / "ten"


@pytest.mark.parametrize("at", ["90%", "-10", "50%", "30"])
def test_a_slice_of_class_folders_has_the_same_fraction_of_each_class(classes, at):
    first, second = parts(classes, at)
    assert np.bincount(first).tolist() == [len(first) // 10] * 10
    assert np.bincount(second).tolist() == [len(second) // 10] * 10
    images = [
        np.round(255 * zoo.data.load(classes, f"train[{part}]").take(100)["image"][:, 0, 0, 0])
        for part in (f":{at}", f"{at}:")
    ]
    assert sorted(np.concatenate(images)) == [*range(100)]
    assert (images[0] // 10 == first).all()
    np.testing.assert_array_equal(parts(classes, at)[0], first)


def test_file_order_is_an_option(classes):
    assert zoo.data.load(classes).take(100)["label"].tolist() == sorted([*range(10)] * 10)
    first, second = parts(classes, "90%", ".ordered")
    assert set(first) == {*range(9)} and set(second) == {9}
    half = parts(classes, "45%")[0]
    assert np.bincount(half).min() == 4 and np.bincount(half).max() == 5


def test_files_of_classes_are_split_in_the_same_way(tmp_path):
    tree(tmp_path, "a.npy", "b.npy", "c.npy")
    for part in parts(tmp_path, "50%"):
        assert np.bincount(part).tolist() == [2, 2, 2]


def test_arrays_keep_their_order_and_a_class_that_is_left_out_is_reported(tmp_path, capsys):
    image, label = np.zeros((100, 4, 4), np.uint8), np.repeat(np.arange(10), 10)
    np.savez(tmp_path / "x.npz", image=image, label=label)
    log.forget_messages()
    data = zoo.data.load(tmp_path / "x.npz", "train[:75%]")
    assert set(data.take(100)["label"]) == {*range(8)} and data.num_classes == 10
    assert capsys.readouterr().err == (
        "note: 'train[:75%]' of x.npz has none of the classes 8, 9: its labels are sorted; shuffle"
        " the arrays, or write 'train.stratified[:75%]'\n"
    )
    assert np.bincount(parts(tmp_path / "x.npz", "75%", ".stratified")[1]).min() == 2
    shuffled = {"image": image, "label": np.random.default_rng(0).permutation(label)}
    parts(shuffled, "95%")
    parts(tmp_path / "x.npz", "75%", ".ordered")
    assert capsys.readouterr().err == ""
    with pytest.raises(UsageError, match="needs labels, and arrays has none"):
        zoo.data.load(image, "train.stratified[:5]")


@pytest.mark.parametrize(
    ("a", "b", "shared"),
    [
        ("train.stratified[:50%]", "train.stratified[50%:]", False),
        ("train.stratified[:50%]", "train.stratified[40%:]", True),
        ("train.ordered[:50%]", "train[50%:]", True),
        ("train.ordered[:50%]", "test", False),
    ],
)
def test_parts_of_two_orders_share_examples(a, b, shared):
    assert evaluation_data.splits_overlap(a, b) is shared


def test_a_run_evaluates_on_the_split_that_is_held_out(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tree(tmp_path, "photos/train/?.png*4", "photos/val/?.png*2", "more/?.png*4"))
    assert evaluation_data.default_test_split("photos", "train", VAE, {}) == "val"
    tree(tmp_path, "photos/test/1.png")
    assert evaluation_data.default_test_split("photos", "train", VAE, {}) == "test"
    assert capsys.readouterr().err == ""
    assert evaluation_data.default_test_split("more", "train", VAE, {}) == "train"
    assert "--split 'train[:90%]' --test-split 'train[90%:]'" in capsys.readouterr().err
    config = config_from_options("vae", None, ["latent_dim=2"], data="photos", binarize="dynamic")
    test = load_data(config, config.test)
    assert (test.split, test.binarize, test.num_examples) == ("test", "fixed", 1)
    assert load_data(config, "train", training=True).binarize == "dynamic"
    done = CliRunner().invoke(
        main,
        ["train", "vae", "--data", "photos", "--steps", "1", "--figures-every", "0", "--eager"],
    )
    assert done.exit_code == 0 and "on photos train: 4 images 8x8x1" in done.stderr, done.output
    assert "evaluated on photos test, 1 images" in done.stdout
