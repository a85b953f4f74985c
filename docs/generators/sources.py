"""Facts about the project that several pages show."""

import ast
import functools
import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@functools.cache
def repository() -> str | None:
    """The address of the repository: `Repository` of [project.urls] in pyproject.toml, or None."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project.get("urls", {}).get("Repository")


def path_of(module: str) -> Path:
    """The file of a module."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def source_link(path: Path, text: str) -> str:
    """A Markdown link to a file of the repository; the text alone if the address is unknown."""
    name = path.relative_to(ROOT).as_posix()
    return f"[{text}]({repository()}/blob/main/{name})" if repository() else text


def card(model: str) -> str:
    """The Markdown text of a model's card."""
    return (ROOT / "docs" / "models" / f"{model}.md").read_text()


def title_of_paper(model: str) -> str:
    """The title of a model's paper: the first bold text of its card."""
    match = re.search(r"\*\*(.+?)\*\*", card(model), re.DOTALL)
    assert match, f"the card of {model} names no paper"
    return " ".join(match[1].split())


def table_rows(text: str, heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without its head: lists of cells."""
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


@functools.cache
def parse(path: Path) -> ast.Module:
    """The syntax tree of a Python file."""
    return ast.parse(path.read_text())


def first_paragraph(node: Any) -> str:
    """The first paragraph of a docstring as one line; empty without one."""
    return " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())
