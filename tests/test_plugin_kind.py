"""A model of a kind of data that the zoo does not know arrives as one file."""

import importlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from preset_cases import CARD
from shell import run, run_json

import zoo
from zoo import recipes, registry, testing
from zoo.errors import UsageError
from zoo.recipes.metric_spec import METRICS
from zoo.recipes.run import reproduce
from zoo.testing import conformance

NAME = "signal_autoencoder"
PAGE = Path(__file__).parent.parent / "docs" / "adding_a_kind.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with signals, and the plug-in of the page as long as the tests of this file run."""
    with pytest.MonkeyPatch.context() as patch:
        path = tmp_path_factory.mktemp("signals")
        patch.chdir(path)
        patch.syspath_prepend(path)
        code = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]
        (path / "zoo_signals.py").write_text(code)
        importlib.import_module("zoo_signals")
        time = np.linspace(0, 2 * np.pi, 24)
        phases = np.random.default_rng(0).uniform(0, 2 * np.pi, (40, 1))
        np.save(path / "sines.npy", np.sin(time + phases))
        np.savetxt(path / "sines.csv", np.sin(time + phases), delimiter=",")
        yield path
        del sys.modules["zoo_signals"], registry._registered[NAME], METRICS["peak_error"]


def test_the_command_line_trains_resumes_evaluates_and_shows_it(folder, eager_steps):
    splits = ("--split", "train[:75%]", "--test-split", "train[75%:]")
    train = ("train", NAME, "--data", "sines.npy", *splits, "--batch-size", 8, "--set", "units=16")
    record = run_json(*train, "--epochs", 1)
    assert record["run"] == "runs/signal_autoencoder-sines" and record["steps"] == 4
    assert record["examples"] == "sines train[75%:], 10 signals"
    shown = run(*train, "--epochs", 3)  # resumed
    assert (
        "from step 4" in shown.stderr
        and "zoo sample runs/signal_autoencoder-sines -n 4" in shown.stdout
    )
    with Image.open(folder / record["run"] / "figures/reconstructions.png") as figure:
        assert figure.size == (600, 400)
    best = run_json("evaluate", NAME)
    assert best["steps"] == 12 and best["metrics"]["loss"] < record["metrics"]["loss"]
    other = run_json("evaluate", NAME, "--data", "sines.csv", "--split", "train[75%:]")
    assert other["metrics"]["loss"] == pytest.approx(best["metrics"]["loss"], rel=1e-4)
    assert "loss" in run_json("inspect", NAME, "--batch-size", 2)["losses"]
    assert run_json("sample", NAME, "-n", 3, "-o", "three.npz")["n"] == 3
    with np.load("three.npz") as arrays:
        assert arrays["signal"].shape == arrays["reconstruction"].shape == (3, 24)
    refused = run("sample", NAME, "--seed", 1)
    assert refused.exit_code == 2 and "--seed has no effect" in refused.stderr
    refused = run("train", NAME, "--data", "sines.npy", "--binarize", "dynamic")
    assert refused.exit_code == 2 and "is trained on signals, where --binarize" in refused.stderr


def test_it_is_exported_and_shared_as_a_preset(folder):
    model = testing.small_model(NAME)
    batch = model.example_batch(3)
    exported = zoo.export(model, folder / "exported")
    assert set(exported) == {"encode", "decode", "reconstruct"}
    served = tf.saved_model.load(str(folder / "exported"))
    expected = model.reconstruct(batch["signal"])
    np.testing.assert_allclose(served.reconstruct(batch["signal"]), expected, atol=1e-6)
    zoo.save(model, folder / "preset", card=CARD)
    loaded = zoo.get(str(folder / "preset"), pretrained=True)
    np.testing.assert_array_equal(loaded.reconstruct(batch["signal"]), expected)
    assert NAME in run("info", "./preset").stdout


def test_it_has_every_property_of_a_model(folder, monkeypatch):
    assert NAME in conformance.plugin_models() and "vae" not in conformance.plugin_models()
    testing.check(NAME)
    only = ("--only", "every_weight_has_a_gradient")
    assert run("check", NAME, *only).stdout.endswith(f"{NAME} has 1 of 1 properties\n")
    monkeypatch.setattr(registry.get_class(NAME), "train_step", lambda self, batch: {})
    record = run("check", NAME, *only, "--only", "the_constructor_is_the_configuration", "--json")
    assert record.exit_code == 1 and [*json.loads(record.stdout)["problems"]] == [only[1]]


def test_its_recipe_is_reproduced_with_a_metric_of_its_own(folder, eager_steps):
    recipe = recipes.Recipe(
        name=f"{NAME}.sines",
        title="Sines",
        model=NAME,
        config={"length": 24, "units": 16},
        data="sines.npy",
        train="train[:30]",
        valid=None,
        test="train[30:]",
        batch_size=8,
        learning_rate=1e-2,
        budgets={"smoke": recipes.Budget(2)},
        metrics=(recipes.MetricSpec("peak_error"),),
        select_best_epoch=False,
    )
    record = reproduce(recipe, "smoke", "results", "run")
    found = record["metrics"]["peak_error"]
    assert found["n"] == 10 and found["unit"] == "units" and 0 < found["value"] < 1
    assert "error of the peak on all test signals, units" in found["protocol"]
    with pytest.raises(UsageError, match="the metric 'elbo' is taken"):
        recipes.register_metric("elbo", recipes.Metric("a", "a", "a", print))
