"""Invalid recipes are rejected when created; the requirements of a run are checked before it."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_recipes import run, tiny

import zoo
from zoo.errors import CheckpointError, UnknownNameError, UsageError, WriteError
from zoo.recipes import Budget, MetricSpec, evaluate
from zoo.recipes import run as reproduction
from zoo.recipes.metric_spec import METRICS
from zoo.training import run_folder, run_training
from zoo.training.run_building import build_optimizers
from zoo.training.training_time import TrainingTime

pytestmark = pytest.mark.usefixtures("eager_steps")

DEEP = "[" * 100_000
DAMAGE = ("", "{", "[]", "null", '{"seconds": 1', DEEP, "\x00", "\udcff")


@pytest.fixture
def recipe(tmp_path):
    return tiny(tmp_path)


@pytest.mark.parametrize(
    ("argument", "wrong"),
    [
        *(("batch_size", value) for value in (0, -1, 1.5, True, None, "64")),
        *(("learning_rate", value) for value in (0, -1e-3, math.nan, math.inf, "1e-3")),
        ("learning_rate", {"encoder": 0.0}),
        ("micro_batches", 0),
        ("seed", -1),
        ("seed", None),
        ("ema_momentum", 1.5),
        ("clip_norm", 0),
        ("kl_warmup_epochs", -1),
        ("image_size", 0),
        ("betas", (0.5,)),
        ("betas", (0.5, 2)),
        ("betas", 0.9),
        ("schedule", "cosin"),
        ("binarize", "dinamic"),
        ("metrics", ()),
        ("metrics", ("elbo",)),
        ("budgets", {"smoke": 3}),
    ],
)
def test_a_recipe_rejects_invalid_fields(recipe, argument, wrong):
    name = "binarization" if argument == "binarize" else argument
    with pytest.raises(UsageError, match=name):
        replace(recipe, **{argument: wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        *({"epochs": value} for value in (0, -1, 2.5, None, math.inf)),
        *({key: 0} for key in ("train_examples", "importance_sampling_images", "samples")),
        {"patience": -1},
    ],
)
def test_a_budget_rejects_invalid_fields(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Budget(**{"epochs": 1} | wrong)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("log_likelihood", {"samples": 0}, "samples must be an integer >= 1"),
        ("log_likelihood", {"samples": 5, "image": 3}, "Did you mean 'images'"),
        ("elbo", {"samples": 5}, "unknown argument of the metric 'elbo' 'samples'"),
        ("knn_accuracy", {"k": 1.5}, "k must be"),
        ("psnr", {"images": 3}, "There is no argument of the metric 'psnr'"),
        ("chrf", {"num_beams": 0}, "num_beams must be"),
        ("frechet", {"extractor": "mnist-classifier-v1", "images": -1}, "images must be"),
    ],
)
def test_a_metric_spec_rejects_arguments_that_its_metric_lacks(name, arguments, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        MetricSpec(name, **arguments)


def test_the_metrics_and_their_arguments_are_documented():
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    rows = page.partition("## Metrics of recipes")[2].partition("\n\n`extractor`")[0]
    table = dict(re.findall(r"^\| `(\w+)` \|(.*?)\|", rows, re.MULTILINE))
    documented = {name: {*re.findall(r"`(\w+)`", cell)} for name, cell in table.items()}
    assert documented == {name: metric.arguments for name, metric in METRICS.items()}


def test_arguments_that_do_not_go_together_are_rejected(recipe):
    with pytest.raises(UsageError, match="there is no val_loss for patience"):
        replace(
            recipe, valid=None, select_best_epoch=False, budgets={"smoke": Budget(1, patience=0)}
        )


def test_a_budget_needs_a_split_that_it_can_limit(recipe):
    limited = {"smoke": Budget(1, train_examples=5)}
    for split in ("train", "train[:500]", "train.original[10:]"):
        assert replace(recipe, train=split, budgets=limited).splits("smoke")
    with pytest.raises(UsageError, match="'smoke' has train_examples=5, and .*'train.:90%.'"):
        replace(recipe, train="train[:90%]", budgets=limited)


def test_zero_is_a_number(recipe):
    model = zoo.get("vae")
    for momentum in (0.0, 0.9):
        config = replace(recipe, ema_momentum=momentum)
        optimizer = build_optimizers(config, model, 10)[""]
        assert optimizer.use_ema and optimizer.ema_momentum == momentum
    plain = {"ema_momentum": None, "clip_norm": None, "schedule": "constant"}
    own = replace(recipe, learning_rate=None, optimizer=None, **plain)
    assert not build_optimizers(own, model, 10)[""].use_ema


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        (MetricSpec("bleu", protocol="13b"), "unknown BLEU protocol '13b'"),
        (MetricSpec("caption_scores", score="CIDEr"), "unknown caption score 'CIDEr'"),
        (MetricSpec("knn_accuracy"), "needs the feature 'label'"),
    ],
)
def test_errors_of_the_evaluation_are_raised_before_training(recipe, spec, error):
    class Unlabelled:
        def take(self, n):
            return {"image": None}

    with pytest.raises(UsageError, match=error):
        evaluate.check_feasible(
            replace(recipe, metrics=(spec,)), "smoke", Unlabelled(), Unlabelled()
        )


def test_a_metric_of_texts_may_be_of_another_split(recipe, tmp_path):
    class Parrot:
        def generate_texts(self, data, texts, **search):
            return data[:texts]

        def reference_texts(self, data):
            return data

    def load_split(split):
        if split == "dev":
            return ["a b c d", "e f g h"]
        raise UsageError(f"no split {split}")

    data = evaluate.EvaluationData(None, ["x y z w"], tmp_path, load_split)
    there = MetricSpec("bleu", protocol="tokenized", split="dev", texts=1)
    entry, _ = there.metric.compute(Parrot(), data, **there.all_arguments)
    assert (entry["value"], entry["n"]) == (pytest.approx(100), 1)
    assert (tmp_path / "dev-beam1.txt").read_text() == "a b c d\n"
    assert there.key == "bleu_tokenized_greedy_dev" and "first 1 texts of dev" in there.description
    here = MetricSpec("bleu", protocol="tokenized")
    assert here.metric.compute(Parrot(), data, **here.all_arguments)[0]["n"] == 1
    absent = replace(recipe, metrics=(MetricSpec("chrf", split="tests"),))
    with pytest.raises(UsageError, match="no split tests"):
        evaluate.check_feasible(absent, "smoke", None, None, load_split)


def test_wrong_requests_are_rejected_before_anything_is_trained(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_training, "train_run", None)  # calling it would be a TypeError
    with pytest.raises(UnknownNameError, match="budget of vae.tiny 'week'"):
        reproduction.reproduce(recipe, "week", workdir="run")
    with pytest.raises(UnknownNameError, match="unknown recipe 5"):
        reproduction.reproduce(5)
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="is not a folder"):
        reproduction.reproduce(recipe, "smoke", results="file/results", workdir="run")
    monkeypatch.setitem(reproduction.recipes._recipes, "vae.tiny", recipe)
    for wrong in ("~nobody/x.npz", "x" * 300, "absent.npz"):
        shown = run("vae.tiny", "--budget", "smoke", "--data", wrong)
        assert shown.exit_code == 2 and shown.stderr.count("\n") == 1, (wrong, shown.stderr)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", DAMAGE)
def test_a_run_whose_recipe_is_damaged_is_named(tmp_path, recipe, text):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "step-000000001.npz").touch()
    (tmp_path / "recipe.json").write_text(text, errors="surrogateescape")
    with pytest.raises(CheckpointError, match=r"recipe.json is damaged or .*move .* away"):
        run_folder.check_same(tmp_path, recipe.run_config("smoke"))


@pytest.mark.parametrize("text", [*DAMAGE, '{"seconds": NaN}', '{"seconds": -1}'])
def test_a_damaged_file_of_seconds_stops_nothing(tmp_path, text, capsys):
    path = tmp_path / "seconds.json"
    path.write_text(text, errors="surrogateescape")
    stopwatch = TrainingTime(path)
    assert stopwatch.seconds == 0
    assert "seconds.json is damaged" in capsys.readouterr().err
    stopwatch.on_train_begin()
    stopwatch.on_train_end()
    assert 0 <= json.loads(path.read_text())["seconds"] < 1


def test_the_numbers_of_a_record_are_those_of_the_best_epoch(tmp_path, recipe):
    """Trained on white images and validated on black ones, a model is best in the beginning."""
    images = np.zeros((96, 8, 8))
    images[:64] = 1
    np.savez(tmp_path / "images.npz", image=images)
    recipe = replace(recipe, metrics=(MetricSpec("elbo"),), binarize="none", ema_momentum=None)
    where = "paper", tmp_path / "results", tmp_path / "run"
    best = reproduction.reproduce(recipe, *where)
    last = reproduction.reproduce(replace(recipe, select_best_epoch=False), *where)
    assert (best["epochs"], best["evaluated_epoch"], last["evaluated_epoch"]) == (2, 1, 2)
    values = [one["metrics"]["negative_elbo"]["value"] for one in (best, last)]
    assert values[0] < values[1]
