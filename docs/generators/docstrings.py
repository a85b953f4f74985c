"""Docstrings as reStructuredText. They are written for people, in the manner of Markdown."""

import re
from typing import Any

SECTION = re.compile(r"(Args|Arguments|Attributes|Raises|Returns|Yields|Example|Examples):\s*$")
CODE = re.compile(r"(`+[^`]+`+)")


def markdown_to_rst(
    app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]
) -> None:
    """Escapes characters with a meaning in reStructuredText; indented blocks become code.

    Blocks inside of a section such as `Args:` are descriptions and remain.
    """
    result: list[str] = []
    in_section = False
    in_code = False
    for line in lines:
        indented = line.startswith("    ")
        if SECTION.match(line):
            in_section = True
        elif line and not indented:
            in_section = False
        if indented and not in_section and not in_code and (not result or not result[-1].strip()):
            result += ["::", ""]
            in_code = True
        elif line and not indented:
            in_code = False
        result.append(line if in_code and indented else _escape(line))
    lines[:] = result


def skip_foreign(
    app: Any, what: str, name: str, value: Any, skip: bool, options: Any
) -> bool | None:
    """Leaves out members that another library defines; None: as Sphinx decides."""
    module = getattr(value, "__module__", None) or ""
    return True if module.startswith(("keras", "tensorflow", "tf_keras")) else None


def _escape(line: str) -> str:
    """Escapes stars, bars and trailing underscores outside of code."""
    parts = CODE.split(line)
    parts[::2] = [re.sub(r"([*|]|(?<=\w)_(?=\W|$))", r"\\\1", part) for part in parts[::2]]
    # A word that follows code without a space, as in `Score`s, needs a separator.
    parts[2::2] = [re.sub(r"^(?=\w)", r"\\ ", part) for part in parts[2::2]]
    return "".join(parts)
