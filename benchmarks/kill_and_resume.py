"""Checks that a run that is killed many times ends with the same bits as an uninterrupted run.

    python -m benchmarks.kill_and_resume vae mixture_vae dcgan --kills 10

For each model there are two runs: one from start to end; and one that gets SIGKILL at random times
(in the middle of a step, of an epoch, of writing a checkpoint) and is resumed each time by the same
command. Then every variable of the last checkpoints of both runs (weights, optimizer slots, seeds)
is compared bit for bit. The models and their data are the small ones of `zoo.testing`; the data are
shuffled again in each epoch.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STEPS_PER_EPOCH = 25
BATCH_SIZE = 8
EPOCHS = 4
SAVE_EVERY = 7


def train(name: str, workdir: str | Path) -> None:
    """The run; prints a line in each step, which `kill_at_random` counts."""
    import keras

    from zoo import testing

    data = testing.shuffled_batches(name, STEPS_PER_EPOCH * BATCH_SIZE, BATCH_SIZE)
    report_step = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: print("step", flush=True)
    )
    trainer = testing.small_trainer(name, workdir, callbacks=[report_step], save_every=SAVE_EVERY)
    trainer.fit(data, epochs=EPOCHS)


def _start(name, workdir):
    command = [sys.executable, "-m", "benchmarks.kill_and_resume", "--work", str(workdir), name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def run_to_end(name: str, workdir: Path) -> None:
    """Starts or resumes the run in a process; exits with an error if it fails."""
    process = _start(name, workdir)
    process.communicate()
    if process.returncode:
        raise SystemExit(f"the run of {name} failed with exit code {process.returncode}")


def kill_at_random(name: str, workdir: Path, kills: int, rng: random.Random) -> None:
    """Kills the run `kills` times, after a random number of steps and up to 0.1 seconds."""
    total = STEPS_PER_EPOCH * EPOCHS
    for _ in range(kills):
        process = _start(name, workdir)
        for _ in range(rng.randint(1, max(2, total // kills))):
            if not process.stdout.readline():
                break
        time.sleep(rng.random() * 0.1)
        process.kill()
        process.communicate()


def differing_keys(first: Path, second: Path) -> tuple[list[str], int]:
    """The keys of the newest checkpoints of two runs that differ in any bit; number of keys.

    Raises:
        AssertionError: a run has not ended.
    """
    from zoo.training.checkpoint import Checkpoints, read

    checkpoints = []
    for workdir in (first, second):
        path = Checkpoints(workdir / "checkpoints").paths()[-1]
        arrays, record = read(path)
        assert record["position"]["step"] == STEPS_PER_EPOCH * EPOCHS, record["position"]
        checkpoints.append(arrays)
    a, b = checkpoints
    return [key for key in a.keys() | b.keys() if a[key].tobytes() != b[key].tobytes()], len(a)


def compare(name: str, kills: int, seed: int = 0) -> tuple[list[str], int]:
    """Runs both; returns (keys that differ, number of variables)."""
    with tempfile.TemporaryDirectory() as folder:
        uninterrupted = Path(folder, "uninterrupted")
        killed = Path(folder, "killed")
        run_to_end(name, uninterrupted)
        kill_at_random(name, killed, kills, random.Random(seed))
        run_to_end(name, killed)
        return differing_keys(uninterrupted, killed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="+", metavar="MODEL")
    parser.add_argument("--kills", type=int, default=10, help="kills of each run (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the times of the kills")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        train(options.names[0], options.work)
        return
    failed = False
    for name in options.names:
        keys, count = compare(name, options.kills, options.seed)
        failed |= bool(keys)
        result = f"{len(keys)} differ: {keys[:3]}" if keys else "bit-identical"
        print(f"{name}: killed {options.kills} times, {count} variables, {result}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
