"""Notes for people: one line each, on stderr."""

import sys


def note(text):
    """Prints a line for people; results go to stdout, and this never does."""
    print(text, file=sys.stderr, flush=True)
