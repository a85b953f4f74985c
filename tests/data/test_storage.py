"""Named data sets on disk: preparation by one process, read-only folders, reports of damage."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import zoo.data
from zoo import environment
from zoo.cli import doctor
from zoo.data import storage, tfds_store
from zoo.data.builders import ratings
from zoo.errors import UsageError, ZooError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Few ratings, an empty shared folder, and a private folder."""
    monkeypatch.setattr(ratings, "SPLITS", {"train": 20, "test": 5})
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "shared"))
    monkeypatch.setenv("ZOO_DATA_DIR", str(tmp_path / "own"))
    return tmp_path


@pytest.fixture
def forbidden(monkeypatch):
    """Makes folders read-only for this process, which may be root."""
    access = os.access

    def forbid(*folders):
        def check(path, mode):
            path = Path(path).absolute()
            inside = any(path == folder or folder in path.parents for folder in folders)
            return access(path, mode) and not (mode & os.W_OK and inside)

        monkeypatch.setattr(os, "access", check)

    return forbid


def test_a_process_waits_for_another_that_prepares_the_same_data_set(small, capsys, monkeypatch):
    code = "import zoo.data; print(zoo.data.load('ratings', 'test').num_examples)"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    prepare, started = tfds_store._prepare, []

    def prepare_while_another_waits(*args):
        other = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, **pipes)
        started.append(other)
        message = "waiting for another process that prepares ratings"
        assert any(message in line for line in other.stderr)
        prepare(*args)

    monkeypatch.setattr(tfds_store, "_prepare", prepare_while_another_waits)
    assert zoo.data.load("ratings", "test").num_examples == 5
    (other,) = started
    stdout, stderr = other.communicate(timeout=60)
    assert (stdout, "preparing" in stderr) == ("5\n", False)
    assert "preparing ratings" in capsys.readouterr().err


def test_threads_wait_for_the_one_that_prepares_and_report_it(small, capsys, monkeypatch):
    prepare, calls = tfds_store._prepare, []
    waiting = threading.Event()
    monkeypatch.setattr(storage, "_log", lambda text: (print(text, file=sys.stderr), waiting.set()))

    def slow(*args):
        calls.append(args)
        waiting.wait(10)
        prepare(*args)

    monkeypatch.setattr(tfds_store, "_prepare", slow)
    counts = []
    threads = [
        threading.Thread(target=lambda: counts.append(len(ratings.load("ratings", "test"))))
        for _ in range(2)
    ]
    stdout = sys.stdout
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (counts, len(calls)) == ([1, 1], 1)
    assert sys.stdout is stdout
    assert waiting.is_set()


def test_a_shared_folder_is_only_read(small, capsys):
    zoo.data.load("ratings", "test")
    assert not (small / "shared").exists()
    assert zoo.data.is_prepared("ratings")
    shutil.move(small / "own", small / "shared")  # prepared there by somebody
    zoo.data.load("ratings", "test")
    assert not (small / "own").exists()
    zoo.data.load("ratings", "test", data_dir=small / "chosen")
    assert (small / "chosen" / "ratings").is_dir()


def test_without_a_writable_folder_a_set_is_generated_in_memory(small, forbidden, capsys):
    forbidden(small)
    zoo.data.load("ratings", "test")
    note, preparing = capsys.readouterr().err.splitlines()
    assert "own" in note and "for this process only; set ZOO_DATA_DIR" in note
    assert preparing.startswith("preparing ratings")
    zoo.data.load("ratings", "test")
    assert capsys.readouterr().err == ""
    assert [*small.iterdir()] == []
    with pytest.raises(ZooError, match="could not prepare 'ratings' in .*; set ZOO_DATA_DIR to"):
        zoo.data.load("ratings", "test", data_dir=small / "chosen")
    storage._temporary.clear()


def test_a_failure_to_generate_does_not_mention_the_connection(small, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ratings, "generate", full)
    with pytest.raises(
        ZooError, match="No space left.*free space there, or set ZOO_DATA_DIR"
    ) as error:
        zoo.data.prepare("ratings")
    assert "connection" not in str(error.value)


