"""The guarantees page: each test's name is a promise."""

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

from docs.generators.sources import ROOT, first_paragraph, parse, source_link

HEAD = """\
# Guarantees

A test's name states a promise, and the test checks it with numbers. This page is generated from the
names of the tests, so it lists exactly what is checked.
"""
AREAS = {
    "models": "Models",
    "training": "Training, checkpoints, resume",
    "data": "Data",
    "text": "Text",
    "generation": "Generation",
    "metrics": "Metrics",
    "recipes": "Recipes and records",
    "finetuning": "Fine-tuning",
    "blocks": "Blocks",
    "cli": "Command line",
}
PROPERTIES = ROOT / "zoo" / "testing"


def pages() -> dict[str, str]:
    """The page `guarantees`."""
    parts = [HEAD, "## For every model\n", _properties()]
    paths = sorted((ROOT / "tests").glob("**/test_*.py"))
    for area, group in itertools.groupby(sorted(paths, key=_area), key=_area):
        rows = [row for path in group for row in _promises(path)]
        if rows:
            parts += [f"## {AREAS.get(area, area.capitalize())}\n", _table(rows)]
    return {"guarantees": "\n".join(parts)}


def _area(path: Path) -> str:
    folder = path.relative_to(ROOT / "tests").parent.as_posix()
    return "the package" if folder == "." else folder


def _properties() -> str:
    """The conformance suite, which runs for every model and for models of plug-ins."""
    rows = []
    for path in sorted(PROPERTIES.glob("*properties.py")):
        for node in parse(path).body:
            if _is_property(node):
                rows.append(f"| {sentence(node.name)} | {_cell(first_paragraph(node))} |")
    text = (
        "The conformance suite runs for every model of the zoo, and for the models of a plug-in:"
        " [adding a plug-in](../adding_a_plugin.md).\n"
    )
    return "\n".join([text, "| promise | what is checked |", "| --- | --- |", *rows, ""])


def _is_property(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.FunctionDef)
        and not node.name.startswith("_")
        and [argument.arg for argument in node.args.args] == ["name"]
    )


def _promises(path: Path) -> Iterator[str]:
    for node in parse(path).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            name = sentence(node.name.removeprefix("test_"))
            yield f"| {name} | {models_of(node)} | {source_link(path, f'`{path.name}`')} |"


def _table(rows: list[str]) -> str:
    return "\n".join(["| promise | models | test |", "| --- | --- | --- |", *rows, ""])


def sentence(name: str) -> str:
    """A function's name as a sentence."""
    text = name.replace("_", " ")
    return text[0].upper() + text[1:]


def models_of(test: ast.FunctionDef) -> str:
    """The models that a test is parametrized with: names, "every model", or nothing."""
    for decorator in test.decorator_list:
        text = ast.unparse(decorator)
        if text.startswith("every_model"):
            return "every model"
        if text.startswith("pytest.mark.parametrize") and isinstance(decorator, ast.Call):
            arguments = [ast.unparse(argument) for argument in decorator.args[:2]]
            if arguments[0] == "'name'" and isinstance(decorator.args[1], ast.List | ast.Tuple):
                names = [ast.unparse(item).strip("'") for item in decorator.args[1].elts]
                return ", ".join(f"`{name}`" for name in names if name.isidentifier())
    return ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
