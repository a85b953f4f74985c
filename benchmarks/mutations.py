"""Do the tests notice when a line of the core is wrong?

    python -m benchmarks.mutations --count 60 --seed 0

Changes one place of the source at a time (a comparison, a sign, a constant, the order of two
arguments, a statement that is left out), in a copy, and runs the tests of that file. A change that
no test notices has *survived*: it wants an assertion, or has no effect. What has been run is kept
in a file of results; the same command goes on from there. `--list` shows the changes and runs none.
"""

import argparse
import ast
import collections
import copy
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from zoo.files import write_json

ROOT = Path(__file__).parents[1]
RESULTS = Path("runs/mutations.json")
TIMEOUT = 600  # seconds of one run of the tests
TRAINING = ("trainer", "epochs", "resume", "callbacks")
# What is changed, and the words in the paths of the test files that are run for it.
TESTS = {
    "zoo/training/micro_batches.py": ("test_trainer", "parallel"),
    "zoo/training/run_identity.py": (*TRAINING, "cli_identity"),
    "zoo/training/callbacks.py": (*TRAINING, "recipe_checks"),
    "zoo/training/distribution.py": (*TRAINING, "distribution"),
    "zoo/training/checkpoint.py": (*TRAINING, "test_files"),
    "zoo/training/*.py": TRAINING,
    "zoo/cli/evaluation_data.py": ("cli_evaluate",),
    "zoo/files.py": ("test_files", "records", "cli_outputs", "preset_files"),
    "zoo/checks.py": ("test_checks",),
    "zoo/model/__init__.py": ("test_models", "trainer", "test_callbacks"),
    "zoo/model/evaluation_mode.py": (*TRAINING, "test_presets"),
    "zoo/model/batch_checks.py": ("batch_checks", "trainer", "metric_inputs"),
    "zoo/generation/decoding*.py": ("decoding", "generation"),
    "zoo/recipes/records.py": ("records", "comparisons", "recipes"),
    "zoo/recipes/run.py": ("recipes", "recipe_checks"),
    "zoo/recipes/evaluate.py": ("recipes", "recipe_checks"),
    "zoo/recipes/recipe.py": ("recipes", "recipe_checks"),
    "zoo/recipes/metric_spec.py": ("recipes", "recipe_checks"),
    "zoo/metrics/*.py": ("metric", "neighbors", "comparisons", "classifiers"),
    "zoo/data/*.py": ("tests/data/", "captioning", "test_text"),
    "blocks/divergences.py": ("test_blocks", "heads_and_priors", "test_models"),
    "blocks/priors.py": ("test_blocks", "heads_and_priors"),
    "blocks/kernel_mmd.py": ("test_blocks", "test_metrics"),
    "blocks/attention.py": ("attention", "sequences", "test_blocks"),
    "blocks/transformer.py": ("sequences", "decoding", "translation"),
    "blocks/adversarial.py": ("adversarial", "test_blocks"),
}
OTHER = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
ALIKE = ("min", "max", "zip", "isinstance")  # either order of arguments is one, or no program
TOLD = (ast.Raise, ast.JoinedStr, ast.Assert)  # messages are not mutated


@dataclass(frozen=True)
class Mutation:
    """A change of one place: characters `start` to `end` of a file become `new`."""

    file: str
    line: int
    start: int
    end: int
    old: str
    new: str

    @property
    def key(self):
        return f"{self.file}:{self.start}:{self.old} -> {self.new}"

    def __str__(self):
        old, new = (" ".join(text.split())[:60] for text in (self.old, self.new))
        return f"{self.file}:{self.line}: {old}  ->  {new}"


# The changes.


def changed(node):
    """The nodes, or texts, that may stand in place of a node of the syntax tree."""

    def other(**fields):
        new = copy.copy(node)
        vars(new).update(fields)
        return new

    match node:
        case ast.Compare(ops=[op]) if type(op) in OTHER:
            yield other(ops=[OTHER[type(op)]()])
        case ast.BinOp(op=ast.Div(), right=ast.Constant(value=str()) | ast.JoinedStr()):
            return  # a path
        case ast.BinOp(op=op) | ast.BoolOp(op=op) if type(op) in OTHER:
            yield other(op=OTHER[type(op)]())
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.IfExp(test=test):
            yield other(test=ast.UnaryOp(ast.Not(), test))
        case ast.Call(args=[ast.Name() as first, ast.Name() as second, *rest]):
            if ast.unparse(node.func) not in ALIKE:
                yield other(args=[second, first, *rest])
        case ast.Expr(value=ast.Call()) | ast.AugAssign():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()


def branches(node):
    """The conditions of `if` and `while`, turned round."""
    if isinstance(node, ast.If | ast.While):
        yield node.test, ast.UnaryOp(ast.Not(), node.test)


