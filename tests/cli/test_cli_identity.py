"""A run is taken up by the command that began it, and by no other: settings, data, folder."""

import json
import shutil
from dataclasses import fields, replace

import numpy as np
import pytest
from shell import SMALL, answer, refused, run, write_classes, write_images

import zoo
from zoo.cli import run_config
from zoo.cli.main import main
from zoo.cli.train_config import Settings
from zoo.data import source_names
from zoo.errors import CheckpointError, UsageError, WorkdirBusyError
from zoo.training.workdir import Workdir

TRAIN = ("train", "vae", *SMALL, "--eager", "--figures-every", 0, "--set", "filters=4,")
CHANGEABLE = {"epochs", "steps", "workdir", "eager", "figures_every", "as_json"}
OTHER = {  # field of the settings -> another value
    "model": "dcgan",
    "set": {"filters": [4], "latent_dim": 3},
    "data": "mnist",
    "split": "train[:20]",
    "test_split": "train[20:]",
    "batch_size": 8,
    "binarize": "once",
    "augment": "jitter",
    "image_size": 4,
    "languages": ("de", "en"),
    "tokens": "words",
    "vocabulary_size": 100,
    "lowercase": True,
    "max_length": 7,
    "truncate": True,
    "seed": 1,
    "precision": "mixed_bfloat16",
    "learning_rate": 0.5,
    "sub_batches": 2,
}


@pytest.fixture
def saved_run(here):
    """(folder, settings) of a run with a checkpoint."""
    settings = Settings("vae", {"filters": [4]}, "images.npz", batch_size=16)
    run_config.write("run", settings, zoo.get("vae", image_shape=(8, 8, 1), filters=(4,)))
    (here / "run/checkpoints").mkdir()
    (here / "run/checkpoints/step-000000001.npz").write_bytes(b"")
    return "run", settings


def test_every_option_of_train_decides_the_numbers_or_may_change():
    options = {param.name for param in main.commands["train"].params}
    decide = {field.name for field in fields(Settings)} | {"name", "pairs"}
    assert options == CHANGEABLE | decide - {"model", "set"}
    assert {*OTHER} == {field.name for field in fields(Settings)}


@pytest.mark.parametrize("name", OTHER)
def test_another_setting_is_an_error_that_says_both_values(saved_run, name):
    workdir, settings = saved_run
    assert run_config.check_same(workdir, settings).settings == settings
    other = replace(settings, **{name: OTHER[name]})
    with pytest.raises(UsageError, match="has .*, got .*") as error:
        run_config.check_same(workdir, other)
    key, value = ("latent_dim", 3) if name == "set" else (name, OTHER[name])
    value = [*value] if isinstance(value, tuple) else value
    assert f"{key}={value}" in str(error.value).partition("got")[2]


def test_long_values_are_cut_in_messages(saved_run):
    workdir, settings = saved_run
    with pytest.raises(UsageError) as error:
        run_config.check_same(workdir, replace(settings, split="x" * 10_000))
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    "text",
    (
        "",
        "{",
        "[]",
        "5",
        "{}",
        "[" * 100_000,
        '{"model": "vae"}',
        '{"model": 5, "set": {}, "data": "x", "config": {}}',
        '{"model": "vae", "set": {}, "data": "x", "config": 5}',
        '{"model": "vae", "set": {}, "data": "x", "config": {}, "batch_size": "many"}',
        '{"model": "vae", "set": {}, "data": "x", "config": {}, "batch_size": -1}',
        '{"model": "vae", "set": {}, "data": "x", "config": {}, "seed": 4294967296}',
        '{"model": "vae", "set": {}, "data": "x", "config": {}, "languages": 5}',
        b"\xff\xfe",
    ),
)
def test_a_damaged_config_is_one_line(here, text):
    (here / "config.json").write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(CheckpointError, match=r"^config.json is damaged or was not made") as error:
        run_config.read("")
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


# Two commands in one folder.


def test_a_run_that_another_command_has_made_meanwhile_is_not_taken_up(here, monkeypatch):
    build, begun = Settings.build, []

    def slowly(settings, *args, **how):
        if not begun:
            begun.append("the quick one")
            answer(*TRAIN, "--steps", 2)
        return build(settings, *args, **how)

    monkeypatch.setattr(Settings, "build", slowly)
    error = refused(*TRAIN, "--steps", 4, "--binarize", "threshold")
    assert "has binarize=none, got binarize=threshold" in error
    config = json.loads((here / "runs/vae-images/config.json").read_text())
    assert config["binarize"] == "none"
    assert [p.name for p in Workdir("runs/vae-images").checkpoints.paths()] == [
        "step-000000002.npz"
    ]


