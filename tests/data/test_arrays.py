"""Arrays and NumPy files are checked once, in memory; no argument is ignored silently."""

import io
import os
import re
import shutil
import struct
import zipfile

import numpy as np
import pytest

import zoo.data
from zoo import log
from zoo.data import numpy_files
from zoo.errors import UsageError, ZooError

GRAY = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 1)).astype(np.uint8)
LABELED = {"image": GRAY, "label": np.arange(6) % 3}
PAIRS = {"source": GRAY, "target": GRAY}


def with_label(*label):
    return {"image": GRAY, "label": np.array(label)}


# ---------------------------------------------------------------- values


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "longdouble"])
@pytest.mark.parametrize("source", ["image", "pairs", "file", "data"])
def test_floats_of_every_width_are_cast(kind, source, tmp_path):
    images = (GRAY / 255).astype(kind)
    if source == "file":
        np.save(tmp_path / "x.npy", images)
    data = {
        "image": lambda: zoo.data.load(images),
        "pairs": lambda: zoo.data.load({"source": images, "target": images}),
        "file": lambda: zoo.data.load(tmp_path / "x.npy"),
        "data": lambda: zoo.data.ArrayDataset({"image": images}),
    }[source]()
    for image in data.take(6).values():
        assert image.dtype == np.float32
        np.testing.assert_allclose(image, GRAY / 255, atol=1e-3)