def walk(node):
    """All nodes but those of messages, annotations, defaults and documentation."""
    if isinstance(node, TOLD):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "defaults", "kw_defaults"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from walk(child)


def mutations(file, text):
    """All `Mutation`s of a file."""
    begins = [0, *itertools.accumulate(len(line) for line in text.splitlines(keepends=True))]

    def place(node, end=False):
        line, column = (
            (node.end_lineno, node.end_col_offset) if end else (node.lineno, node.col_offset)
        )
        raw = text[begins[line - 1] : begins[line]].encode()[:column]  # columns count bytes
        return begins[line - 1] + len(raw.decode())

    for node in walk(ast.parse(text)):
        for old, new in [*((node, new) for new in changed(node)), *branches(node)]:
            start, end = place(old), place(old, end=True)
            source = ast.unparse(ast.fix_missing_locations(new))
            source = source if isinstance(new, ast.stmt) else f"({source})"
            yield Mutation(file, old.lineno, start, end, text[start:end], source)


def chosen(count, seed, pattern="*"):
    """`count` mutations, the same ones for the same seed and source; all files take turns."""
    found = {}
    for files in TESTS:
        for path in sorted(ROOT.glob(files)):
            file = path.relative_to(ROOT).as_posix()
            if path.match(pattern) and path.name != "catalog.py":
                found[file] = list(mutations(file, path.read_text()))
    rng = random.Random(seed)
    files = [file for file, each in sorted(found.items()) if each]
    rng.shuffle(files)
    for file in files:
        rng.shuffle(found[file])
    turns = itertools.chain.from_iterable(itertools.zip_longest(*(found[f] for f in files)))
    return list(itertools.islice((one for one in turns if one), count))


# Running the tests.


def tests_of(file, folder):
    """The test files of a source file, as far as they exist."""
    words = next(words for files, words in TESTS.items() if Path(file).match(files))
    paths = sorted(Path(folder, "tests").rglob("test_*.py"))
    found = [path for path in paths if any(word in str(path) for word in words)]
    return [path.relative_to(folder).as_posix() for path in found]


def passes(folder, tests, timeout):
    """Whether the tests pass in a folder; False also if they take too long."""
    command = [sys.executable, "-m", "pytest", "-x", "-n", "0", "-q", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [*command, *tests],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        return False
    if done.returncode not in (0, 1, 2):  # passed, failed, could not be imported
        raise SystemExit(f"pytest {' '.join(tests)} ended with {done.returncode}:\n{done.stdout}")
    return done.returncode == 0


def copied(folder):
    """A copy of the files that git knows, as they are now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for file in filter(None, listed.split("\0")):
        target = Path(folder, file)
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / file).is_file():
            shutil.copy2(ROOT / file, target)


def survives(mutation, folder, tests, timeout):
    """Whether the tests pass with the mutation; the file is put back."""
    path = Path(folder, mutation.file)
    text = path.read_text()
    path.write_text(text[: mutation.start] + mutation.new + text[mutation.end :])
    try:
        return passes(folder, tests, timeout)
    finally:
        path.write_text(text)


def run(found, results, timeout):
    """Runs the mutations that have no result yet, and keeps each result at once."""
    sound = set()
    with tempfile.TemporaryDirectory() as folder:
        copied(folder)
        for number, mutation in enumerate(found, 1):
            tests = tests_of(mutation.file, folder)
            if mutation.key not in results:
                if tuple(tests) not in sound and not passes(folder, tests, timeout):
                    raise SystemExit(f"without any change, these tests do not pass: {tests}")
                sound.add(tuple(tests))
                survived = survives(mutation, folder, tests, timeout)
                results[mutation.key] = {**asdict(mutation), "survived": survived}
                yield results
            verdict = "SURVIVED" if results[mutation.key]["survived"] else "caught"
            print(f"{number}/{len(found)} {verdict:8} {mutation}", flush=True)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutations", description=__doc__)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--files", default="*", help="only files that match, as 'zoo/training/train_state.py'"
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds of one run")
    parser.add_argument("--list", action="store_true", help="show the changes and run nothing")
    options = parser.parse_args(arguments)
    found = chosen(options.count, options.seed, options.files)
    if options.list:
        print(*found, sep="\n")
        return
    results = json.loads(options.results.read_text()) if options.results.exists() else {}
    for now in run(found, results, options.timeout):
        write_json(options.results, now)
    verdicts = collections.Counter(results[one.key]["survived"] for one in found)
    print(f"{verdicts[False]} of {len(found)} were caught, {verdicts[True]} survived:")
    print(*(one for one in found if results[one.key]["survived"]), sep="\n")
    sys.exit(bool(verdicts[True]))


if __name__ == "__main__":
    main()
