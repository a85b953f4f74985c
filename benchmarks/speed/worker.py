"""One variant in its own process: builds, warms up, then runs one round for each line of stdin.

`benchmarks.speed` starts it as `python -m benchmarks.speed.worker SETTINGS`, with SETTINGS as JSON:
model, variant, batch_size, warmup, steps. It writes lines of JSON to stdout: one when it is ready,
one for each round. It ends when stdin does.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any

from benchmarks.speed.synthetic_data import make_examples, num_batches
from benchmarks.speed.variants import factory, runner


def step_timer(
    warmup: int, steps: int, threads: Callable[[], dict[str, int]]
) -> Generator[None, Mapping[str, Any], None]:
    """A coroutine that receives the logs after each step, and blocks between rounds."""
    begin = time.perf_counter()
    logs = yield
    _wait_for(logs)
    first_step_s = time.perf_counter() - begin
    for _ in range(warmup):
        yield
    _write(first_step_s=first_step_s, threads=threads())
    for _ in sys.stdin:
        yield  # an untimed step: caches and data buffers are as in the middle of a run
        begin = time.perf_counter()
        for _ in range(steps):
            logs = yield
        _wait_for(logs)
        seconds = time.perf_counter() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in KB, on macOS in bytes
        _write(seconds=seconds, peak_mb=peak / 2 ** (20 if sys.platform == "darwin" else 10))
    raise SystemExit


def _wait_for(logs):
    """Waits for the values: on a GPU a step returns before it has been computed."""
    for value in logs.values():
        float(value)


def _write(**values):
    print(json.dumps(values), flush=True)


def main(model: str, variant: str, batch_size: int, warmup: int, steps: int) -> None:
    examples = make_examples(model, num_batches(model) * batch_size)
    make_model = factory(variant, model)  # imports are not part of the first step
    run, threads = runner(variant, model)
    timer = step_timer(warmup, steps, threads)
    next(timer)
    run(model, make_model, examples, batch_size, timer)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
