"""The examples that `zoo evaluate` uses, and how its output describes them."""

import json
import re

import numpy as np
import pytest
from shell import SMALL, run, run_error, run_json, write_classes, write_images

import zoo
from zoo.cli import evaluation_data, runs
from zoo.training.run_building import load_data
from zoo.training.run_config import RunConfig

pytestmark = pytest.mark.usefixtures("eager_steps")

TRAIN = ("train", "vae", *SMALL, "--eager", "--figures-every", 0, "--set", "filters=4,")
TRAIN += ("--epochs", 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs with a part held out (`runs/part`), with nothing held out (`runs/whole`); other data."""
    folder = tmp_path_factory.mktemp("evaluate")
    write_images(folder)
    write_images(folder, n=20, name="other.npz", seed=1)
    write_images(folder, n=10, size=9, name="large.npz")
    write_images(folder, n=10, channels=3, name="color.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        part = ("--split", "train[:75%]", "--test-split", "train[75%:]")
        run_json(*TRAIN, *part, "--workdir", "runs/part")
        run_json(*TRAIN, "--split", "train[:30]", "--workdir", "runs/whole")
    return folder


def mean_pixel(trainer, data):
    """Replaces `Trainer.evaluate`: a metric that depends on the images."""
    return {"mean": float(np.mean(np.concatenate([batch["image"] for batch in data])))}


@pytest.mark.parametrize(
    "args, examples, message",
    (
        (["runs/part"], "images.npz train[75%:], 10 images", ""),
        (["runs/part", "--data", "images.npz"], "images.npz train[75%:], 10 images", ""),
        (["runs/part", "--data", "other.npz"], "other.npz train[75%:], 5 images", ""),
        (
            ["runs/part", "--split", "train[:75%]"],
            "images.npz train[:75%], 30 images",
            "warning: evaluating on the training split train[:75%]\n",
        ),
        (
            ["runs/part", "--split", "train"],
            "images.npz train, 40 images",
            "warning: evaluating on train, which overlaps the training split train[:75%]\n",
        ),
        (
            ["runs/whole"],
            "images.npz train[:30], 30 images",
            "warning: evaluating on the training split train[:30]\n",
        ),
        (
            ["runs/whole", "--data", "other.npz"],
            "other.npz train, 20 images",
            "note: other.npz has no test split: evaluating on all of train\n",
        ),
        (
            ["runs/whole", "--data", "other.npz", "--split", "train[:5]"],
            "other.npz train[:5], 5 images",
            "",
        ),
    ),
)
def test_the_output_names_the_examples(folder, monkeypatch, args, examples, message):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(zoo.Trainer, "evaluate", mean_pixel)
    result = run("evaluate", *args, "--json")
    record = json.loads(result.stdout)
    assert record["examples"] == examples and result.exit_code == 0
    assert result.stderr.replace(f"{folder}/", "") == message
    data = zoo.data.load(examples.split()[0], record["split"], batch_size=16)
    assert record["metrics"] == mean_pixel(None, data)
    assert f"evaluated on {examples}:" in run("evaluate", *args).stdout


@pytest.mark.parametrize(
    "own, training, available, chosen",
    (
        ("test", "train", ["train", "test"], "test"),
        ("test[:100]", "train", ["train", "test"], "test[:100]"),
        ("test", "train", ["train"], "train"),
        ("test", "train", ["train", "validation"], "validation"),
        ("train[90%:]", "train[:90%]", ["train"], "train[90%:]"),
        ("train[90%:]", "train[:90%]", ["train", "test"], "train[90%:]"),
        ("train[:80%]", "train[:80%]", ["train"], "train"),
        ("train[:80%]", "train[:80%]", ["train", "test"], "test"),
        ("train", "train", ["train", "val"], "val"),
    ),
)
def test_other_data_are_never_sliced_like_the_training_split(
    empty_dir, monkeypatch, own, training, available, chosen
):
    monkeypatch.setattr(zoo.data, "splits", lambda *args: available)
    config = RunConfig(model="vae", data="x", train=training, test=own)
    assert evaluation_data.split_for_other_data("images.npz", config) == chosen


@pytest.mark.parametrize(
    "a, b, shared",
    (
        ("train", "test", False),
        ("train", "train", True),
        ("train[:10]", "train", True),
        ("train[:10]", "train[10:]", False),
        ("train[:11]", "train[10:]", True),
        ("train[:90%]", "train[ 90%: ]", False),
        ("train[5%:6%]", "train[5%:]", True),
        ("train[:-5]", "train[:-5]", True),
        ("train[:-5]", "train[-5:]", False),  # cannot be decided
    ),
)
def test_overlap_of_two_splits(a, b, shared):
    assert evaluation_data.splits_overlap(a, b) is evaluation_data.splits_overlap(b, a) is shared


@pytest.mark.parametrize(
    "data, message",
    (
        ("large.npz", "images with image_shape=(9, 9, 1)"),
        ("color.npz", "images with image_shape=(8, 8, 3)"),
        ("gone.npz", "no file or folder 'gone.npz'"),
    ),
)
def test_unsuitable_data_are_an_error_without_advice_about_training(
    folder, monkeypatch, data, message
):
    monkeypatch.chdir(folder)
    error = run_error("evaluate", "runs/part", "--data", data)
    assert message in error and "--set" not in error and "--image-size" not in error


@pytest.mark.parametrize("protocol", ("dynamic", "fixed"))
def test_evaluation_uses_one_draw_of_dynamic_binarization(folder, monkeypatch, protocol):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(zoo.Trainer, "evaluate", mean_pixel)
    records = [run_json("evaluate", "runs/part", "--binarize", p) for p in (protocol, "fixed")]
    assert records[0] == records[1]
    config = runs.describe(runs.resolve("runs/part"), binarize="dynamic")
    assert load_data(config, "train").binarize == "fixed"
    assert load_data(config, "train", training=True).binarize == "dynamic"


def test_a_metric_that_is_not_finite_is_an_error_with_the_values(folder, monkeypatch):
    monkeypatch.chdir(folder)
    train = (*TRAIN[:-2], "--steps", 1, "--learning-rate", 1e38, "--workdir", "runs/nan")
    error = run_error(*train, "--json", code=1)
    assert re.search(r"error: .*(evaluation gives .*=nan|not finite)", error)


def test_a_baseline_trains_and_writes_nothing(empty_dir):
    for steps in (("--epochs", 0), ("--steps", 0)):
        record = run_json("train", "vae", *SMALL, "--eager", *steps)
        assert (record["run"], record["epochs"], record["steps"]) == (None, 0, 0)
        assert np.isfinite(record["metrics"]["loss"])
    assert not (empty_dir / "runs").exists()


def test_classes_follow_from_the_data(empty_dir):
    write_classes(empty_dir / "two", (6, 4))
    write_classes(empty_dir / "three", (2, 2, 2))
    train = ("train", "conditional_dcgan", "--data", "two", "--batch-size", 4, "--steps", 1)
    small = ("--set", "filters=4,", "--figures-every", 0, "--eager")
    error = run_error(*train, *small, "--set", "num_classes=3")
    assert "--set num_classes=3 contradicts two, which has images with num_classes=2" in error
    run_json(*train, *small)
    run_folder = "runs/conditional_dcgan-two"
    config = json.loads((empty_dir / run_folder / "config.json").read_text())
    assert config["arguments"]["num_classes"] == 2
    run_json("sample", run_folder, "--label", 1, "-n", 2, "-o", "a.npy")
    error = run_error("sample", run_folder, "--label", 2)
    assert "has the classes 0 ... 1, got --label 2" in error
    run_json(*train, *small, "--set", "num_classes=2")  # the same configuration
    write_classes(empty_dir / "one", (3,))
    assert run_json("evaluate", run_folder, "--data", "one")["examples"] == "one train, 3 images"
    error = run_error("evaluate", run_folder, "--data", "three")
    assert "was trained with num_classes=2, but three has images with num_classes=3" in error
