"""The command line: exit codes, messages, JSON, speed of looking, standard streams."""

import os
import subprocess
import sys
from unittest import mock

import pytest
from shell import HOME, SMALL, answer, process, refused, run

import zoo
from zoo import registry
from zoo.cli import doctor, runs
from zoo.cli.main import main
from zoo.cli.overrides import overrides
from zoo.cli.terminal import jsonable
from zoo.errors import ZooError

# Looking, without TensorFlow.


# What takes a good part of a second to import: `zoo list` answers in less than half of one.
HEAVY = {
    *("tensorflow", "keras", "tensorflow_datasets", "tensorflow_probability", "matplotlib"),
    *("numpy", "scipy", "sklearn", "PIL", "h5py", "requests", "sentencepiece", "sacrebleu"),
}


@pytest.mark.parametrize("args", (["list"], ["info", "vae"], ["data", "list"], ["--help"]))
def test_looking_imports_nothing_heavy(args, here):
    code = (
        "import sys; from zoo.cli import main; main(sys.argv[1:], standalone_mode=False);"
        "print({m.partition('.')[0] for m in sys.modules} &"
        f" {HEAVY}, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *args],
        env={**os.environ, "PYTHONPATH": str(HOME)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "set()\n")


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
    ("train", "vae", "--stepss", "1"): "--steps",
    ("train", "vae", "--epochs", "many"): "valid integer",
    ("train", "vae", "--epochs", "1", "--steps", "1"): "either --epochs or --steps",
    ("train", "vae", "--batch-size", "-1"): "must be an integer >= 1, got -1",
    ("train", "vae", "--seed", "-1"): "must be an integer >= 0, got -1",
    ("train", "vae", "--precision", "float64"): "mixed_bfloat16",
    ("train", "vae", "--binarize", "dynamc"): "'dynamic'",
    ("train", "vae", "--learning-rate", "0", *SMALL): "number > 0",
    ("train", "vae", "--learning-rate", "nan", *SMALL): "got nan",
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
    ("train", "vae", "--set", "output_distribution=3"): "a name like 'bernoulli'",
    ("train", "vae", "--set", "dtype=float16"): "--precision",
    ("train", "vae", *SMALL, "--set", "latent_dim=0"): "latent_dim",
    ("train", "vae", *SMALL, "--set", "output_distribution=bernouli"): "bernoulli",
    ("train", "mixture_vae", *SMALL, "--set", "num_components=-1"): "num_components",
    ("train", "vae", *SMALL, "--set", "image_shape=(9,9,1)"): "(8, 8, 1)",
    ("train", "vae", *SMALL, "--split", "tran"): "'train'",
    ("train", "vae", "--data", "minst"): "'mnist'",
    ("train", "vae", "--data", "photos/cats"): "no file or folder 'photos/cats'",
    ("train", "vae", "--data", "notes.txt"): "no file or folder",
    ("evaluate", "runs/vae-minst"): "unknown run or model",
    ("evaluate", "vae", "--best"): "needs a run",
    ("train", "runs"): "unknown model",
    ("train", "vae", "--epochs", "0", "--steps", "0"): "either --epochs or --steps",
    ("train", "vae", "--learning-rate", "1e39", *SMALL): "<= 3.4e+38",
    ("train", str(HOME / "zoo/presets/vae.snowflakes")): "is a preset, not a model",
    ("train", "vae.mnist_gated"): "zoo reproduce vae.mnist_gated",
    ("train", "vae", "--data", "~no-such-user/x"): "no home folder",
    ("train", "vae", "--data", "x" * 300): "name too long",
    ("train", "x" * 300): "name too long",
    ("train", "vae", "--data", "a\0b"): "NUL",
    ("train", "vae", "--data", "a\udc80"): "not UTF-8 text",
    ("evaluate", "."): "no config.json",
    ("evaluate", "vae.snowflakes"): "is a preset, not a run of `zoo train`",
    ("inspect", str(HOME / "zoo/presets/vae.snowflakes")): "is a preset, not a run",
    ("sample", "vaee"): "'vae'",
    ("sample", "vae", "-n", "0"): "must be an integer >= 1, got 0",
    ("sample", "vae", "-o", "samples.gif"): ".npy, .npz or .tsv",
    ("inspect", "runs/vae", "--set", "latent_dim=3"): "a model's name",
    ("data", "lst"): "'list'",
    ("data", "info", "minst"): "'mnist'",
    ("data", "prepare", "cifar"): "'cifar10'",
}


@pytest.mark.parametrize("args", BAD, ids=" ".join)
def test_wrong_use_is_explained_and_exits_with_2(args, here):
    assert BAD[args] in refused(*args)
    assert not (here / "runs").exists()  # nor anything else
    assert [path.name for path in here.iterdir()] == ["images.npz"]


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
    pairs = [
        "latent_dim=16",
        "filters=8,16",
        "kl_weight=2",
        "output_distribution=normal",
        " kl_estimator = 'analytic'",
    ]
    assert overrides("vae", pairs) == {
        "latent_dim": 16,
        "filters": (8, 16),
        "kl_weight": 2,
        "output_distribution": "normal",
        "kl_estimator": "analytic",
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


# Standard streams.


@pytest.mark.parametrize(
    "shell, code, said",
    (
        (">&-", 1, "error: cannot write the answer to stdout: Bad file descriptor\n"),
        (">/dev/full", 1, "error: cannot write the answer to stdout: No space left on device\n"),
        ("| head -0", 0, ""),
        ("2>&- <&-", 0, ""),
        ("2>/dev/full", 0, ""),
    ),
)
@pytest.mark.parametrize("args", (["list"], ["--help"], ["data", "list", "--json"]), ids=" ".join)
def test_a_standard_stream_that_is_closed_or_full_is_one_line(here, args, shell, code, said):
    done = process(here, *args, shell=shell)
    _, stderr = done.communicate()
    assert (done.returncode, stderr) == (code, said)


def test_what_the_system_refuses_is_one_line(monkeypatch):
    refusals = {
        MemoryError(): "error: there is not enough memory",
        PermissionError(13, "Permission denied", "x"): "error: x: Permission denied",
        ZooError("a\nb\x1b[2J"): "error: a b [2J",
    }
    for error, said in refusals.items():
        monkeypatch.setattr(registry, "names", mock.Mock(side_effect=error))
        assert refused("list", code=1).startswith(said)
