"""The contents of an image folder: its files, classes and splits, and the files that are skipped.

Needs only Python.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from zoo.errors import UsageError
from zoo.log import log_message_once

IMAGES: tuple[str, ...] = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp")
IMAGES += (".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".avif")
NUMPY = (".npy", ".npz")
SPLITS = ("train", "val", "validation", "valid", "dev", "eval", "test")  # names of folders
ALIASES = {"training": "train", "evaluation": "eval", "testing": "test"}
SYSTEM_FILES = {  # files of operating systems, besides names that begin with a dot
    "__macosx",
    "thumbs.db",
    "desktop.ini",
    "@eadir",
    "$recycle.bin",
    "lost+found",
    "system volume information",
}
SHOWN = 5  # names that a message lists


def is_visible(name: str) -> bool:
    """Whether a file name belongs to the user, not to the operating system."""
    return not name.startswith(".") and name.lower() not in SYSTEM_FILES


def visible_files(folder: str | Path) -> list[Path]:
    """The files in a folder and its subfolders, sorted by name.

    Links are followed, except links to a folder that contains them.
    """
    return list(_walk(Path(folder), ()))


def _walk(folder: Path, parents: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    try:
        status = folder.stat()
        entries = [(path, path.is_dir()) for path in sorted(folder.iterdir())]
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror or error}") from error
    identity = status.st_dev, status.st_ino
    if identity in parents:
        return
    for path, is_folder in entries:
        if is_visible(path.name) and is_folder:
            yield from _walk(path, (*parents, identity))
        elif is_visible(path.name):
            yield path


def subfolders(folder: str | Path) -> list[Path]:
    """The visible folders in a folder, sorted by name."""
    paths = sorted(Path(folder).iterdir())
    return [path for path in paths if is_visible(path.name) and path.is_dir()]


def with_suffix(files: Iterable[Path], suffixes: Sequence[str]) -> list[Path]:
    """The files whose names end in one of the suffixes, in upper or lower case."""
    return [file for file in files if file.suffix.lower() in suffixes]


def split_paths(folder: str | Path) -> dict[str, Path]:
    """Split -> its folder or NumPy file, of a folder that is divided into splits; else {}.

    Folders named like splits are splits if there is nothing else, or if "train" and another one
    are among them. NumPy files are splits if all of them are named like splits.

    Raises UsageError: two folders or files of one split.
    """
    if not Path(folder).is_dir():
        return {}
    visible = [path for path in sorted(Path(folder).iterdir()) if is_visible(path.name)]
    folders = [path for path in visible if path.is_dir()]
    images = with_suffix(visible, IMAGES)
    splits = _named_like_splits(folders)
    if "train" in splits and len(splits) > 1:
        return splits
    if splits and len(splits) == len(folders) and not images:
        return splits
    files = [path for path in with_suffix(visible, NUMPY) if path.is_file()]
    splits = _named_like_splits(files)
    return {} if folders or images or len(splits) < len(files) else splits


def split_name(path: Path) -> str:
    """The split that a folder or file is named after, in any case: "Testing" is "test"; or ""."""
    name = (path.stem if path.suffix.lower() in NUMPY else path.name).lower()
    name = ALIASES.get(name, name)
    return name if name in SPLITS else ""


def _named_like_splits(paths: Iterable[Path]) -> dict[str, Path]:
    """Split -> the path that is named after it, in the order of `SPLITS`."""
    named: dict[str, Path] = {}
    for path in paths:
        name = split_name(path)
        if name in named:
            raise UsageError(
                f"{path.parent} has two parts for the split {name!r}, {named[name].name} and"
                f" {path.name}: move one of them away"
            )
        if name:
            named[name] = path
    return {name: named[name] for name in SPLITS if name in named}


def note_ambiguous_classes(folder: Path, names: Sequence[str]) -> None:
    """Logs a message if folders that are read as classes look like something else.

    Args:
        folder: whose subfolders are the classes.
        names: names of the classes.
    """
    splits = [name for name in names if split_name(Path(name))]
    if splits:
        log_message_once(
            f"note: {folder}: {listed(splits)} is read as a class, like the other folders; for"
            f" splits, use only folders named {', '.join(SPLITS)}"
        )
    order = next((i for i, name in enumerate(names) if name.isdecimal() and int(name) != i), None)
    if order is not None and sorted(names) == sorted(map(str, range(len(names)))):
        log_message_once(
            f"note: {folder}: the names of classes are sorted as text, so the label {order} is the"
            f" folder {names[order]}; names like 01 and 10 make labels and names agree"
        )
    alone = len(names) == 1 and (folder / names[0]).is_dir()
    inner = subfolders(folder / names[0]) if alone else []
    if inner:
        log_message_once(
            f"note: {folder}: {names[0]} is read as the only class, with all images inside of it;"
            f" if {listed(path.name for path in inner)} are classes or splits, name"
            f" {folder / names[0]} instead"
        )


def note_skipped_files(folder: Path, files: Iterable[Path], read: Iterable[Path]) -> None:
    """Logs one message that counts the files that are not among those read."""
    read = {*read}
    skipped = [file for file in files if file not in read]
    if not skipped:
        return
    images = with_suffix(skipped, IMAGES)
    if images:
        names = {file.relative_to(folder).parts[0] for file in images}
        subject = f"{len(images):,} images do not belong to a split and"
        log_message_once(f"note: {folder}: {subject} were skipped ({listed(names)})")
    others = [file for file in skipped if file not in {*images}]
    if others:
        one = len(others) == 1
        subject = "file is not an image and was" if one else "files are not images and were"
        suffixes = {file.suffix.lower() or file.name for file in others}
        log_message_once(f"note: {folder}: {len(others):,} {subject} skipped ({listed(suffixes)})")


def listed(names: Iterable[str]) -> str:
    """The first of some names, sorted, for a message."""
    names = sorted(names)
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
