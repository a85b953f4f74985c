"""Which examples `zoo evaluate` measures a run on, and what it says about them."""

import json
import re

import numpy as np
import pytest
from shell import SMALL, answer, refused, run, write_classes, write_images

import zoo
from zoo.cli import evaluation_data, runs
from zoo.cli.train_config import Settings

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
        answer(*TRAIN, *part, "--workdir", "runs/part")
        answer(*TRAIN, "--split", "train[:30]", "--workdir", "runs/whole")
    return folder


def mean_pixel(trainer, data):
    """In place of `Trainer.evaluate`: a metric that tells which images it is of."""
    return {"mean": float(np.mean(np.concatenate([batch["image"] for batch in data])))}


@pytest.mark.parametrize(
    "args, examples, said",
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
            "warning: evaluating on train, a part of which is in the training split train[:75%]\n",
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
def test_the_answer_says_which_examples_were_used(folder, monkeypatch, args, examples, said):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(zoo.Trainer, "evaluate", mean_pixel)
    result = run("evaluate", *args, "--json")
    record = json.loads(result.stdout)
    assert record["examples"] == examples and result.exit_code == 0
    assert result.stderr.replace(f"{folder}/", "") == said
    data = zoo.data.load(examples.split()[0], record["split"], batch_size=16)
    assert record["metrics"] == mean_pixel(None, data)
    assert f"evaluated on {examples}:" in run("evaluate", *args).stdout


@pytest.mark.parametrize(
    "own, training, there, chosen",
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
def test_other_data_are_never_cut_like_the_training_split(
    here, monkeypatch, own, training, there, chosen
):
    monkeypatch.setattr(zoo.data, "splits", lambda *args: there)
    settings = Settings("vae", {}, "x", split=training, test_split=own)
    assert evaluation_data.split_of_other("images.npz", settings) == chosen


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
        ("train[:-5]", "train[-5:]", False),  # cannot be told
    ),
)
def test_overlap_of_two_splits(a, b, shared):
    assert evaluation_data.overlap(a, b) is evaluation_data.overlap(b, a) is shared


@pytest.mark.parametrize(
    "data, said",
    (
        ("large.npz", "images with image_shape=(9, 9, 1)"),
        ("color.npz", "images with image_shape=(8, 8, 3)"),
        ("gone.npz", "no file or folder 'gone.npz'"),
    ),
)
def test_data_that_do_not_fit_a_run_are_refused_without_advice_about_training(
    folder, monkeypatch, data, said
):
    monkeypatch.chdir(folder)
    error = refused("evaluate", "runs/part", "--data", data)
    assert said in error and "--set" not in error and "--image-size" not in error


@pytest.mark.parametrize("protocol", ("dynamic", "once"))
def test_evaluation_of_dynamic_binarization_is_one_draw(folder, monkeypatch, protocol):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(zoo.Trainer, "evaluate", mean_pixel)
    found = [answer("evaluate", "runs/part", "--binarize", p) for p in (protocol, "once")]
    assert found[0] == found[1]
    settings, _ = runs.taken("runs/part", binarize="dynamic")
    data = settings.load("train")
    assert data.binarize == "once" and settings.load("train", training=True).binarize == "dynamic"


def test_a_metric_that_is_not_finite_is_a_failure_that_says_the_values(folder, monkeypatch):
    monkeypatch.chdir(folder)
    train = (*TRAIN[:-2], "--steps", 1, "--learning-rate", 1e38, "--workdir", "runs/nan")
    error = refused(*train, "--json", code=1)
    assert re.search(r"error: .*(evaluation gives .*=nan|not finite)", error)


def test_a_baseline_trains_and_writes_nothing(here):
    for steps in (("--epochs", 0), ("--steps", 0)):
        record = answer("train", "vae", *SMALL, "--eager", *steps)
        assert (record["run"], record["epochs"], record["steps"]) == (None, 0, 0)
        assert np.isfinite(record["metrics"]["loss"])
    assert not (here / "runs").exists()


def test_classes_follow_from_the_data(here):
    write_classes(here / "two", (6, 4))
    write_classes(here / "three", (2, 2, 2))
    train = ("train", "conditional_dcgan", "--data", "two", "--batch-size", 4, "--steps", 1)
    small = ("--set", "filters=4,", "--figures-every", 0, "--eager")
    error = refused(*train, *small, "--set", "num_classes=3")
    assert "--set num_classes=3 contradicts two, which has 2 classes" in error
    answer(*train, *small)
    run_folder = "runs/conditional_dcgan-two"
    config = json.loads((here / run_folder / "config.json").read_text())
    assert config["config"]["num_classes"] == 2
    answer("sample", run_folder, "--label", 1, "-n", 2, "-o", "a.npy")
    error = refused("sample", run_folder, "--label", 2)
    assert "has the classes 0 ... 1, got --label 2" in error
    answer(*train, *small, "--set", "num_classes=2")  # the same settings
    write_classes(here / "one", (3,))
    assert answer("evaluate", run_folder, "--data", "one")["examples"] == "one train, 3 images"
    error = refused("evaluate", run_folder, "--data", "three")
    assert "was trained with num_classes=2, and three has 3 classes" in error
