"""The errors a person can cause. Each says what came, what was expected, and what to do.

Every one is a `ZooError`; the command line turns them into one line and an exit code: 2 when the
request itself was wrong, 1 when it was right but could not be carried out.
"""

import difflib
import re


class ZooError(Exception):
    """Base of all errors raised on purpose by this library."""

    exit_code = 1


class UsageError(ZooError, ValueError):
    """The request is wrong: an impossible value, a wrong type, an argument that does not exist."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that nothing is registered under. Lists close matches, or everything there is."""

    def __init__(self, kind, name, known):
        known = sorted(known)
        close = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else ""
        listed = f"There are: {', '.join(known)}." if known else f"There is no {kind} at all."
        super().__init__(f"unknown {kind} {name!r}. {hint or listed}")


class BatchError(UsageError):
    """A batch that does not fit the model: feature, shape, dtype or range."""


class DataNotPreparedError(ZooError):
    """A data set that is known but not on disk; names the command that fetches it."""


class CheckpointError(ZooError):
    """A checkpoint that is corrupt, cut short, or belongs to another model. Nothing is changed."""


class WriteError(ZooError):
    """A file or folder that could not be written. What was there before is intact."""


class PresetError(ZooError):
    """A preset that is damaged, incomplete, without a licence, too new, or cannot be fetched."""


class WorkdirBusyError(ZooError):
    """Another trainer holds this working directory."""


class NonFiniteError(ZooError):
    """A loss became NaN or infinite; names the step and the first layer that produced it."""


LONGEST_REASON = 200  # characters of another library's message


def one_line(error):
    """The first line of another library's error, short and printable; else the error's type."""
    text = re.sub(r"\A\{\{[^}]*\}\}", "", str(error))  # TensorFlow begins with a node's name
    lines = text.strip().splitlines() or [""]
    text = "".join(c if c.isprintable() else " " for c in lines[0][: LONGEST_REASON + 1]).strip()
    if len(text) > LONGEST_REASON:
        text = text[: LONGEST_REASON - 3] + "..."
    return text or type(error).__name__


def short_repr(value, length=80):
    """`repr` of a value, for a message: of a long one its beginning."""
    text = repr(value)
    return text if len(text) <= length else f"{text[: length - 3]}..."


def shorten(value, length=60):
    """A value as text for a message; of a long one the beginning and the end."""
    text, half = str(value), (length - 3) // 2
    return text if len(text) <= length else f"{text[:half]}...{text[-half:]}"
