"""Properties that every registered model has, without exception."""

import functools
import inspect
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import (
    examples,
    generate_outputs,
    inputs,
    output_error,
    output_spec,
    same_bits,
    shuffled,
    small_config,
    small_model,
    small_trainer,
    uses_seed,
)
from every_model import NAMES, every_model

import zoo
from zoo import inspection
from zoo.registry import arguments, get_class

ROOT = Path(__file__).parents[2]


def one_step(model, batch):
    """Runs an eager step; returns the tapes and the (gradient, variable) pairs of `minimize`."""
    steps = []
    minimize = model.minimize

    def recorded(loss, tape, part=""):
        pairs = minimize(loss, tape, part)
        steps.append((tape, pairs))
        return pairs

    model.minimize = recorded
    logs = model.train_step(batch)
    del model.minimize
    return logs, steps


@every_model
def test_get_returns_a_completely_built_model(name):
    model = zoo.get(name)  # the paper's settings
    assert model.built and model.count_params() > 0
    assert [path for path, layer in inspection.layers(model) if not layer.built] == []


@every_model
def test_the_constructor_is_the_configuration(name):
    cls = get_class(name)
    model = small_model(name)
    for argument in arguments(cls):
        assert hasattr(model, argument), f"no attribute for the argument {argument}"
    config = json.loads(json.dumps(model.get_config()))
    again = cls.from_config(config)
    again.build()
    assert again.get_config() == model.get_config()
    assert [v.shape for v in again.variables] == [v.shape for v in model.variables]


@every_model
def test_the_documented_arguments_are_those_of_the_signature(name):
    written = zoo.info(name)["arguments"]
    read = {k: p.default for k, p in arguments(get_class(name)).items()}
    assert {k: eval(v) for k, v in written.items()} == read  # noqa: S307
    assert zoo.info(name)["summary"]


@every_model
def test_every_weight_has_a_gradient(name):
    model = small_model(name)
    model.prepare()
    _, steps = one_step(model, examples(model))
    watched = {id(v) for tape, _ in steps for v in tape.watched_variables()}
    assert watched == {id(v.value) for v in model.trainable_variables}
    trained = [variable for _, pairs in steps for _, variable in pairs]
    assert sorted(map(id, trained)) == sorted(map(id, model.trainable_variables))
    assert [v.path for _, pairs in steps for g, v in pairs if g is None] == []


@every_model
def test_a_step_logs_scalars_and_an_evaluation_one_value_per_example(name):
    model = small_model(name)
    model.prepare()
    logs, _ = one_step(model, examples(model, 8))
    values = model.eval_step(examples(model, 8))
    assert {tuple(v.shape) for v in logs.values()} == {()}
    assert {tuple(v.shape) for v in values.values()} == {(8,)}
    assert set(logs) == set(values)
    assert {v.dtype for v in [*logs.values(), *values.values()]} == {tf.float32}


def few(name):
    """Epoch -> three batches of 8, in another order for each epoch."""
    return shuffled(name, 24)


@functools.cache
def two_epochs(name):
    """(history, state) after two eager epochs of 3 steps."""
    run = small_trainer(name, eager=True)
    return run.fit(few(name), epochs=2).history, run.state.arrays()


@every_model
def test_a_run_stopped_in_mid_epoch_resumes_to_the_same_bits(name, tmp_path):
    """Eagerly, where what a model keeps in Python would be lost, too."""
    history, whole = two_epochs(name)
    small_trainer(name, tmp_path, eager=True).fit(few(name), steps=4)
    rest = small_trainer(name, tmp_path, eager=True)
    for variable in rest.state.variables().values():
        variable.assign(keras.ops.ones_like(variable))  # only the checkpoint can know
    resumed = rest.fit(few(name), epochs=2).history
    assert same_bits(whole, rest.state.arrays()) == []
    assert resumed == history


class Snapshot(keras.callbacks.Callback):
    """The logs of the first steps of a trainer, and its state after them."""

    steps = 3

    def __init__(self, trainer):
        super().__init__()
        self.trainer = trainer
        self.logs = []
        self.arrays = {}

    def on_train_batch_end(self, batch, logs=None):
        if len(self.logs) < self.steps:
            self.logs.append(logs)
            self.arrays = self.trainer.state.arrays()