REFUSED = {
    "0..255 as floats": (GRAY.astype("f4"), "from 0 to 25.*divide 0..255 by 255, or pass uint8"),
    "-1..1": (GRAY / 127.5 - 1, r"from \[-1, 1\] use \(images \+ 1\) / 2"),
    "any floats": (GRAY * 10.0, "rescale them"),
    "NaN": (np.where(GRAY > 250, np.nan, 0), "NaN values"),
    "infinite": (np.where(GRAY > 250, np.inf, 0), "to inf"),
    "wide integers": (
        GRAY.astype("i8"),
        r"got int64; these are in 0..255: use .*astype\('uint8'\)",
    ),
    "16 bits": (GRAY.astype("u2") * 257, "got uint16; for 16 bits use images / 65535"),
    "one color image": (np.zeros((32, 32, 3), "u1"), r"a single color image: pass images\[None\]"),
    "one image of floats": (np.zeros((32, 32, 4)), "a single color image"),
    "one gray image": (np.zeros((32, 32), "u1"), r"got shape \(32, 32\)"),
    "no images": (GRAY[:0], r"shape \(0, 4, 4, 1\)"),
    "images of no pixels": (GRAY[:, :0], "got shape"),
    "several lengths": ([np.zeros((4, 4)), np.zeros((5, 5))], "cannot convert 'image' to an array"),
    "text": ("nothing.xyz", "no file or folder"),
    "nothing": (None, r"got shape \(\)"),
    "a negative label": (
        with_label(0, 1, 2, -1, 0, 1),
        "'label' must hold one integer >= 0.*got -1",
    ),
    "a fraction": (with_label(0, 1, 2, 0.5, 0, 1), "'label'.*got 0.5"),
    "a NaN label": (with_label(0, 1, 2, np.nan, 0, 1), "'label'.*got nan"),
    "a large label": ({"image": GRAY, "label": np.full(6, 2**63, "u8")}, "'label'.*got 9223"),
    "one-hot labels": ({"image": GRAY, "label": np.eye(6)}, r"label.argmax\(-1\)"),
    "a label beyond int32": ({"image": GRAY, "label": np.full(6, 2**31)}, "'label'.*got 21474"),
    "names as labels": (with_label(*"abcdef"), "'label' must hold numbers.*numpy.unique"),
    "a tuple": ((GRAY, np.arange(6)), "got a tuple of 2: .*'image': images|\"image\": images"),
    "few labels": (with_label(0, 1), r"6 images but 'label' has the shape \(2,\)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_invalid_images_and_labels_are_rejected_with_advice(case):
    source, message = REFUSED[case]
    with pytest.raises(UsageError, match=message) as error:
        zoo.data.load(source)
    assert len(str(error.value).splitlines()) == 1


RATINGS = {"user": np.arange(3), "item": np.arange(3), "rating": np.ones(3, "f4")}
WRONG = {
    "no arrays": ({}, {}, "at least one array, got {}"),
    "a list": ([GRAY], {}, "expected a dict with at least one array"),
    "fewer classes than labels": (LABELED, {"num_classes": 2}, r"in 0 \.\.\. 1, for 2 .*got 2"),
    "fewer names than labels": (LABELED, {"class_names": "a"}, r"in 0 \.\.\. 0, .*got 2"),
    "half a class": (LABELED, {"num_classes": 2.5}, "num_classes must be an integer"),
    "a flag as text": (LABELED, {"shuffle": "no"}, "shuffle must be True or False, got 'no'"),
    "a negative user": (RATINGS | {"user": np.arange(3) - 1}, {}, "'user'.*got -1"),
    "half an item": (RATINGS | {"item": np.arange(3) / 2}, {}, "'item'.*got 0.5"),
    "a NaN rating": (RATINGS | {"rating": np.array([1, np.nan, 2])}, {}, "'rating'.*NaN"),
    "several lengths": (RATINGS | {"rating": np.ones(2)}, {}, "3 rows of 'user' but 'rating'"),
    "NaN in images": ({"image": GRAY * np.nan}, {}, "NaN values"),
    "a mask of integers": (
        LABELED | {"mask": GRAY.astype("i4")},
        {},
        "images 'mask' must be uint8",
    ),
    "binarized pairs": (PAIRS, {"binarize": "dynamic"}, "needs 'image', got source, target"),
    "binarized ratings": (RATINGS, {"binarize": "fixed"}, "needs 'image', got user, item"),
    "moved ratings": (RATINGS, {"augment": "jitter"}, "needs images, got user, item"),
}


@pytest.mark.parametrize("case", WRONG)
def test_data_are_checked_where_they_are_made(case):
    arrays, how, message = WRONG[case]
    with pytest.raises(UsageError, match=message):
        zoo.data.ArrayDataset(arrays, **how)


NOTED = {  # data that are perhaps not what was meant
    "0 and 1 as uint8": ((GRAY > 99).astype("u1"), "0 and 1, where 255 is white: .*astype.bool."),
    "divided twice": (GRAY / 255**2, "floats up to 0.00392157, .* divided by 255 twice"),
    "labels from 1": (
        with_label(1, 2, 3, 1, 2, 3),
        "labels 1, 2, 3 mean 4 .*3 have .*subtract 1",
    ),
    "labels with gaps": (with_label(0, 5, 9, 0, 5, 9), "0, 5, 9 mean 10 .*number them from 0"),
    "yes and no": (with_label(True, False, True, True, True, False), ""),
    "black": (GRAY * 0, ""),
}


@pytest.mark.parametrize("case", NOTED)
def test_values_that_are_perhaps_a_mistake_are_noted(case, capsys):
    log.forget_messages()
    source, note = NOTED[case]
    zoo.data.load(source)
    assert re.fullmatch(f"note: .*{note}.*\n" if note else "", capsys.readouterr().err)


def test_classes_are_counted_over_all_labels():
    count = lambda source, split="train": zoo.data.load(source, split).num_classes  # noqa: E731
    assert count(LABELED) == count(LABELED, "train[:1]") == 3
    assert count(with_label(0.0, 4.0, 1.0, 1.0, 1.0, 1.0)) == 5
    assert count(GRAY) is None and zoo.data.load(LABELED).class_names is None
    named = zoo.data.ArrayDataset(LABELED, class_names=["a", "b", "c", "d"])
    assert (named.num_classes, named.class_names) == (4, ("a", "b", "c", "d"))


# ---------------------------------------------------------------- arguments


MEANINGLESS = {
    "data_dir of arrays": (GRAY, {"data_dir": "."}, "data_dir is the folder of named data sets"),
    "data_dir of pairs": ("AtoB:.", {"data_dir": "."}, "data_dir is the folder"),
    "binarize of pairs": (
        "AtoB:.",
        {"binarize": "threshold"},
        "AtoB:., which holds pairs",
    ),
    "binarize of arrays of pairs": (PAIRS, {"binarize": "threshold"}, "needs 'image'"),
    "binarize of ratings": (
        "ratings",
        {"binarize": "fixed"},
        "apply to ratings, which holds",
    ),
    "augment of ratings": ("ratings", {"augment": "jitter"}, "augment='jitter' does not apply"),
    "image_size of ratings": ("movielens", {"image_size": 8}, "image_size=8 does not apply"),
    "a seed without draws": (GRAY, {"binarize_seed": 5}, "has no effect with binarize='none'"),
    "a seed of other draws": (GRAY, {"binarize_seed": 5, "binarize": "dynamic"}, "='dynamic'"),
    "a seed out of range": (GRAY, {"seed": 2**64}, "seed must be an integer"),
    "a flag as text": (GRAY, {"drop_remainder": "no"}, "drop_remainder must be True or False"),
}


@pytest.mark.parametrize("case", MEANINGLESS)
def test_no_argument_is_ignored_silently(case):
    source, how, message = MEANINGLESS[case]
    with pytest.raises(UsageError, match=message):
        zoo.data.load(source, **how)


SPLITS = {
    "train[4:2]": "'train\\[4:2\\]' cannot be read: of 6 examples it ends before",
    "train[3:1%]": "mixes examples and percent",
    "train[10%:-1]": "mixes examples and percent",
    "train[2:2]": "is empty",
    "train[:0]": "is empty",
    "train[:7]": "goes beyond the 6 examples",
    "train[:101%]": "goes beyond",
    "train[-7:]": "goes beyond",
    f"train[{5000 * '9'}:]": "the splits are: 'train'.*got 'train.9+\\.\\.\\.'",
    "train[1.5:]": "the splits are",
    "train.shuffled[:5]": "the splits are",
    "": "the splits are",
}


@pytest.mark.parametrize("source", [GRAY, "snowflakes"])
@pytest.mark.parametrize("split", SPLITS)
def test_empty_splits_are_rejected_in_one_line(split, source, tiny_snowflakes):
    named, message = isinstance(source, str), SPLITS[split]
    how = {"data_dir": tiny_snowflakes} if named else {}
    if named and "the splits" in message:
        message = "splits train, test; got|cannot be read"
    with pytest.raises(UsageError, match=message) as error:
        zoo.data.load(source, split, **how)
    assert len(str(error.value)) < 600 and len(str(error.value).splitlines()) == 1


@pytest.fixture(scope="module")
def tiny_snowflakes(tmp_path_factory):
    """The data set `snowflakes` with six training examples."""
    from zoo.data.builders import snowflakes

    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snowflakes, "SPLITS", {"train": 6, "test": 2})
        zoo.data.load("snowflakes", drop_remainder=False, data_dir=folder)
    return folder


def test_the_last_example_and_parts_together_are_splits(tiny_snowflakes):
    for source, how in ((GRAY, {}), ("snowflakes", {"data_dir": tiny_snowflakes})):
        assert zoo.data.load(source, "train[0:50%]", drop_remainder=False, **how).num_examples == 3
        assert zoo.data.load(source, "train[-1:]", drop_remainder=False, **how).num_examples == 1
    both = zoo.data.load("snowflakes", "train[:1]+test", batch_size=3, data_dir=tiny_snowflakes)
    assert both.num_examples == 3
    with pytest.raises(UsageError, match="already shuffled: leave .stratified out"):
        zoo.data.load("snowflakes", "train.stratified[:50%]", data_dir=tiny_snowflakes)


def test_the_error_for_a_damaged_data_set_names_the_command_to_prepare_it(
    tiny_snowflakes, tmp_path
):
    shutil.copytree(tiny_snowflakes, tmp_path / "data")
    (file,) = (tmp_path / "data").rglob("*train.tfrecord*")
    file.write_bytes(flipped(file.read_bytes(), 40))
    with pytest.raises(ZooError, match="cannot be read.*run: zoo data prepare snowflakes"):
        zoo.data.load("snowflakes", data_dir=tmp_path / "data")


# ---------------------------------------------------------------- files


def header(shape, kind="|u1"):
    """A .npy file of a kilobyte whose header declares a shape."""
    text = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(1000)


def archive(compression=zipfile.ZIP_DEFLATED, **members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as written:
        for name, content in members.items():
            written.writestr(f"{name}.npy", content)
    return file.getvalue()


def saved(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def flipped(raw, at, bits=0xFF):
    return raw[:at] + bytes([raw[at] ^ bits]) + raw[at + 1 :]


DIRECTORY = saved(image=GRAY).index(b"PK\x01\x02")
DAMAGED = {
    "empty.npy": (b"", "read as NumPy data"),
    "empty.npz": (b"", "not a zip file"),
    "swapped.npz": (header((1, 2, 2)), "not a zip file"),
    "swapped.npy": (saved(image=GRAY), "magic string"),
    "huge.npy": (
        header((1000, 1000, 1000, 1000)),
        "declares uint8.*1,000,000,000,000 bytes, but has 1,",
    ),
    "negative.npy": (header((-1, 4, 4)), "declares"),
    "huge.npz": (archive(image=header((1000, 1000, 1000, 1000))), "declares"),
    "token.npy": (header((1, 2, 2)).replace(b"False", b"Fal(e"), "read as NumPy data"),
    "objects.npy": (header((2,), "|O"), "allow_pickle"),
    "version.npy": (flipped(header((1, 2, 2)), 6, 3 ^ 1 ^ 3 ^ 2), "read as NumPy data"),
    "method.npz": (flipped(saved(image=GRAY), DIRECTORY + 10), "compression"),
    "encrypted.npz": (flipped(saved(image=GRAY), DIRECTORY + 8, 1), "encrypted"),
    "checksum.npz": (flipped(saved(image=GRAY), DIRECTORY - 1), "CRC"),
    "keys.npz": (saved(pixels=GRAY), "expected one of the keys image, .*got pixels"),
    "names.npz": (archive(**{"\nmage": header((1, 2, 2))}), "got mage"),
    "text.npz": (saved(image=np.array(["a"])), "images must be"),
    "bomb.npz": (
        archive(zipfile.ZIP_BZIP2, image=header((10**6,)) + bytes(10**6)),
        "would unpack .* bytes to 1,0.* more than 200 times as many",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_are_one_line_errors_with_their_name(name, tmp_path, monkeypatch):
    monkeypatch.setattr(numpy_files, "LARGE", 10**6)
    raw, message = DAMAGED[name]
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(UsageError, match=message) as error:
        zoo.data.load(tmp_path / name)
    assert len(str(error.value).splitlines()) == 1
    assert name in str(error.value) or name == "text.npz"


def test_a_pipe_that_is_called_an_array_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "x.npy")
    with pytest.raises(UsageError, match="x.npy cannot be read .*not a regular file"):
        zoo.data.load(tmp_path / "x.npy")


def test_files_of_pairs_report_the_arrays_that_are_not_used(tmp_path, capsys):
    (tmp_path / "pairs.NPZ").write_bytes(saved(**PAIRS))
    assert zoo.data.load(tmp_path / "pairs.NPZ").describe().startswith("pairs.NPZ train: 6 pairs")
    np.savez(tmp_path / "x.npz", GRAY, np.arange(6))
    log.forget_messages()
    assert "label" not in zoo.data.load(tmp_path / "x.npz").spec
    assert "x.npz: the arrays arr_1 are skipped; " in capsys.readouterr().err
