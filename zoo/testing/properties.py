"""Properties of a model's configuration, steps, runs and outputs."""

import ast
import contextlib
import functools
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import Sequential  # which takes no dtype

from zoo import inspection
from zoo.evaluation_mode import preserved, seed_states
from zoo.registry import arguments, build, get_class, info
from zoo.testing.requirements import require
from zoo.testing.small import (
    first_step,
    output_error,
    plain_optimizers,
    same_bits,
    shared_model,
    shuffled_batches,
    small_model,
    small_trainer,
    without_graphs,
)

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
    model = shared_model(name)
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


def every_weight_has_a_gradient(name: str) -> None:
    """A step trains each trainable variable once."""
    model = first_step(name).model
    updates = first_step(name).updates
    watched = {id(v) for tape, _ in updates for v in tape.watched_variables()}
    unwatched = [v.path for v in model.trainable_variables if id(v.value) not in watched]
    require(not unwatched, f"no tape watches {unwatched}: the step does not use them")
    trained = sorted(id(variable) for _, pairs in updates for _, variable in pairs)
    once = trained == sorted(map(id, model.trainable_variables))
    require(once, "the parts of `minimize` must hold each trainable variable exactly once")
    missing = [variable.path for _, pairs in updates for g, variable in pairs if g is None]
    require(not missing, f"no gradient reaches {missing}")


def a_step_logs_scalars_and_an_evaluation_one_value_per_example(name: str) -> None:
    """`train_step` and `eval_step` have the same names, float32."""
    logs = first_step(name).logs
    values = first_step(name).values
    for names, shape in ((logs, ()), (values, (8,))):
        wrong = {k: tuple(v.shape) for k, v in names.items() if tuple(v.shape) != shape}
        require(not wrong, f"values must have the shape {shape} for 8 examples, got {wrong}")
    require(logs.keys() == values.keys(), f"names differ: {[*logs]} and {[*values]}")
    types = {v.dtype.name for v in [*logs.values(), *values.values()]}
    require(types == {"float32"}, f"logged values must be float32, got {types}")


# Runs.


def a_run_stopped_in_mid_epoch_resumes_to_the_same_bits(name: str) -> None:
    """In eager mode, which also detects state that a model keeps in Python variables."""
    data = shuffled_batches(name, 16)
    with tempfile.TemporaryDirectory() as folder:
        stopped = Path(folder) / "stopped"
        copy = Path(folder) / "copy"
        run = small_trainer(name, stopped, eager=True)
        run.fit(data, steps=1)
        shutil.copytree(stopped, copy)
        history = run.fit(data, epochs=1).history  # continues without loading
        rest = small_trainer(name, copy, eager=True)
        for variable in rest.state.variables().values():
            variable.assign(keras.ops.ones_like(variable))  # so only the checkpoint has the weights
        resumed = rest.fit(data, epochs=1).history
    differing = same_bits(run.state.arrays(), rest.state.arrays())
    require(not differing, f"a resumed run differs from an uninterrupted one in {differing}")
    require(resumed == history, f"after resuming, the history is {resumed}, not {history}")


class _FirstSteps(keras.callbacks.Callback):
    """The logs of the first steps of a run and its state after them, and those of eager steps."""

    steps = 2

    def __init__(self, trainer: Any, batch: dict[str, tf.Tensor]) -> None:
        super().__init__()
        self.trainer = trainer
        self.batch = batch
        self.logs: list[Any] = []
        self.arrays: dict[str, np.ndarray] = {}
        self.eager_logs: list[Any] = []
        self.eager_arrays: dict[str, np.ndarray] = {}

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self.eager_logs:
            with preserved(self.trainer.model):
                for _ in range(self.steps):
                    self.eager_logs.append(self.trainer.model.train_step(self.batch))
                self.eager_arrays = self.trainer.state.arrays()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if len(self.logs) < self.steps:
            self.logs.append(logs)
            self.arrays = self.trainer.state.arrays()


def a_compiled_run_takes_the_eager_steps_and_memorizes_an_example(name: str) -> None:
    """After training on a single example, the model's `outputs` equal its `target_feature`."""
    run = small_trainer(name)
    example = run.model.example_batch(1, seed=5)
    many = {k: tf.repeat(v, 8, axis=0) for k, v in example.items()}
    truth = many[run.model.target_feature]

    def error() -> float:
        return output_error(run.model.outputs(many, seed=0), truth)

    def stop(epoch: int, logs: Any) -> None:
        run.model.stop_training = error() < before / 3

    before = error()
    require(before > 0.3, f"the initial outputs have an error of {before}, too low for this check")
    first = _FirstSteps(run, many)
    run.callbacks += [first, keras.callbacks.LambdaCallback(on_epoch_end=stop)]
    run.fit(tf.data.Dataset.from_tensors(many).repeat(100), epochs=6)
    after = error()
    require(
        after < before / 3,
        f"after 600 steps on one example, the error of `outputs` is {after:.3}, expected below"
        f" {before / 3:.3}, a third of the initial error",
    )
    close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4)
    for logs, eager_logs in zip(first.logs, first.eager_logs, strict=True):
        for key, value in eager_logs.items():
            close(logs[key], value, err_msg=key)
    for key, value in first.arrays.items():
        close(value, first.eager_arrays[key], err_msg=key)


