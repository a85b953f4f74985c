"""Recipes are complete and consistent; a reproduction runs, resumes, and rejects invalid input."""

import functools
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import without_graphs
from small_recipes import run, tiny

import zoo
import zoo.recipes
from benchmarks import results_page
from zoo import metrics
from zoo.cli.main import main
from zoo.errors import DataNotPreparedError, UnknownNameError, UsageError
from zoo.recipes import Budget, MetricSpec, Recipe, evaluate, records
from zoo.recipes import run as reproduction
from zoo.recipes.gans import fidelity_metrics
from zoo.recipes.metric_spec import METRICS
from zoo.recipes.recipe import data_identity, limit_split
from zoo.training import training_time

pytestmark = pytest.mark.usefixtures("eager_steps")

ALL = [zoo.recipes.get(name) for name in zoo.recipes.names()]
each = pytest.mark.parametrize("recipe", ALL, ids=lambda recipe: recipe.name)


def tiny_gan(folder, **changes):
    """A recipe of a generator that is evaluated on network features, in seconds, on noise."""
    random = np.random.default_rng(0)
    np.savez(folder / "noise.npz", image=random.random((170, 28, 28)))
    recipe = Recipe(
        name="dcgan.tiny",
        title="Drawings of noise",
        model="dcgan",
        config={"filters": [4, 4], "latent_dim": 4},
        data=str(folder / "noise.npz"),
        train="train[:90]",
        valid=None,
        test="train[90:]",
        binarize="none",
        batch_size=30,
        learning_rate={"generator": 1e-3, "discriminator": 1e-3},
        betas=(0.5, 0.99),
        ema_momentum=0.9,
        select_best_epoch=False,
        budgets={"smoke": Budget(1, train_examples=60, samples=10), "paper": Budget(1)},
        metrics=fidelity_metrics("mnist-classifier-v1", images=80),
    )
    return replace(recipe, **changes)


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
    smoke, default, paper = recipe.budgets
    assert (smoke, default, paper) == ("smoke", recipe.default_budget, "paper")
    assert re.fullmatch(r"cpu-(hour|\d+-minutes)", default)
    assert json.loads(json.dumps(asdict(recipe)))["config"] == recipe.config
    splits = zoo.data.info(recipe.data).splits
    parts = "+".join(filter(None, recipe.splits("paper"))).split("+")
    assert {re.split(r"\.original|\[", part)[0] for part in parts} <= set(splits)
    keys = [measure.key for measure in recipe.metrics]
    assert len(set(keys)) == len(keys)
    assert recipe.limitations
    assert recipe.micro_batches == 1 or recipe.batch_size % recipe.micro_batches == 0


@pytest.mark.parametrize("name", sorted({recipe.model for recipe in ALL}))
def test_the_model_takes_the_configurations_of_its_recipes(name):
    if name not in zoo.names():
        pytest.skip(f"{name} is not registered")
    for config in {str(r.config): r.config for r in ALL if r.model == name}.values():
        assert zoo.get(name, **config).built


def test_names_are_found_and_guarded():
    recipe = zoo.recipes.get("vae.mnist_gated")
    assert zoo.recipes.names("vae.kmnist*") == ["vae.kmnist_d2", "vae.kmnist_d40"]
    with pytest.raises(UnknownNameError, match="Did you mean.*'vae.mnist_gated'"):
        zoo.recipes.get("vae.mnist_gate")
    with pytest.raises(UsageError, match="recipe 'vae.mnist_gated' is taken"):
        zoo.recipes.register(recipe)
    with pytest.raises(UsageError, match="name of a recipe must be its model's"):
        zoo.recipes.register(replace(recipe, name="mnist"))
    with pytest.raises(UnknownNameError, match="budget of .* 'week'"):
        recipe.budget("week")
    with pytest.raises(UnknownNameError, match="unknown metric 'fid'"):
        MetricSpec("fid")
    with pytest.raises(UsageError, match="'frechet' needs the argument 'extractor'"):
        MetricSpec("frechet")
    with pytest.raises(UsageError, match="no learning_rate for adam: .*optimizer=None"):
        replace(recipe, learning_rate=None)
    with pytest.raises(UsageError, match="no validation split.*select_best_epoch=False"):
        replace(recipe, valid=None, select_best_epoch=True)


