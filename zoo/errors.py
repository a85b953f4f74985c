"""The errors that users can cause. Each message has what came, what was expected, and what to do.

All are a `ZooError`. The command line prints one line and ends with an exit code: 2 if the request
was invalid, 1 if it was valid but failed.
"""

import difflib
import re
from collections.abc import Iterable
from typing import Any


class ZooError(Exception):
    """Base of all errors raised on purpose by this library."""

    exit_code = 1


class UsageError(ZooError, ValueError):
    """An invalid request: an impossible value, a wrong type, an argument that does not exist."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that is not registered. The message has close matches, or all names.

    Args:
        kind: what the name is of, as in "model".
        name: the unknown name.
        known: the names that exist.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        close = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else ""
        names = f"There are: {', '.join(known)}." if known else f"There is no {kind} at all."
        super().__init__(f"unknown {kind} {name!r}. {hint or names}")


class BatchError(UsageError):
    """A batch that does not fit the model: feature, shape, dtype or range."""


class DataNotPreparedError(ZooError):
    """A data set that is known but not on disk; names the command that fetches it."""


class CheckpointError(ZooError):
    """A checkpoint that is corrupt, truncated, or of another model. The trainer is not changed."""


class WriteError(ZooError):
    """A file or folder that could not be written. An earlier version of it is intact."""


class PresetError(ZooError):
    """A preset that is damaged, incomplete, without a license, too new, or cannot be fetched."""


class WorkdirBusyError(ZooError):
    """Another trainer uses this working directory."""


class NonFiniteError(ZooError):
    """A loss became NaN or infinite. The message has the step and the first layer that caused it."""


MAX_REASON_LENGTH = 200  # characters of another library's message


def one_line(error: BaseException) -> str:
    """The first line of another library's error, short and printable; else the error's type."""
    text = re.sub(
        r"\A\{\{[^}]*\}\}", "", str(error)
    )  # TensorFlow's messages begin with a node's name
    lines = text.strip().splitlines() or [""]
    text = "".join(c if c.isprintable() else " " for c in lines[0][: MAX_REASON_LENGTH + 1]).strip()
    if len(text) > MAX_REASON_LENGTH:
        text = text[: MAX_REASON_LENGTH - 3] + "..."
    return text or type(error).__name__


def short_repr(value: Any, length: int = 80) -> str:
    """The `repr` of a value for a message; only the beginning of a long one."""
    text = repr(value)
    return text if len(text) <= length else f"{text[: length - 3]}..."


def shorten(value: Any, length: int = 60) -> str:
    """A value as text for a message; only the beginning and the end of a long one."""
    text = str(value)
    half = (length - 3) // 2
    return text if len(text) <= length else f"{text[:half]}...{text[-half:]}"
