"""Threads and micro-batches: chosen as the command line does, never against the user's settings."""

import subprocess
import sys

import keras
import pytest
import tensorflow as tf
from cases import same_bits
from denoiser import Denoiser
from denoiser import data as ragged
from denoiser import run as run_model

from zoo import errors, log, threads
from zoo.environment import count_cores


class Parallel(Denoiser):
    micro_batches = 4


def run(workdir=None, **options):
    keras.utils.set_random_seed(1)
    return run_model(workdir, model=Parallel(), **options)


def data(epoch=0):
    """4 batches of 8, which is known before they are read."""
    return ragged(epoch).unbatch().batch(8, drop_remainder=True)


VARIABLES = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
SCRIPT = """
import zoo
zoo.threads.configure("dcgan")
assert zoo.threads.thread_counts() == {"intra_op": 0, "inter_op": 0}
assert zoo.threads.configure("vae") and zoo.threads.configure("dcgan")
cores = zoo.environment.count_cores()
assert zoo.threads.thread_counts() == {"intra_op": 1, "inter_op": cores}
assert zoo.threads.parallel_ops() == cores
"""


@pytest.fixture
def parallel(monkeypatch):
    monkeypatch.setattr(threads, "parallel_ops", lambda: 2)


@pytest.fixture
def unset(monkeypatch):
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def test_one_line_of_a_script_sets_the_threads_of_a_model_that_gains(unset):
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_threads_that_the_user_has_set_stay(monkeypatch):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "3")
    monkeypatch.setattr(threads, "single_threaded_ops", lambda: pytest.fail("overrides the user"))
    assert not threads.configure("vae")
    assert threads.parallel_ops() == 1


def test_a_call_after_tensorflow_has_started_says_so(unset, capfd):
    tf.zeros(1)
    assert not threads.configure("vae")
    assert "TensorFlow has already started" in capfd.readouterr().err


def test_with_single_threaded_operations_a_new_run_has_the_micro_batches_of_the_model(parallel):
    trainer = run()
    assert trainer.micro_batches == 1
    trainer.fit(data, steps=1)
    assert trainer.micro_batches == 4
    for one, batches in ((run(), ragged), (run(micro_batches=2), data)):
        one.fit(batches, steps=1)
        assert one.micro_batches == (2 if batches is data else 1)


def test_a_resumed_run_keeps_its_micro_batches_and_gives_the_same_bits(tmp_path, monkeypatch):
    states = []
    for folder, settings in (("a", [{}, {}]), ("b", [{"micro_batches": 4}] * 2)):
        for steps, options in zip((2, 4), settings, strict=True):
            # The threads of the first process only: the choice is not made again.
            parallel_ops = 2 if steps == 2 else 1
            monkeypatch.setattr(threads, "parallel_ops", lambda n=parallel_ops: n)
            trainer = run(tmp_path / folder, **options)
            trainer.fit(data, steps=steps)
        states.append(trainer.state.arrays())
    assert same_bits(*states) == []
    fresh = run(tmp_path / "a")
    fresh.evaluate(data())
    assert fresh.micro_batches == 4
    with pytest.raises(errors.UsageError, match="has micro_batches=4, got micro_batches=2"):
        run(tmp_path / "a", micro_batches=2).fit(data, steps=5)


@pytest.mark.skipif(count_cores() == 1, reason="nothing is computed in parallel")
def test_a_trainer_prints_once_which_line_would_make_it_faster(unset, monkeypatch, capfd):
    log.forget_messages()
    for _ in range(2):
        run(verbose=True).fit(data, steps=1)
    assert capfd.readouterr().err.count("zoo.threads.configure(Parallel)") == 1
    log.forget_messages()
    run(verbose=False).fit(data, steps=1)
    run(verbose=True, micro_batches=1).fit(data, steps=1)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "2")
    run(verbose=True).fit(data, steps=1)
    assert "configure" not in capfd.readouterr().err
