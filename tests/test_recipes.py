"""Recipes are complete and consistent; a reproduction runs, resumes, and refuses what is wrong."""

import functools
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
from click.testing import CliRunner

import zoo
import zoo.recipes
from zoo import callbacks, records, reproduce
from zoo.cli import main
from zoo.errors import DataNotPrepared, UnknownName, UsageError
from zoo.recipes import Budget, Measure, Recipe, Reference
from zoo.recipes.recipe import METRICS, first

ALL = [zoo.recipes.get(name) for name in zoo.recipes.names()]
each = pytest.mark.parametrize("recipe", ALL, ids=lambda recipe: recipe.name)


def tiny(folder, **changes):
    """A recipe that takes a second, on images that it writes to `folder`."""
    random = np.random.default_rng(0)
    np.savez(folder / "images.npz", image=random.random((96, 8, 8)), label=np.arange(96) % 3)
    recipe = Recipe(
        name="vae.tiny",
        title="A small network on noise",
        model="vae",
        config={"image_shape": [8, 8, 1], "filters": [4], "base_filters": 4},
        data=str(folder / "images.npz"),
        train="train[:64]",
        valid="train[64:80]",
        test="train[80:]",
        binarize="dynamic",
        batch_size=16,
        learning_rate=1e-2,
        schedule="cosine",
        ema=0.9,
        clip=1.0,
        warmup_epochs=1,
        budgets={"smoke": Budget(1, train_images=32, is_images=8), "paper": Budget(2)},
        metrics=(
            Measure("log_likelihood", samples=5),
            Measure("elbo"),
            Measure("active_units"),
            Measure("reconstruction_error"),
            Measure("aggregate_mmd", images=16),
            Measure("knn_accuracy", k=3),
        ),
        references=(Reference(1.0, "nowhere", "made up"),),
    )
    return replace(recipe, **changes)


def run(*args):
    return CliRunner().invoke(main, ["reproduce", *map(str, args)])


# Recipes.