def test_the_protocol_has_everything_that_makes_numbers_comparable():
    recipe = zoo.recipes.get("vae.mnist_gated")
    assert recipe.protocol() == (
        "mnist train.original[:50000] / train.original[50000:] / test.original, binarized again"
        " each epoch, validation and test set once, as published (seed 777); IWAE-5000 on all test"
        " images, nats"
    )
    assert recipe.protocol() == zoo.recipes.get("vamp_vae.mnist_gated").protocol()
    assert recipe.protocol() != recipe.protocol("smoke")
    assert recipe.protocol(metric=recipe.metrics[1]).endswith("-ELBO on all test images, nats")
    assert recipe.protocol() == recipe.references[0].protocol
    assert zoo.recipes.get("vae.mnist").preprocessing == (
        "binarized again each epoch, test set once (seed 777)"
    )
    assert zoo.recipes.get("deligan.mnist").protocol() == (
        "mnist train / test, original pixel values; Frechet distance by mnist-classifier-v1 on"
        " 10,000 generated images, all test images, features^2"
    )
    assert "on 200 generated images" in zoo.recipes.get("deligan.mnist").protocol("smoke")
    assert "test, 128 pixels wide; L1" in zoo.recipes.get("pix2pix.facades_128").protocol()


def test_files_and_folders_are_identified_by_their_content(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder / "cats").mkdir(parents=True)
        (tmp_path / folder / "cats" / "1.npy").write_bytes(b"one")
    identity = data_identity(str(tmp_path / "a" / "cats"))
    assert identity.startswith("cats (sha256 ") and str(tmp_path) not in identity
    assert data_identity(str(tmp_path / "b" / "cats")) == identity
    assert data_identity(f"AtoB:{tmp_path}/b/cats") == f"AtoB:{identity}"
    (tmp_path / "b" / "cats" / "1.npy").write_bytes(b"two")
    assert data_identity(str(tmp_path / "b" / "cats")) != identity
    (tmp_path / "a" / "cats" / "1.npy").rename(tmp_path / "a" / "cats" / "2.npy")
    assert data_identity(str(tmp_path / "a" / "cats")) != identity
    assert data_identity(str(tmp_path / "b" / "cats" / "1.npy")).startswith("1.npy (sha256 ")
    assert data_identity("quickdraw_bitmap/cat") == "quickdraw_bitmap/cat"


@pytest.mark.parametrize(
    "split, found",
    (
        ("train", "train[0:5]"),
        ("train[:50]", "train[0:5]"),
        ("train[8:10]", "train[8:10]"),
        ("test[90:]", "test[90:95]"),
    ),
)
def test_a_split_is_sliced(split, found):
    assert limit_split(split, 5) == found
    with pytest.raises(UsageError, match=r"got 'train\[5%:\]'"):
        limit_split("train[5%:]", 5)


# Reproductions.


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """(recipe, its folder, the record of a run without a break)."""
    folder = tmp_path_factory.mktemp("reproduce")
    recipe = tiny(folder)
    with without_graphs():  # as in the tests, so that bits can be compared
        record = reproduction.reproduce(recipe, "paper", folder / "results", folder / "run")
    return recipe, folder, record


def test_a_reproduction_writes_a_complete_record(done):
    recipe, folder, record = done
    assert record == records.read(folder / "results" / "vae.tiny.paper.json")
    assert set(record["metrics"]) == {
        *("iwae_5", "negative_elbo", "active_units"),
        *("reconstruction_error", "aggregate_mmd", "knn_accuracy"),
    }
    made = {name for name, metric in METRICS.items() if "{extractor}" in metric.description}
    other = {
        "l1",
        "psnr",
        "ssim",
        "bits_per_dimension",
        *(k for k, metric in METRICS.items() if metric.domain == "texts"),
    }
    assert {spec.name for spec in recipe.metrics} == METRICS.keys() - made - other
    bound, elbo = record["metrics"]["iwae_5"], record["metrics"]["negative_elbo"]
    assert 0 < bound["interval"][0] < bound["value"] < bound["interval"][1]
    assert bound["value"] < elbo["value"] and bound["n"] == elbo["n"] == 16
    assert bound["images"] == elbo["images"]
    assert (record["epochs"], record["steps"]) == (2, 8)
    assert 0 < record["train_seconds"] < record["seconds"] and record["peak_mb"] > 100
    assert record["recipe"] == json.loads(json.dumps(asdict(recipe)))
    values = records.values(record, "iwae_5")
    assert values.dtype == np.float32 and values.mean() == pytest.approx(bound["value"], rel=1e-5)
    assert (folder / "run" / "figures" / "loss.png").exists()


