"""Properties of a model's configuration, steps, runs and outputs."""

import ast
import contextlib
import functools
import json
import tempfile
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import Sequential  # which takes no dtype

from zoo import inspection
from zoo.evaluation_mode import seed_states
from zoo.model import Model
from zoo.registry import arguments, build, get_class, info
from zoo.testing.requirements import require
from zoo.testing.small import output_error, same_bits, shuffled_batches, small_model, small_trainer

# The configuration.


def build_returns_a_completely_built_model(name: str) -> None:
    """With the default arguments, all layers have their weights."""
    model = build(name)
    require(model.built and model.count_params() > 0, f"{name} has no weights: build() makes them")
    unbuilt = [path for path, layer in inspection.layers(model) if not layer.built]
    require(not unbuilt, f"build() does not build the layers {unbuilt}")


def the_constructor_is_the_configuration(name: str) -> None:
    """Each argument is an attribute, and `get_config` as JSON makes the same model."""
    cls = get_class(name)
    model = small_model(name)
    missing = [argument for argument in arguments(cls) if not hasattr(model, argument)]
    require(not missing, f"no attributes for the arguments {missing}")
    again = cls.from_config(json.loads(json.dumps(model.get_config())))
    again.build()
    require(again.get_config() == model.get_config(), "get_config() changes after from_config()")
    shapes = [[v.shape for v in each.variables] for each in (model, again)]
    require(shapes[0] == shapes[1], "from_config() makes variables of other shapes")


def the_documented_arguments_are_those_of_the_signature(name: str) -> None:
    """`zoo.info` reads the arguments from the source file, and the file has a summary."""
    written = info(name)["arguments"]
    parameters = arguments(get_class(name))
    same = written.keys() == parameters.keys()
    require(same, f"zoo.info lists {[*written]}, the signature has {[*parameters]}")
    for key, source in written.items():
        with contextlib.suppress(ValueError, SyntaxError):  # an expression, or "(required)"
            value = ast.literal_eval(source)
            default = parameters[key].default
            require(value == default, f"zoo.info lists {key}={source}, its default is {default!r}")
    require(info(name)["summary"], "the module needs a docstring: its first line is the summary")


# Steps.


def _one_step(model: Model, batch: Any) -> tuple[dict, list]:
    """Runs an eager step; returns the tapes and the (gradient, variable) pairs of `minimize`."""
    steps = []
    minimize = model.minimize

    def recorded(loss: Any, tape: Any, part: str = "") -> list:
        pairs = minimize(loss, tape, part)
        steps.append((tape, pairs))
        return pairs

    model.minimize = recorded  # type: ignore[method-assign]
    logs = model.train_step(batch)
    del model.minimize
    return logs, steps


def every_weight_has_a_gradient(name: str) -> None:
    """A step trains each trainable variable once."""
    model = small_model(name)
    model.prepare()
    _, steps = _one_step(model, model.example_batch())
    watched = {id(v) for tape, _ in steps for v in tape.watched_variables()}
    unwatched = [v.path for v in model.trainable_variables if id(v.value) not in watched]
    require(not unwatched, f"no tape watches {unwatched}: the step does not use them")
    trained = sorted(id(variable) for _, pairs in steps for _, variable in pairs)
    once = trained == sorted(map(id, model.trainable_variables))
    require(once, "the parts of `minimize` must hold each trainable variable exactly once")
    missing = [variable.path for _, pairs in steps for g, variable in pairs if g is None]
    require(not missing, f"no gradient reaches {missing}")


def a_step_logs_scalars_and_an_evaluation_one_value_per_example(name: str) -> None:
    """`train_step` and `eval_step` have the same names, float32."""
    model = small_model(name)
    model.prepare()
    logs, _ = _one_step(model, model.example_batch(8))
    values = model.eval_step(model.example_batch(8))
    for names, shape in ((logs, ()), (values, (8,))):
        wrong = {k: tuple(v.shape) for k, v in names.items() if tuple(v.shape) != shape}
        require(not wrong, f"values must have the shape {shape} for 8 examples, got {wrong}")
    require(logs.keys() == values.keys(), f"names differ: {[*logs]} and {[*values]}")
    types = {v.dtype.name for v in [*logs.values(), *values.values()]}
    require(types == {"float32"}, f"logged values must be float32, got {types}")


