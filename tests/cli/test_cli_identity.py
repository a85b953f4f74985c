"""A run is resumed only by the command that began it: configuration, data, folder."""

import json
import shutil
from dataclasses import fields, replace

import numpy as np
import pytest
from shell import SMALL, run, run_error, run_json, write_classes, write_images

import zoo
from zoo.cli import run_config
from zoo.cli.main import main
from zoo.cli.train_config import TrainConfig
from zoo.data import source_names
from zoo.errors import CheckpointError, UsageError, WorkdirBusyError
from zoo.training.workdir import Workdir

TRAIN = ("train", "vae", *SMALL, "--eager", "--figures-every", 0, "--set", "filters=4,")
CHANGEABLE = {"epochs", "steps", "workdir", "eager", "figures_every", "as_json"}
OTHER = {  # field of the configuration -> another value
    "model": "dcgan",
    "set": {"filters": [4], "latent_dim": 3},
    "data": "mnist",
    "split": "train[:20]",
    "test_split": "train[20:]",
    "batch_size": 8,
    "binarize": "fixed",
    "augment": "jitter",
    "image_size": 4,
    "languages": ("de", "en"),
    "tokenizer": "words",
    "vocabulary_size": 100,
    "lowercase": True,
    "max_length": 7,
    "truncate": True,
    "seed": 1,
    "precision": "mixed_bfloat16",
    "learning_rate": 0.5,
    "micro_batches": 2,
}


@pytest.fixture
def saved_run(empty_dir):
    """(folder, configuration) of a run with a checkpoint."""
    config = TrainConfig("vae", {"filters": [4]}, "images.npz", batch_size=16)
    run_config.write("run", config, zoo.get("vae", image_shape=(8, 8, 1), filters=(4,)))
    (empty_dir / "run/checkpoints").mkdir()
    (empty_dir / "run/checkpoints/step-000000001.npz").write_bytes(b"")
    return "run", config


def test_every_option_of_train_decides_the_numbers_or_may_change():
    options = {param.name for param in main.commands["train"].params}
    decide = {field.name for field in fields(TrainConfig)} | {"name", "overrides"}
    assert options == CHANGEABLE | decide - {"model", "set"}
    assert {*OTHER} == {field.name for field in fields(TrainConfig)}


@pytest.mark.parametrize("name", OTHER)
def test_another_value_is_an_error_with_both_values(saved_run, name):
    workdir, config = saved_run
    assert run_config.check_same(workdir, config).config == config
    other = replace(config, **{name: OTHER[name]})
    with pytest.raises(UsageError, match="has .*, got .*") as error:
        run_config.check_same(workdir, other)
    key, value = ("latent_dim", 3) if name == "set" else (name, OTHER[name])
    value = [*value] if isinstance(value, tuple) else value
    assert f"{key}={value}" in str(error.value).partition("got")[2]


def test_long_values_are_shortened_in_messages(saved_run):
    workdir, config = saved_run
    with pytest.raises(UsageError) as error:
        run_config.check_same(workdir, replace(config, split="x" * 10_000))
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
def test_a_damaged_config_is_one_line(empty_dir, text):
    (empty_dir / "config.json").write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(CheckpointError, match=r"^config.json is damaged or was not made") as error:
        run_config.read("")
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


# Two commands in one folder.


def test_a_run_that_another_command_has_made_meanwhile_is_not_resumed(empty_dir, monkeypatch):
    build, begun = TrainConfig.build_model, []

    def slowly(config, *args, **options):
        if not begun:
            begun.append(True)
            run_json(*TRAIN, "--steps", 2)
        return build(config, *args, **options)

    monkeypatch.setattr(TrainConfig, "build_model", slowly)
    error = run_error(*TRAIN, "--steps", 4, "--binarize", "threshold")
    assert "has binarize=none, got binarize=threshold" in error
    config = json.loads((empty_dir / "runs/vae-images/config.json").read_text())
    assert config["binarize"] == "none"
    assert [p.name for p in Workdir("runs/vae-images").checkpoints.paths()] == [
        "step-000000002.npz"
    ]


def test_the_folder_is_locked_from_the_check_to_the_end(empty_dir, monkeypatch):
    held = []
    evaluate, write = zoo.Trainer.evaluate, run_config.write

    def busy():
        with pytest.raises(WorkdirBusyError), Workdir("runs/vae-images").exclusive():
            pass
        held.append(True)

    monkeypatch.setattr(run_config, "write", lambda *args: (busy(), write(*args)))
    monkeypatch.setattr(zoo.Trainer, "evaluate", lambda *args: busy() or evaluate(*args))
    run_json(*TRAIN, "--steps", 1)
    assert held == [True, True]
    with Workdir("runs/vae-images").exclusive():
        error = run_error(*TRAIN, "--steps", 2, code=1)
    assert "another trainer uses runs/vae-images" in error