def test_a_reproduction_that_was_stopped_gets_the_same_numbers(done, tmp_path, monkeypatch):
    recipe, _, record = done
    where = tmp_path / "results", tmp_path / "run"
    again = functools.partial(reproduction.reproduce, recipe, "paper", *where)

    class Stopped(training_time.TrainingTime):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(training_time, "TrainingTime", Stopped)
        with pytest.raises(KeyboardInterrupt, match="step 3; the same command resumes"):
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
    budget = Budget(9, train_examples=16, patience=1)
    recipe = tiny(
        tmp_path,
        learning_rate=1e-9,
        ema_momentum=None,
        metrics=(MetricSpec("elbo"),),
        select_best_epoch=False,
    )
    recipe = replace(recipe, kl_warmup_epochs=0, budgets={"paper": budget})
    found = [
        reproduction.reproduce(recipe, "paper", tmp_path / "results", tmp_path / "run")["epochs"]
        for _ in range(2)
    ]
    assert found[0] == found[1] < 9


def test_a_folder_belongs_to_one_recipe(done):
    recipe, folder, _ = done
    for changes, message in (
        ({"learning_rate": 0.5}, "learning_rate=0.01, got learning_rate=0.5"),
        ({"config": {}}, "got filters=.32, 64., base_filters=32"),
    ):
        with pytest.raises(UsageError, match=message):
            reproduction.reproduce(replace(recipe, **changes), "paper", folder, folder / "run")
    with pytest.raises(UsageError, match=r"train=train\[:64\], epochs=2, got train=train\[0:32\]"):
        reproduction.reproduce(recipe, "smoke", folder, folder / "run")


# Generated images.


def test_a_generator_is_evaluated_on_the_features_of_a_network(tmp_path, monkeypatch):
    calls = []

    def counted(model, n):
        calls.append(n)
        return metrics.model_outputs.generate(model, n)

    monkeypatch.setattr(metrics, "generate", counted)
    recipe = tiny_gan(tmp_path)
    record = reproduction.reproduce(recipe, "paper", tmp_path / "results", tmp_path / "run")
    assert calls == [80]  # one draw for all metrics
    assert [*record["metrics"]] == [measure.name for measure in recipe.metrics]
    name = metrics.load_classifier("mnist-classifier-v1").name
    for key, one in record["metrics"].items():
        assert one["extractor"] == name and one["n"] == one["n_real"] == 80
        assert "mnist-classifier-v1 on 80 generated images" in one["protocol"], key
        assert "noise.npz (sha256 " in one["protocol"] and str(tmp_path) not in one["protocol"]
    found = record["metrics"]
    assert (
        found["frechet"]["value"] > 5 * found["frechet"]["floor"] > 0
    )  # 3 steps train nothing useful
    assert found["recall"]["value"] < found["recall"]["floor"] <= 1
    assert abs(found["kernel"]["floor"]) < found["kernel"]["value"] > found["kernel"]["error"] > 0
    assert 0 <= found["label_histogram"]["floor"] <= found["label_histogram"]["value"] <= 1
    assert found["memorization"]["z"] > 0 and found["memorization"]["copies"] == 0
    assert record["steps"] == 3 and "values" not in record
    assert f"(floor {found['frechet']['floor']:.4g})" in results_page.render([record])


def test_metrics_that_cannot_be_computed_are_reported_before_training(tmp_path, monkeypatch):
    again = functools.partial(reproduction.reproduce, results=tmp_path, workdir=tmp_path / "run")
    small = np.random.default_rng(0).random((120, 8, 8))
    np.savez(tmp_path / "small.npz", image=small)
    with pytest.raises(UsageError, match=r"takes images \(28, 28, 1\), got .*8, 8, 1"):
        again(tiny_gan(tmp_path, data=str(tmp_path / "small.npz")), "smoke")
    with pytest.raises(UnknownNameError, match="unknown classifier 'FCD'"):
        again(tiny_gan(tmp_path, metrics=fidelity_metrics("FCD")), "smoke")
    with pytest.raises(UsageError, match="floor for 91 generated images.*got 90"):
        again(
            tiny_gan(tmp_path, metrics=fidelity_metrics("mnist-classifier-v1", images=91)), "paper"
        )
    assert not (tmp_path / "run").exists()