def damage(path, kind):
    content = path.read_bytes()
    if kind == "cut":
        path.write_bytes(content[:-9])
    elif kind == "changed":
        path.write_bytes(bytes(255 - b for b in content))
    else:
        path.unlink()


@pytest.mark.parametrize("kind", ["cut", "changed", "lost"])
@pytest.mark.parametrize("name", ["*test.tfrecord*", "dataset_info.json"])
def test_damaged_data_are_named_with_their_folder(small, name, kind):
    zoo.data.prepare("ratings")
    damage(next((small / "own").rglob(name)), kind)
    with pytest.raises(ZooError, match="'ratings' in .*own/ratings.*delete that folder") as error:
        zoo.data.load("ratings", "test")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "split",
    ["train[5:2]", "train[10:1%]", "train[:0]", "train[5:2]+test", "train[1:2:3]", "train[9shard:]"]
    + ["", "train[", f"train[{'9' * 5000}:]", "nope"],
)
def test_impossible_splits_of_named_sets_are_one_line_errors(small, split):
    with pytest.raises(UsageError) as error:
        ratings.load("ratings", "train") and tfds_store.open_split("ratings", split)
    assert len(str(error.value)) < 500 and len(str(error.value).splitlines()) == 1


def test_an_unknown_configuration_is_named(tmp_path):
    with pytest.raises(UsageError, match="configuration of tatoeba 'xx'"):
        tfds_store.open_split("tatoeba/xx", "train", tmp_path)


@pytest.mark.parametrize("where", ["variable", "file"])
def test_another_backend_is_one_line(tmp_path, where):
    (tmp_path / "keras.json").write_text('{"backend": "jax"}' if where == "file" else "{}")
    own = {"KERAS_HOME": str(tmp_path)} | ({"KERAS_BACKEND": "jax"} if where == "variable" else {})
    code = (
        "import zoo, zoo.data\n"
        "for call in (lambda: zoo.get('vae'), lambda: zoo.Trainer, lambda: zoo.data.load('x')):\n"
        "    try: call()\n"
        "    except zoo.errors.UsageError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | own, capture_output=True, text=True)
    cure = "unset KERAS_BACKEND" if where == "variable" else f"change it in {tmp_path}/keras.json"
    line = f"Keras uses the backend 'jax'; the zoo needs tensorflow: {cure}"
    assert done.stdout.splitlines() == 3 * [line], done.stderr


@pytest.mark.parametrize("name", ["data", "generated", "cache", "runs"])
def test_doctor_counts_a_folder_that_cannot_be_written(small, monkeypatch, forbidden, name):
    variables = {"data": "TFDS_DATA_DIR", "generated": "ZOO_DATA_DIR", "cache": "ZOO_CACHE"}
    monkeypatch.chdir(small)
    monkeypatch.setenv("ZOO_CACHE", str(small / "cache"))
    assert doctor.check_installation()["problems"] == []
    folder = doctor.FOLDERS[name][0]().absolute()
    folder.mkdir()
    forbidden(folder)
    cure = f"set {variables[name]} to another" if name in variables else "give --workdir"
    assert [
        p
        for p in doctor.check_installation()["problems"]
        if f"cannot write in {folder}" in p and cure in p
    ]


def test_doctor_counts_unsupported_versions_and_backends(monkeypatch):
    versions = {"keras": "2.0", "numpy": "1.26"}
    monkeypatch.setattr(doctor, "_version", lambda name: versions.get(name, "999"))
    problems = doctor._unsupported()
    assert any(p.startswith("keras 2.0 is not supported: pip install 'keras<3.") for p in problems)
    assert any(p.startswith("numpy 1.26 is not supported") for p in problems)
    monkeypatch.setattr(environment, "_backend_in_file", lambda: "jax")
    monkeypatch.delitem(sys.modules, "keras")
    assert "Keras uses the backend 'jax'" in doctor._tensorflow_devices()[1][0]
