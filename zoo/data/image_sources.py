"""People's own images from files and folders as dicts of NumPy arrays, and parts of them.

"image" is uint8 (0..255) or float32 (0..1) of shape [n, h, w, c]; "label" int32 or int64 [n].
Pairs of images are "source" and "target".
Bitmaps as Quick, Draw! has them, rows of 784 values, are 28 x 28 images.
"""

import re
from dataclasses import dataclass

import numpy as np

from zoo.data.arrays import from_arrays
from zoo.data.folders import (
    IMAGES,
    NUMPY,
    note_skipped_files,
    split_paths,
    subfolders,
    visible_files,
    with_suffix,
)
from zoo.data.image_files import center_square, check_same_size, has_color, read_images
from zoo.data.numpy_files import read_numpy
from zoo.errors import UsageError, one_line
from zoo.log import log_message_once

SPLIT = re.compile(
    r"(?P<name>\w+?)(?:\.(?P<order>stratified|ordered))?"
    r"(?:\[(?P<start>-?\d{1,15}%?)?:(?P<stop>-?\d{1,15}%?)?\])?"
)
FREE = (None, "", "0")  # ends of a split that need no unit


@dataclass(frozen=True)
class ImageSource:
    """A split of a person's data.

    Attributes:
        arrays: name -> array [n, ...].
        splits: the names of the splits that the data have.
        class_names: of the labels, where folders or files name them; else None.
    """

    arrays: dict
    splits: tuple = ("train",)
    class_names: tuple | None = None


def from_path(path, split="train", image_size=None):
    """The whole split, as a `Source`, of a folder of images, or of a .npy or .npz file.

    A folder holds images, a folder of images per class, or a NumPy file per class; or folders
    named as splits that hold these. Only the name in `split` counts here; `cut` does the rest.
    """
    if path.is_dir():
        return _folder(path, split, image_size)
    if path.suffix.lower() not in NUMPY:
        raise UsageError(f"{path} must be a folder of images, a .npy or a .npz file")
    return ImageSource(from_arrays(read_numpy(path)))


def _folder(path, split, image_size):
    places = split_paths(path) or {"train": path}
    chosen = parse_split(split, places)["name"]
    groups = {name: _groups(place) for name, place in places.items()}
    mine = groups[chosen]
    if not mine:
        raise UsageError(
            f"{places[chosen]} holds no images ({', '.join(IMAGES)}); expected images, one folder"
            f" of images per class, or one {' or '.join(NUMPY)} file per class"
        )
    files = {name: [f for group in groups[name].values() for f in group] for name in groups}
    note_skipped_files(
        path, visible_files(path), [file for group in files.values() for file in group]
    )
    class_names = tuple(sorted({name for classes in groups.values() for name in classes} - {None}))
    _check_classes(path, class_names, groups)
    names = {"splits": tuple(places), "class_names": class_names or None}
    if all(file.suffix.lower() in NUMPY for file in files[chosen]):
        return ImageSource(_numpy_arrays(places[chosen], mine, class_names, image_size), **names)
    others = (file for name in files if name != chosen for file in files[name])
    channels = 3 if any(map(has_color, others)) else None
    arrays = {"image": read_images(files[chosen], places[chosen], channels, image_size)}
    if None not in mine:
        arrays["label"] = _labels(class_names, {name: len(mine[name]) for name in mine})
    return ImageSource(arrays, **names)


def _groups(place):
    """Class -> its files, of a folder; None -> all its files, where they have no classes."""
    if place.is_file():
        return {None: [place]}
    files = visible_files(place)
    images = with_suffix(files, IMAGES)
    loose = [file for file in images if file.parent == place]
    arrays = with_suffix([file for file in files if file.parent == place], NUMPY)
    if not images:
        groups = {file.stem: [file] for file in arrays}
        if len(groups) < len(arrays):
            raise UsageError(f"{place} has two files of one class; name a class by one file")
        return groups
    if len(loose) not in (0, len(images)):
        raise UsageError(
            f"{place} holds both images and folders of images ({', '.join(IMAGES)}); expected"
            " images, or one folder of images per class"
        )
    if loose:
        return {None: images}
    groups = {folder.name: [] for folder in subfolders(place)}
    for file in images:
        groups[file.relative_to(place).parts[0]].append(file)
    return groups


def _check_classes(path, class_names, groups):
    """Raises UsageError for a class that has images in no split."""
    for name in class_names:
        if not any(classes.get(name) for classes in groups.values()):
            raise UsageError(
                f"the class {path / name} is empty; remove the folder, or fill it with images"
                f" ({', '.join(IMAGES)})"
            )


def _labels(class_names, counts):
    return np.repeat([class_names.index(name) for name in counts], [*counts.values()])