def test_the_folder_is_held_from_the_check_of_its_settings_to_the_end(here, monkeypatch):
    held = []
    evaluate, write = zoo.Trainer.evaluate, run_config.write

    def busy():
        with pytest.raises(WorkdirBusyError), Workdir("runs/vae-images").exclusive():
            pass
        held.append(True)

    monkeypatch.setattr(run_config, "write", lambda *args: (busy(), write(*args)))
    monkeypatch.setattr(zoo.Trainer, "evaluate", lambda *args: busy() or evaluate(*args))
    answer(*TRAIN, "--steps", 1)
    assert held == [True, True]
    with Workdir("runs/vae-images").exclusive():
        error = refused(*TRAIN, "--steps", 2, code=1)
    assert "another trainer is at work in runs/vae-images" in error


# Data.


def test_data_that_have_moved_are_the_same_data(here):
    answer(*TRAIN, "--split", "train[:24]", "--test-split", "train[24:]", "--steps", 1)
    (here / "elsewhere").mkdir()
    shutil.move("images.npz", "elsewhere/photos.npz")
    moved = [*TRAIN, "--split", "train[:24]", "--test-split", "train[24:]", "--steps", 2]
    moved[moved.index("images.npz")] = "elsewhere/photos.npz"
    assert answer(*moved, "--workdir", "runs/vae-images")["steps"] == 2
    config = json.loads((here / "runs/vae-images/config.json").read_text())
    assert config["data"] == str(here / "elsewhere/photos.npz")
    shutil.move("elsewhere/photos.npz", "again.npz")
    assert "there is no file or folder" in refused("evaluate", "runs/vae-images")
    record = answer("evaluate", "runs/vae-images", "--data", "again.npz")
    assert record["examples"] == "again.npz train[24:], 16 images"


def test_data_that_have_changed_are_pointed_out_and_other_data_are_refused(here):
    answer(*TRAIN, "--epochs", 1)
    write_images(here, seed=1)
    for said in (1, 0):  # once, and not when nothing has changed since
        result = run(*TRAIN, "--epochs", 2)
        assert result.stderr.count("images.npz has changed since the run in runs/vae-") == said
    write_images(here, name="other.npz", seed=2)
    error = refused(*TRAIN, "--epochs", 3, "--data", "other.npz", "--workdir", "runs/vae-images")
    assert "images.npz, got data=" in error


def test_a_fingerprint_is_of_files_not_of_places(here):
    write_classes(here / "one", (2, 1))
    shutil.copytree("one", "two")
    both = [source_names.fingerprint(folder) for folder in ("one", "two")]
    assert both[0] == both[1] != source_names.fingerprint("AtoB:one")
    for ignored in ("two/.DS_Store", "two/run/checkpoints/x.npz", "two/.hidden/a.png"):
        (here / ignored).parent.mkdir(parents=True, exist_ok=True)
        (here / ignored).write_bytes(b"x")
    assert source_names.fingerprint("two") == both[0]
    (here / "two/a/0.png").rename("two/b/9.png")
    assert source_names.fingerprint("two") != both[0]
    for name in ("train.de", "train.en.gz", "notes.txt"):
        (here / "two" / name).write_bytes(b"x")
    texts = source_names.fingerprint("two", ("de", "en"))
    (here / "two/notes.txt").write_bytes(b"other")
    assert source_names.fingerprint("two", ("de", "en")) == texts
    (here / "two/train.en.gz").write_bytes(b"other")
    assert source_names.fingerprint("two", ("de", "en")) != texts
    assert source_names.fingerprint("mnist") is source_names.fingerprint("none.npz") is None


# Folders that are no run of `zoo train`.


def test_what_a_folder_is_instead_of_a_run_is_said(here):
    model = zoo.get("vae", image_shape=(8, 8, 1), filters=(4,))
    data = zoo.data.load(np.zeros((4, 8, 8), np.uint8), batch_size=4)
    trainer = zoo.Trainer(model, "runs/mine", eager=True, figures_every=0, verbose=False)
    trainer.fit(data, steps=1)
    for command in ("evaluate", "sample", "inspect"):
        error = refused(command, "runs/mine")
        assert "runs/mine was made by zoo.Trainer in Python" in error
    assert "checkpoints that `zoo train` did not make" in refused(*TRAIN, "--workdir", "runs/mine")
    (here / "made").mkdir()
    (here / "made/recipe.json").write_text("{}")
    assert "made was made by `zoo reproduce`" in refused("evaluate", "made")
    (here / "run").mkdir()
    settings = Settings("vae", {}, "images.npz")
    run_config.write("run", settings, model)
    assert "zoo train vae --workdir run" in run("train", "run").stderr
