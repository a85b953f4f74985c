"""Folders of named data sets on disk, and locks for preparing one there.

Downloaded data sets are in the folder of TensorFlow Datasets, which may be shared and read-only.
Generated ones are in a folder of the user, unless they are already prepared in the shared one.
"""

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import filelock

from zoo.data.catalog import info
from zoo.data.dataset_info import DatasetInfo
from zoo.errors import DataNotPreparedError, UsageError, WriteError, ZooError, one_line
from zoo.files import check_writable, user_path

DOWNLOADED = ("TFDS_DATA_DIR", "~/tensorflow_datasets")  # environment variable, default
GENERATED = ("ZOO_DATA_DIR", "~/.cache/zoo/data")
_temporary: list[Path] = []  # at most one folder, removed when the process ends


def directory(data_dir: str | os.PathLike | None = None) -> Path:
    """The folder of TFDS: `data_dir`, TFDS_DATA_DIR or ~/tensorflow_datasets."""
    return _folder_from(*DOWNLOADED) if data_dir is None else user_path(data_dir)


def generated_directory() -> Path:
    """The folder of generated data sets: ZOO_DATA_DIR or ~/.cache/zoo/data."""
    return _folder_from(*GENERATED)


def _folder_from(variable: str, default: str) -> Path:
    return user_path(os.environ.get(variable) or default, variable)


def find_prepared(name: str, data_dir: str | os.PathLike | None = None) -> Path | None:
    """The folder that holds a prepared data set, in any version; None if there is none.

    Needs neither TensorFlow nor TFDS.
    """
    dataset = info(name)
    candidates = [lambda: directory(data_dir)]
    if dataset.generated and data_dir is None:
        candidates += [generated_directory, *([_temporary_directory] if _temporary else [])]
    for candidate in candidates:
        with contextlib.suppress(UsageError):  # there is no home folder
            infos = (candidate() / dataset.path).rglob("dataset_info.json")
            if any("incomplete" not in path.parent.name for path in infos):
                return candidate()
    return None


def is_prepared(name: str, data_dir: str | os.PathLike | None = None) -> bool:
    """Whether a data set is on disk, in any version, or needs no files.

    Needs neither TensorFlow nor TFDS.
    """
    return info(name).computed or find_prepared(name, data_dir) is not None


def folder_for(name: str, data_dir: str | os.PathLike | None = None) -> Path:
    """The folder that holds a data set, or in which it is to be prepared.

    Raises UsageError for a data set that a function computes.
    """
    if info(name).computed:
        raise UsageError(f"there is nothing to prepare: {info(name).load} computes {name}")
    if folder := find_prepared(name, data_dir):
        return folder
    if not info(name).generated or data_dir is not None:
        return directory(data_dir)
    return writable_directory(name)


def writable_directory(content: str) -> Path:
    """`generated_directory()`, or a temporary folder and a note if that is not writable.

    Args:
        content: what is written there, for the note.
    """
    try:
        folder = generated_directory()
        check_writable(folder / "data")
    except (UsageError, WriteError) as error:
        folder = _temporary_directory()
        _log(
            f"note: {error}. {content} is generated in {folder}, for this process only; set"
            f" {GENERATED[0]} to a writable folder to keep it"
        )
    return folder


def _temporary_directory() -> Path:
    if not _temporary:
        _temporary.append(Path(tempfile.mkdtemp(prefix="zoo-data-")))
        atexit.register(shutil.rmtree, _temporary[0], ignore_errors=True)
    return _temporary[0]


def manual_dir(name: str, data_dir: str | os.PathLike | None = None) -> Path:
    """The folder for files that must be fetched by hand before a data set can be prepared."""
    return directory(data_dir) / "downloads" / "manual" / info(name).name


def manual_download_error(
    dataset: DatasetInfo, data_dir: str | os.PathLike | None
) -> DataNotPreparedError:
    """The error for a data set whose files must be fetched by hand first."""
    fetch = f"fetch it with: zoo data prepare {dataset.name}; or " if dataset.network else ""
    return DataNotPreparedError(
        f"the data set {dataset.name!r} is not in {directory(data_dir)}; {fetch}put"
        f" {dataset.manual} into {manual_dir(dataset.name, data_dir)}, then run:"
        f" zoo data prepare {dataset.name}"
    )


@contextlib.contextmanager
def preparation_lock(folder: Path, name: str) -> Iterator[None]:
    """Lets one process or thread at a time prepare a data set in a folder; others wait.

    Raises ZooError if the folder is not writable.
    """
    try:
        check_writable(folder / "data")
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / f".{name.replace('/', '-')}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            _log(f"waiting for another process that prepares {name} in {folder}")
            lock.acquire()
    except (OSError, NotImplementedError, WriteError) as error:
        variable = (GENERATED if info(name).generated else DOWNLOADED)[0]
        raise ZooError(
            f"could not prepare {name!r} in {folder}: {one_line(error)}; set {variable} to a folder"
            " that is writable"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
