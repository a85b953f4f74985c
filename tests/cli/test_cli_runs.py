"""`zoo train`, `zoo evaluate`, `zoo inspect`: runs that go on, and what they are measured on."""

import json
import os
import re
import shutil
import signal
import time

import pytest
from click.testing import CliRunner
from shell import SMALL, answer, process, run

from zoo.cli import run_config, runs

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
    assert run_config.read(there / "runs/vae-images").settings.batch_size == 16


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
        (["--binarize", "fixed", "--learning-rate", "0.1"], "learning_rate=0.1"),
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


def test_evaluate_gives_the_same_numbers(there, trained):
    assert answer("evaluate", "runs/vae-images") == trained[1][1]
    best = answer("evaluate", "runs/vae-images", "--best")["metrics"]["loss"]
    assert best == min(one["metrics"]["loss"] for one in trained[1])


@pytest.mark.parametrize("newest", ("vae-a", "vae-b"))
def test_a_models_name_means_its_newest_run(here, trained, newest):
    """Whatever the order of the names, and of the folders' own times."""
    for name in ("vae-a", "vae-b", "vae-c"):
        shutil.copytree(trained[0] / "runs/vae-images", here / "runs" / name)
        for path in (here / "runs" / name / "checkpoints").iterdir():
            os.utime(path, (1e9, 1e9 + (name == newest)))
    result = run("sample", "vae", "-n", 1, "-o", "a.npy", "--json")
    assert f"the newest run is runs/{newest}" in result.stderr
    assert json.loads(result.stdout)["run"] == f"runs/{newest}"


def test_inspect_shows_a_step_of_a_run_or_of_fresh_weights(there):
    record = answer("inspect", "runs/vae-images", "--batch-size", 5)
    assert list(record) == ["losses", "layers", "variables"]
    assert record["layers"][0]["shape"][0] == 5
    fresh = answer("inspect", "vae", "--data", "images.npz", "--set", "latent_dim=3")
    sizes = {row["path"]: row["shape"] for row in fresh["layers"]}
    assert sizes["encoder"] == [32, 6]
    shown = run("inspect", "vae").stdout
    assert "gradient norm" in shown and "encoder/0/0/kernel" in shown


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