def another_seed_gives_other_bits(name: str) -> None:
    """That the same seed gives the same bits is checked by the property of the resumed run."""
    model = small_model(name, seed=1)
    batch = model.example_batch(8)
    model.prepare(plain_optimizers(model))

    def step(seed: int) -> dict[str, np.ndarray]:
        with preserved(model):
            state = small_trainer(name, model=model, seed=seed).state
            model.train_step(batch)
            return {k: v for k, v in state.arrays().items() if k.startswith("model")}

    first = step(3)
    # A seed is (number, draws so far): a step without draws cannot depend on it.
    seeds = {k: v for k, v in first.items() if v.shape == (2,) and v.dtype.kind in "iu"}
    drew = any(seed[1] for seed in seeds.values())
    others = {*same_bits(first, step(4))} - seeds.keys()
    require(bool(others) or not drew, "another seed does not change a step with random numbers")


def mixed_precision_reaches_every_layer_and_stays_finite(name: str) -> None:
    """With mixed_bfloat16 and mixed_float16; weights are float32."""
    for policy in ("mixed_bfloat16", "mixed_float16"):
        model = small_model(name, dtype=policy)
        layers = [(path, x) for path, x in inspection.layers(model) if type(x) is not Sequential]
        others = [path for path, layer in layers if layer.dtype_policy.name != policy]
        require(not others, f"layers without dtype=self.dtype_policy: {others}")
        types = {v.dtype for v in model.trainable_variables}
        require(types == {"float32"}, f"weights must be float32, got {types}")
        state = small_trainer(name, model=model, optimizers=plain_optimizers(model)).state
        for optimizer in model.optimizers.values():
            scaled = type(optimizer) is keras.optimizers.LossScaleOptimizer
            require(scaled == (policy == "mixed_float16"), f"{policy}: wrong loss scaling")
            if scaled:  # as after the first steps, whose gradients overflow
                optimizer.dynamic_scale.assign(64.0)
        before = [np.array(v) for v in model.trainable_variables]
        logs = model.train_step(model.example_batch(8))
        finite = np.isfinite([float(value) for value in logs.values()]).all()
        require(finite and state.is_finite(), f"{policy}: {logs} or a weight is not finite")
        after = [np.array(v) for v in model.trainable_variables]
        trained = sum((old != new).any() for old, new in zip(before, after, strict=True))
        require(trained > len(after) // 2, f"{policy}: {trained} of {len(after)} weights change")


# Outputs.


def outputs_are_valid_and_depend_on_the_seed(name: str) -> None:
    """`outputs` could be the `target_feature` of a batch; a seed is an integer or an int32[2]."""
    model = shared_model(name)
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
    """`sample(n, seed)` gives the same n samples for the same seed; without one, new ones."""
    model = shared_model(name)
    if not hasattr(model, "sample"):
        return
    count = len(model.sample(3, seed=7))
    require(count == 3, f"sample(3) gives {count} samples")
    _check_seeds(lambda seed: model.sample(3, seed=seed))
    fresh = [np.asarray(model.sample(3)) for _ in range(2)]
    require((fresh[0] != fresh[1]).any(), "sample(n) without a seed gives the same in each call")


def _check_seeds(generate: Callable[[Any], Any], random: bool = True) -> None:
    """Requires equal outputs for equal seeds; if `random`, different ones for different seeds."""
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
    model = shared_model(name)
    variables = [*model.variables, *seed_states(model)]
    before = [np.array(v) for v in variables]
    with without_graphs():
        figures = model.figures(model.example_batch(8))
    for key, figure in figures.items():
        fits = figure.dtype == np.uint8 and figure.ndim == 3 and figure.shape[2] == 3
        require(fits, f"the figure {key} must be uint8 [rows, columns, 3], got {figure.shape}")
    changed = [
        v.path for v, old in zip(variables, before, strict=True) if (old != np.array(v)).any()
    ]
    require(not changed, f"figures change {changed}: give methods a seed")
