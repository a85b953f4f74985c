"""Several replicas give the numbers of one: two logical CPUs, and two processes."""

import json
import shutil
import socket
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import examples, same_bits, shuffled, small_model, small_trainer
from shell import run_json, start_process
from toy_runs import TOY

from zoo import errors
from zoo.training import checkpoint, run_training
from zoo.training.workdir import Workdir


def test_evaluation_over_replicas_is_exact_on_a_ragged_last_batch(two_replicas):
    with two_replicas.scope():
        many = small_trainer("vae", strategy=two_replicas)
    one = small_trainer("vae", eager=True)
    for trainer in (one, many):
        model = trainer.model
        model.eval_step = lambda batch, m=model: {"m": m.encode(batch["image"])[:, 0]}
    ragged = tf.data.Dataset.from_tensor_slices(examples(one.model, 27)).batch(8)
    assert many.evaluate(ragged)["m"] == pytest.approx(one.evaluate(ragged)["m"], rel=1e-5)


@pytest.mark.parametrize(("name", "config"), [("vae", TOY), ("dcgan", {})])
def test_a_run_over_replicas_resumes_to_the_same_bits(name, config, two_replicas, tmp_path):
    def new(workdir):
        how = {"strategy": two_replicas, "eager": name == "dcgan"}  # tracing takes long
        with two_replicas.scope():
            return small_trainer(name, workdir, model=small_model(name, **config), **how)

    data = shuffled(name, 16)
    run = new(tmp_path / "stopped")
    run.fit(data, steps=1)
    shutil.copytree(tmp_path / "stopped", tmp_path / "copy")
    run.fit(data, epochs=2)  # goes on without loading
    rest = new(tmp_path / "copy")
    for variable in rest.state.variables().values():
        variable.assign(keras.ops.ones_like(variable))
    rest.fit(data, epochs=2)
    assert same_bits(run.state.arrays(), rest.state.arrays()) == []


def test_a_run_over_replicas_resumes_with_one(two_replicas, tmp_path):
    with two_replicas.scope():
        many = small_trainer("vae", tmp_path, strategy=two_replicas, eager=True)
        many.fit(shuffled("vae", 8), epochs=1)
    one = small_trainer("vae", tmp_path, eager=True)
    one.restore()
    assert same_bits(many.state.arrays(), one.state.arrays()) == []
    one.fit(shuffled("vae", 8), epochs=2)
    assert one.state.position["step"] == 2


def test_replicas_have_different_noise(two_replicas):
    with two_replicas.scope():
        model = small_model("vae")
    per_replica = two_replicas.run(model.next_seed)
    first, second = (np.array(x) for x in two_replicas.experimental_local_results(per_replica))
    assert (first != second).any()


def test_errors_of_a_strategy_have_advice(two_replicas):
    with pytest.raises(errors.UsageError, match="with strategy.scope"):
        small_trainer("vae", strategy=two_replicas)
    with two_replicas.scope():
        trainer = small_trainer("vae", strategy=two_replicas)
    with pytest.raises(errors.UsageError, match="batch of 7 cannot be divided among 2 replicas"):
        trainer.fit(tf.data.Dataset.from_tensors(examples(trainer.model, 7)), epochs=1)
    with pytest.raises(errors.UsageError, match="without a strategy"):
        trainer.inspect(examples(trainer.model, 8))


# `zoo train --strategy multi_worker` in two processes.

TRAIN = (
    *("train", "vae", "--data", "images.npz", "--batch-size", 8, "--drop-remainder"),
    *("--set", "filters=[]", "--set", "dense_units=4,", "--optimizer", "adam", "--ema", 0.9),
    *("--figures-every", 0, "--save-every", 1),
)
EPOCHS = ("--epochs", 2)  # of 5 steps


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_cluster(folder, workdir, monkeypatch):
    """Two processes of one `zoo train` command, which `TF_CONFIG` tells apart."""
    cluster = {"worker": [f"127.0.0.1:{free_port()}" for _ in range(2)]}
    processes = []
    for index in range(2):
        config = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(config))
        how = ("--strategy", "multi_worker", *EPOCHS, "--workdir", workdir, "--json")
        processes.append(start_process(folder, *TRAIN, *how))
    monkeypatch.delenv("TF_CONFIG")
    return processes


def results(processes):
    """The records that the processes print, after both have ended."""
    ends = [process.communicate(timeout=240) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ends
    return [json.loads(stdout) for stdout, _ in ends]


def newest_arrays(workdir):
    arrays, record = checkpoint.read(Workdir(workdir).checkpoints.paths()[-1])
    return arrays, record["position"]["step"]


@pytest.mark.usefixtures("optimized_graphs")  # as in the processes
def test_a_killed_process_of_a_cluster_loses_nothing(two_replicas, empty_dir, monkeypatch):
    """Started again, both end with the bits of a run left alone; then one process takes it up."""
    alone = results(start_cluster(empty_dir, "alone", monkeypatch))
    assert alone[0]["metrics"] == alone[1]["metrics"] and alone[0]["steps"] == 10
    chief, worker = start_cluster(empty_dir, "killed", monkeypatch)
    deadline = time.time() + 120
    while len(Workdir("killed").checkpoints.paths()) < 2 and time.time() < deadline:
        time.sleep(0.01)
    worker.kill()
    _, stderr = chief.communicate(timeout=120)
    worker.communicate()
    assert chief.returncode == 1 and "start all of them again" in stderr
    assert 2 <= newest_arrays("killed")[1] < 10
    again = results(start_cluster(empty_dir, "killed", monkeypatch))
    assert again[0]["metrics"] == alone[0]["metrics"]
    left_alone, killed = (newest_arrays(folder)[0] for folder in ("alone", "killed"))
    assert same_bits(left_alone, killed) == []
    # Two devices of one process give the same numbers, and one device takes up the run.
    with monkeypatch.context() as patch:
        patch.setattr(run_training, "build_strategy", lambda name: two_replicas)
        mirrored = run_json(*TRAIN, "--strategy", "mirrored", *EPOCHS, "--workdir", "one")
    assert mirrored["metrics"] == pytest.approx(alone[0]["metrics"], rel=1e-4)
    assert run_json(*TRAIN, "--epochs", 3, "--workdir", "killed")["steps"] == 15