@every_model
def test_a_compiled_run_takes_the_eager_steps_and_memorizes_an_example(name):
    """Trained on a single example, the model generates that example."""
    image = examples(small_model(name), 1, seed=5)
    many = {k: tf.repeat(v, 16, axis=0) for k, v in image.items()}
    data = tf.data.Dataset.from_tensors(many).repeat(50)
    targets = ("caption", "rating", "target", "content", "image")
    truth = next(many[k] for k in targets if k in image)
    run, eager_run = (small_trainer(name, eager=eager) for eager in (False, True))
    compiled, eager = (Snapshot(trainer) for trainer in (run, eager_run))

    def distance():
        return output_error(generate_outputs(run.model, many, seed=0), truth)

    def stop(epoch, logs):
        run.model.stop_training = distance() < before / 3

    before = distance()
    assert before > 0.3
    run.callbacks += [compiled, keras.callbacks.LambdaCallback(on_epoch_end=stop)]
    run.fit(data, epochs=12)
    assert distance() < before / 3
    eager_run.callbacks.append(eager)
    eager_run.fit(data, steps=Snapshot.steps)
    for graph_logs, eager_logs in zip(compiled.logs, eager.logs, strict=True):
        assert graph_logs == pytest.approx(eager_logs, rel=1e-4, abs=1e-4)
    for key, value in compiled.arrays.items():
        np.testing.assert_allclose(value, eager.arrays[key], rtol=1e-4, atol=1e-4, err_msg=key)


@every_model
def test_another_seed_gives_other_bits(name):
    """That the same seed gives the same bits, the resumed run shows."""

    def run(seed):
        it = small_trainer(name, model=small_model(name, seed=1), seed=seed, eager=True)
        it.fit(few(name), steps=1)
        return {k: v for k, v in it.state.arrays().items() if k.startswith("model")}

    first = run(3)
    # A seed is (number, draws so far): with no draws there is nothing that could be another.
    drew = any(v.shape == (2,) and v.dtype.kind in "iu" and v[1] for v in first.values())
    assert len(same_bits(first, run(4))) > len(first) // 2 or not drew


@every_model
def test_samples_are_in_range_and_depend_on_the_seed(name):
    model = small_model(name)
    batch = examples(model, 5)
    samples = generate_outputs(model, batch, seed=1).numpy()
    shape, dtype, highest = output_spec(model)
    assert samples.shape == (5, *shape) and samples.dtype == dtype
    assert samples.min() >= 0 and samples.max() <= highest
    np.testing.assert_array_equal(samples, generate_outputs(model, batch, seed=1))
    other = generate_outputs(model, batch, seed=2)
    assert (np.abs(samples - other).max() > 0) == uses_seed(model)
    state = model.seed_generator.state.numpy()
    generate_outputs(model, batch, seed=1)
    np.testing.assert_array_equal(state, model.seed_generator.state.numpy())


@every_model
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_reaches_every_layer_and_stays_finite(name, policy):
    model = small_model(name, dtype=policy)
    strangers = [path for path, x in inspection.layers(model) if x.dtype_policy.name != policy]
    assert strangers == []
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    # In the first steps of float16 the loss overflows, and its scale is halved until it does not.
    run = small_trainer(name, model=model, eager=True)
    before = run.state.arrays()
    history = run.fit(few(name), epochs=4 if policy == "mixed_float16" else 1).history
    assert np.isfinite(list(history.values())).all()
    after = run.state.arrays()
    assert all(np.isfinite(v).all() for v in after.values() if v.dtype == np.float32)
    assert len(same_bits(before, after)) > len(before) // 2
    scaled = {type(o) is keras.optimizers.LossScaleOptimizer for o in model.optimizers.values()}
    assert scaled == {policy == "mixed_float16"}


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


