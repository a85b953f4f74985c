"""Processes of `benchmarks.speed.worker`."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.speed.variants import VARIANTS

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3"}


def run_module(name: str, *arguments: str) -> subprocess.CompletedProcess:
    """Runs `python -m benchmarks.speed.NAME`; returns the finished process with its output."""
    command = [sys.executable, "-m", f"benchmarks.speed.{name}", *arguments]
    env = os.environ | ENVIRONMENT
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)


class Worker:
    """A `benchmarks.speed.worker` process; close it, or use it as a context manager.

    Attributes:
        ready: {"first_step_s": ..., "threads": ...}.
    """

    def __init__(self, variant: str, **settings: Any):
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, closed with the worker
        arguments = json.dumps({"variant": variant, **settings})
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.speed.worker", arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            cwd=ROOT,
            env=os.environ | ENVIRONMENT | VARIANTS[variant].environment,
        )
        try:
            self.ready = self._read()
        except BaseException:
            self.close()
            raise

    def run_round(self) -> dict[str, float]:
        """Runs one round; returns {"seconds": ..., "peak_mb": ...}."""
        print("go", file=self.process.stdin, flush=True)
        return self._read()

    def _read(self):
        """The worker's next message."""
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        self.errors.seek(0)
        raise RuntimeError(f"a worker process failed:\n{self.errors.read()[-3000:]}")

    def close(self) -> None:
        self.process.kill()
        with self.process:  # closes the pipes and waits
            self.errors.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
