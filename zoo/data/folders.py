"""What lies in a folder of images: its files, classes and splits, and what is left out.

Needs only Python.
"""

from pathlib import Path

from zoo.errors import UsageError
from zoo.log import log_message_once

IMAGES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff")
IMAGES += (".ppm", ".pgm", ".pbm", ".avif")
NUMPY = (".npy", ".npz")
SPLITS = ("train", "val", "validation", "valid", "dev", "test")  # names of folders
SYSTEM = {  # what systems put among people's files, besides names that begin with a dot
    "__macosx",
    "thumbs.db",
    "desktop.ini",
    "@eadir",
    "$recycle.bin",
    "lost+found",
    "system volume information",
}
SHOWN = 5  # names that a note lists


def is_visible(name):
    """Whether a name in a folder is a person's, not the system's."""
    return not name.startswith(".") and name.lower() not in SYSTEM


def visible_files(folder):
    """The files in a folder and below it, in the order of their names.

    Links are followed, but for those to a folder that they lie in.
    """
    return list(_walk(Path(folder), ()))


def _walk(folder, above):
    try:
        status = folder.stat()
        entries = [(path, path.is_dir()) for path in sorted(folder.iterdir())]
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror or error}") from error
    here = status.st_dev, status.st_ino
    if here in above:
        return
    for path, is_folder in entries:
        if is_visible(path.name) and is_folder:
            yield from _walk(path, (*above, here))
        elif is_visible(path.name):
            yield path


def subfolders(folder):
    """The visible folders in a folder, in the order of their names."""
    paths = sorted(Path(folder).iterdir())
    return [path for path in paths if is_visible(path.name) and path.is_dir()]


def with_suffix(files, suffixes):
    """Those files whose names end in one of the suffixes, in capitals or not."""
    return [file for file in files if file.suffix.lower() in suffixes]


def split_paths(folder):
    """Split -> its folder, or its NumPy file, of a folder that is divided so; else {}.

    Folders named as splits are splits if there is nothing else, or if "train" and another one are
    among them. So are NumPy files that are all named as splits.
    """
    if not Path(folder).is_dir():
        return {}
    visible = [path for path in sorted(Path(folder).iterdir()) if is_visible(path.name)]
    folders = {path.name.lower(): path for path in visible if path.is_dir()}
    loose = with_suffix(visible, IMAGES)
    found = {name: folders[name] for name in SPLITS if name in folders}
    if "train" in found and len(found) > 1:
        return found
    if found and len(found) == len(folders) and not loose:
        return found
    files = {path.stem.lower(): path for path in with_suffix(visible, NUMPY) if path.is_file()}
    if folders or loose or not {*files} <= {*SPLITS}:
        return {}
    return {name: files[name] for name in SPLITS if name in files}


def note_skipped_files(folder, files, read):
    """One note that counts the files that are not read."""
    read = {*read}
    others = [file for file in files if file not in read]
    if not others:
        return
    images = with_suffix(others, IMAGES)
    if images:
        where = {file.relative_to(folder).parts[0] for file in images}
        what = f"{len(images):,} images lie beside the splits and"
        log_message_once(f"note: {folder}: {what} were left out ({_listed(where)})")
    others = [file for file in others if file not in {*images}]
    if others:
        what = (
            "file is not an image and was" if len(others) == 1 else "files are not images and were"
        )
        endings = {file.suffix.lower() or file.name for file in others}
        log_message_once(f"note: {folder}: {len(others):,} {what} left out ({_listed(endings)})")


def _listed(names):
    names = sorted(names)
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
