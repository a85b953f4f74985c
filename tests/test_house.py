"""The rules of the house: who may import whom, and what no file may contain."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*ROOT.glob("zoo/**/*.py"), *ROOT.glob("blocks/*.py")])


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def outside(path, allowed):
    return [name for name in imports(path) if not re.match(rf"({'|'.join(allowed)})(\.|$)", name)]


@pytest.mark.parametrize("path", [*ROOT.glob("blocks/*.py")], ids=str)
def test_blocks_know_keras_and_tensorflow_and_nothing_of_the_zoo(path):
    assert outside(path, ["blocks", "keras", "math", "tensorflow", "tensorflow_probability"]) == []


@pytest.mark.parametrize("path", [*ROOT.glob("zoo/models/*.py")], ids=str)
def test_models_know_blocks_and_the_contract(path):
    libraries = ["keras", "sklearn", "tensorflow", "tensorflow_probability"]
    assert outside(path, ["blocks", *libraries, "zoo$", r"zoo\.models"]) == []
    used = set(re.findall(r"zoo\.(\w+)", path.read_text()))
    beyond = used - {"Adam", "Captioner", "Model", "Translator"}
    beyond -= {"models", "note", "register", "verb"}
    assert beyond == set(), f"{path.name} uses zoo.{beyond}"


@pytest.mark.parametrize("name", ["trainer", "callbacks", "state", "replicas", "inspection"])
def test_the_trainer_knows_no_model(name):
    path = ROOT / "zoo" / f"{name}.py"
    assert not [module for module in imports(path) if module.startswith(("zoo.models", "blocks"))]
    assert not re.search(r"nll|\bkl\b|generator_loss|discriminator", path.read_text())


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_no_private_symbols_and_no_checkpoint_of_a_whole_keras_model(path):
    for line in path.read_text().splitlines():
        assert "tensorflow.python" not in line
        assert "keras.src" not in line or "global_seed_generator" in line
        assert not re.search(r"tf\.train\.Checkpoint\(\s*model=", line)
        assert "tfp.layers" not in line and "TransformedVariable" not in line


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_no_file_is_long_and_none_is_called_utils(path):
    assert len(path.read_text().splitlines()) <= 300
    assert path.name != "utils.py"
    assert "TODO" not in path.read_text()
