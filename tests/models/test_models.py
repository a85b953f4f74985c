"""Properties that every registered model has, without exception."""

import inspect
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from cases import (
    examples,
    generate_outputs,
    shuffled,
    small_config,
    small_model,
    small_trainer,
)
from conftest import without_graphs
from every_model import every_model

import zoo
from zoo.registry import get_class

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["vae", "dcgan"])
def test_inspection_shows_gradients_as_they_are_before_they_are_scaled(name):
    norms = {}
    for policy in ("float32", "mixed_float16"):
        run = small_trainer(name, model=small_model(name, dtype=policy), eager=True)
        rows = run.inspect(examples(run.model, 8)).variables
        norms[policy] = np.array([row["gradient_norm"] for row in rows])
    found, wanted = norms["mixed_float16"], norms["float32"]
    fits = np.isfinite(found)  # scaled, a gradient may be too large for float16
    assert fits.sum() > 8
    np.testing.assert_allclose(found[fits], wanted[fits], rtol=0.1, atol=1e-3)


def test_seeds_of_threads_are_all_different():
    model = small_model("vae")
    with ThreadPoolExecutor(8) as threads:
        seeds = list(threads.map(lambda _: tuple(model.next_seed().numpy()), range(400)))
    assert len(set(seeds)) == 400


@pytest.mark.parametrize("value", [2**31, 2**32 - 2, np.uint32(7), [3, 2**31], tf.constant(5)])
def test_every_valid_seed_is_accepted(value):
    seed = small_model("simple_dot").as_seed(value)
    wanted = np.array(value, np.int64) if np.ndim(value) else np.array([int(value), 0])
    assert seed.dtype == tf.int32
    np.testing.assert_array_equal(seed, wanted.astype(np.uint32).astype(np.int32))


def test_saved_models_load_in_a_fresh_process(tmp_path):
    expected = {}
    for name in ("vae", "conditional_dcgan", "seq2seq"):
        model = small_model(name)
        model.prepare()
        model.train_step(examples(model, 8))
        model.save(tmp_path / f"{name}.keras")
        model.save_weights(tmp_path / f"{name}.weights.h5")
        with without_graphs():
            expected[name] = generate_outputs(model, examples(model, 4), seed=3).numpy()
    np.savez(tmp_path / "expected.npz", **expected)
    # Its arguments are objects, whose classes the other process has not imported yet.
    flow = small_model("flow_matching", autoencoder=small_model("vae"))
    run = small_trainer("flow_matching", tmp_path / "run", flow, eager=True)
    run.fit(shuffled("flow_matching"), steps=1)
    zoo.save(flow, tmp_path / "preset", card={"license": "apache-2.0"})
    np.savez(tmp_path / "weights.npz", *run.model.get_weights())
    script = inspect.cleandoc(f"""
        import sys, keras, numpy as np, tensorflow as tf, zoo
        tf.config.run_functions_eagerly(True)
        flow = zoo.load({str(tmp_path / "run")!r})
        with np.load({str(tmp_path / "weights.npz")!r}) as weights:
            for value, name in zip(flow.get_weights(), weights.files, strict=True):
                np.testing.assert_array_equal(value, weights[name])
        zoo.get({str(tmp_path / "preset")!r}, pretrained=True)
        sys.path.insert(0, {str(ROOT / "tests")!r})
        from cases import generate_outputs, examples, small_model
        expected = np.load({str(tmp_path / "expected.npz")!r})
        for name in expected:
            zoo.registry.get_class(name)
            whole = keras.models.load_model({str(tmp_path)!r} + "/" + name + ".keras")
            weights = small_model(name, seed=9)
            batch = examples(weights, 4)
            assert np.abs(generate_outputs(weights, batch, seed=3) - expected[name]).max() > 0
            weights.load_weights({str(tmp_path)!r} + "/" + name + ".weights.h5")
            for model in (whole, weights):
                found = generate_outputs(model, batch, seed=3)
                np.testing.assert_allclose(found, expected[name], atol=1e-6)
        print("all equal")
    """)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert "all equal" in done.stdout, done.stderr[-3000:]


@every_model
def test_the_file_is_short_and_mentions_no_infrastructure(name):
    text = Path(inspect.getsourcefile(get_class(name))).read_text()
    code = text.lower()
    assert len(text.splitlines()) <= 200
    for word in ("strategy", "scaler", "device", "summary", "checkpoint", "replica"):
        assert word not in code, f"{word} in the file of {name}"


@every_model
def test_there_is_a_card(name):
    card = (ROOT / "docs" / "models" / f"{name}.md").read_text()
    for argument in zoo.info(name)["arguments"]:
        assert f"`{argument}`" in card, f"the card does not explain {argument}"
    assert small_config(name) is not None
