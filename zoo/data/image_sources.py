"""Images from files and folders as dicts of NumPy arrays, and slices of them.

"image" is uint8 (0..255) or float32 (0..1) of shape [n, h, w, c]; "label" int32 or int64 [n].
Pairs of images are "source" and "target". Rows of 784 values, the format of Quick, Draw! bitmaps,
become images of 28 x 28 pixels.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.arrays import check_arrays, from_arrays
from zoo.data.folders import (
    IMAGES,
    NUMPY,
    note_ambiguous_classes,
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
FREE = (None, "", "0")  # ends of a slice without a unit


@dataclass(frozen=True)
class ImageSource:
    """A split of image files.

    Attributes:
        arrays: name -> array [n, ...].
        splits: the names of all splits of the data.
        class_names: names of the labels, if folders or files name them; else None.
    """

    arrays: dict[str, np.ndarray]
    splits: tuple[str, ...] = ("train",)
    class_names: tuple[str, ...] | None = None


def from_path(path: Path, split: str = "train", image_size: int | None = None) -> ImageSource:
    """A whole split of a folder of images, or of a .npy or .npz file.

    A folder holds images, a folder of images per class, or a NumPy file per class; or folders
    named like splits that hold these. Only the name in `split` is used; `slice_split` does the
    rest. Raises UsageError.
    """
    if path.is_dir():
        return _folder(path, split, image_size)
    if path.suffix.lower() not in NUMPY:
        raise UsageError(f"{path} must be a folder of images, a .npy or a .npz file")
    return ImageSource(from_arrays(read_numpy(path)))


def _folder(path: Path, split: str, image_size: int | None) -> ImageSource:
    paths = split_paths(path) or {"train": path}
    chosen = parse_split(split, paths)["name"]
    groups = {name: _groups(split_path) for name, split_path in paths.items()}
    classes = groups[chosen]
    if not classes:
        raise UsageError(
            f"{paths[chosen]} holds no images ({', '.join(IMAGES)}); expected images, one folder"
            f" of images per class, or one {' or '.join(NUMPY)} file per class"
        )
    files = {name: [f for group in groups[name].values() for f in group] for name in groups}
    note_skipped_files(
        path, visible_files(path), [file for group in files.values() for file in group]
    )
    class_names = tuple(
        sorted({name for group in groups.values() for name in group if name is not None})
    )
    _check_classes(path, class_names, groups)
    for name, split_path in paths.items():
        if None not in groups[name] and split_path.is_dir():
            note_ambiguous_classes(split_path, [*filter(None, groups[name])])
    names: dict[str, Any] = {"splits": tuple(paths), "class_names": class_names or None}
    if all(file.suffix.lower() in NUMPY for file in files[chosen]):
        return ImageSource(_numpy_arrays(paths[chosen], classes, class_names, image_size), **names)
    others = (file for name in files if name != chosen for file in files[name])
    channels = 3 if any(map(has_color, others)) else None
    arrays = {"image": read_images(files[chosen], paths[chosen], channels, image_size)}
    if None not in classes:
        arrays["label"] = _labels(class_names, {name: len(classes[name]) for name in classes})
    return ImageSource(arrays, **names)


def _groups(folder: Path) -> dict[str | None, list[Path]]:
    """Class -> its files, of a folder; None -> all its files, if there are no classes."""
    if folder.is_file():
        return {None: [folder]}
    files = visible_files(folder)
    images = with_suffix(files, IMAGES)
    top_level = [file for file in images if file.parent == folder]
    arrays = with_suffix([file for file in files if file.parent == folder], NUMPY)
    if not images:
        groups: dict[str | None, list[Path]] = {file.stem: [file] for file in arrays}
        if len(groups) < len(arrays):
            raise UsageError(f"{folder} has two files of one class; give each class one file")
        return groups
    if len(top_level) not in (0, len(images)):
        raise UsageError(
            f"{folder} holds both images and folders of images ({', '.join(IMAGES)}); expected"
            " images, or one folder of images per class"
        )
    if top_level:
        return {None: images}
    groups = {subfolder.name: [] for subfolder in subfolders(folder)}
    for file in images:
        groups[file.relative_to(folder).parts[0]].append(file)
    return groups


def _check_classes(
    path: Path, class_names: Sequence[str], groups: Mapping[str, dict[str | None, list[Path]]]
) -> None:
    """Raises UsageError for a class that has no images in any split."""
    for name in class_names:
        if not any(classes.get(name) for classes in groups.values()):
            raise UsageError(
                f"the class {path / name} is empty; remove the folder, or fill it with images"
                f" ({', '.join(IMAGES)})"
            )


def _labels(class_names: Sequence[str | None], counts: Mapping[str | None, int]) -> np.ndarray:
    return np.repeat([class_names.index(name) for name in counts], [*counts.values()])


def _numpy_arrays(
    folder: Path,
    groups: dict[str | None, list[Path]],
    class_names: Sequence[str],
    image_size: int | None,
) -> dict[str, np.ndarray]:
    """The arrays of NumPy files: one file per class, or one file of a split."""
    if None in groups:
        return from_arrays(read_numpy(groups[None][0]))
    images: dict[str | None, np.ndarray] = {}
    for name, (file,) in groups.items():
        image = read_numpy(file).get("image")
        if image is None or not len(image):
            raise UsageError(f"the class {file} is empty; remove the file, or fill it")
        image = from_arrays(image)["image"]
        images[name] = image if image_size is None else center_square(image, image_size)
    check_same_size([*images.values()], folder)
    if len({(image.shape[-1], image.dtype) for image in images.values()}) > 1:
        kinds = ", ".join(f"{name} {x.dtype} {x.shape[1:]}" for name, x in images.items())
        raise UsageError(
            f"the classes in {folder} must have images of one dtype and number of channels, got"
            f" {kinds}"
        )
    label = _labels(class_names, {name: len(image) for name, image in images.items()})
    return check_arrays({"image": np.concatenate([*images.values()]), "label": label})


def parse_split(split: str, splits: Collection[str] = ("train",)) -> dict[str, Any]:
    """{"name", "order", "start", "stop"} of a split; the last three are None if not given.

    Raises UsageError unless the name is one of `splits`.
    """
    match = SPLIT.fullmatch(split.replace(" ", ""))
    if not match or match["name"] not in splits:
        first = next(iter(splits))
        got = one_line(split) if split.strip() else ""
        raise UsageError(
            f"the splits are: {', '.join(map(repr, splits))}, or a part of one like "
            f"'{first}[:1000]' or '{first}[90%:]'; got {got!r}"
        )
    return match.groupdict()


def slice_split(
    arrays: dict[str, np.ndarray],
    split: str,
    splits: Collection[str] = ("train",),
    name: str = "the data",
    ordered: bool = True,
) -> dict[str, np.ndarray]:
    """The part of arrays that a split names: "train", "train[100:]", "train[:-10%]".

    Args:
        arrays: name -> array [n, ...].
        split: in the syntax of TFDS; "train.stratified[:90%]" and "train.ordered[:90%]" choose the
            order in which the slice is taken.
        splits: the names that exist.
        name: name of the data, for messages.
        ordered: whether a split without an order keeps the order of the arrays; else it is
            stratified, see `stratified_order`.

    Raises:
        UsageError: the split cannot be parsed or is empty, or stratification has no labels.
    """
    parts = parse_split(split, splits)
    count = len(next(iter(arrays.values())))
    label = arrays.get("label")
    rows: slice | np.ndarray = split_slice(split, parts, count)
    order = parts["order"] or ("ordered" if ordered or label is None else "stratified")
    if order == "stratified" and label is None:
        raise UsageError(f"{split!r} needs labels, and {name} has none; leave .stratified out")
    if rows == slice(0, count):
        return arrays
    if label is not None and order == "stratified":
        rows = stratified_order(label)[rows]
    elif label is not None and not parts["order"]:
        _note_missing_classes(label, rows, split, name)
    return {key: value[rows] for key, value in arrays.items()}


def stratified_order(label: np.ndarray) -> np.ndarray:
    """Row numbers, int64 [n], such that every slice has each class in proportion.

    The rows of class c are shuffled by numpy.random.default_rng((0, c)); the i-th of its n rows
    is then placed at the fraction (i + 1/2) / n of the order.
    """
    rows = np.argsort(label, kind="stable")  # class after class
    position = np.empty(len(label))
    start = 0
    for c, count in zip(*np.unique(label, return_counts=True), strict=True):
        shuffled = np.random.default_rng((0, int(c))).permutation(rows[start : start + count])
        position[shuffled] = (np.arange(count) + 0.5) / count
        start += count
    return np.lexsort((label, position))


def _note_missing_classes(
    label: np.ndarray, rows: slice | np.ndarray, split: str, name: str
) -> None:
    """Logs a message if a slice lacks classes because the labels are sorted."""
    runs = np.count_nonzero(np.diff(label)) + 1
    if 4 * runs >= len(label):
        return
    missing = np.setdiff1d(label, label[rows])
    unavoidable = np.setdiff1d(label, label[stratified_order(label)[rows]])
    if len(missing) > len(unavoidable):
        classes = [str(c) for c in missing]
        listed = ", ".join(classes[:10]) + (", ..." if classes[10:] else "")
        first, _, bounds = split.partition("[")
        log_message_once(
            f"note: {split!r} of {name} has none of the classes {listed}: its labels are sorted;"
            f" shuffle the arrays, or write '{first}.stratified[{bounds}'"
        )


def split_slice(split: str, parts: Mapping[str, str | None], count: int) -> slice:
    """The rows of a parsed split of `count` examples. Raises UsageError if there are none."""
    percent = [text.endswith("%") for text in (parts["start"], parts["stop"]) if text not in FREE]
    if len({*percent}) > 1:
        raise UsageError(
            f"the split {split!r} cannot be read: it mixes examples and percent; write both ends as"
            " numbers, or both as percent"
        )
    start = _boundary(parts["start"], 0, count, split)
    stop = _boundary(parts["stop"], count, count, split)
    if start >= stop:
        reason = "is empty" if start == stop else "ends before it begins"
        raise UsageError(
            f"the split {split!r} cannot be read: of {count:,} examples it {reason}; choose a"
            " larger part"
        )
    return slice(start, stop)


def _boundary(text: str | None, default: int, count: int, split: str) -> int:
    if not text:
        return default
    number, limit = (int(text[:-1]), 100) if text.endswith("%") else (int(text), count)
    index = round(count * number / 100) if text.endswith("%") else number
    if abs(number) > limit:
        raise UsageError(
            f"the split {split!r} cannot be read: it goes beyond the {count:,} examples; choose"
            " a smaller part"
        )
    return index if index >= 0 and not text.startswith("-") else count + index
