"""One variant in a process of its own: builds, warms up, then runs a round for every line of stdin.

`benchmarks.speed` starts it as `python -m benchmarks.speed.worker SETTINGS`, with SETTINGS as JSON:
model, variant, batch_size, warmup, steps. It answers in lines of JSON on stdout: one when it is
ready, one for each round; it ends when stdin does.
"""

import json
import resource
import sys
import time

from benchmarks.speed.synthetic_data import batches, examples
from benchmarks.speed.variants import factory, runner


def protocol(warmup, steps, threads):
    """A coroutine that is sent the logs after each step, and blocks between rounds."""
    begin = time.perf_counter()
    logs = yield
    settle(logs)
    first = time.perf_counter() - begin
    for _ in range(warmup):
        yield
    say(first_step_s=first, threads=threads())
    for _ in sys.stdin:
        yield  # a step that is not timed: caches and data buffers are as in the middle of a run
        begin = time.perf_counter()
        for _ in range(steps):
            logs = yield
        settle(logs)
        seconds = time.perf_counter() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in KB, on macOS in bytes
        say(seconds=seconds, peak_mb=peak / 2 ** (20 if sys.platform == "darwin" else 10))
    raise SystemExit


def settle(logs):
    """Waits for the numbers: on a GPU a step returns before it is done."""
    return {name: float(value) for name, value in logs.items()}


def say(**values):
    print(json.dumps(values), flush=True)


def main(model, variant, batch_size, warmup, steps):
    found = examples(model, batches(model) * batch_size)
    make = factory(variant, model)  # imports are nobody's first step
    run, threads = runner(variant, model)
    steps = protocol(warmup, steps, threads)
    next(steps)
    run(model, make, found, batch_size, steps)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