# Runs.


@functools.cache
def _two_epochs(name: str) -> tuple[dict, dict]:
    """(history, state) after two eager epochs of 2 steps."""
    run = small_trainer(name, eager=True)
    return run.fit(shuffled_batches(name, 16), epochs=2).history, run.state.arrays()


def a_run_stopped_in_mid_epoch_resumes_to_the_same_bits(name: str) -> None:
    """Eagerly, where what a model keeps in Python would be lost, too."""
    history, whole = _two_epochs(name)
    data = shuffled_batches(name, 16)
    with tempfile.TemporaryDirectory() as folder:
        small_trainer(name, folder, eager=True).fit(data, steps=3)
        rest = small_trainer(name, folder, eager=True)
        for variable in rest.state.variables().values():
            variable.assign(keras.ops.ones_like(variable))  # only the checkpoint can know
        resumed = rest.fit(data, epochs=2).history
    differing = same_bits(whole, rest.state.arrays())
    require(not differing, f"after resuming, other bits than in an unbroken run: {differing}")
    require(resumed == history, f"after resuming, the history is {resumed}, not {history}")


class _Snapshot(keras.callbacks.Callback):
    """The logs of the first steps of a trainer, and its state after them."""

    steps = 3

    def __init__(self, trainer: Any) -> None:
        super().__init__()
        self.trainer = trainer
        self.logs: list[Any] = []
        self.arrays: dict[str, np.ndarray] = {}

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if len(self.logs) < self.steps:
            self.logs.append(logs)
            self.arrays = self.trainer.state.arrays()


def a_compiled_run_takes_the_eager_steps_and_memorizes_an_example(name: str) -> None:
    """Trained on a single example, the model's `outputs` are its `target_feature`."""
    example = small_model(name).example_batch(1, seed=5)
    many = {k: tf.repeat(v, 16, axis=0) for k, v in example.items()}
    data = tf.data.Dataset.from_tensors(many).repeat(50)
    run, eager_run = (small_trainer(name, eager=eager) for eager in (False, True))
    compiled, eager = (_Snapshot(trainer) for trainer in (run, eager_run))
    truth = many[run.model.target_feature]

    def error() -> float:
        return output_error(run.model.outputs(many, seed=0), truth)

    def stop(epoch: int, logs: Any) -> None:
        run.model.stop_training = error() < before / 3

    before = error()
    require(
        before > 0.3, f"the initial outputs have an error of {before} only, which shows nothing"
    )
    run.callbacks += [compiled, keras.callbacks.LambdaCallback(on_epoch_end=stop)]
    run.fit(data, epochs=12)
    after = error()
    require(
        after < before / 3, f"600 steps on one example: an error of {after:.3}, not {before:.3}/3"
    )
    eager_run.callbacks.append(eager)
    eager_run.fit(data, steps=_Snapshot.steps)
    for graph_logs, eager_logs in zip(compiled.logs, eager.logs, strict=True):
        for key, value in graph_logs.items():
            np.testing.assert_allclose(value, eager_logs[key], rtol=1e-4, atol=1e-4, err_msg=key)
    for key, value in compiled.arrays.items():
        np.testing.assert_allclose(value, eager.arrays[key], rtol=1e-4, atol=1e-4, err_msg=key)