# Data.


def test_data_that_were_moved_are_the_same_data(empty_dir):
    run_json(*TRAIN, "--split", "train[:24]", "--test-split", "train[24:]", "--steps", 1)
    (empty_dir / "elsewhere").mkdir()
    shutil.move("images.npz", "elsewhere/photos.npz")
    moved = [*TRAIN, "--split", "train[:24]", "--test-split", "train[24:]", "--steps", 2]
    moved[moved.index("images.npz")] = "elsewhere/photos.npz"
    assert run_json(*moved, "--workdir", "runs/vae-images")["steps"] == 2
    config = json.loads((empty_dir / "runs/vae-images/config.json").read_text())
    assert config["data"] == str(empty_dir / "elsewhere/photos.npz")
    shutil.move("elsewhere/photos.npz", "again.npz")
    assert "there is no file or folder" in run_error("evaluate", "runs/vae-images")
    record = run_json("evaluate", "runs/vae-images", "--data", "again.npz")
    assert record["examples"] == "again.npz train[24:], 16 images"


def test_changed_data_give_a_warning_and_other_data_an_error(empty_dir):
    run_json(*TRAIN, "--epochs", 1)
    write_images(empty_dir, seed=1)
    for count in (1, 0):  # once, and not if nothing has changed since
        result = run(*TRAIN, "--epochs", 2)
        assert result.stderr.count("images.npz has changed since the run in runs/vae-") == count
    write_images(empty_dir, name="other.npz", seed=2)
    error = run_error(*TRAIN, "--epochs", 3, "--data", "other.npz", "--workdir", "runs/vae-images")
    assert "images.npz, got data=" in error


def test_a_fingerprint_depends_on_files_and_not_on_paths(empty_dir):
    write_classes(empty_dir / "one", (2, 1))
    shutil.copytree("one", "two")
    both = [source_names.fingerprint(folder) for folder in ("one", "two")]
    assert both[0] == both[1] != source_names.fingerprint("AtoB:one")
    for ignored in ("two/.DS_Store", "two/run/checkpoints/x.npz", "two/.hidden/a.png"):
        (empty_dir / ignored).parent.mkdir(parents=True, exist_ok=True)
        (empty_dir / ignored).write_bytes(b"x")
    assert source_names.fingerprint("two") == both[0]
    (empty_dir / "two/a/0.png").rename("two/b/9.png")
    assert source_names.fingerprint("two") != both[0]
    for name in ("train.de", "train.en.gz", "notes.txt"):
        (empty_dir / "two" / name).write_bytes(b"x")
    texts = source_names.fingerprint("two", ("de", "en"))
    (empty_dir / "two/notes.txt").write_bytes(b"other")
    assert source_names.fingerprint("two", ("de", "en")) == texts
    (empty_dir / "two/train.en.gz").write_bytes(b"other")
    assert source_names.fingerprint("two", ("de", "en")) != texts
    assert source_names.fingerprint("mnist") is source_names.fingerprint("none.npz") is None


# Folders that are not runs of `zoo train`.


def test_the_error_for_another_folder_describes_it(empty_dir):
    model = zoo.get("vae", image_shape=(8, 8, 1), filters=(4,))
    data = zoo.data.load(np.zeros((4, 8, 8), np.uint8), batch_size=4)
    trainer = zoo.Trainer(model, "runs/mine", eager=True, figures_every=0, verbose=False)
    trainer.fit(data, steps=1)
    for command in ("evaluate", "sample", "inspect"):
        error = run_error(command, "runs/mine")
        assert "runs/mine was made by zoo.Trainer in Python" in error
    assert "checkpoints that `zoo train` did not make" in run_error(
        *TRAIN, "--workdir", "runs/mine"
    )
    (empty_dir / "made").mkdir()
    (empty_dir / "made/recipe.json").write_text("{}")
    assert "made was made by `zoo reproduce`" in run_error("evaluate", "made")
    (empty_dir / "run").mkdir()
    config = TrainConfig("vae", {}, "images.npz")
    run_config.write("run", config, model)
    assert "zoo train vae --workdir run" in run("train", "run").stderr
