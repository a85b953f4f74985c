"""Messages for the user: one line each, on stderr."""

import contextlib
import sys

_logged: set[str] = set()


def log_message(text: str) -> None:
    """Prints one line on stderr; ignored if stderr is closed or not writable."""
    with contextlib.suppress(OSError, ValueError):  # ValueError: stderr is closed
        print(text.encode(errors="backslashreplace").decode(), file=sys.stderr, flush=True)


def log_message_once(text: str) -> None:
    """`log_message`, unless the same text was logged since the last `forget_messages()`."""
    if text not in _logged:
        _logged.add(text)
        log_message(text)


def forget_messages() -> None:
    """Lets `log_message_once` repeat every message; called at the start of each command."""
    _logged.clear()