def test_recipes_need_no_tensorflow():
    code = (
        "import sys, zoo.recipes; zoo.recipes.get('vae.mnist_gated').protocol();"
        "print({m.partition('.')[0] for m in sys.modules} & {'tensorflow', 'keras'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


@each
def test_a_recipe_is_complete(recipe):
    assert recipe.name.startswith(f"{recipe.model}.")
    assert set(recipe.budgets) == set(reproduce.BUDGETS)
    assert json.loads(json.dumps(asdict(recipe)))["config"] == recipe.config
    splits = zoo.data.info(recipe.data).splits
    assert {split.partition("[")[0] for split in recipe.splits("paper")} <= set(splits)
    keys = [measure.key for measure in recipe.metrics]
    assert len(set(keys)) == len(keys)
    assert recipe.limits
    assert recipe.sub_batches == 1 or recipe.batch_size % recipe.sub_batches == 0


@pytest.mark.parametrize("name", sorted({recipe.model for recipe in ALL}))
def test_the_model_takes_the_configurations_of_its_recipes(name):
    if name not in zoo.names():
        pytest.skip(f"{name} is not registered")
    for config in {str(r.config): r.config for r in ALL if r.model == name}.values():
        assert zoo.get(name, **config).built


def test_names_are_found_and_guarded():
    assert zoo.recipes.names("vae.kmnist*") == ["vae.kmnist_d2", "vae.kmnist_d40"]
    with pytest.raises(UnknownName, match="Did you mean.*'vae.mnist_gated'"):
        zoo.recipes.get("vae.mnist_gate")
    with pytest.raises(UsageError, match="there is a recipe 'vae.mnist_gated' already"):
        zoo.recipes.register(zoo.recipes.get("vae.mnist_gated"))
    with pytest.raises(UsageError, match="a recipe's name is its model's"):
        zoo.recipes.register(replace(ALL[0], name="mnist"))
    with pytest.raises(UnknownName, match="budget of .* 'week'"):
        ALL[0].budget("week")
    with pytest.raises(UnknownName, match="unknown metric 'fid'"):
        Measure("fid")


def test_the_protocol_says_what_decides_whether_numbers_compare():
    recipe = zoo.recipes.get("vae.mnist_gated")
    assert recipe.protocol() == (
        "mnist train[:50000] / train[50000:] / test, binarized anew each epoch, test once"
        " (seed 777); IS-5000 on 1,000 test images drawn with seed 0, nats"
    )
    assert recipe.protocol() == zoo.recipes.get("vamp_vae.mnist_gated").protocol("cpu-hour")
    assert recipe.protocol() != recipe.protocol("smoke")
    assert recipe.protocol(measure=recipe.metrics[1]).endswith("IS-500 on all test images, nats")
    whole = replace(recipe, metrics=(Measure("log_likelihood", samples=5000),))
    assert whole.protocol() == recipe.references[0].protocol


@pytest.mark.parametrize(
    "split, found",
    (
        ("train", "train[0:5]"),
        ("train[:50]", "train[0:5]"),
        ("train[8:10]", "train[8:10]"),
        ("test[90:]", "test[90:95]"),
    ),
)
def test_a_split_is_cut(split, found):
    assert first(split, 5) == found
    with pytest.raises(UsageError, match=r"got 'train\[5%:\]'"):
        first("train[5%:]", 5)


# Reproductions.


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """(recipe, its folder, the record of a run without a break)."""
    folder = tmp_path_factory.mktemp("reproduce")
    recipe = tiny(folder)
    record = reproduce.reproduce(recipe, "paper", folder / "results", folder / "run")
    return recipe, folder, record


def test_a_reproduction_leaves_a_record_of_all_that_was_asked(done):
    recipe, folder, record = done
    assert record == records.read(folder / "results" / "vae.tiny.paper.json")
    assert set(record["metrics"]) == {
        *("is_5", "negative_elbo", "active_units"),
        *("reconstruction_error", "aggregate_mmd", "knn_accuracy"),
    }
    assert {measure.name for measure in recipe.metrics} == METRICS.keys()
    bound, elbo = record["metrics"]["is_5"], record["metrics"]["negative_elbo"]
    assert 0 < bound["interval"][0] < bound["value"] < bound["interval"][1]
    assert bound["value"] < elbo["value"] and bound["n"] == elbo["n"] == 16
    assert bound["images"] == elbo["images"]
    assert (record["epochs"], record["steps"]) == (2, 8)
    assert 0 < record["train_seconds"] < record["seconds"] and record["peak_mb"] > 100
    assert record["recipe"] == json.loads(json.dumps(asdict(recipe)))
    values = records.values(record, "is_5")
    assert values.dtype == np.float32 and values.mean() == pytest.approx(bound["value"], rel=1e-5)
    assert (folder / "run" / "figures" / "loss.png").exists()


def test_a_reproduction_that_was_stopped_comes_to_the_same_numbers(done, tmp_path, monkeypatch):
    recipe, _, record = done
    where = tmp_path / "results", tmp_path / "run"
    again = functools.partial(reproduce.reproduce, recipe, "paper", *where)

    class Stopped(callbacks.Stopwatch):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(callbacks, "Stopwatch", Stopped)
        with pytest.raises(KeyboardInterrupt, match="step 3; the same command goes on"):
            again()
    before = json.loads((tmp_path / "run" / "seconds.json").read_text())["seconds"]
    found = again()
    assert found["metrics"] == record["metrics"] and found["steps"] == record["steps"]
    assert found["values"] == record["values"]
    assert found["train_seconds"] > before > 0
    complete = again()
    assert complete["metrics"] == record["metrics"]
    assert complete["train_seconds"] == found["train_seconds"]


def test_a_run_that_stopped_early_stays_stopped(tmp_path):
    budget = Budget(9, train_images=16, patience=1)
    recipe = tiny(tmp_path, learning_rate=1e-9, ema=None, metrics=(Measure("elbo"),), best=False)
    recipe = replace(recipe, warmup_epochs=0, budgets={"paper": budget})
    found = [
        reproduce.reproduce(recipe, "paper", tmp_path / "results", tmp_path / "run")["epochs"]
        for _ in range(2)
    ]
    assert found[0] == found[1] < 9


def test_a_folder_keeps_to_its_recipe(done):
    recipe, folder, _ = done
    for changes, told in (
        ({"learning_rate": 0.5}, "learning_rate=0.01, got learning_rate=0.5"),
        ({"config": {}}, "config="),
    ):
        with pytest.raises(UsageError, match=told):
            reproduce.reproduce(replace(recipe, **changes), "paper", folder, folder / "run")
    with pytest.raises(UsageError, match=r"train=train\[:64\], epochs=2, got train=train\[0:32\]"):
        reproduce.reproduce(recipe, "smoke", folder, folder / "run")


def test_data_that_are_not_here_are_missed_before_any_training(tmp_path, monkeypatch, offline):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(DataNotPrepared, match="zoo data prepare mnist"):
        reproduce.reproduce("vae.mnist_gated", "smoke", tmp_path, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    missing = run("vae.mnist_d2", "--budget", "smoke", "--workdir", tmp_path / "run")
    assert missing.exit_code == 1 and "zoo data prepare mnist" in missing.stderr


def test_the_command_lists_trains_and_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(zoo.recipes._recipes, "vae.tiny", tiny(tmp_path, sub_batches=2))
    assert "A small network on noise" in run("--list").stdout
    assert {"name": "vae.tiny", "title": "A small network on noise"} in json.loads(
        run("--list", "--json").stdout
    )["recipes"]
    shown = run("vae.tiny", "--budget", "smoke")
    assert shown.exit_code == 0, shown.stderr
    assert "OTHER PROTOCOL: published 1 (made up), nowhere" in shown.stdout
    assert "record: benchmarks/results/vae.tiny.smoke.json" in shown.stdout
    assert (tmp_path / "runs/reproduce/vae.tiny-smoke/figures").is_dir()
    again = json.loads(run("vae.tiny", "--budget", "smoke", "--json").stdout)
    assert again == records.read(tmp_path / "benchmarks/results/vae.tiny.smoke.json")
    assert again["metrics"]["is_5"]["n"] == 8 and again["steps"] == 2
    assert run().exit_code == 2 and run("vae.tin").exit_code == 2
