"""Where named data sets are on disk, and who may prepare one there.

Downloaded ones are in the folder of TensorFlow Datasets, which people share and may not write to.
Generated ones are in a folder of one's own, unless they lie prepared in the shared one.
"""

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

import filelock

from zoo.data.catalog import info
from zoo.errors import UsageError, WriteError, ZooError, one_line
from zoo.files import check_writable, user_path

DOWNLOADED = ("TFDS_DATA_DIR", "~/tensorflow_datasets")  # variable, default
GENERATED = ("ZOO_DATA_DIR", "~/.cache/zoo/data")
_temporary = []  # one folder at most, which is removed when the process ends


def directory(data_dir=None):
    """The folder TFDS keeps data in: `data_dir`, TFDS_DATA_DIR or ~/tensorflow_datasets."""
    return _chosen(*DOWNLOADED) if data_dir is None else user_path(data_dir)


def generated_directory():
    """The folder of generated data sets: ZOO_DATA_DIR or ~/.cache/zoo/data."""
    return _chosen(*GENERATED)


def _chosen(variable, default):
    return user_path(os.environ.get(variable) or default, variable)


def find_prepared(name, data_dir=None):
    """The folder that holds a data set, in any version; None if none does.

    Needs neither TensorFlow nor TFDS.
    """
    row = info(name)
    choices = [lambda: directory(data_dir)]
    if row.generated and data_dir is None:
        choices += [generated_directory, *([_temporary_directory] if _temporary else [])]
    for choice in choices:
        with contextlib.suppress(UsageError):  # there is no home folder
            found = (choice() / row.path).rglob("dataset_info.json")
            if any("incomplete" not in path.parent.name for path in found):
                return choice()
    return None


def is_prepared(name, data_dir=None):
    """Whether a data set is on disk, in any version; needs neither TensorFlow nor TFDS."""
    return find_prepared(name, data_dir) is not None


def folder_for(name, data_dir=None):
    """The folder that holds a data set, or that it is to be prepared in."""
    if found := find_prepared(name, data_dir):
        return found
    if not info(name).generated or data_dir is not None:
        return directory(data_dir)
    try:
        folder = generated_directory()
        check_writable(folder / "data")
    except (UsageError, WriteError) as error:
        folder = _temporary_directory()
        _note(
            f"note: {error}. {name} is generated in {folder}, for this process alone; set"
            f" {GENERATED[0]} to a folder of your own to keep it"
        )
    return folder


def _temporary_directory():
    if not _temporary:
        _temporary.append(Path(tempfile.mkdtemp(prefix="zoo-data-")))
        atexit.register(shutil.rmtree, _temporary[0], ignore_errors=True)
    return _temporary[0]


def manual_dir(name, data_dir=None):
    """The folder for what has to be fetched by hand before a data set can be prepared."""
    return directory(data_dir) / "downloads" / "manual" / info(name).name


@contextlib.contextmanager
def preparation_lock(folder, name):
    """Lets one process or thread at a time prepare a data set in a folder; the others wait."""
    try:
        check_writable(folder / "data")
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / f".{name.replace('/', '-')}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            _note(f"waiting for another process that prepares {name} in {folder}")
            lock.acquire()
    except (OSError, NotImplementedError, WriteError) as error:
        variable = (GENERATED if info(name).generated else DOWNLOADED)[0]
        raise ZooError(
            f"could not prepare {name!r} in {folder}: {one_line(error)}; set {variable} to a folder"
            " that can be written to"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _note(text):
    print(text, file=sys.stderr, flush=True)
