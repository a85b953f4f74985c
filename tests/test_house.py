"""Rules for the source: which package imports which, and what no file may contain."""

import ast
import functools
import re
import sys
from pathlib import Path

import pytest

import zoo

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*ROOT.glob("zoo/**/*.py"), *ROOT.glob("blocks/*.py")])
ALL_FILES = sorted(
    [*SOURCES, *(p for top in ("benchmarks", "docs", "tests") for p in ROOT.glob(f"{top}/**/*.py"))]
)
MAX_LAYERS = 8
MAX_LINES = {"zoo/models": 200, "tests": 400, "": 300}  # first match of the folder


def is_type_checking_block(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imports(path):
    """The modules, and the names from them, that a file imports at run time."""
    tree = ast.parse(path.read_text())
    tree.body = [node for node in tree.body if not is_type_checking_block(node)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def other_imports(path, allowed):
    """The imports of a file except allowed ones and the standard library."""
    others = [
        name for name in imports(path) if name.partition(".")[0] not in sys.stdlib_module_names
    ]
    return [name for name in others if not re.match(rf"({'|'.join(allowed)})(\.|$)", name)]


def package_of(module):
    """The package of a module: a folder or file of `zoo`, or `blocks`; None: another library."""
    top, *parts = module.split(".")
    if top != "zoo":
        return "blocks" if top == "blocks" else None
    if parts == ["__main__"]:
        return "zoo.cli"
    path = parts and (ROOT / "zoo" / parts[0])
    exists = path and (path.is_dir() or path.with_suffix(".py").exists())
    return f"zoo.{parts[0]}" if exists else "zoo"


def package_imports():
    """Package -> the packages that it imports."""
    packages = {}
    for path in SOURCES:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        package = package_of(module.removesuffix(".__init__"))
        imported = set(map(package_of, imports(path))) - {None, package}
        packages.setdefault(package, set()).update(imported)
    return packages


def layer(name, imported, path=()):
    """One more than the highest layer that a package imports; fails on a circular import."""
    assert name not in path, f"a circular import: {' -> '.join([*path, name])}"
    return 1 + max((layer(other, imported, (*path, name)) for other in imported[name]), default=0)


def test_packages_have_few_layers_and_no_circular_imports():
    imported = package_imports()
    layers = {name: layer(name, imported) for name in imported}
    assert max(layers.values()) <= MAX_LAYERS, sorted(layers.items(), key=lambda item: item[1])


@pytest.mark.parametrize("path", [p for p in SOURCES if p.parts[-2] != "cli"], ids=str)
def test_the_library_does_not_import_the_command_line(path):
    if path.name != "__main__.py":
        assert not [name for name in imports(path) if re.match(r"(zoo\.cli|click)(\.|$)", name)]


@pytest.mark.parametrize("package", ["blocks", *(p.parent for p in ROOT.glob("zoo/*/__init__.py"))])
def test_no_submodule_has_the_name_of_a_public_function_of_its_package(package):
    folder = ROOT / package
    tree = ast.parse((folder / "__init__.py").read_text())
    public = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    public |= {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module.startswith(("zoo.", "blocks."))
        for alias in node.names
        if not (ROOT / node.module.replace(".", "/") / f"{alias.name}.py").exists()
    }
    assert public & {path.stem for path in folder.glob("*.py")} == set()


@pytest.mark.parametrize("path", [*ROOT.glob("blocks/*.py")], ids=str)
def test_blocks_import_keras_and_tensorflow_and_not_the_zoo(path):
    libraries = ["keras", "numpy", "scipy", "sklearn", "tensorflow", "tensorflow_probability"]
    assert other_imports(path, ["blocks", *libraries]) == []


@pytest.mark.parametrize("path", [*ROOT.glob("zoo/models/*.py")], ids=str)
def test_models_import_blocks_and_the_public_interface(path):
    libraries = ["keras", "numpy", "sklearn", "tensorflow", "tensorflow_probability"]
    own = ["zoo$", r"zoo\.models", r"zoo\.optimizers"]
    assert other_imports(path, ["blocks", *libraries, *own]) == []
    used = set(re.findall(r"zoo\.(\w+)", path.read_text()))
    beyond = used - {"Captioner", "ImageTranslator", "Model", "Recommender", "Stylizer"}
    beyond -= {"DiffusionModel", "LanguageModel", "Translator"}
    beyond -= {"checked_method", "get", "log_message", "models", "optimizers", "register"}
    assert beyond == set(), f"{path.name} uses zoo.{beyond}"


@pytest.mark.parametrize("path", [*ROOT.glob("zoo/training/*.py")], ids=str)
def test_training_imports_no_model(path):
    assert not [module for module in imports(path) if module.startswith(("zoo.models", "blocks"))]
    assert not re.search(r"nll|\bkl\b|generator_loss|discriminator", path.read_text())


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_no_private_symbols_and_no_checkpoint_of_a_whole_keras_model(path):
    for line in path.read_text().splitlines():
        assert "tensorflow.python" not in line
        assert "keras.src" not in line or "global_seed_generator" in line
        assert not re.search(r"tf\.train\.Checkpoint\(\s*model=", line)
        assert "tfp.layers" not in line and "TransformedVariable" not in line


@pytest.mark.parametrize("path", ALL_FILES, ids=str)
def test_no_file_is_long_or_called_utils(path):
    name = path.relative_to(ROOT).as_posix()
    max_lines = next(lines for folder, lines in MAX_LINES.items() if name.startswith(folder))
    assert len(path.read_text().splitlines()) <= max_lines
    assert path.name != "utils.py"


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_no_file_has_a_todo(path):
    assert "TODO" not in path.read_text()


def test_type_checkers_see_the_lazy_names_and_the_hints():
    tree = ast.parse((ROOT / "zoo/__init__.py").read_text())
    imported = {
        alias.name: node.module
        for block in filter(is_type_checking_block, tree.body)
        for node in block.body
        for alias in node.names
    }
    assert imported == {name: module or "zoo" for name, module in zoo._LAZY.items()}
    assert set(zoo._LAZY) <= set(zoo.__all__)
    assert (ROOT / "zoo/py.typed").exists() and (ROOT / "blocks/py.typed").exists()


# Words that mean nothing in a name, or for which the field has another term.
BANNED = {  # fmt: skip
    "anew",
    "answer",
    "answers",
    "asked",
    "blame",
    "cloud",
    "drawing",
    "drawn",
    "given",
    "heard",
    "judge",
    "kept",
    "known",
    "look",
    "looks",
    "opened",
    "owe",
    "painted",
    "painting",
    "picture",
    "said",
    "say",
    "says",
    "seen",
    "settle",
    "settled",
    "shown",
    "speak",
    "speaker",
    "spoken",
    "taken",
    "teach",
    "tell",
    "told",
    "worded",
}


def public_names(path):
    """The public functions, classes, methods and their arguments that a file defines."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name
            spec = getattr(node, "args", None)
            yield from (each.arg for each in [*spec.args, *spec.kwonlyargs] if spec) if spec else ()


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_public_names_are_the_fields_terms(path):
    parts = {
        part
        for name in public_names(path)
        for part in re.sub("([A-Z])", r"_\1", name).lower().split("_")
    }
    assert parts & BANNED == set()


@functools.cache
def defined_attributes():
    """Names of the private attributes and methods that the sources define."""
    defined = {
        "_asdict",  # public by the documentation of named tuples
        "_get_variable_index",  # how Keras' guide writes an optimizer's `update_step`
        "_network",  # set by `object.__setattr__`, so that Keras does not track it
        "_aggregate_and_compute",  # sacrebleu has no public statistics of a sentence
        "_extract_corpus_statistics",
    }
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                defined.add(node.name)
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                defined.add(node.attr)
    return defined


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_no_private_attribute_of_another_library_is_used(path):
    private = {
        node.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and re.match("_[^_]", node.attr)
    }
    assert private - defined_attributes() == set()


def packed_lines(path):
    """Lines with several assignments, `a, b = x, y`, except the exchange of two names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            target = node.targets[0]
            if isinstance(target, ast.Tuple) and not any(
                isinstance(x, ast.Starred) for x in target.elts
            ):
                names = {ast.unparse(part) for part in target.elts}
                if names != {ast.unparse(part) for part in node.value.elts}:
                    yield node.lineno


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_a_line_holds_one_statement(path):
    assert [*packed_lines(path)] == []


def find_module(name):
    """(path, names below it) of the longest part of a dotted name that is a file of the project."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:count])
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.exists():
                return file, parts[count:]
    return None, parts


@pytest.mark.parametrize("path", ALL_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_imported_exists(path):
    """Also in benchmarks that no test runs."""
    for name in imports(path):
        if name.split(".")[0] in ("zoo", "blocks", "benchmarks"):
            file, rest = find_module(name)
            assert file and len(rest) < 2, name
            assert rest in ([], ["*"]) or re.search(rf"\b{rest[0]}\b", file.read_text()), name
