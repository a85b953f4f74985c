"""Notes for people, on stderr."""

import contextlib

import click

_shown = set()


def note(text):
    """Something for people only; where stderr takes nothing, it is lost."""
    with contextlib.suppress(OSError):
        click.echo(text.encode(errors="backslashreplace").decode(), err=True)


def note_once(text):
    """A note about data, which several splits or epochs would repeat: once until `forget`."""
    if text not in _shown:
        _shown.add(text)
        note(text)


def forget():
    """Lets `note_once` repeat itself; a command begins so."""
    _shown.clear()
