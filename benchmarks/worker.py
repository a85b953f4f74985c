"""One variant in a process of its own: builds, warms up, then runs a round for every line of stdin.

`benchmarks.speed` starts it as `python -m benchmarks.worker SETTINGS`, with SETTINGS as JSON:
model, variant, batch_size, warmup, steps. It answers in lines of JSON on stdout: one when it is
ready, one for each round; it ends when stdin does.
"""

import importlib
import json
import resource
import sys
import time

import keras
import numpy as np
import tensorflow as tf

import zoo
from benchmarks.baselines import SETTINGS, STYLES, dataset

BATCHES = 234  # an epoch, as long as MNIST's at a batch size of 256


def protocol(warmup, steps):
    """A coroutine that is sent the logs after each training step, and blocks between rounds."""
    begin = time.perf_counter()
    logs = yield
    settle(logs)
    first = time.perf_counter() - begin
    for _ in range(warmup):
        yield
    say(
        first_step_s=first,
        intra_op_threads=tf.config.threading.get_intra_op_parallelism_threads(),
        inter_op_threads=tf.config.threading.get_inter_op_parallelism_threads(),
    )
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


class AfterStep(keras.callbacks.Callback):
    """Hands each step's logs to the protocol, which may block."""

    def __init__(self, protocol):
        super().__init__()
        self.protocol = protocol

    def on_train_batch_end(self, batch, logs=None):
        self.protocol.send(logs)


def run_zoo(name, images, batch_size, protocol, eager=False):
    data = zoo.data.load(images, batch_size=batch_size, shuffle=True)
    model = zoo.get(name, **SETTINGS[name])
    after_step = AfterStep(protocol)
    trainer = zoo.Trainer(model, callbacks=[after_step], eager=eager, verbose=False)
    trainer.fit(data, epochs=sys.maxsize)


def run_zoo_eager(*args):
    run_zoo(*args, eager=True)


def run_keras(name, images, batch_size, protocol):
    data = dataset(name, images, batch_size)
    model = STYLES["keras fit"][name](**SETTINGS[name])
    callbacks = [AfterStep(protocol)]
    model.fit(data, epochs=sys.maxsize, callbacks=callbacks, shuffle=False, verbose=0)


def run_loop(name, images, batch_size, protocol):
    data = dataset(name, images, batch_size)
    model = STYLES["tf.function loop"][name](**SETTINGS[name])
    while True:
        for batch in data:
            protocol.send(model.train_step(batch))


VARIANTS = {
    "tf.function loop": run_loop,
    "keras fit": run_keras,
    "zoo": run_zoo,
    "zoo eager": run_zoo_eager,
}


def main(model, variant, batch_size, warmup, steps):
    keras.utils.set_random_seed(0)
    shape = (BATCHES * batch_size, 28, 28, 1)
    images = 255 * np.random.default_rng(0).integers(0, 2, shape, "uint8")
    if variant.startswith("zoo"):  # imports are nobody's first step
        importlib.import_module(zoo.info(model)["module"])
    steps = protocol(warmup, steps)
    next(steps)
    VARIANTS[variant](model, images, batch_size, steps)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
