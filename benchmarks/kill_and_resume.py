"""Does a run that is killed again and again end in the same bits as one that was left alone?

    python -m benchmarks.kill_and_resume vae mixture_vae dcgan --kills 10

For each model: one run from start to end; another that gets SIGKILL at random moments (in the
middle of a step, of an epoch, of writing a checkpoint), each time taken up again by the same
command. Then every variable of the two last checkpoints (weights, optimizer slots, seeds) is
compared bit for bit. The data are shuffled anew at each epoch.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STEPS_PER_EPOCH, EPOCHS, SAVE_EVERY = 25, 4, 7


def work(name, workdir):
    """The run: prints a line a step, so that its killer can choose a moment."""
    import keras
    import numpy as np

    import zoo

    images = np.random.default_rng(0).random((STEPS_PER_EPOCH * 16, 28, 28, 1)).astype("float32")
    data = zoo.data.load(images, batch_size=16, shuffle=True, seed=1, binarize="dynamic")
    say = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: print("step", flush=True)
    )
    keras.utils.set_random_seed(0)
    trainer = zoo.Trainer(
        zoo.get(name, filters=(8, 16)),
        workdir,
        callbacks=[say],
        save_every=SAVE_EVERY,
        figures_every=0,
        verbose=False,
    )
    trainer.fit(data, epochs=EPOCHS)


def start(name, workdir):
    command = [sys.executable, "-m", "benchmarks.kill_and_resume", "--work", str(workdir), name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def finish(name, workdir):
    process = start(name, workdir)
    process.communicate()
    if process.returncode:
        raise SystemExit(f"the run of {name} failed with exit code {process.returncode}")


def kill_at_random(name, workdir, kills, rng):
    """Kills `kills` runs after a random number of steps and a random fraction of one more."""
    total = STEPS_PER_EPOCH * EPOCHS
    for _ in range(kills):
        process = start(name, workdir)
        for _ in range(rng.randint(1, max(2, total // kills))):
            if not process.stdout.readline():
                break
        time.sleep(rng.random() * 0.1)
        process.kill()
        process.communicate()


def differing(one, other):
    """Keys in which the newest checkpoints of two runs differ in any bit; raises if not ended."""
    from zoo.training.checkpoint import Checkpoints, read

    arrays = []
    for workdir in (one, other):
        path = Checkpoints(workdir / "checkpoints").paths()[-1]
        found, record = read(path)
        assert record["position"]["step"] == STEPS_PER_EPOCH * EPOCHS, record["position"]
        arrays.append(found)
    a, b = arrays
    return [key for key in a.keys() | b.keys() if a[key].tobytes() != b[key].tobytes()], len(a)


def compare(name, kills, seed=0):
    """Runs both and returns (keys that differ, number of variables)."""
    with tempfile.TemporaryDirectory() as folder:
        alone, killed = Path(folder, "alone"), Path(folder, "killed")
        finish(name, alone)
        kill_at_random(name, killed, kills, random.Random(seed))
        finish(name, killed)
        return differing(alone, killed)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="+")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.names[0], options.work)
        return
    failed = False
    for name in options.names:
        keys, count = compare(name, options.kills, options.seed)
        failed |= bool(keys)
        verdict = f"{len(keys)} differ: {keys[:3]}" if keys else "the same bits"
        print(f"{name}: killed {options.kills} times, {count} variables, {verdict}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
