"""The help of every command, as `--help` prints it."""

from collections.abc import Iterator

import click

from zoo.cli.main import main

WIDTH = 96  # characters of a line


def pages() -> dict[str, str]:
    """The text `commands`, which the page docs/command_line.md includes."""
    context = click.Context(
        main,
        info_name="zoo",
        max_content_width=WIDTH,
        terminal_width=WIDTH,
        **main.context_settings,
    )
    return {"commands": "\n".join(_sections(context))}


def _sections(context: click.Context) -> Iterator[str]:
    """A section for a command and for each command in it."""
    command = context.command
    yield f"### {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    for name, inner in sorted(getattr(command, "commands", {}).items()):
        yield from _sections(click.Context(inner, parent=context, info_name=name))
