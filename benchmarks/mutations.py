"""Mutation testing: changes single expressions of the source, and checks that a test fails.

    python -m benchmarks.mutations --count 60 --seed 0

Each mutation changes one expression or statement (a comparison, a sign, a constant, the order of
two arguments, a deleted statement) in a copy of the repository, and runs the tests of that file. A
mutation that no test detects has *survived*: an assertion is missing, or it has no effect. Results
are saved in a file; the same command continues from there. `--list` only lists mutations.
"""

import argparse
import ast
import copy
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.mutation_targets import TESTS
from zoo.files import write_json

ROOT = Path(__file__).parents[1]
RESULTS = Path("runs/mutations.json")
TIMEOUT = 600  # seconds for one run of the tests
REPLACEMENTS = {
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
SKIPPED_CALLS = ("min", "max", "zip", "isinstance")  # swapped: no effect, or always an error
MESSAGES = (ast.Raise, ast.JoinedStr, ast.Assert)  # not mutated


@dataclass(frozen=True)
class Mutation:
    """A change of a file: the characters from `start` to `end` become `new`."""

    file: str
    line: int
    start: int
    end: int
    old: str
    new: str

    @property
    def key(self) -> str:
        return f"{self.file}:{self.start}:{self.old} -> {self.new}"

    def __str__(self) -> str:
        old, new = (" ".join(text.split())[:60] for text in (self.old, self.new))
        return f"{self.file}:{self.line}: {old}  ->  {new}"


# Mutations.


def _replacements(node):
    """The nodes that may replace a node of the syntax tree."""

    def copy_with(**fields):
        new = copy.copy(node)
        vars(new).update(fields)
        return new

    match node:
        case ast.Compare(ops=[op]) if type(op) in REPLACEMENTS:
            yield copy_with(ops=[REPLACEMENTS[type(op)]()])
        case ast.BinOp(op=ast.Div(), right=ast.Constant(value=str()) | ast.JoinedStr()):
            return  # a path
        case ast.BinOp(op=op) | ast.BoolOp(op=op) if type(op) in REPLACEMENTS:
            yield copy_with(op=REPLACEMENTS[type(op)]())
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.IfExp(test=test):
            yield copy_with(test=ast.UnaryOp(ast.Not(), test))
        case ast.Call(args=[ast.Name() as first, ast.Name() as second, *rest]):
            if ast.unparse(node.func) not in SKIPPED_CALLS:
                yield copy_with(args=[second, first, *rest])
        case ast.Expr(value=ast.Call()) | ast.AugAssign():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()


def _negated_conditions(node):
    """The conditions of `if` and `while` with their negations."""
    if isinstance(node, ast.If | ast.While):
        yield node.test, ast.UnaryOp(ast.Not(), node.test)


def _walk(node):
    """All nodes except those of messages, annotations, defaults and decorators."""
    if isinstance(node, MESSAGES):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "defaults", "kw_defaults"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _walk(child)


def mutations(file: str, text: str) -> Iterator[Mutation]:
    """All mutations of a file."""
    line_starts = [0, *itertools.accumulate(len(line) for line in text.splitlines(keepends=True))]

    def offset(line, column):
        raw = text[line_starts[line - 1] : line_starts[line]].encode()[:column]  # in bytes
        return line_starts[line - 1] + len(raw.decode())

    for node in _walk(ast.parse(text)):
        replaced = [(node, new) for new in _replacements(node)]
        for old, new in [*replaced, *_negated_conditions(node)]:
            start = offset(old.lineno, old.col_offset)
            end = offset(old.end_lineno, old.end_col_offset)
            source = ast.unparse(ast.fix_missing_locations(new))
            source = source if isinstance(new, ast.stmt) else f"({source})"
            yield Mutation(file, old.lineno, start, end, text[start:end], source)


def sample_mutations(count: int, seed: int, pattern: str = "*") -> list[Mutation]:
    """`count` mutations, determined by the seed and the source; evenly over all files."""
    by_file = {}
    for source_pattern in TESTS:
        for path in sorted(ROOT.glob(source_pattern)):
            file = path.relative_to(ROOT).as_posix()
            if path.match(pattern) and path.name != "catalog.py":
                by_file[file] = list(mutations(file, path.read_text()))
    rng = random.Random(seed)
    files = [file for file, candidates in sorted(by_file.items()) if candidates]
    rng.shuffle(files)
    for file in files:
        rng.shuffle(by_file[file])
    rounds = itertools.zip_longest(*(by_file[file] for file in files))
    candidates = (mutation for mutation in itertools.chain.from_iterable(rounds) if mutation)
    return list(itertools.islice(candidates, count))


# Running the tests.


def find_tests(file: str, folder: str | Path) -> list[str]:
    """The test files of a source file that exist in the folder."""
    parts = next(parts for files, parts in TESTS.items() if Path(file).match(files))
    paths = sorted(Path(folder, "tests").rglob("test_*.py"))
    matches = [path for path in paths if any(part in str(path) for part in parts)]
    return [path.relative_to(folder).as_posix() for path in matches]


def _tests_pass(folder, tests, timeout):
    """Whether the tests pass in a folder; False also after the timeout."""
    command = [sys.executable, "-m", "pytest", "-x", "-n", "0", "-q", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        process = subprocess.run(
            [*command, *tests],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        return False
    if process.returncode not in (0, 1, 2, 4):  # 2 or 4: an import failed
        raise SystemExit(
            f"pytest {' '.join(tests)}: exit code {process.returncode}\n{process.stdout}"
        )
    return process.returncode == 0


def _copy_repository(folder):
    """Copies the working tree, without the files that git ignores."""
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


def survives(mutation: Mutation, folder: str | Path, tests: Sequence[str], timeout: float) -> bool:
    """Whether the tests pass with the mutation; the file is restored."""
    path = Path(folder, mutation.file)
    text = path.read_text()
    path.write_text(text[: mutation.start] + mutation.new + text[mutation.end :])
    try:
        return _tests_pass(folder, tests, timeout)
    finally:
        path.write_text(text)


def run(sample: list[Mutation], results: dict[str, Any], timeout: float) -> Iterator[dict]:
    """Runs the mutations that have no result yet; yields the results after each."""
    passing = set()
    with tempfile.TemporaryDirectory() as folder:
        _copy_repository(folder)
        for number, mutation in enumerate(sample, 1):
            tests = find_tests(mutation.file, folder)
            if mutation.key not in results:
                if tuple(tests) not in passing and not _tests_pass(folder, tests, timeout):
                    raise SystemExit(f"without a mutation, these tests do not pass: {tests}")
                passing.add(tuple(tests))
                survived = survives(mutation, folder, tests, timeout)
                results[mutation.key] = {**asdict(mutation), "survived": survived}
                yield results
            outcome = "SURVIVED" if results[mutation.key]["survived"] else "detected"
            print(f"{number}/{len(sample)} {outcome:8} {mutation}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.mutations",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--count", type=int, default=60, help="number of mutations (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the choice of mutations")
    parser.add_argument("--files", default="*", help="a pattern, as 'zoo/training/train_state.py'")
    parser.add_argument("--results", type=Path, default=RESULTS, help=f"default: {RESULTS}")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds for one test run")
    parser.add_argument("--list", action="store_true", help="list the mutations, run nothing")
    options = parser.parse_args(arguments)
    sample = sample_mutations(options.count, options.seed, options.files)
    if options.list:
        print(*sample, sep="\n")
        return
    results = json.loads(options.results.read_text()) if options.results.exists() else {}
    for updated in run(sample, results, options.timeout):
        write_json(options.results, updated)
    survivors = [mutation for mutation in sample if results[mutation.key]["survived"]]
    detected = len(sample) - len(survivors)
    print(f"{detected} of {len(sample)} were detected, {len(survivors)} survived:")
    print(*survivors, sep="\n")
    sys.exit(bool(survivors))


if __name__ == "__main__":
    main()
