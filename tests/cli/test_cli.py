"""The command line: exit codes, messages, JSON, imports, standard streams."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from unittest import mock

import click
import pytest
from shell import HOME, SMALL, run, run_error, run_json, start_process

import zoo
from zoo import registry
from zoo.cli import doctor
from zoo.cli.main import main
from zoo.cli.overrides import parse_overrides
from zoo.cli.run_options import config_from_options
from zoo.errors import ZooError
from zoo.files import nan_to_null
from zoo.presets import download
from zoo.training.run_building import build_model, build_trainer, load_data

# Commands without TensorFlow.


# Slow imports: `zoo list` takes less than half a second.
HEAVY = {
    *("tensorflow", "keras", "tensorflow_datasets", "tensorflow_probability", "matplotlib"),
    *("numpy", "scipy", "sklearn", "PIL", "h5py", "requests", "sentencepiece", "sacrebleu"),
}


@pytest.mark.parametrize("args", (["list"], ["info", "vae"], ["data", "list"], ["--help"]))
def test_listing_imports_nothing_heavy(args, empty_dir):
    code = (
        "import sys; from zoo.cli.main import main; main(sys.argv[1:], standalone_mode=False);"
        "print({m.partition('.')[0] for m in sys.modules} &"
        f" {HEAVY}, file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *args],
        env={**os.environ, "PYTHONPATH": str(HOME)},
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stderr) == (0, "set()\n")


def test_list_takes_wildcards_and_parts_of_names():
    listed = [row["name"] for row in run_json("list", "*vae")["models"]]
    assert listed == zoo.names("*vae") and "vae" in listed
    listed = [row["name"] for row in run_json("list", "dcg")["models"]]
    assert listed == ["conditional_dcgan", "dcgan", "instance_dcgan"]
    assert all(name in run("list").stdout for name in zoo.names())


def test_list_and_doctor_name_a_broken_plug_in(monkeypatch, empty_dir):
    monkeypatch.setattr(registry, "_plugins", lambda: [("odd", "no_such_module")])
    assert "broken" in run("list", "odd").stdout
    assert run("list").exit_code == 0


def test_list_and_doctor_name_a_damaged_preset(monkeypatch, tmp_path):
    shutil.copytree(download.SHIPPED_FOLDER / "gpt.names", tmp_path / "gpt.names")
    with (tmp_path / "gpt.names" / "card.md").open("a") as file:
        file.write("one more line")
    monkeypatch.setattr(download, "SHIPPED_FOLDER", tmp_path)
    assert "damaged" in run("list", "--presets").stdout
    assert [row["name"] for row in run_json("list", "--presets")["presets"]] == ["gpt.names"]
    assert "the preset gpt.names is damaged" in run("doctor", "--json").stdout


@pytest.mark.parametrize("name", zoo.names())
def test_info_names_every_argument_of_the_class(name):
    arguments = run_json("info", name)["arguments"]
    assert set(arguments) == set(registry.arguments(registry.get_class(name)))
    output = run("info", name).stdout
    assert all(key in output for key in arguments) and f"zoo train {name}" in output


def test_data_list_and_info_show_what_is_on_disk(empty_dir):
    (empty_dir / "tfds" / "mnist" / "3.0.1").mkdir(parents=True)
    (empty_dir / "tfds" / "mnist" / "3.0.1" / "dataset_info.json").write_text("{}")
    record = run_json("data", "list")
    assert {row["name"]: row["prepared"] for row in record["data"]} == {
        name: name == "mnist" for name in zoo.data.names()
    }
    assert run_json("data", "info", "mnist")["prepared"] is True
    assert "60000" in run("data", "info", "mnist").stdout
    assert "zoo data prepare" in run("data", "list").stdout


SUBCOMMANDS = [["data", name] for name in main.commands["data"].commands]


@pytest.mark.parametrize("command", ([], *([c] for c in main.commands), *SUBCOMMANDS), ids=" ".join)
def test_help_has_sentences_an_example_and_every_option(command):
    result = run(*command, "--help")
    assert result.exit_code == 0 and (command or "Exit code" in result.stdout)
    group = main
    for name in command:
        group = group.commands[name]
    assert group.help.splitlines()[0].endswith(".")
    assert re.search(rf"^ +{' '.join(['zoo', *command])}\b", group.help, re.MULTILINE)
    for option in (param for param in group.params if isinstance(param, click.Option)):
        assert re.search(r"[.\]]$", option.help), option.name


@pytest.mark.parametrize("name", main.commands)
def test_the_examples_of_help_are_valid_commands(name):
    text = main.commands[name].help.replace("\\\n", " ")
    for line in re.findall(rf"^ *zoo {name}\b.*$", text, re.MULTILINE):
        words = shlex.split(re.sub(r" {4,}.*", "", line.strip()))
        command = main.commands[name]
        if isinstance(command, click.Group):
            command = command.commands[words.pop(2)]
        command.make_context(name, words[2:])  # parses the words, runs nothing


# Invalid commands.

BAD = {
    ("lst",): "Did you mean 'list'",
    ("train", "vea"): "'vae'",
    ("info", "dcgna"): "'dcgan'",
    ("list", "nonesuch"): "Available: captioning",
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
    ("train", "vae", "--set", "latent_dim=2", "--set", "latent_dim=3"): "latent_dim is given twice",
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
    ("evaluate", "runs/vae-minst"): "there is no runs/vae-minst; expected a run's folder",
    (
        "evaluate",
        "vae-minst",
    ): "unknown run, preset, file or model 'vae-minst'. Did you mean 'vae",
    ("evaluate", "vae", "--best"): "needs a run",
    ("train", "runs"): "unknown model",
    ("train",): "the name of a model, as in zoo train vae, or --config FILE",
    ("train", "vae", "--epochs", "0", "--steps", "0"): "either --epochs or --steps",
    ("train", "vae", "--learning-rate", "1e39", *SMALL): "<= 3.4e+38",
    (
        "train",
        str(HOME / "zoo/presets/vae.snowflakes"),
    ): "is a preset, not a model",
    ("train", "vae.mnist_gated"): "zoo reproduce vae.mnist_gated",
    ("train", "vae", "--data", "~no-such-user/x"): "no home folder",
    ("train", "vae", "--data", "x" * 300): "name too long",
    ("train", "x" * 300): "name too long",
    ("train", "vae", "--data", "a\0b"): "NUL",
    ("train", "vae", "--data", "a\udc80"): "not UTF-8 text",
    ("evaluate", "."): "a run has config.json",
    ("evaluate", "vae.snowflakes"): "is a preset without data: add --data DATA",
    ("inspect", str(HOME / "zoo/presets/vae.snowflakes")): "is a preset without data",
    ("sample", "vaee"): "'vae'",
    ("sample", "vae", "-n", "0"): "must be an integer >= 1, got 0",
    ("sample", "vae", "-o", "samples.mp4"): ".npy, .npz, .gif",
    ("inspect", "runs/vae", "--set", "latent_dim=3"): "a model's name",
    ("data", "lst"): "'list'",
    ("data", "info", "minst"): "'mnist'",
    ("data", "prepare", "cifar"): "'cifar10'",
}


@pytest.mark.parametrize("args", BAD, ids=" ".join)
def test_an_invalid_command_is_explained_and_exits_with_2(args, empty_dir):
    assert BAD[args] in run_error(*args)
    assert not (empty_dir / "runs").exists()  # nor anything else
    assert [path.name for path in empty_dir.iterdir()] == ["images.npz"]


def test_the_error_for_a_data_set_that_is_not_on_disk_names_the_command(empty_dir):
    result = run("train", "vae", "--data", "mnist", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "zoo data prepare mnist" in result.stderr


def test_bugs_keep_their_traceback(monkeypatch):
    monkeypatch.setattr(registry, "names", lambda pattern: 1 / 0)
    assert isinstance(run("list").exception, ZeroDivisionError)


def test_exit_codes_reach_the_shell(empty_dir):
    wrong = start_process(empty_dir, "train", "vea", "--json")
    stdout, stderr = wrong.communicate()
    assert (wrong.returncode, stdout) == (2, "")
    assert stderr == "error: unknown model 'vea'. Did you mean 'vae'?\n"


# Arguments of a model.


def test_set_takes_python_values_of_the_type_of_the_default():
    pairs = [
        "latent_dim=16",
        "filters=8,16",
        "kl_weight=2",
        "output_distribution=normal",
        " kl_estimator = 'analytic'",
    ]
    assert parse_overrides("vae", pairs) == {
        "latent_dim": 16,
        "filters": (8, 16),
        "kl_weight": 2,
        "output_distribution": "normal",
        "kl_estimator": "analytic",
    }
    assert parse_overrides("mixture_vae", ["filters=[4]"]) == {"filters": [4]}


def test_image_shape_and_learning_rate_reach_the_model(empty_dir):
    config = config_from_options(
        "dcgan", None, ["filters=4,8"], data="images.npz", learning_rate=0.5
    )
    trainer = build_trainer(config, build_model(config, load_data(config, "train")))
    assert trainer.model.image_shape == (8, 8, 1)
    assert trainer.model.filters == (4, 8)
    rates = {
        part: float(optimizer.learning_rate) for part, optimizer in trainer.model.optimizers.items()
    }
    assert rates == {"generator": 0.5, "discriminator": 0.5}


def test_json_has_full_precision_and_null_for_nan():
    value = {"a": 0.1 + 0.2, "b": [float("nan"), float("inf")], "c": (1, "x")}
    assert nan_to_null(value) == {"a": 0.30000000000000004, "b": [None, None], "c": [1, "x"]}


# The installation.


def test_doctor_finds_everything_or_exits_with_1(empty_dir, monkeypatch):
    record = run_json("doctor")
    assert record["problems"] == [] and "CPU:0" in record["devices"]
    assert record["data"]["directory"] == str(empty_dir / "tfds") and record["runs"]["writable"]
    assert "no problems found" in run("doctor").stdout
    monkeypatch.setattr(doctor, "PACKAGES", ("keras", "no-such-package"))
    result = run("doctor")
    assert result.exit_code == 1 and "pip install no-such-package" in result.stdout


# Standard streams.


@pytest.mark.parametrize(
    "shell, code, message",
    (
        (">&-", 1, "error: cannot write the results to stdout: Bad file descriptor\n"),
        (">/dev/full", 1, "error: cannot write the results to stdout: No space left on device\n"),
        ("| head -0", 0, ""),
        ("2>&- <&-", 0, ""),
        ("2>/dev/full", 0, ""),
    ),
)
@pytest.mark.parametrize("args", (["list"], ["--help"], ["data", "list", "--json"]), ids=" ".join)
def test_a_closed_or_full_standard_stream_is_one_line(empty_dir, args, shell, code, message):
    command = start_process(empty_dir, *args, shell=shell)
    _, stderr = command.communicate()
    assert (command.returncode, stderr) == (code, message)


def test_an_error_of_the_system_is_one_line(monkeypatch):
    errors = {
        MemoryError(): "error: out of memory",
        PermissionError(13, "Permission denied", "x"): "error: x: Permission denied",
        ZooError("a\nb\x1b[2J"): "error: a b [2J",
    }
    for error, message in errors.items():
        monkeypatch.setattr(registry, "names", mock.Mock(side_effect=error))
        assert run_error("list", code=1).startswith(message)
