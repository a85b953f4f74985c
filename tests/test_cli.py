"""The command line: exit codes, messages, JSON, speed of looking, and runs that go on."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import zoo
from zoo import doctor, registry, runs
from zoo.cli import main
from zoo.overrides import overrides
from zoo.terminal import jsonable

HOME = Path(zoo.__file__).parents[1]
SMALL = ("--data", "images.npz", "--batch-size", "16")


def run(*args):
    """The command in this process: a result with `exit_code`, `stdout` and `stderr`."""
    return CliRunner().invoke(main, [str(arg) for arg in args])


def answer(*args):
    """The one JSON object of a command that succeeds."""
    result = run(*args, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def process(folder, *args):
    """The command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "zoo", *map(str, args)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(HOME)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def write_images(folder, n=40, size=8):
    images = np.random.default_rng(0).random((n, size, size)).astype("float32")
    np.savez(folder / "images.npz", image=images)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory with some grey images, and no data sets."""
    write_images(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with `runs/vae-images`, trained for one epoch and then up to two; both answers."""
    folder = tmp_path_factory.mktemp("cli")
    write_images(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        answers = [answer("train", "vae", *SMALL, "--epochs", epochs) for epochs in (1, 2)]
    return folder, answers


@pytest.fixture
def there(trained, monkeypatch):
    """Inside the folder of `trained`."""
    monkeypatch.chdir(trained[0])
    return trained[0]


# Looking, without TensorFlow.


@pytest.mark.parametrize("args", (["list"], ["info", "vae"], ["data", "list"], ["--help"]))
def test_looking_imports_nothing_heavy(args, here):
    code = (
        "import sys; from zoo.cli import main; main(sys.argv[1:], standalone_mode=False);"
        "print({m.partition('.')[0] for m in sys.modules} &"
        " {'tensorflow', 'keras', 'tensorflow_datasets', 'matplotlib'}, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *args],
        env={**os.environ, "PYTHONPATH": str(HOME)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "set()\n")


def test_list_takes_less_than_half_a_second_of_computing(here):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process(here, "list").communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_list_takes_wildcards_and_parts_of_names():
    listed = [row["name"] for row in answer("list", "*vae")["models"]]
    assert listed == zoo.names("*vae") and "vae" in listed
    listed = [row["name"] for row in answer("list", "dcg")["models"]]
    assert listed == ["conditional_dcgan", "dcgan", "instance_dcgan"]
    assert all(name in run("list").stdout for name in zoo.names())


def test_list_and_doctor_name_a_broken_plug_in(monkeypatch, here):
    monkeypatch.setattr(registry, "_plugins", lambda: [("odd", "no_such_module")])
    assert "broken" in run("list", "odd").stdout
    assert run("list").exit_code == 0


@pytest.mark.parametrize("name", zoo.names())
def test_info_names_every_argument_of_the_class(name):
    written = answer("info", name)["arguments"]
    assert set(written) == set(registry.arguments(registry.get_class(name)))
    shown = run("info", name).stdout
    assert all(key in shown for key in written) and f"zoo train {name}" in shown


def test_data_list_and_info_know_what_is_on_disk(here):
    (here / "tfds" / "mnist" / "3.0.1").mkdir(parents=True)
    (here / "tfds" / "mnist" / "3.0.1" / "dataset_info.json").write_text("{}")
    record = answer("data", "list")
    assert {row["name"]: row["prepared"] for row in record["data"]} == {
        name: name == "mnist" for name in zoo.data.names()
    }
    assert answer("data", "info", "mnist")["prepared"] is True
    assert "60000" in run("data", "info", "mnist").stdout
    assert "zoo data prepare" in run("data", "list").stdout


@pytest.mark.parametrize(
    "command", ([], ["data"], *([c] for c in main.commands), ["data", "prepare"])
)
def test_help_says_what_a_command_does(command):
    result = run(*command, "--help")
    assert result.exit_code == 0 and len(result.stdout.splitlines()) > 5
    assert command or "Exit code" in result.stdout


# Wrong use.

BAD = {
    ("lst",): "Did you mean 'list'",
    ("train", "vea"): "'vae'",
    ("info", "dcgna"): "'dcgan'",
    ("list", "nonesuch"): "There are: captioning",
    ("train",): "Missing argument",
    ("train", "vae", "--stepss", "1"): "'--steps'",
    ("train", "vae", "--epochs", "0"): "x>=1",
    ("train", "vae", "--epochs", "many"): "valid integer",
    ("train", "vae", "--epochs", "1", "--steps", "1"): "either --epochs or --steps",
    ("train", "vae", "--batch-size", "-1"): "x>=1",
    ("train", "vae", "--seed", "-1"): "0<=x",
    ("train", "vae", "--precision", "float64"): "mixed_bfloat16",
    ("train", "vae", "--binarize", "dynamc"): "'dynamic'",
    ("train", "vae", "--learning-rate", "0", *SMALL): "above 0",
    ("train", "vae", "--learning-rate", "nan", *SMALL): "above 0",
    ("train", "vae", "--workdir", "images.npz"): "is a file",
    ("train", "vae", "--set", "latent_dims=3"): "Did you mean 'latent_dim'",
    ("train", "vae", "--set", "latent_dim"): "key=value",
    ("train", "vae", "--set", "latent_dim=two"): "an integer like 2, got 'two'",
    ("train", "vae", "--set", "latent_dim=2.5"): "an integer like 2, got 2.5",
    ("train", "vae", "--set", "latent_dim=True"): "an integer like 2, got True",
    ("train", "vae", "--set", "filters=32"): "a tuple of integers like (32, 64)",
    ("train", "vae", "--set", "filters=3,x"): "a tuple of integers like (32, 64)",
    ("train", "vae", "--set", "kl_weight=high"): "a number like 1.0",
    ("train", "vae", "--set", "kl_weight=1e999"): "a number like 1.0",
    ("train", "vae", "--set", "head=3"): "a name like 'bernoulli'",
    ("train", "vae", "--set", "dtype=float16"): "--precision",
    ("train", "vae", *SMALL, "--set", "latent_dim=0"): "latent_dim",
    ("train", "vae", *SMALL, "--set", "head=bernouli"): "bernoulli",
    ("train", "mixture_vae", *SMALL, "--set", "components=-1"): "components",
    ("train", "vae", *SMALL, "--set", "image_shape=(9,9,1)"): "(8, 8, 1)",
    ("train", "vae", *SMALL, "--split", "tran"): "'train'",
    ("train", "vae", "--data", "minst"): "'mnist'",
    ("train", "vae", "--data", "photos/cats"): "no file or folder 'photos/cats'",
    ("train", "vae", "--data", "notes.txt"): "no file or folder",
    ("evaluate", "runs/vae-minst"): "unknown run or model",
    ("evaluate", "vae", "--best"): "needs a run",
    ("evaluate", "."): "no config.json",
    ("sample", "vaee"): "'vae'",
    ("sample", "vae", "-n", "0"): "x>=1",
    ("sample", "vae", "-o", "samples.gif"): ".png, .npy or .npz",
    ("inspect", "runs/vae", "--set", "latent_dim=3"): "a model's name",
    ("data", "lst"): "'list'",
    ("data", "info", "minst"): "'mnist'",
    ("data", "prepare", "cifar"): "'cifar10'",
}


@pytest.mark.parametrize("args", BAD, ids=" ".join)
def test_wrong_use_is_explained_and_exits_with_2(args, here):
    result = run(*args)
    assert result.exit_code == 2, result.output
    assert BAD[args] in result.stderr
    assert result.stdout == "" and "Traceback" not in result.stderr
    assert not (here / "runs").exists()


def test_a_data_set_that_is_not_on_disk_is_a_failure_that_names_the_command(here):
    result = run("train", "vae", "--data", "mnist", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "zoo data prepare mnist" in result.stderr


def test_bugs_keep_their_traceback(monkeypatch):
    monkeypatch.setattr(registry, "names", lambda pattern: 1 / 0)
    assert isinstance(run("list").exception, ZeroDivisionError)


def test_exit_codes_reach_the_shell(here):
    wrong = process(here, "train", "vea", "--json")
    stdout, stderr = wrong.communicate()
    assert (wrong.returncode, stdout) == (2, "")
    assert stderr == "error: unknown model 'vea'. Did you mean 'vae'?\n"


# Settings of a model.


def test_set_takes_python_values_of_the_type_of_the_default():
    pairs = ["latent_dim=16", "filters=8,16", "kl_weight=2", "head=normal", " kl = 'analytic'"]
    assert overrides("vae", pairs) == {
        "latent_dim": 16,
        "filters": (8, 16),
        "kl_weight": 2,
        "head": "normal",
        "kl": "analytic",
    }
    assert overrides("mixture_vae", ["filters=[4]"]) == {"filters": [4]}


def test_image_shape_and_learning_rate_reach_the_model(here):
    settings = runs.asked("dcgan", "images.npz", ["filters=4,8"], learning_rate=0.5)
    data = settings.load("train")
    trainer = settings.trainer(settings.build(data))
    assert trainer.model.image_shape == (8, 8, 1)
    assert trainer.model.filters == (4, 8)
    rates = {part: float(one.learning_rate) for part, one in trainer.model.optimizers.items()}
    assert rates == {"generator": 0.5, "discriminator": 0.5}


# Runs.


def test_train_answers_with_what_the_history_holds(there, trained):
    first, second = trained[1]
    assert (first["epochs"], first["steps"], second["epochs"], second["steps"]) == (1, 3, 2, 6)
    history = json.loads((there / "runs/vae-images/history.json").read_text())
    for name, value in second["metrics"].items():
        assert value == history[f"val_{name}"][-1]
    assert first["metrics"]["loss"] == history["val_loss"][0]


def test_config_json_holds_settings_configuration_and_versions(there):
    config = json.loads((there / "runs/vae-images/config.json").read_text())
    assert config["data"] == str(there / "images.npz") and config["set"] == {}
    assert config["config"]["image_shape"] == [8, 8, 1] and config["config"]["latent_dim"] == 2
    assert set(config["versions"]) == {"zoo", "tensorflow", "keras"}
    assert runs.read(there / "runs/vae-images").settings.batch_size == 16


def test_a_complete_run_is_evaluated_and_left_alone(there, trained):
    before = sorted((there / "runs/vae-images/checkpoints").iterdir())
    result = run("train", "vae", *SMALL, "--epochs", 2, "--json")
    assert "is complete: 2 epochs, 6 steps" in result.stderr
    assert json.loads(result.stdout) == trained[1][1]
    assert before == sorted((there / "runs/vae-images/checkpoints").iterdir())


@pytest.mark.parametrize(
    "args, said",
    (
        (["--set", "latent_dim=16"], "has latent_dim=2, got latent_dim=16"),
        (["--seed", "1"], "has seed=0, got seed=1"),
        (["--batch-size", "8"], "has batch_size=16, got batch_size=8"),
        (["--binarize", "once", "--learning-rate", "0.1"], "learning_rate=0.1"),
        (["--split", "train[:20]"], "split=train[:20]"),
    ),
)
def test_a_run_does_not_go_on_with_other_settings(there, args, said):
    result = run("train", "vae", *SMALL, *args)
    assert result.exit_code == 2
    assert said in result.stderr and "another --workdir" in result.stderr


def test_settings_that_say_the_default_are_the_same_settings(there, trained):
    same = ("--set", "latent_dim=2", "--set", "filters=[32,64]", "--set", "image_shape=8,8,1")
    assert answer("train", "vae", *SMALL, *same, "--epochs", 2) == trained[1][1]


def test_another_model_does_not_take_up_a_run(there):
    result = run("train", "dcgan", *SMALL, "--workdir", "runs/vae-images")
    assert result.exit_code == 2 and "has model=vae, got model=dcgan" in result.stderr


def test_checkpoints_without_config_and_a_damaged_config_are_refused(here):
    checkpoints = here / "runs/x/checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "step-000000001.npz").write_bytes(b"")
    args = ("train", "vae", *SMALL, "--workdir", "runs/x")
    result = run(*args)
    assert result.exit_code == 2 and "no config.json" in result.stderr
    (here / "runs/x/config.json").write_text("{")
    result = run(*args)
    assert result.exit_code == 1 and "damaged" in result.stderr
    assert run("info", "vae").exit_code == 0


def test_people_get_a_table_the_bound_and_what_to_do_next(there, trained):
    shown = run("train", "vae", *SMALL, "--epochs", 2).stdout
    metrics = trained[1][1]["metrics"]
    assert f"train ELBO: {-metrics['nll'] - metrics['kl']:.6g} nats" in shown
    for hint in ("zoo sample runs/vae-images", "zoo inspect", "tensorboard", "figures/*.png"):
        assert hint in shown


@pytest.mark.parametrize(
    "args, warns",
    ((["--binarize", "none"], True), (["--binarize", "threshold"], False)),
)
def test_grey_values_under_a_bernoulli_are_pointed_out(here, args, warns):
    settings = runs.asked("vae", "images.npz", ["filters=4,"], binarize=args[1])
    data = settings.load("train")
    with CliRunner().isolation() as (_, stderr, _):
        runs.warn_of_grey(settings.build(data), data)
        assert (b"--binarize dynamic" in stderr.getvalue()) is warns


def test_evaluate_gives_the_same_numbers_and_takes_the_newest_run(there, trained):
    assert answer("evaluate", "runs/vae-images") == trained[1][1]
    os.utime(max((there / "runs/vae-images/checkpoints").iterdir()))
    result = run("evaluate", "vae", "--json")
    assert "the newest run is runs/vae-images" in result.stderr
    assert json.loads(result.stdout) == trained[1][1]
    best = answer("evaluate", "runs/vae-images", "--best")["metrics"]["loss"]
    assert best == min(one["metrics"]["loss"] for one in trained[1])


def test_evaluate_on_other_data_and_batches(there, trained):
    write_images(there / "runs", n=7)
    other = answer("evaluate", "runs/vae-images", "--data", "runs/images.npz", "--batch-size", 3)
    assert other["data"] == str(there / "runs/images.npz")
    assert other["metrics"] != trained[1][1]["metrics"]
    write_images(there / "runs", size=9)
    result = run("evaluate", "runs/vae-images", "--data", "runs/images.npz")
    assert result.exit_code == 2 and "(9, 9, 1)" in result.stderr


def test_samples_are_a_picture_or_arrays_and_the_seed_decides(there):
    record = answer("sample", "runs/vae-images", "-n", 4)
    assert record["file"] == "runs/vae-images/figures/samples-seed0.png"
    assert (there / record["file"]).read_bytes().startswith(b"\x89PNG")
    for name, seed in (("a.npy", 0), ("b.npy", 0), ("c.npy", 1)):
        assert run("sample", "vae", "-n", 3, "--seed", seed, "-o", f"new/{name}").exit_code == 0
    a, b, c = (np.load(there / "new" / name) for name in ("a.npy", "b.npy", "c.npy"))
    assert a.shape == (3, 8, 8, 1) and (a == b).all() and (a != c).any()
    assert answer("sample", "vae", "-n", 3, "-o", "d.npz")["run"] == "runs/vae-images"
    assert (np.load(there / "d.npz")["image"] == a).all()


def test_a_picture_that_cannot_be_written_is_a_failure(there):
    result = run("sample", "vae", "-n", 1, "-o", "images.npz/a.png")
    assert result.exit_code == 1 and "cannot write" in result.stderr


def test_a_model_without_a_run_is_used_untrained(here):
    result = run("sample", "dcgan", "-n", 1)
    assert (result.exit_code, result.stdout) == (0, "dcgan-samples.png\n")
    assert "untrained" in result.stderr and (here / "dcgan-samples.png").exists()


def test_a_conditional_model_is_asked_for_a_class_and_others_are_not(here):
    draw = ("sample", "conditional_dcgan", "-n", 2, "-o", "sevens.npy", "--label")
    assert run(*draw, 7).exit_code == 0
    assert np.load(here / "sevens.npy").shape == (2, 28, 28, 1)
    result = run(*draw, 10)
    assert result.exit_code == 2 and "has the classes 0 ... 9, got --label 10" in result.stderr
    result = run("sample", "dcgan", "--label", 1)
    assert result.exit_code == 2 and "dcgan was told of no classes" in result.stderr


def test_what_is_drawn_around_an_image_is_shown_one(here):
    draw = ("sample", "instance_dcgan", "-n", 2, "-o", "shoes.npy", "--like")
    Image.new("L", (28, 28), 200).save("shoe.png")
    Image.new("RGB", (200, 280)).save("large.png")
    for file in ("shoe.png", "large.png"):
        assert run(*draw, file).exit_code == 0
        assert np.load(here / "shoes.npy").shape == (2, 28, 28, 1)
    (here / "torn.png").write_bytes(b"PNG")
    for bad, said in (
        ("none.png", "none.png"),
        ("torn.png", "torn.png"),
    ):
        result = run(*draw, bad)
        assert result.exit_code == 2 and said in result.stderr
    for name in ("dcgan", "pix2pix"):
        result = run("sample", name, "--like", "shoe.png")
        assert result.exit_code == 2 and f"{name} does not draw around an image" in result.stderr


def test_inspect_shows_a_step_of_a_run_or_of_fresh_weights(there):
    record = answer("inspect", "runs/vae-images", "--batch-size", 5)
    assert list(record) == ["losses", "layers", "variables"]
    assert record["layers"][0]["shape"][0] == 5
    fresh = answer("inspect", "vae", "--data", "images.npz", "--set", "latent_dim=3")
    sizes = {row["path"]: row["shape"] for row in fresh["layers"]}
    assert sizes["encoder"] == [32, 6]
    shown = run("inspect", "vae").stdout
    assert "gradient norm" in shown and "encoder/0/0/kernel" in shown


def test_json_has_full_precision_and_null_for_nan():
    value = {"a": 0.1 + 0.2, "b": [float("nan"), float("inf")], "c": (1, "x")}
    assert jsonable(value) == {"a": 0.30000000000000004, "b": [None, None], "c": [1, "x"]}


# The installation.


def test_doctor_finds_everything_or_exits_with_1(here, monkeypatch):
    record = answer("doctor")
    assert record["problems"] == [] and "CPU:0" in record["devices"]
    assert record["data"]["directory"] == str(here / "tfds") and record["runs"]["writable"]
    assert "all is well" in run("doctor").stdout
    monkeypatch.setattr(doctor, "PACKAGES", ("keras", "no-such-package"))
    result = run("doctor")
    assert result.exit_code == 1 and "pip install no-such-package" in result.stdout


# A signal.


def test_ctrl_c_leaves_a_run_that_the_same_command_finishes(here, trained):
    command = ("train", "vae", *SMALL, "--epochs", 2, "--json")
    first = process(here, *command)
    deadline = time.time() + 60
    while not (here / "runs/vae-images/history.json").exists() and time.time() < deadline:
        time.sleep(0.02)
    first.send_signal(signal.SIGINT)
    stdout, stderr = first.communicate(timeout=60)
    assert (first.returncode, stdout) == (1, ""), stderr
    step = re.search(r"interrupted at step (\d+); the same command goes on from there", stderr)[1]
    assert 3 <= int(step) < 6
    assert "Traceback" not in stderr
    second = run(*command)
    assert f"from step {step}" in second.stderr
    assert json.loads(second.stdout)["metrics"] == trained[1][1]["metrics"]