def _numpy_arrays(place, groups, class_names, image_size):
    """The arrays of NumPy files: of one file a class, or of the one file of a split."""
    if None in groups:
        return from_arrays(read_numpy(groups[None][0]))
    images = {}
    for name, (file,) in groups.items():
        image = read_numpy(file).get("image")
        if image is None or not len(image):
            raise UsageError(f"the class {file} is empty; remove the file, or fill it")
        image = from_arrays(image)["image"]
        images[name] = image if image_size is None else center_square(image, image_size)
    check_same_size([*images.values()], place)
    label = _labels(class_names, {name: len(image) for name, image in images.items()})
    return from_arrays({"image": np.concatenate([*images.values()]), "label": label})


def parse_split(split, there=("train",)):
    """{"name", "order", "start", "stop"} of a split, the last three None where it is silent.

    Raises UsageError unless the name is among those that are there.
    """
    match = SPLIT.fullmatch(split.replace(" ", ""))
    if not match or match["name"] not in there:
        first = next(iter(there))
        raise UsageError(
            f"the splits there are: {', '.join(map(repr, there))}, or a part of one like "
            f"'{first}[:1000]' or '{first}[90%:]'; got {one_line(split)!r}"
        )
    return match.groupdict()


def slice_split(arrays, split, there=("train",), name="the data", ordered=True):
    """The part of arrays that a split names: "train", "train[100:]", "train[:-10%]".

    A part is taken in the order of the arrays, or, if it is "train.stratified[:90%]", of
    `stratified`; which of both, where the split says neither, is `ordered`.
    """
    words = parse_split(split, there)
    count, label = len(next(iter(arrays.values()))), arrays.get("label")
    rows = split_slice(split, words, count)
    order = words["order"] or ("ordered" if ordered or label is None else "stratified")
    if order == "stratified" and label is None:
        raise UsageError(f"{split!r} needs labels, and {name} has none; leave .stratified out")
    if rows == slice(0, count):
        return arrays
    if order == "stratified":
        rows = stratified_order(label)[rows]
    elif label is not None and not words["order"]:
        _report_missing(label, rows, split, name)
    return {key: value[rows] for key, value in arrays.items()}


def stratified_order(label):
    """Row numbers, int64 [n], such that whatever part is cut out has each class in its share.

    The rows of class c are shuffled by numpy.random.default_rng((0, c)); the i-th of its n rows
    then stands at (i + 1/2) / n of the way.
    """
    rows = np.argsort(label, kind="stable")  # class after class
    place = np.empty(len(label))
    start = 0
    for c, count in zip(*np.unique(label, return_counts=True), strict=True):
        shuffled = np.random.default_rng((0, int(c))).permutation(rows[start : start + count])
        place[shuffled] = (np.arange(count) + 0.5) / count
        start += count
    return np.lexsort((label, place))


def _report_missing(label, rows, split, name):
    """One note if a part has fewer classes than it could have, since labels lie in runs."""
    runs = np.count_nonzero(np.diff(label)) + 1
    if 4 * runs >= len(label):
        return
    missing = np.setdiff1d(label, label[rows])
    best = np.setdiff1d(label, label[stratified_order(label)[rows]])
    if len(missing) > len(best):
        missing = [str(c) for c in missing]
        listed = ", ".join(missing[:10]) + (", ..." if missing[10:] else "")
        first, _, bounds = split.partition("[")
        log_message_once(
            f"note: {split!r} of {name} leaves out the classes {listed}: its labels are sorted;"
            f" shuffle the arrays, or write '{first}.stratified[{bounds}'"
        )


def split_slice(split, words, count):
    """The rows, as a slice, that a parsed split of `count` examples names; UsageError if none."""
    percent = [text.endswith("%") for text in (words["start"], words["stop"]) if text not in FREE]
    if len({*percent}) > 1:
        raise UsageError(
            f"the split {split!r} cannot be read: it mixes examples and percent; write both ends as"
            " numbers, or both as percent"
        )
    start = _boundary(words["start"], 0, count, split)
    stop = _boundary(words["stop"], count, count, split)
    if start >= stop:
        reason = "is empty" if start == stop else "ends before it begins"
        raise UsageError(
            f"the split {split!r} cannot be read: of {count:,} examples it {reason}; choose a"
            " larger part"
        )
    return slice(start, stop)


def _boundary(text, default, count, split):
    if not text:
        return default
    number, most = (int(text[:-1]), 100) if text.endswith("%") else (int(text), count)
    where = round(count * number / 100) if text.endswith("%") else number
    if abs(number) > most:
        raise UsageError(
            f"the split {split!r} cannot be read: it goes beyond the {count:,} examples that there"
            " are; choose a smaller part"
        )
    return where if where >= 0 and not text.startswith("-") else count + where
