"""Runs the command line in tests."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from click.testing import CliRunner
from PIL import Image

import zoo
from zoo.cli.main import main

HOME = Path(zoo.__file__).parents[1]
SMALL = ("--data", "images.npz", "--batch-size", "16")


def run(*args, **options):
    """Runs the command in this process: a result with `exit_code`, `stdout` and `stderr`."""
    return CliRunner().invoke(main, [str(arg) for arg in args], **options)


def run_json(*args):
    """The JSON object that a command prints, which must succeed."""
    result = run(*args, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def run_error(*args, code=2):
    """The stderr of a command that must end with one clear error and print nothing."""
    result = run(*args)
    crash = result.exception if not isinstance(result.exception, SystemExit) else None
    assert result.exit_code == code and crash is None, result.output + repr(crash)
    assert result.stdout == "" and "Traceback" not in result.stderr
    message = result.stderr.partition("error: ")[2]  # click itself repeats the arguments
    assert _unknown_options(args[0], message) == set()
    return result.stderr


def _unknown_options(name, text):
    """The options in a message that neither the command nor a command in the message has."""
    commands = {name, *re.findall(r"zoo ([a-z]+)", text)} & {*main.commands}
    known = {opt for key in commands for param in main.commands[key].params for opt in param.opts}
    return {*re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)} - known - {"--help"}


def start_process(folder, *args, shell=""):
    """The command in a new process; `shell` is added to its command line, as in ">&-"."""
    command = [sys.executable, "-m", "zoo", *map(str, args)]
    return subprocess.Popen(
        ["sh", "-c", f'exec "$@" {shell}', "sh", *command] if shell else command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(HOME)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def write_images(folder, n=40, size=8, channels=1, name="images.npz", seed=0):
    """Some images in a .npz file."""
    images = np.random.default_rng(seed).random((n, size, size, channels)).astype("float32")
    np.savez(folder / name, image=images)


def write_classes(folder, counts, size=8):
    """Class folders a, b, ... with these numbers of PNG files."""
    random = np.random.default_rng(0)
    for name, count in zip("abcdefghij", counts, strict=False):
        (folder / name).mkdir(parents=True)
        for k in range(count):
            pixels = random.integers(0, 256, (size, size), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{k}.png")
