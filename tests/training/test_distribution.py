"""Many replicas give the numbers of one: two logical CPUs, and two processes on this machine."""

import json
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import examples, same_bits, shuffled, small_model, trainer

from zoo import errors

ROOT = Path(__file__).parents[2]


def test_evaluation_over_replicas_is_exact_on_a_ragged_last_batch(two_replicas):
    with two_replicas.scope():
        many = trainer("vae", strategy=two_replicas)
    one = trainer("vae")
    for it in (one, many):
        it.model.eval_step = lambda batch, m=it.model: {"m": m.encode(batch["image"])[:, 0]}
    ragged = tf.data.Dataset.from_tensor_slices(examples(one.model, 27)).batch(8)
    assert many.evaluate(ragged)["m"] == pytest.approx(one.evaluate(ragged)["m"], rel=1e-5)


@pytest.mark.parametrize("name", ["vae", "dcgan"])
def test_a_run_over_replicas_resumes_to_the_same_bits(name, two_replicas, tmp_path):
    def new(workdir=None):
        with two_replicas.scope():
            model = small_model(name)
            return trainer(name, workdir, model=model, strategy=two_replicas)

    whole = new()
    whole.fit(shuffled(name), epochs=2)
    new(tmp_path).fit(shuffled(name), steps=3)
    rest = new(tmp_path)
    for variable in rest.state.variables().values():
        variable.assign(keras.ops.ones_like(variable))
    rest.fit(shuffled(name), epochs=2)
    assert same_bits(whole.state.arrays(), rest.state.arrays()) == []


def test_a_run_over_replicas_goes_on_with_one(two_replicas, tmp_path):
    with two_replicas.scope():
        many = trainer("vae", tmp_path, strategy=two_replicas)
        many.fit(shuffled("vae"), epochs=1)
    one = trainer("vae", tmp_path)
    one.restore()
    assert same_bits(many.state.arrays(), one.state.arrays()) == []
    one.fit(shuffled("vae"), epochs=2)
    assert one.state.position["step"] == 8


def test_replicas_draw_different_noise(two_replicas):
    with two_replicas.scope():
        model = small_model("vae")
    per_replica = two_replicas.run(model.seed)
    first, second = (np.array(x) for x in two_replicas.experimental_local_results(per_replica))
    assert (first != second).any()


def test_wrong_use_of_a_strategy_says_what_to_do(two_replicas):
    with pytest.raises(errors.UsageError, match="with strategy.scope"):
        trainer("vae", strategy=two_replicas)
    with two_replicas.scope():
        it = trainer("vae", strategy=two_replicas)
    with pytest.raises(errors.UsageError, match="batch of 7 cannot be divided among 2 replicas"):
        it.fit(tf.data.Dataset.from_tensors(examples(it.model, 7)), epochs=1)
    with pytest.raises(errors.UsageError, match="without a strategy"):
        it.inspect(examples(it.model, 8))


WORKER = """
    import json, os, sys
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.path.insert(0, "tests")
    import tensorflow as tf
    name, workdir = sys.argv[1], sys.argv[2]
    if "TF_CONFIG" in os.environ:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()   # before any other operation
    else:
        cpu = tf.config.list_physical_devices("CPU")[0]
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    import numpy as np
    from cases import shuffled, small_model, trainer
    data = shuffled(name)
    def new():
        with strategy.scope():
            return trainer(name, workdir, model=small_model(name), strategy=strategy)
    new().fit(data, steps=3)                                     # stopped in mid-epoch ...
    it = new()
    history = it.fit(data, epochs=2, validation=data(0)).history  # ... and taken up again
    if it.distribution.is_chief:
        np.savez(workdir + "/weights.npz", **it.state.arrays())
        print(json.dumps(history))
"""


def start(name, workdir, config=None):
    import os

    environment = {**os.environ, **({"TF_CONFIG": json.dumps(config)} if config else {})}
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WORKER), name, str(workdir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_two_processes_give_the_numbers_of_one(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    cluster = {"worker": [f"127.0.0.1:{free_port()}" for _ in range(2)]}
    workers = [
        start("vae", two, {"cluster": cluster, "task": {"type": "worker", "index": index}})
        for index in range(2)
    ]
    ends = [worker.communicate(timeout=240) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], ends[0][1][-3000:]
    together, errors_said = start("vae", one).communicate(timeout=240)
    assert together, errors_said[-3000:]
    a, b = json.loads(together), json.loads(ends[0][0])
    assert ends[1][0] == ""  # only the chief speaks and writes
    for name, values in a.items():
        np.testing.assert_allclose(values, b[name], rtol=1e-5, err_msg=name)
    weights, others = np.load(one / "weights.npz"), np.load(two / "weights.npz")
    for key in weights:
        np.testing.assert_allclose(weights[key], others[key], rtol=1e-4, atol=1e-6, err_msg=key)
