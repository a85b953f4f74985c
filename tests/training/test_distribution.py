"""Several replicas give the numbers of one: two logical CPUs, and two processes."""

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import examples, same_bits, shuffled, small_model, small_trainer
from toy_runs import TOY, stopped_and_resumed

from zoo import errors

ROOT = Path(__file__).parents[2]


def test_evaluation_over_replicas_is_exact_on_a_ragged_last_batch(two_replicas):
    with two_replicas.scope():
        many = small_trainer("vae", strategy=two_replicas)
    one = small_trainer("vae")
    for trainer in (one, many):
        model = trainer.model
        model.eval_step = lambda batch, m=model: {"m": m.encode(batch["image"])[:, 0]}
    ragged = tf.data.Dataset.from_tensor_slices(examples(one.model, 27)).batch(8)
    assert many.evaluate(ragged)["m"] == pytest.approx(one.evaluate(ragged)["m"], rel=1e-5)


@pytest.mark.parametrize(("name", "config"), [("vae", TOY), ("dcgan", {})])
def test_a_run_over_replicas_resumes_to_the_same_bits(name, config, two_replicas, tmp_path):
    def new(workdir=None):
        how = {"strategy": two_replicas, "eager": name == "dcgan"}  # tracing takes long
        with two_replicas.scope():
            return small_trainer(name, workdir, model=small_model(name, **config), **how)

    whole = new()
    whole.fit(shuffled(name), epochs=2)
    new(tmp_path).fit(shuffled(name), steps=3)
    rest = new(tmp_path)
    for variable in rest.state.variables().values():
        variable.assign(keras.ops.ones_like(variable))
    rest.fit(shuffled(name), epochs=2)
    assert same_bits(whole.state.arrays(), rest.state.arrays()) == []


def test_a_run_over_replicas_resumes_with_one(two_replicas, tmp_path):
    with two_replicas.scope():
        many = small_trainer("vae", tmp_path, strategy=two_replicas)
        many.fit(shuffled("vae"), epochs=1)
    one = small_trainer("vae", tmp_path)
    one.restore()
    assert same_bits(many.state.arrays(), one.state.arrays()) == []
    one.fit(shuffled("vae"), epochs=2)
    assert one.state.position["step"] == 8


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


WORKER = """
    import json, os, sys
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.path.insert(0, "tests")
    import tensorflow as tf
    strategy = tf.distribute.MultiWorkerMirroredStrategy()   # before any other operation
    import numpy as np
    from toy_runs import stopped_and_resumed
    workdir = sys.argv[1]
    trainer, history = stopped_and_resumed(workdir, strategy)
    if trainer.distribution.is_chief:
        np.savez(workdir + "/weights.npz", **trainer.state.arrays())
        print(json.dumps(history))
"""


def start(workdir, config):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WORKER), str(workdir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TF_CONFIG": json.dumps(config)},
    )


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_two_processes_give_the_numbers_of_one(two_replicas, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    cluster = {"worker": [f"127.0.0.1:{free_port()}" for _ in range(2)]}
    workers = [
        start(two, {"cluster": cluster, "task": {"type": "worker", "index": index}})
        for index in range(2)
    ]
    together, history = stopped_and_resumed(one, two_replicas)
    ends = [worker.communicate(timeout=240) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], ends[0][1][-3000:]
    others = json.loads(ends[0][0])
    assert ends[1][0] == ""  # only the chief prints and writes
    assert history["loss"] and history["val_loss"]
    for name, values in history.items():
        np.testing.assert_allclose(values, others[name], rtol=1e-5, err_msg=name)
    weights = np.load(two / "weights.npz")
    arrays = together.state.arrays()
    del arrays[
        "seed/0000"
    ]  # Keras' own, of this process; the model uses no random numbers of the trainer
    for key, value in arrays.items():
        np.testing.assert_allclose(value, weights[key], rtol=1e-4, atol=1e-6, err_msg=key)