def test_pairs_are_measured_image_by_image():
    class Copier:
        name = "copier"

        def check_batch(self, batch):
            assert batch["source"].shape[0] <= 4

        def translate(self, images, seed):
            seeds.append(np.asarray(seed).tolist())
            return images

    seeds = []
    random = np.random.default_rng(0)
    data_identity, target = random.random((2, 6, 12, 12, 3)).astype(np.float32)
    data = zoo.data.load({"source": data_identity, "target": target}, batch_size=4)
    number, values = METRICS["l1"].compute(Copier(), evaluate.EvaluationData(None, data))
    assert values == pytest.approx(np.abs(data_identity - target).mean((1, 2, 3)), rel=1e-5)
    assert number["value"] == pytest.approx(values.mean()) and number["n"] == 6
    assert number["interval"][0] < number["value"] < number["interval"][1]
    assert seeds[0] != seeds[1]  # other noise for each batch
    same = zoo.data.load({"source": target, "target": target}, batch_size=4)
    both = evaluate.EvaluationData(None, same)
    assert METRICS["psnr"].compute(Copier(), both)[0]["value"] == 100
    found, _ = METRICS["ssim"].compute(Copier(), both)
    assert found["value"] == pytest.approx(1) and found["images"] == number["images"]
    assert seeds[:2] == seeds[2:4] == seeds[4:]  # and the same in each call


def test_missing_data_are_reported_before_training(tmp_path, monkeypatch, offline):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(DataNotPreparedError, match="zoo data prepare mnist"):
        reproduction.reproduce("vae.mnist_gated", "smoke", tmp_path, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    missing = run("vae.mnist_d2", "--budget", "smoke", "--workdir", tmp_path / "run")
    assert missing.exit_code == 1 and "zoo data prepare mnist" in missing.stderr


def test_the_command_lists_trains_and_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(zoo.recipes._recipes, "vae.tiny", tiny(tmp_path, micro_batches=2))
    assert "A small network on noise" in run("--list").stdout
    assert {"name": "vae.tiny", "budget": "paper", "title": "A small network on noise"} in (
        json.loads(run("--list", "--json").stdout)["recipes"]
    )
    shown = run("vae.tiny", "--budget", "smoke")
    assert shown.exit_code == 0, shown.stderr
    assert "OTHER PROTOCOL: published 1 (made up), nowhere" in shown.stdout
    assert "record: benchmarks/results/vae.tiny.smoke.json" in shown.stdout
    assert (tmp_path / "runs/reproduce/vae.tiny-smoke/figures").is_dir()
    again = json.loads(run("vae.tiny", "--budget", "smoke", "--json").stdout)
    assert again == records.read(tmp_path / "benchmarks/results/vae.tiny.smoke.json")
    assert again["metrics"]["iwae_5"]["n"] == 8 and again["steps"] == 2
    assert run().exit_code == 2 and run("vae.tin").exit_code == 2
    check_saved("runs/reproduce/vae.tiny-smoke", again)


def check_saved(workdir, record):
    """A run becomes a preset: the weights that were evaluated, and their numbers in its card."""
    saved = CliRunner().invoke(main, ["save", workdir, "made/vae.tiny"])
    assert saved.exit_code == 0, saved.output
    model = zoo.get("made/vae.tiny", pretrained=True)
    for a, b in zip(zoo.load(workdir).weights, model.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    card = zoo.info("made/vae.tiny")["card"]
    assert f"| iwae_5 | {record['metrics']['iwae_5']['value']:.5g} |" in card
    assert "OTHER PROTOCOL: published 1 (made up), nowhere" in card
    assert "`zoo reproduce vae.tiny --budget smoke`" in card
    missing = CliRunner().invoke(main, ["save", workdir, "made/other", "--results", "nowhere"])
    assert missing.exit_code == 2 and "zoo reproduce vae.tiny --budget smoke" in missing.stderr


def test_the_command_accepts_other_data_and_reports_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = tiny(tmp_path, metrics=(MetricSpec("active_units"),))
    monkeypatch.setitem(zoo.recipes._recipes, "vae.tiny", recipe)
    own = run("vae.tiny", "--budget", "smoke", "--json")
    assert own.exit_code == 0, own.stderr
    np.savez("others.npz", image=np.random.default_rng(1).random((96, 8, 8)))
    where = "--budget", "smoke", "--workdir", "other", "--data", "others.npz"
    others = run("vae.tiny", *where, "--json")
    assert others.exit_code == 0, others.stderr
    limit_split, other = json.loads(own.stdout), json.loads(others.stdout)
    assert limit_split["protocol"].startswith("images.npz (sha256 ")
    assert other["protocol"].startswith("others.npz (sha256 ")
    assert other["recipe"]["data"] == "others.npz"
    mixed = run("vae.tiny", "--budget", "smoke", "--data", "others.npz")
    assert mixed.exit_code == 2 and "got data=others.npz" in mixed.stderr
    assert run("vae.tiny", "--data", "absent.npz").exit_code == 2
