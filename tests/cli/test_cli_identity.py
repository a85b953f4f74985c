"""A run is resumed only by the command that began it: configuration, data, folder."""

import json
import shutil
from dataclasses import fields, replace

import keras
import numpy as np
import pytest
from shell import SMALL, run, run_error, run_json, write_classes, write_images

import zoo
from zoo.cli.main import main
from zoo.data import source_names
from zoo.data.text_config import TextConfig
from zoo.errors import CheckpointError, UsageError, WorkdirBusyError
from zoo.training import run_folder, run_training
from zoo.training.run_config import RESUMABLE, RunConfig
from zoo.training.workdir import Workdir

TRAIN = ("train", "vae", *SMALL, "--eager", "--figures-every", 0, "--set", "filters=4,")
HOW = {"workdir", "eager", "as_json", "name", "file"}  # options that are not part of a description
OTHER = {  # field of the description -> another value
    "model": "dcgan",
    "config": {"filters": [4], "latent_dim": 3},
    "data": "mnist",
    "train": "train[:20]",
    "valid": "train[20:]",
    "batch_size": 8,
    "optimizer": "sgd",
    "learning_rate": 0.5,
    "betas": (0.5, 0.9),
    "schedule": "cosine",
    "warmup": 3,
    "weight_decay": 0.1,
    "clip_norm": 1.0,
    "ema_momentum": 0.5,
    "accumulate": 2,
    "patience": 1,
    "monitor": "max:val_kl",
    "kl_warmup_epochs": 1.5,
    "micro_batches": 2,
    "jit_compile": True,
    "precision": "mixed_bfloat16",
    "binarize": "fixed",
    "augment": "jitter",
    "image_size": 4,
    "drop_remainder": True,
    "seed": 1,
    "init": "vae.snowflakes",
    "freeze": ("encoder",),
}
OTHER_TEXT = {
    "languages": ("de", "en"),
    "tokenizer": "words",
    "vocabulary_size": 100,
    "lowercase": True,
    "max_length": 7,
    "truncate": True,
}


@pytest.fixture
def saved_run(empty_dir):
    """(folder, description) of a run with a checkpoint."""
    return save_run(RunConfig(**BASE))


BASE = {"model": "vae", "config": {"filters": [4]}, "data": "images.npz", "valid": "train"}
BASE |= {"batch_size": 16, "epochs": 1}


def save_run(config):
    model = zoo.get("vae", image_shape=(8, 8, 1), filters=(4,))
    model.prepare()
    run_folder.write("run", config, model, "zoo train")
    checkpoints = Workdir("run").checkpoints.folder
    checkpoints.mkdir()
    (checkpoints / "step-000000001.npz").write_bytes(b"")
    return "run", config


def test_every_option_of_train_is_a_field_of_the_description_or_how_it_is_run():
    options = {param.name for param in main.commands["train"].params} - HOW
    names = {field.name for field in fields(RunConfig)} - {"model", "config", "text_config"}
    texts = {*OTHER_TEXT, "column", "min_count", "network", "mirrored"}
    assert options - texts == names | {"overrides"}
    assert {*OTHER} == (names | {"model", "config"}) - {*RESUMABLE}
    assert {*OTHER_TEXT} == {field.name for field in fields(TextConfig)}


@pytest.mark.parametrize("name", OTHER)
def test_another_value_is_an_error_with_both_values(saved_run, name):
    workdir, config = saved_run
    assert run_folder.check_same(workdir, config).config == config
    check_other(workdir, replace(config, **{name: OTHER[name]}), name, OTHER[name])


def check_other(workdir, other, name, value):
    with pytest.raises(UsageError, match="has .*, got .*--init run") as error:
        run_folder.check_same(workdir, other)
    key, value = ("latent_dim", 3) if name == "config" else (name, value)
    value = [*value] if isinstance(value, tuple) else value
    assert f"{key}={value}" in str(error.value).partition("got")[2]


def test_another_text_option_is_an_error_with_both_values(empty_dir):
    texts = TextConfig(("en", "de"))
    workdir, config = save_run(RunConfig(**BASE, text_config=texts))
    for name, value in OTHER_TEXT.items():
        other = replace(config, text_config=replace(texts, **{name: value}))
        check_other(workdir, other, name, value)


