"""Small models, and data, trainers and replicas for them."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo import text
from zoo.errors import UsageError
from zoo.model import Model
from zoo.registry import build, get_class
from zoo.testing.requirements import require
from zoo.training.trainer import Trainer


def small_model(name: str, seed: int = 0, **config: Any) -> Model:
    """The model with the arguments of its `small_config`, except those in `config`."""
    keras.utils.set_random_seed(seed)
    return build(name, **{**get_class(name).small_config(), **config})


def small_trainer(
    name: str, workdir: str | Path | None = None, model: Model | None = None, **options: Any
) -> Trainer:
    """A trainer of a small model, quiet and without figures unless `options` say otherwise."""
    options = {"verbose": False, "figures_every": 0, **options}
    return Trainer(model or small_model(name), workdir, **options)


def plain_optimizers(model: Model, rate: float = 1e-3) -> dict[str, keras.optimizers.Optimizer]:
    """Plain gradient descent for each part of a model."""
    return {part: keras.optimizers.SGD(rate) for part in model.configure_optimizers()}


@contextlib.contextmanager
def without_graphs() -> Iterator[None]:
    """Context in which functions run eagerly: a few eager steps take less time than tracing."""
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


@functools.cache
def shared_model(name: str) -> Model:
    """One small model for all properties that do not change it, so that it is traced once."""
    return small_model(name)


@dataclass(frozen=True)
class FirstStep:
    """A compiled model after one eager step on 8 examples.

    Attributes:
        model: the model.
        logs: what `train_step` returned.
        values: what `eval_step` returns for these examples after the step.
        updates: (tape, pairs of gradient and variable) of each call of `minimize`.
    """

    model: Model
    logs: dict[str, tf.Tensor]
    values: dict[str, tf.Tensor]
    updates: list[tuple[tf.GradientTape, list[tuple[Any, keras.Variable]]]]


@functools.cache
def first_step(name: str) -> FirstStep:
    """The first step of a small model, taken once for all properties that use it."""
    model = small_model(name)
    model.compile()
    updates = []
    minimize = model.minimize

    def recorded(loss: Any, tape: Any, part: str = "") -> list:
        pairs = minimize(loss, tape, part)
        updates.append((tape, pairs))
        return pairs

    model.minimize = recorded  # type: ignore[method-assign]
    batch = model.example_batch(8)
    logs = model.train_step(batch)
    del model.minimize
    return FirstStep(model, logs, model.eval_step(batch), updates)


def forget_models() -> None:
    """Forgets the models of `shared_model` and `first_step`: their classes may have changed."""
    shared_model.cache_clear()
    first_step.cache_clear()


@functools.cache
def shuffled_batches(
    name: str, n: int = 32, batch_size: int = 8
) -> Callable[[int], tf.data.Dataset]:
    """Epoch -> batches of `n` examples, in another order for each epoch."""
    batch = {k: v.numpy() for k, v in small_model(name).example_batch(n).items()}

    def data(epoch: int) -> tf.data.Dataset:
        order = np.random.default_rng((7, epoch)).permutation(n)
        dataset = tf.data.Dataset.from_tensor_slices({k: v[order] for k, v in batch.items()})
        return dataset.batch(batch_size, drop_remainder=True)

    return data


def inputs(model: Model, n: int) -> Any:
    """Inputs of `call`: a feature of an example batch, several features, or noise."""
    if isinstance(model.input_feature, tuple):
        batch = model.example_batch(n)
        return {name: batch[name] for name in model.input_feature}
    if model.input_feature:
        return model.example_batch(n)[model.input_feature]
    require(
        hasattr(model, "generator_inputs"),
        f"{model.name} has neither `input_feature`, the feature of a batch that `call` takes, nor"
        " `generator_inputs`, the noise: set the class attribute, as input_feature = 'image'",
    )
    return model.generator_inputs(n, seed=0)


def same_bits(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray]) -> list[str]:
    """Keys of two dicts of arrays that differ in any bit."""
    assert a.keys() == b.keys()
    return [key for key in a if a[key].tobytes() != b[key].tobytes()]


def output_error(outputs: tf.Tensor, truth: tf.Tensor) -> float:
    """Error of outputs: the mean absolute error of floats, the fraction of wrong tokens."""
    if truth.dtype.is_floating:
        return float(tf.reduce_mean(tf.abs(outputs - truth)))
    words = truth[:, 1:]  # START is not generated
    return float(np.mean((outputs[:, : words.shape[1]] != words)[words != text.PAD]))


def use_two_devices() -> None:
    """Makes two logical CPUs of one, for two replicas; must be called before TensorFlow computes.

    Raises UsageError: it is too late.
    """
    cpu = tf.config.list_physical_devices("CPU")[0]
    devices = tf.config.get_logical_device_configuration(cpu) or []
    if len(devices) < 2:
        try:
            two = [tf.config.LogicalDeviceConfiguration()] * 2
            tf.config.set_logical_device_configuration(cpu, two)
        except RuntimeError as error:
            raise UsageError(
                "two replicas need two logical CPUs: import zoo.testing.conformance, or call"
                " zoo.testing.use_two_devices(), before TensorFlow computes"
            ) from error


@functools.cache
def two_replicas() -> tf.distribute.MirroredStrategy:
    """The strategy of two replicas; one for all, since TensorFlow numbers collectives by process.

    Raises UsageError: TensorFlow has computed before `use_two_devices` was called.
    """
    use_two_devices()
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