def another_seed_gives_other_bits(name: str) -> None:
    """That the same seed gives the same bits, the resumed run shows."""

    def run(seed: int) -> dict[str, np.ndarray]:
        trainer = small_trainer(name, model=small_model(name, seed=1), seed=seed, eager=True)
        trainer.fit(shuffled_batches(name, 16), steps=1)
        return {k: v for k, v in trainer.state.arrays().items() if k.startswith("model")}

    first = run(3)
    # A seed is (number, draws so far): with no draws there is nothing that could be another.
    drew = any(v.shape == (2,) and v.dtype.kind in "iu" and v[1] for v in first.values())
    others = len(same_bits(first, run(4)))
    require(others > len(first) // 2 or not drew, f"another seed changes {others} arrays only")


def mixed_precision_reaches_every_layer_and_stays_finite(name: str) -> None:
    """With mixed_bfloat16 and mixed_float16; weights are float32."""
    for policy in ("mixed_bfloat16", "mixed_float16"):
        model = small_model(name, dtype=policy)
        layers = [(path, x) for path, x in inspection.layers(model) if type(x) is not Sequential]
        others = [path for path, layer in layers if layer.dtype_policy.name != policy]
        require(not others, f"layers without dtype=self.dtype_policy: {others}")
        types = {v.dtype for v in model.trainable_variables}
        require(types == {"float32"}, f"weights must be float32, got {types}")
        # In the first steps of float16 the loss overflows; its scale is halved until it does not.
        run = small_trainer(name, model=model, eager=True)
        before = run.state.arrays()
        epochs = 4 if policy == "mixed_float16" else 1
        history = run.fit(shuffled_batches(name, 16), epochs=epochs).history
        require(np.isfinite(list(history.values())).all(), f"{policy}: {history}")
        after = run.state.arrays()
        infinite = [
            k for k, v in after.items() if v.dtype == np.float32 and not np.isfinite(v).all()
        ]
        require(not infinite, f"{policy}: {infinite} are not finite")
        require(len(same_bits(before, after)) > len(before) // 2, f"{policy}: nothing was trained")
        scaled = {type(o) is keras.optimizers.LossScaleOptimizer for o in model.optimizers.values()}
        require(scaled == {policy == "mixed_float16"}, f"{policy}: wrong loss scaling")


# Outputs.


def outputs_are_valid_and_depend_on_the_seed(name: str) -> None:
    """`outputs` could be the `target_feature` of a batch; a seed is an integer or an int32[2]."""
    model = small_model(name)
    batch = model.example_batch(5)
    spec = model.batch_spec[model.target_feature]
    outputs = tf.convert_to_tensor(model.outputs(batch, seed=1))
    fits = len(outputs) == 5 and outputs.dtype == spec.dtype
    require(fits, f"outputs for 5 examples: {outputs.dtype.name} {outputs.shape}, expected {spec}")
    model.check_feature(model.target_feature, outputs, spec)
    state = model.seed_generator.state.numpy()
    _check_seeds(lambda seed: model.outputs(batch, seed=seed), model.outputs_use_seed)
    unchanged = np.array_equal(state, model.seed_generator.state.numpy())
    require(unchanged, "outputs with a seed must not draw from self.next_seed()")


def samples_depend_on_the_seed_alone(name: str) -> None:
    """`sample(n, seed)` gives n samples, the same for a seed; without one, others in each call."""
    model = small_model(name)
    if not hasattr(model, "sample"):
        return
    count = len(model.sample(3, seed=7))
    require(count == 3, f"sample(3) gives {count} samples")
    _check_seeds(lambda seed: model.sample(3, seed=seed))
    fresh = [np.asarray(model.sample(3)) for _ in range(2)]
    require((fresh[0] != fresh[1]).any(), "sample(n) without a seed gives the same in each call")


def _check_seeds(generate: Callable[[Any], Any], random: bool = True) -> None:
    """Requires equal outputs for equal seeds, and others for others if `random`."""
    first = np.asarray(generate(1))
    for seed in (1, np.int64(1), tf.constant([1, 0])):
        same = np.array_equal(first, np.asarray(generate(seed)))
        require(same, f"seed=1 and seed={seed!r} give different outputs")
    for seed in (2, tf.constant([1, 1])):
        differs = not np.array_equal(first, np.asarray(generate(seed)))
        expected = "other" if random else "the same"
        require(differs == random, f"seed=1 and seed={seed!r} must give {expected} outputs")


def figures_are_images_and_change_nothing(name: str) -> None:
    """`figures(batch)`: name -> uint8 [rows, columns, 3]; weights and seeds stay the same."""
    model = small_model(name)
    variables = [*model.variables, *seed_states(model)]
    before = [np.array(v) for v in variables]
    for key, figure in model.figures(model.example_batch(8)).items():
        fits = figure.dtype == np.uint8 and figure.ndim == 3 and figure.shape[2] == 3
        require(fits, f"the figure {key} must be uint8 [rows, columns, 3], got {figure.shape}")
    changed = [
        v.path for v, old in zip(variables, before, strict=True) if (old != np.array(v)).any()
    ]
    require(not changed, f"figures change {changed}: give methods a seed")