@pytest.mark.parametrize("name", ["epochs", "test", "strategy", "save_every", "figures_every"])
def test_a_run_resumes_with_what_does_not_change_its_steps(saved_run, name):
    workdir, config = saved_run
    value = {"test": "train[:3]", "strategy": "mirrored"}.get(name, 7)
    assert run_folder.check_same(workdir, replace(config, **{name: value})).config == config


def test_long_values_are_shortened_in_messages(saved_run):
    workdir, config = saved_run
    with pytest.raises(UsageError) as error:
        run_folder.check_same(workdir, replace(config, train="x" * 10_000))
    assert len(str(error.value)) < 350


@pytest.mark.parametrize(
    "text",
    (
        *("", "{", "[]", "5", "{}", "[" * 100_000, '{"model": "vae"}', b"\xff\xfe"),
        '{"model": 5, "data": "x"}',
        '{"model": "vae", "config": 5, "data": "x"}',
        '{"model": "vae", "data": "x", "batch_size": "many"}',
        '{"model": "vae", "data": "x", "batch_size": -1}',
        '{"model": "vae", "data": "x", "seed": 4294967296}',
        '{"model": "vae", "data": "x", "text_config": {"languages": 5}}',
        '{"model": "vae", "data": "x", "text_config": {"language": "de"}}',
        '{"model": "vae", "data": "x", "betas": [0.9]}',
        '{"model": "vae", "data": "x", "optimizer": "adan"}',
        '{"model": "vae", "set": {}, "data": "x", "config": 5}',
    ),
)
def test_a_damaged_config_is_one_line(empty_dir, text):
    (empty_dir / "config.json").write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(CheckpointError, match=r"^config.json is damaged or not") as error:
        run_folder.read(".")
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


OPTIONS_0_1 = {
    "model": "vae",
    "set": {"filters": [4]},
    "data": "images.npz",
    "split": "train[:20]",
    "test_split": "train[20:]",
    "batch_size": 16,
    "binarize": "none",
    "augment": "none",
    "image_size": None,
    "languages": None,
    "tokenizer": None,
    "vocabulary_size": 8000,
    "lowercase": False,
    "max_length": 100,
    "truncate": False,
    "seed": 0,
    "precision": "float32",
    "learning_rate": 0.1,
    "micro_batches": 1,
    "data_fingerprint": "f",
    "config": {"latent_dim": 3},
    "versions": {},
}
RECIPE_0_1 = {
    "model": "vae",
    "config": {},
    "data": "mnist",
    "train": "train[0:9]",
    "valid": None,
    "batch_size": 9,
    "learning_rate": 0.1,
    "betas": [0.9, 0.99],
    "schedule": "cosine",
    "ema_momentum": None,
    "clip_norm": 1.0,
    "kl_warmup_epochs": 0,
    "micro_batches": 1,
    "jit_compile": False,
    "text_config": None,
    "binarize": "dynamic",
    "augment": "none",
    "image_size": None,
    "seed": 0,
    "epochs": 3,
    "patience": None,
}


def test_runs_of_version_0_1_are_read(empty_dir):
    (empty_dir / "config.json").write_text(json.dumps(OPTIONS_0_1))
    old = run_folder.read(".")
    assert old.config == RunConfig(
        **BASE | {"train": "train[:20]", "valid": "train[20:]", "epochs": None},
        test="train[20:]",
        learning_rate=0.1,
    )
    assert old.arguments == {"latent_dim": 3} and old.fingerprint == "f"
    texts = {"languages": ["a", "b"], "tokenizer": "words", "model": "captioning"}
    captions = {"config": {"caption_vocabulary": "{}"}, "set": {}, "image_size": 9}
    (empty_dir / "config.json").write_text(json.dumps(OPTIONS_0_1 | texts | captions))
    text_config = run_folder.read(".").config.text_config
    assert (text_config.tokenizer, text_config.image_size) == ("words", 9)
    (empty_dir / "config.json").unlink()
    (empty_dir / "recipe.json").write_text(json.dumps(RECIPE_0_1))
    config = run_folder.read(".").config
    assert (config.optimizer, config.drop_remainder, config.epochs) == ("adam", True, 3)
    assert config.betas == (0.9, 0.99) and config.schedule == "cosine" and config.valid is None


