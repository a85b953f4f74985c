"""The errors that a user can cause. Messages state what was given, what was expected, what to do.

All are `ZooError`s. The command line prints them as one line and exits with the code 2 if the
request was invalid, 1 if it was valid but failed.
"""

import difflib
import re
from collections.abc import Iterable
from typing import Any


class ZooError(Exception):
    """Base class of all errors that this library raises on purpose."""

    exit_code = 1


class UsageError(ZooError, ValueError):
    """An invalid request: an impossible value, a wrong type, an unknown argument."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that is not registered. The message has close matches, or all available names.

    Args:
        kind: what is named, such as "model".
        name: the unknown name.
        available: the names that exist.
    """

    def __init__(self, kind: str, name: Any, available: Iterable[str]):
        available = sorted(available)
        close = difflib.get_close_matches(str(name), available, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else ""
        listing = f"Available: {', '.join(available)}." if available else f"There is no {kind}."
        super().__init__(f"unknown {kind} {name!r}. {hint or listing}")


class BatchError(UsageError):
    """A batch that does not fit the model: wrong feature, shape, dtype or range."""


class DataNotPreparedError(ZooError):
    """A known data set that is not on disk; the message has the command that fetches it."""


class CheckpointError(ZooError):
    """A checkpoint that is corrupt, truncated, or of another model. The state is unchanged."""


class WriteError(ZooError):
    """A file or folder that could not be written. The previous version is intact."""


class PresetError(ZooError):
    """A preset that is damaged, incomplete, unlicensed, too new, or cannot be fetched."""


class WorkdirBusyError(ZooError):
    """Another trainer uses this working directory."""


class NonFiniteError(ZooError):
    """A loss became NaN or infinite; the message has the step and the first layer affected."""


_MAX_REASON_LENGTH = 200  # characters of another library's message


def one_line(error: BaseException | str) -> str:
    """The first line of an error message, short and printable; without one, the error's type."""
    text = re.sub(r"\A\{\{[^}]*\}\}", "", str(error))  # TensorFlow begins with a node's name
    lines = text.strip().splitlines() or [""]
    start = lines[0][: _MAX_REASON_LENGTH + 1]
    text = "".join(c if c.isprintable() else " " for c in start).strip()
    if len(text) > _MAX_REASON_LENGTH:
        text = text[: _MAX_REASON_LENGTH - 3] + "..."
    return text or type(error).__name__


def short_repr(value: Any, length: int = 80) -> str:
    """`repr(value)` for a message, on one line, cut at the end to at most `length` characters."""
    text = re.sub(r"\s*\n\s*", " ", repr(value))
    return text if len(text) <= length else f"{text[: length - 3]}..."


def shorten(value: Any, length: int = 60) -> str:
    """`str(value)` for a message, cut in the middle to at most `length` characters."""
    text = str(value)
    half = (length - 3) // 2
    return text if len(text) <= length else f"{text[:half]}...{text[-half:]}"
