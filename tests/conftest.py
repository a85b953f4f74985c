"""Two logical CPUs for the tests of distribution; a data folder for the tests."""

import gc
import os
import socket

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "PYTEST_XDIST_WORKER" in os.environ:  # the workers use all CPUs: more threads only cost time
    for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(variable, "1")

import pytest
import shell
import tensorflow as tf

from zoo.testing import without_graphs

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
tf.get_logger().setLevel("ERROR")  # advice on retracing, which many small models do deserve


def optimize_graphs(optimize):
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not optimize})


optimize_graphs(False)  # takes longer than the few runs of a graph


def pytest_collection_finish():
    gc.freeze()  # the many objects of the imports stay; collections need not go through them
    gc.set_threshold(10_000)


@pytest.fixture(autouse=True)
def generated_data(monkeypatch, tmp_path_factory, request):
    """Each test has a folder of its own for the data sets that the zoo generates."""
    name = f"{abs(hash(request.node.nodeid))}"
    monkeypatch.setenv("ZOO_DATA_DIR", str(tmp_path_factory.getbasetemp() / "generated" / name))


@pytest.fixture(autouse=True)
def quiet_and_seeded():
    import keras

    keras.utils.set_random_seed(0)


@pytest.fixture
def eager_steps():
    with without_graphs():
        yield


@pytest.fixture
def optimized_graphs():
    """Graphs are optimized, as those of users are."""
    optimize_graphs(True)
    yield
    optimize_graphs(False)


@pytest.fixture(scope="session")
def two_replicas():
    """One strategy for all tests: TensorFlow numbers collectives per process, not per strategy."""
    from zoo import testing

    return testing.two_replicas()


@pytest.fixture
def offline(monkeypatch):
    def unreachable(*args, **kwargs):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def empty_dir(tmp_path, monkeypatch):
    """An empty working directory with some grey images, and no data sets."""
    shell.write_images(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setenv("ZOO_DATA_DIR", str(tmp_path / "generated"))
    return tmp_path


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder with `runs/vae-images`, trained for one epoch and then up to two; both outputs."""
    folder = tmp_path_factory.mktemp("cli")
    shell.write_images(folder)
    with pytest.MonkeyPatch.context() as patch, without_graphs():
        patch.chdir(folder)
        train = ("train", "vae", *shell.SMALL, "--epochs")
        return folder, [shell.run_json(*train, epochs) for epochs in (1, 2)]


@pytest.fixture
def trained_dir(trained, monkeypatch):
    """Inside the folder of `trained`."""
    monkeypatch.chdir(trained[0])
    return trained[0]