# Two commands in one folder.


def test_a_run_that_another_command_has_made_meanwhile_is_not_resumed(empty_dir, monkeypatch):
    build, begun = run_training.build_model, []

    def slowly(config, *args, **options):
        if not begun:
            begun.append(True)
            run_json(*TRAIN, "--steps", 2)
        return build(config, *args, **options)

    monkeypatch.setattr(run_training, "build_model", slowly)
    error = run_error(*TRAIN, "--steps", 4, "--binarize", "threshold")
    assert "has binarize=none, got binarize=threshold" in error
    config = json.loads((empty_dir / "runs/vae-images/config.json").read_text())
    assert config["binarize"] == "none"
    assert [p.name for p in Workdir("runs/vae-images").checkpoints.paths()] == [
        "step-000000002.npz"
    ]


def test_the_folder_is_locked_from_the_check_to_the_end(empty_dir, monkeypatch):
    held = []
    evaluate, write = zoo.Trainer.evaluate, run_folder.write

    def busy():
        with pytest.raises(WorkdirBusyError), Workdir("runs/vae-images").exclusive():
            pass
        held.append(True)

    monkeypatch.setattr(run_folder, "write", lambda *args: (busy(), write(*args)))
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


# Runs that `zoo train` did not make.


def test_a_run_of_python_is_opened_by_every_command(empty_dir):
    model = zoo.get("vae", image_shape=(8, 8, 1), filters=(4,))
    train = zoo.data.load("images.npz", "train[:24]", batch_size=8, binarize="threshold")
    held_out = zoo.data.load("images.npz", "train[24:]", batch_size=8, binarize="threshold")
    how = {"eager": True, "figures_every": 0, "verbose": False, "micro_batches": 1}
    adam = keras.optimizers.Adam(1e-2, use_ema=True)
    trainer = zoo.Trainer(model, "runs/mine", optimizers=adam, **how)
    trainer.fit(train, epochs=1, validation=held_out)
    config = run_folder.read("runs/mine").config
    assert config == RunConfig(
        model="vae",
        config={"filters": [4]},
        data=str(empty_dir / "images.npz"),
        train="train[:24]",
        valid="train[24:]",
        test="train[24:]",
        batch_size=8,
        binarize="threshold",
        epochs=1,
        drop_remainder=False,
        figures_every=0,
    )
    assert run_json("evaluate", "runs/mine")["metrics"] == trainer.evaluate(held_out)
    assert run_json("inspect", "runs/mine")["losses"]
    assert run_json("sample", "runs/mine", "-n", 1, "-o", "a.npy")["run"] == "runs/mine"
    with trainer.averaged_weights() as averaged:
        weights = averaged.get_weights()
    for a, b in zip(weights, zoo.load("runs/mine").get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    error = run_error(*TRAIN, "--workdir", "runs/mine")
    assert "has train=train[:24]" in error and "--init runs/mine" in error
    images = np.zeros((8, 8, 8), np.uint8)
    zoo.Trainer(model, "runs/own", **how).fit(zoo.data.load(images, batch_size=4), steps=1)
    assert run_folder.read("runs/own").config.data is None
    assert "name data with --data" in run_error("evaluate", "runs/own")
    assert run_json("evaluate", "runs/own", "--data", "images.npz")["steps"] == 1


def test_the_error_for_another_folder_describes_it(empty_dir):
    zoo.Trainer(zoo.get("vae"), "runs/old").persistence.save()
    (empty_dir / "runs/old/checkpoints").exists()
    for command in ("evaluate", "sample", "inspect"):
        assert "runs/old has checkpoints, but no config.json" in run_error(command, "runs/old")
    assert "checkpoints of an unknown run" in run_error(*TRAIN, "--workdir", "runs/old")
    (empty_dir / "made").mkdir()
    (empty_dir / "made/recipe.json").write_text(json.dumps(RECIPE_0_1))
    assert "is an unfinished run of zoo 0.1" in run_error("sample", "made", code=1)
    (empty_dir / "run").mkdir()
    save_run(RunConfig(**BASE))
    error = run("train", "run").stderr
    assert "zoo train --config run/config.json --workdir run" in error
    assert "zoo train vae --init run" in error
