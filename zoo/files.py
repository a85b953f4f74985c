"""Paths as people write them, and files that are written all or not at all.

A file is first written under a temporary name, flushed to the disk and renamed, so that a crash,
a `kill -9` or a full disk leaves the previous one intact.
"""

import contextlib
import hashlib
import json
import math
import os
import shutil
import tempfile
from pathlib import Path

from zoo.errors import UsageError, WriteError, one_line, short_repr

LONGEST_NAME = 200  # bytes; file systems allow 255, and a temporary name is longer


def user_path(text, variable=None):
    """The Path that a person's text means: ~ stands for a home folder.

    variable: the environment variable that can be set in place of this text, for the message.

    Raises UsageError for what no file can be called here: a home folder that does not exist, a
    name that is too long or holds NUL, a folder that one may not enter.
    """
    advice = f"set HOME or {variable}" if variable else "set HOME, or write the folder in full"
    try:
        path = Path(text).expanduser()
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return path
    except RuntimeError as error:
        raise UsageError(
            f"there is no home folder for {short_repr(str(text))}: {advice}"
        ) from error
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise UsageError(f"cannot use {short_repr(str(text))} as a path: {reason}") from error
    except (ValueError, TypeError) as error:
        raise UsageError(f"cannot use {short_repr(text)} as a path: {one_line(error)}") from error
    return path


def write_atomically(path, write):
    """Calls `write(file)` on a temporary binary file that then takes the name `path`.

    Raises:
        WriteError: the disk would not take it; what was there before is intact.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        raise WriteError(
            f"could not write {path}: {error.strerror or error}. What was saved before is intact;"
            " make room and run the same command again"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # a read-only disk must not hide the error above
            temporary.unlink(missing_ok=True)


def check_writable(path):
    """Raises WriteError if a file could not be written at `path`; to be called before the work."""
    path = Path(path)
    folder = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        reason = f"a file name has at most {LONGEST_NAME} bytes"
    elif path.is_dir():
        reason = "it is a folder"
    elif not folder.is_dir():
        reason = f"{folder} is not a folder"
    elif not os.access(path if path.exists() else folder, os.W_OK):
        reason = f"{path if path.exists() else folder} is read-only"
    else:
        return
    raise WriteError(f"cannot write {path}: {reason}; choose another place")


def write_json(path, value):
    text = json.dumps(value, indent=2) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


@contextlib.contextmanager
def folder_atomically(target):
    """A folder to fill, that takes the name `target`, in place of what is there, in the end.

    Raises:
        WriteError: the disk would not take it; what was there before is back in its place,
            or the message says where it is.
    """
    target = Path(target)
    new = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent))
        new.chmod(0o777 & ~_umask())
        yield new
        replace_folder(target, new)
    except OSError as error:
        raise WriteError(f"could not write {target}: {error.strerror or error}") from error
    finally:
        if new is not None:
            shutil.rmtree(new, ignore_errors=True)


def replace_folder(target, new):
    """Renames the folder `new` to `target`; a former `target` is removed only after that.

    A process that is killed between the two renames leaves the former folder under the name
    `.NAME.*.old`, from where `recover_folder` brings it back.
    """
    recover_folder(target)
    if not target.exists():
        new.rename(target)
        _flush_folder(target.parent)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".old", dir=target.parent))
    old = aside / target.name
    try:
        target.rename(old)
        new.rename(target)
        _flush_folder(target.parent)
    except BaseException:  # also Ctrl-C: whoever stops here keeps what was there
        if not target.exists() and old.exists():
            old.rename(target)
        if not old.exists():
            aside.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)


def recover_folder(target):
    """Brings back a folder whose replacement was killed between two renames; True if it did."""
    target = Path(target)
    if target.exists():
        return False
    for aside in sorted(target.parent.glob(f".{target.name}.*.old")):
        if (aside / target.name).exists():
            with contextlib.suppress(OSError):  # another process may do the same at this moment
                (aside / target.name).rename(target)
                aside.rmdir()
                return True
    return False


def remove_temporary(folder):
    """Removes what killed writes have left in a folder; only for its one owner."""
    for path in Path(folder).rglob(".*.tmp"):
        with contextlib.suppress(OSError):
            path.unlink()


def _flush_folder(folder):
    """Makes a rename in a folder last through a power failure, where the system can do that."""
    with contextlib.suppress(OSError, AttributeError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def nan_to_null(value):
    """NaN and infinities, which JSON lacks, as null."""
    if isinstance(value, dict):
        return {key: nan_to_null(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [nan_to_null(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def digest(record):
    """The checksum of all of a record but the checksum itself."""
    rest = {key: value for key, value in record.items() if key != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return sha256(text.encode())


def sha256(raw):
    return hashlib.sha256(raw).hexdigest()