@every_model
def test_plain_keras_compile_fit_evaluate_and_predict_work(name):
    model = small_model(name)
    batches = shuffled(name)(0)
    model.compile(run_eagerly=True)
    history = model.fit(batches, epochs=2, shuffle=False, verbose=0).history
    assert all(np.isfinite(values).all() and len(values) == 2 for values in history.values())
    ragged = batches.unbatch().batch(5)  # 32 examples: the last batch has 2
    got = model.evaluate(ragged, verbose=0, return_dict=True)
    assert set(got) == set(history)
    x = tf.nest.map_structure(np.array, inputs(model, 6))
    assert np.isfinite(model.predict(x, verbose=0)).all()
    assert "optimizer" not in {path.split("/")[0] for path, _ in inspection.layers(model)}


@every_model
def test_models_compose_in_the_functional_api(name):
    model = small_model(name)
    x = inputs(model, 3)

    def symbol(t, name=None):
        return keras.Input(t.shape[1:], dtype=t.dtype.name, name=name)

    symbolic = {k: symbol(t, k) for k, t in x.items()} if isinstance(x, dict) else symbol(x)
    outputs = keras.layers.Activation("tanh")(model(symbolic))
    outer = keras.Model(symbolic, outputs)
    np.testing.assert_allclose(outer(x), np.tanh(model(x)), atol=1e-6)
    assert len(outer.trainable_variables) == len(model.trainable_variables)


@every_model
def test_intermediate_activations_come_by_name(name):
    model = small_model(name)
    x = inputs(model, 3)
    found = inspection.activations(model, x)
    layers = dict(inspection.layers(model))
    assert found.keys() <= layers.keys() and len(found) > 2
    path = next((path for path in found if "Conv" in type(layers[path]).__name__), [*found][-1])
    assert inspection.activations(model, x, [path])[path].shape == found[path].shape
    with pytest.raises(zoo.errors.UnknownNameError, match="layer"):
        inspection.activations(model, x, ["nonsense"])
    assert not any("call" in vars(layer) for layer in layers.values())  # nothing left behind


@every_model
def test_inspection_shows_every_layer_and_gradient_and_changes_nothing(name):
    run = small_trainer(name)
    before = run.state.arrays()
    inspection_result = run.inspect({key: np.asarray(x) for key, x in examples(run.model).items()})
    assert same_bits(before, run.state.arrays()) == []
    assert len(inspection_result.variables) == len(run.model.trainable_variables)
    assert all(
        row["gradient_norm"] > 0 and row["update_ratio"] > 0 for row in inspection_result.variables
    )
    leaves = {p for p, layer in inspection.layers(run.model) if layer.trainable_variables}
    used = {row["path"] for row in inspection_result.layers}
    # Layers inside of a called layer may be used without a call.
    unused = {p for p in leaves if not used & {p, *map(str, PurePosixPath(p).parents)}}
    assert unused <= {"latent_prior"}  # a prior is used through its methods, not called
    assert not any(row["nan"] or row["inf"] for row in inspection_result.layers)
    assert all(name in str(inspection_result) for name in inspection_result.losses)


@every_model
def test_a_frozen_part_is_bitwise_unchanged(name):
    run = small_trainer(name, eager=True)
    part = next(x for _, x in inspection.layers(run.model) if x.trainable_variables)
    part.trainable = False
    before = [keras.ops.convert_to_numpy(v).copy() for v in part.weights]
    rest = [keras.ops.convert_to_numpy(v).copy() for v in run.model.trainable_variables]
    run.fit(few(name), steps=2)
    for old, new in zip(before, part.weights, strict=True):
        if "moving" not in new.path:
            np.testing.assert_array_equal(old, new)
    assert not rest or any(
        (a != np.array(b)).any() for a, b in zip(rest, run.model.trainable_variables, strict=True)
    )


def test_saved_models_load_in_a_fresh_process(tmp_path):
    expected = {}
    for name in NAMES:
        model = small_model(name)
        model.prepare()
        model.train_step(examples(model, 8))
        model.save(tmp_path / f"{name}.keras")
        model.save_weights(tmp_path / f"{name}.weights.h5")
        expected[name] = generate_outputs(model, examples(model, 4), seed=3).numpy()
    np.savez(tmp_path / "expected.npz", **expected)
    script = inspect.cleandoc(f"""
        import sys, keras, numpy as np, zoo
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
