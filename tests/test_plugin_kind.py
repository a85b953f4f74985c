"""A model of a kind of data that the zoo does not know arrives as one file."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shell import run, run_json

from zoo import registry

NAME = "signal_autoencoder"
PLUGINS = Path(__file__).parent / "plugins"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with signals, and the plug-in registered as long as the tests of this file run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PLUGINS)
        patch.setattr(registry, "_registered", dict(registry._registered))
        import signals  # noqa: F401

        path = tmp_path_factory.mktemp("signals")
        patch.chdir(path)
        time = np.linspace(0, 2 * np.pi, 24)
        phases = np.random.default_rng(0).uniform(0, 2 * np.pi, (40, 1))
        np.save(path / "sines.npy", np.sin(time + phases))
        np.savetxt(path / "sines.csv", np.sin(time + phases), delimiter=",")
        yield path
        del sys.modules["signals"]


def test_the_command_line_trains_resumes_evaluates_and_shows_it(folder):
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
    assert refused.exit_code == 2 and "does not depend on --seed" in refused.stderr
    refused = run("train", NAME, "--data", "sines.npy", "--binarize", "dynamic")
    assert refused.exit_code == 2 and "is trained on signals, where --binarize" in refused.stderr
