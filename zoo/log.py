"""Notes for people: one line each, on stderr."""

import contextlib
import sys

_shown = set()


def log_message(text):
    """Prints a line for people; where stderr takes nothing, it is lost."""
    with contextlib.suppress(OSError, ValueError):  # ValueError: it is closed
        print(text.encode(errors="backslashreplace").decode(), file=sys.stderr, flush=True)


def log_message_once(text):
    """A note about data, which several splits of them would repeat: once until `forget`."""
    if text not in _shown:
        _shown.add(text)
        log_message(text)


def forget_messages():
    """Lets `note_once` repeat itself; each command begins so."""
    _shown.clear()
