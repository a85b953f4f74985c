"""`zoo train`, `zoo evaluate`, `zoo inspect`: resuming and evaluating runs."""

import itertools
import json
import os
import shutil
import signal

import pytest
from click.testing import CliRunner
from shell import SMALL, run, run_json

from zoo.cli import runs
from zoo.cli.run_options import config_from_options
from zoo.models.vae import VAE
from zoo.training import run_folder
from zoo.training.run_building import build_model, load_data

pytestmark = pytest.mark.usefixtures("eager_steps")

# Runs.


def test_train_returns_the_metrics_of_the_history(trained_dir, trained):
    first, second = trained[1]
    assert (first["epochs"], first["steps"], second["epochs"], second["steps"]) == (1, 3, 2, 6)
    history = json.loads((trained_dir / "runs/vae-images/history.json").read_text())
    for name, value in second["metrics"].items():
        assert value == history[f"val_{name}"][-1]
    assert first["metrics"]["loss"] == history["val_loss"][0]


def test_config_json_has_options_model_arguments_and_versions(trained_dir):
    config = json.loads((trained_dir / "runs/vae-images/config.json").read_text())
    assert config["data"] == str(trained_dir / "images.npz") and config["config"] == {}
    assert config["arguments"]["image_shape"] == [8, 8, 1]
    assert config["arguments"]["latent_dim"] == 2 and config["made_by"] == "zoo train"
    assert set(config["versions"]) == {"zoo", "tensorflow", "keras"}
    assert run_folder.read(trained_dir / "runs/vae-images").config.batch_size == 16


def test_a_complete_run_is_only_evaluated(trained_dir, trained):
    before = sorted((trained_dir / "runs/vae-images/checkpoints").iterdir())
    result = run("train", "vae", *SMALL, "--epochs", 2, "--json")
    assert "is complete: 2 epochs, 6 steps" in result.stderr
    assert json.loads(result.stdout) == trained[1][1]
    assert before == sorted((trained_dir / "runs/vae-images/checkpoints").iterdir())


@pytest.mark.parametrize(
    "args, message",
    (
        (["--set", "latent_dim=16"], "has latent_dim=2, got latent_dim=16"),
        (["--seed", "1"], "has seed=0, got seed=1"),
        (["--batch-size", "8"], "has batch_size=16, got batch_size=8"),
        (["--binarize", "fixed", "--learning-rate", "0.1"], "learning_rate=0.1"),
        (["--split", "train[:20]"], "train=train[:20]"),
        (["--optimizer", "sgd", "--clip-norm", "1"], "got optimizer=sgd, clip_norm=1.0"),
        (["--schedule", "cosine", "--epochs", "3"], "got epochs=3, schedule=cosine"),
    ),
)
def test_a_run_does_not_resume_with_other_options(trained_dir, args, message):
    result = run("train", "vae", *SMALL, *args)
    assert result.exit_code == 2
    assert message in result.stderr and "--init runs/vae-images" in result.stderr


def test_options_that_repeat_the_default_are_the_same_options(trained_dir, trained):
    same = ("--set", "latent_dim=2", "--set", "filters=[32,64]", "--set", "image_shape=8,8,1")
    assert run_json("train", "vae", *SMALL, *same, "--epochs", 2) == trained[1][1]


def test_another_model_does_not_resume_a_run(trained_dir):
    result = run("train", "dcgan", *SMALL, "--workdir", "runs/vae-images")
    assert result.exit_code == 2 and "has model=vae, got model=dcgan" in result.stderr


def test_checkpoints_without_config_and_a_damaged_config_are_errors(empty_dir):
    checkpoints = empty_dir / "runs/x/checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "step-000000001.npz").write_bytes(b"")
    args = ("train", "vae", *SMALL, "--workdir", "runs/x")
    result = run(*args)
    assert result.exit_code == 2 and "no config.json" in result.stderr
    (empty_dir / "runs/x/config.json").write_text("{")
    result = run(*args)
    assert result.exit_code == 1 and "damaged" in result.stderr
    assert run("info", "vae").exit_code == 0


def test_the_output_has_a_table_the_elbo_and_next_steps(trained_dir, trained):
    output = run("train", "vae", *SMALL, "--epochs", 2).stdout
    metrics = trained[1][1]["metrics"]
    assert f"train ELBO: {-metrics['nll'] - metrics['kl']:.6g} nats" in output
    for hint in ("zoo sample runs/vae-images", "zoo inspect", "tensorboard", "figures/*.png"):
        assert hint in output


@pytest.mark.parametrize(
    "args, warns",
    ((["--binarize", "none"], True), (["--binarize", "threshold"], False)),
)
def test_gray_pixels_with_a_bernoulli_head_give_a_note(empty_dir, args, warns):
    config = config_from_options(
        "vae", None, ["filters=4,"], data="images.npz", binarize=args[1], test="train"
    )
    data = load_data(config, "train")
    with CliRunner().isolation() as (_, stderr, _):
        runs.warn_grayscale_bernoulli(build_model(config, data), data)
        assert (b"--binarize dynamic" in stderr.getvalue()) is warns


def test_evaluate_gives_the_same_numbers(trained_dir, trained):
    assert run_json("evaluate", "runs/vae-images") == trained[1][1]
    best = run_json("evaluate", "runs/vae-images", "--best")["metrics"]["loss"]
    assert best == min(record["metrics"]["loss"] for record in trained[1])


@pytest.mark.parametrize("newest", ("vae-a", "vae-b"))
def test_a_models_name_means_its_newest_run(empty_dir, trained, newest):
    """Whatever the order of the names, and of the folders' own times."""
    for name in ("vae-a", "vae-b", "vae-c"):
        shutil.copytree(trained[0] / "runs/vae-images", empty_dir / "runs" / name)
        for path in (empty_dir / "runs" / name / "checkpoints").iterdir():
            os.utime(path, (1e9, 1e9 + (name == newest)))
    result = run("sample", "vae", "-n", 1, "-o", "a.npy", "--json")
    assert f"the newest run is runs/{newest}" in result.stderr
    assert json.loads(result.stdout)["run"] == f"runs/{newest}"


def test_inspect_shows_a_step_of_a_run_or_of_an_untrained_model(trained_dir):
    record = run_json("inspect", "runs/vae-images", "--batch-size", 5)
    assert list(record) == ["losses", "layers", "variables"]
    assert record["layers"][0]["shape"][0] == 5
    fresh = run_json("inspect", "vae", "--data", "images.npz", "--set", "latent_dim=3")
    sizes = {row["path"]: row["shape"] for row in fresh["layers"]}
    assert sizes["encoder"] == [32, 6]
    output = run("inspect", "vae").stdout
    assert "gradient norm" in output and "encoder/0/0/kernel" in output


# A signal.


def test_the_same_command_finishes_an_interrupted_run(empty_dir, trained, monkeypatch):
    command = ("train", "vae", *SMALL, "--epochs", 2, "--json")
    steps, train_step = itertools.count(1), VAE.train_step

    def interrupted(model, batch):
        if next(steps) == 4:  # of 6
            signal.raise_signal(signal.SIGINT)
        return train_step(model, batch)

    monkeypatch.setattr(VAE, "train_step", interrupted)
    first = run(*command)
    assert (first.exit_code, first.stdout) == (1, ""), first.stderr
    assert "interrupted at step 4; the same command resumes from there" in first.stderr
    assert "Traceback" not in first.stderr
    second = run(*command)
    assert "from step 4" in second.stderr
    assert json.loads(second.stdout)["metrics"] == trained[1][1]["metrics"]
