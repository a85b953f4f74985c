"""Paths given by the user, and atomic writes of files and folders.

A file is written under a temporary name, flushed to disk and renamed, so that a crash, a `kill -9`
or a full disk leaves the previous version intact.
"""

import contextlib
import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from zoo.errors import UsageError, WriteError, one_line, short_repr

_MAX_NAME_BYTES = 200  # file systems allow 255, and temporary names are longer


def user_path(text: str | os.PathLike[str], variable: str | None = None) -> Path:
    """Converts a path given by the user; ~ stands for a home folder.

    Args:
        text: the path.
        variable: environment variable that also sets this path; named in error messages.

    Raises:
        UsageError: a path that cannot exist here: no such home folder, a name that is too long or
            contains NUL, a folder without access.
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


def expand_home(path: str | os.PathLike[str]) -> Path:
    """The path with ~ replaced by the home folder, as a shell does.

    Raises UsageError: there is no such home folder.
    """
    path = Path(path)
    return user_path(path) if path.parts and path.parts[0].startswith("~") else path


def write_atomically(path: str | os.PathLike[str], write: Callable[[BinaryIO], Any]) -> None:
    """Calls `write(file)` on a temporary binary file and renames it to `path`.

    Raises:
        WriteError: the file could not be written; the previous version is intact.
    """
    path = expand_home(path)
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
        with contextlib.suppress(OSError):  # an error here must not hide the one above
            temporary.unlink(missing_ok=True)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Checks that a file can be written at `path`; call it before a long computation.

    Raises:
        WriteError: it cannot.
    """
    path = expand_home(path)
    folder = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
    if len(os.fsencode(path.name)) > _MAX_NAME_BYTES:
        reason = f"a file name has at most {_MAX_NAME_BYTES} bytes"
    elif path.is_dir():
        reason = "it is a folder"
    elif not folder.is_dir():
        reason = f"{folder} is not a folder"
    elif not os.access(path if path.exists() else folder, os.W_OK):
        reason = f"{path if path.exists() else folder} is read-only"
    else:
        return
    raise WriteError(f"cannot write {path}: {reason}; choose another place")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Writes a value atomically as indented JSON."""
    text = json.dumps(value, indent=2) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes a text atomically, as UTF-8."""
    write_atomically(path, lambda file: file.write(text.encode()))


@contextlib.contextmanager
def folder_atomically(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Context that yields a new folder to fill and renames it to `target` on exit.

    Replaces an existing `target`.

    Raises:
        WriteError: the folder could not be written; the previous one is back in its place.
    """
    target = expand_home(target)
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


def replace_folder(target: Path, new: Path) -> None:
    """Renames the folder `new` to `target`, and removes a previous `target` afterwards.

    If the process is killed between the two renames, the previous folder is left as
    `.NAME.*.old`; `recover_folder` restores it.
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
    except BaseException:  # Ctrl-C too: restore the previous folder
        if not target.exists() and old.exists():
            old.rename(target)
        if not old.exists():
            aside.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)


def recover_folder(target: str | os.PathLike[str]) -> bool:
    """Restores a folder whose replacement was killed between two renames.

    Returns:
        Whether a folder was restored.
    """
    target = Path(target)
    if target.exists():
        return False
    for aside in sorted(target.parent.glob(f".{target.name}.*.old")):
        if (aside / target.name).exists():
            with contextlib.suppress(OSError):  # another process may do the same concurrently
                (aside / target.name).rename(target)
                aside.rmdir()
                return True
    return False


def remove_temporary(folder: str | os.PathLike[str]) -> None:
    """Removes temporary files left by killed writes; only for the process that owns the folder."""
    for path in Path(folder).rglob(".*.tmp"):
        with contextlib.suppress(OSError):
            path.unlink()


def _flush_folder(folder: Path) -> None:
    """Flushes a rename in a folder to disk, on systems that support it."""
    with contextlib.suppress(OSError, AttributeError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def nan_to_null(value: Any) -> Any:
    """Replaces NaN and infinities, which JSON lacks, by None in nested lists and dicts."""
    if isinstance(value, dict):
        return {key: nan_to_null(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [nan_to_null(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def digest(record: dict[str, Any]) -> str:
    """SHA-256 of a record as canonical JSON, without its own key "digest"."""
    rest = {key: value for key, value in record.items() if key != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return sha256(text.encode())


def sha256(raw: bytes) -> str:
    """SHA-256 as hexadecimal digits."""
    return hashlib.sha256(raw).hexdigest()


def write_table(path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Writes a table with tabs between the columns; white space in a cell becomes one space."""
    lines = [
        "\t".join(" ".join(str(cell).split()) for cell in row) + "\n" for row in (header, *rows)
    ]
    write_atomically(path, lambda file: file.write("".join(lines).encode()))
