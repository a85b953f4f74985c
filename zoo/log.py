"""Messages for people: one line each, on stderr."""

import contextlib
import sys

_logged = set()


def log_message(text: str) -> None:
    """Prints one line on stderr; if stderr cannot be written, the message is lost."""
    with contextlib.suppress(OSError, ValueError):  # ValueError: it is closed
        print(text.encode(errors="backslashreplace").decode(), file=sys.stderr, flush=True)


def log_message_once(text: str) -> None:
    """Prints a message about data, which several splits would repeat, once per command."""
    if text not in _logged:
        _logged.add(text)
        log_message(text)


def forget_messages() -> None:
    """Lets `log_message_once` repeat its messages; every command calls this first."""
    _logged.clear()
