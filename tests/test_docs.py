"""The documents are correct: their code runs, links have targets, commands exist."""

import ast
import contextlib
import functools
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from conftest import without_graphs

from docs.generators import api, gallery, guarantees, models, paper
from zoo import factory, registry
from zoo.cli.main import main
from zoo.cli.overrides import parse_overrides
from zoo.data import names as data_names
from zoo.recipes.metric_spec import METRICS

ROOT = Path(__file__).parent.parent
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *(
        path
        for path in sorted((ROOT / "docs").glob("**/*.md"))
        if not {"_build", "generated"} & {*path.parts}  # made by `make docs`
    ),
]
MERGE_CONFLICT = re.compile(r"^(<{7}|>{7}) ", re.MULTILINE)
FENCE = re.compile(r"^```(\w+)([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
OWN_PROCESS = {"distribution.md"}  # divides the CPU, which must come before all else
# The steps of the others are few: tracing them takes longer.
COMPILED = {"README.md", "simple_dot.md", "attention_cell.md"}


def blocks(path, *languages):
    """(number of lines above, info string, code) of each fenced block in one of the languages."""
    text = path.read_text()
    return [
        (text.count("\n", 0, match.start(3)), match[2].strip(), match[3])
        for match in FENCE.finditer(text)
        if match[1] in languages
    ]


def runnable(path):
    """The code of a document, each block at its own line so that tracebacks point there."""
    for above, how, code in blocks(path, "python"):
        if how != "no-run":
            yield compile("\n" * above + code, str(path), "exec")


def commands(path):
    """The command lines that begin with `zoo` or `make`, comments and `\\` line ends removed."""
    for _, _, text in blocks(path, "bash", "console"):
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0], re.DOTALL):
                del words[0]
            if words and words[0] in ("zoo", "make"):
                yield words


@functools.cache
def generated_pages():
    """The paths of the pages that are made from the source."""
    names = (
        name for module in (api, gallery, guarantees, models, paper) for name in module.pages()
    )
    return {ROOT / "docs" / "generated" / f"{name}.md" for name in names}


def own_models(path):
    """Names that the document's code registers."""
    return set(re.findall(r'@zoo\.register\("(\w+)"\)', path.read_text()))


named = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
with_code = pytest.mark.parametrize(
    "path", [p for p in DOCUMENTS if any(runnable(p))], ids=lambda p: str(p.relative_to(ROOT))
)


@pytest.fixture
def registered_for_now():
    """Removes the models and metrics that a document registers."""
    before = set(registry._registered)
    metrics = {*METRICS}
    yield
    for name in {*METRICS} - metrics:
        del METRICS[name]
    modules = registry._modules()
    for name in set(registry._registered) - before:
        if name not in modules:
            del registry._registered[name]


@with_code
def test_the_code_of_a_document_runs_from_top_to_bottom(
    path, tmp_path, monkeypatch, registered_for_now
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))  # generated data stay here
    if path.name in OWN_PROCESS:
        script = "".join(code for _, how, code in blocks(path, "python") if how != "no-run")
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        return
    namespace = {"__name__": "__main__"}
    with contextlib.nullcontext() if path.name in COMPILED else without_graphs():
        for code in runnable(path):
            exec(code, namespace)


@named
def test_code_that_is_not_run_is_valid_python_and_rare(path):
    skipped = [code for _, how, code in blocks(path, "python") if how == "no-run"]
    assert len(skipped) <= 2
    for code in skipped:
        ast.parse(code)


@named
def test_a_document_has_no_merge_conflict(path):
    assert not MERGE_CONFLICT.search(path.read_text())


@named
def test_every_link_and_image_exists(path):
    for target in LINK.findall(path.read_text()):
        if not re.match(r"https?://|#", target):
            file = (path.parent / target.partition("#")[0]).resolve()
            assert file.exists() or file in generated_pages(), target


@named
def test_every_command_line_is_valid(path):
    for program, *words in commands(path):
        if program == "make":
            makefile = (ROOT / "Makefile").read_text()
            targets = [word for word in words if "=" not in word]
            assert all(re.search(rf"^{target}:", makefile, re.M) for target in targets), words
            continue
        command, name = main, "zoo"
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            name, *words = words
            assert name in command.commands, f"zoo has no command {name}"
            command = command.commands[name]
        try:
            options = command.make_context(name, words).params  # parses, runs nothing
        except click.exceptions.Exit:  # --help, --version
            continue
        models = {*registry.names(), *factory.names(pretrained=True), *own_models(path)}
        if name in ("train", "info") and command is not main.commands["data"]:
            model = options["name"]
            known = model in {*models, *data_names()}
            assert known or options.get("file"), f"there is no model {model}"
            if "overrides" in options and model in registry.names():
                parse_overrides(model, options["overrides"])
        data = options.get("data")
        assert not data or data.partition("/")[0] in data_names() or re.search(r"/|\.np[yz]$", data)


@named
def test_a_shell_parses_every_block_of_commands(path):
    script = "".join(code for _, _, code in blocks(path, "bash"))
    done = subprocess.run(["bash", "-n", "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@named
def test_no_document_mentions_the_machine_it_was_written_on(path):
    assert not re.search(r"/(work|tmp|root|home|mnt)\b|\.\./shared", path.read_text())
