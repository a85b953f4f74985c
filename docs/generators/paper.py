"""Paper beside code: the equations of a model's card, and the lines that compute them."""

import ast
import functools
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from docs.generators.models import names
from docs.generators.sources import (
    ROOT,
    card,
    parse,
    path_of,
    source_link,
    table_rows,
    title_of_paper,
)

HEADING = "The step"
CODE = re.compile(r"`([^`]+)`")
MODELS = ROOT / "zoo" / "models"


@dataclass(frozen=True)
class Function:
    """A function of the source: its file and its lines, from 1."""

    path: Path
    name: str
    first: int
    last: int

    def lines(self) -> list[str]:
        return self.path.read_text().splitlines()[self.first - 1 : self.last]


@dataclass(frozen=True)
class Step:
    """A row of the table "The step": the paper's words, the code, and the line that has it."""

    paper: str
    where: str
    line: tuple[Path, int] | None


@functools.cache
def files(model: str) -> list[Path]:
    """The file of a model, then those of the models and blocks that it imports, nearest first."""
    found = [MODELS / f"{model}.py"]
    for path in found:
        for node in ast.walk(parse(path)):
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            if re.match(r"(zoo\.models|blocks)\b", module):
                other = path_of(module)
                found += [other] if other not in found else []
    return found


@functools.cache
def functions(path: Path) -> list[Function]:
    """All functions and methods of a file."""
    return [
        Function(path, node.name, node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef)
    ]


@functools.cache
def lines_without_spaces(path: Path) -> list[str]:
    """The lines of a file without any white space."""
    return ["".join(line.split()) for line in path.read_text().splitlines()]


def find_line(model: str, code: str) -> tuple[Path, int] | None:
    """The file and line of the first code of a model that matches; None without one.

    Args:
        model: its file is searched first, then the files that it imports.
        code: a line or its begin before "..."; the name of a method; or `blocks.Class.method`.
    """
    method = re.fullmatch(r"(?:\w+\.)?(?:([A-Z]\w+)\.)?(\w+)", code)
    for path in files(model):
        line = _definition(path, *method.groups()) if method else _statement(path, code)
        if line:
            return path, line
    return None


def _definition(path: Path, owner: str | None, name: str) -> int | None:
    """The line of a method, of any class or of `owner`."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.ClassDef) and owner in (None, node.name):
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and item.name == name:
                    return item.lineno
    return None


def _statement(path: Path, code: str) -> int | None:
    """The line inside of a function where a fragment begins; white space does not matter."""
    fragment = "".join(code.partition("...")[0].split())
    lines = lines_without_spaces(path)
    if fragment not in "".join(lines):
        return None
    for function in functions(path):
        for number in range(function.first, function.last + 1):
            text = "".join(lines[number - 1 : number + 3])
            if -1 < text.find(fragment) < len(lines[number - 1]):
                return number
    return None


@functools.cache
def steps(model: str) -> list[Step]:
    """The rows of a card's table "The step"."""
    rows = []
    for paper, where, *_ in table_rows(card(model), HEADING):
        found = (find_line(model, code) for code in CODE.findall(where))
        rows.append(Step(paper, where, next(filter(None, found), None)))
    return rows


def shown_functions(model: str) -> list[Function]:
    """`train_step` of a model, then the other functions with lines of its steps."""
    paths = files(model)
    train = next((f for path in paths for f in functions(path) if f.name == "train_step"), None)
    shown = [train] if train else []
    for step in steps(model):
        if step.line and not any(_contains(f, step.line) for f in shown):
            path, line = step.line
            inner = [f for f in functions(path) if _contains(f, (path, line))]
            shown.append(min(inner, key=lambda f: f.last - f.first))
    return shown


def _contains(function: Function, line: tuple[Path, int]) -> bool:
    return function.path == line[0] and function.first <= line[1] <= function.last


def pages() -> dict[str, str]:
    """The pages `paper/MODEL`."""
    return {f"paper/{name}": page(name) for name in names()}


def page(model: str) -> str:
    """The page of a model: equations left, code right, linked by numbers."""
    numbered = list(enumerate(steps(model), start=1))
    numbers: dict[tuple[Path, int], list[int]] = {}
    for number, step in numbered:
        if step.line:
            numbers.setdefault(step.line, []).append(number)
    left = "\n".join(_equation(number, step) for number, step in numbered)
    right = "\n".join(_code(function, numbers) for function in shown_functions(model))
    return (
        f"---\nhide-toc: true\n---\n\n# {model}: paper beside code\n\n"
        f"**{title_of_paper(model)}**. The numbers lead from an equation to its line and back. The"
        f" [card](../../models/{model}.md) explains arguments, data and differences from the paper;"
        f" [the file](../api/models.{model}.md) is the reference.\n\n"
        f"::::{{div}} paper\n:::{{div}} equations\n{left}\n:::\n"
        f":::{{div}} code\n{right}\n:::\n::::\n"
    )


def _equation(number: int, step: Step) -> str:
    anchor = f'<span id="eq-{number}"></span>'
    if step.line is None:
        return f"{anchor}**({number})** {step.paper}: {step.where}\n"
    target = _anchor(*step.line)
    return f'{anchor}<a class="step" href="#{target}">({number})</a> {step.paper}\n'


def _anchor(path: Path, line: int) -> str:
    return f"{path.stem}-{line}"


def _code(function: Function, numbers: dict[tuple[Path, int], list[int]]) -> str:
    """A function as highlighted HTML; lines that compute an equation link to it."""
    text = textwrap.dedent("\n".join(function.lines())) + "\n"
    html = highlight(text, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True))
    lines = []
    for number, line in enumerate(html.splitlines(), start=function.first):
        marks = "".join(
            f'<a class="step" href="#eq-{k}">({k})</a>'
            for k in numbers.get((function.path, number), ())
        )
        anchor = _anchor(function.path, number)
        lines.append(
            f'<span class="line" id="{anchor}"><span class="mark">{marks}</span>{line}</span>'
        )
    name = function.path.relative_to(ROOT).as_posix()
    title = source_link(function.path, f"`{name}`")
    body = f'<div class="highlight"><pre>{"".join(lines)}</pre></div>'
    return f"{title}\n\n```{{raw}} html\n{body}\n```\n"
