"""The base class of all models.

A model implements its paper in `train_step` and `eval_step`; everything that is not in the paper
(loss scaling, replicas, clipping, averaging, seeds) is done by `minimize` and `next_seed`. Batches
are checked in `zoo.model.batch_checks`; the methods of Keras are in `zoo.model.keras_methods`.
"""

import collections
import contextlib
import numbers
import threading
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.checks import SEED, check_numbers
from zoo.errors import UsageError
from zoo.evaluation_mode import all_trainable
from zoo.model.keras_methods import KerasMethods
from zoo.model.kind import Kind
from zoo.optimizers import Adam, combine_optimizers, optimizers_by_part

SEED_LOCK = threading.Lock()  # for all models: reading and advancing a seed is one operation


class Model(Kind, KerasMethods):
    """Base class of all models: `train_step` reads like the paper and runs eagerly or as a graph.

    Subclasses define `__init__` (each argument is stored in an attribute of its name), `build()`
    (creates all weights), `call`, `train_step`, `eval_step` and `configure_optimizers`. Optional
    methods are `sample`, `encode`, `decode`, `reconstruct` and `interpolate`; figures and the
    command line use those that exist. Models of data other than single images derive from
    `zoo.ImageTranslator`, `zoo.Translator`, `zoo.Captioner`, ..., or override methods of `Kind`.

    Batches are dicts with the feature names of TFDS; images are float32 in [0, 1].

    Attributes:
        input_feature: the batch feature that is the input of `call`; a tuple of features if the
            input is a dict of them; None if it is noise.
        micro_batches: default number of micro-batches of `zoo train` on a CPU.
        min_batch_size: number of examples that `train_step` needs; the last batch of an epoch may
            have fewer.

    Args:
        **kwargs: `name`, and `dtype`: a Keras dtype policy with float32 variables.
    """

    input_feature: str | tuple[str, ...] | None = None
    micro_batches: int = 1
    min_batch_size: int = 1

    def __init__(self, **kwargs: Any):
        dtype = kwargs.pop("dtype", None)
        policy = keras.config.dtype_policy() if dtype is None else keras.dtype_policies.get(dtype)
        if dtype is None and policy.variable_dtype != "float32":  # floatx in keras.json
            policy = keras.dtype_policies.get("float32")
        if policy.compute_dtype == "float64":
            raise ValueError(f"dtype must be float32 or mixed precision, got {policy.name!r}")
        super().__init__(dtype=policy, **kwargs)
        self.seed_generator = keras.random.SeedGenerator()
        # Mapping proxies, which Keras does not track: optimizers and metrics are not weights.
        self.optimizers: Mapping[str, keras.optimizers.Optimizer] = MappingProxyType({})
        self.mean_metrics: Mapping[str, keras.metrics.Mean] = MappingProxyType({})
        self._traced_checks: dict[str, Any] = {}  # see `zoo.model.batch_checks`
        self.accumulated: collections.deque[Any] | None = None  # updates, while `accumulating`

    # Defined by subclasses.

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of the paper's algorithm, ending in `minimize`.

        Returns:
            Scalars to log: name -> value.
        """
        raise NotImplementedError

    def eval_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The values that `train_step` logs, without training, one PER EXAMPLE: shape [batch].

        A value that compares the examples of a batch does not exist for a single one: shape [0].
        """
        raise NotImplementedError

    def configure_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """The paper's optimizers: {"": optimizer}, or one for each part: {"generator": ..., ...}.

        A part is the name of the attribute that holds the layer to train.
        """
        return {"": Adam(1e-3)}

    def adapt(self, data: Iterable[dict[str, tf.Tensor]]) -> None:
        """Computes statistics of the training data; called once, before the first step.

        Args:
            data: an iterable of batches.
        """

    def on_weights_averaged(self) -> None:
        """Recomputes state derived from the weights (batch-norm statistics) after averaging."""

    @property
    def batch_spec(self) -> dict[str, tf.TensorSpec]:
        """The features of a batch: name -> tf.TensorSpec, with None for any size."""
        return {"image": tf.TensorSpec((None, *self.image_shape), tf.float32)}

    # Called by `train_step`.

    def minimize(
        self, loss: tf.Tensor, tape: tf.GradientTape, part: str = ""
    ) -> list[tuple[Any, keras.Variable]]:
        """Takes one optimizer step on `loss`, a mean over the local batch.

        Scales the loss if the precision requires it, and averages over replicas. Clipping,
        accumulation and moving averages are arguments of the optimizer. Frozen variables do not
        change.

        Args:
            loss: a scalar.
            tape: the tape that recorded `loss`.
            part: the optimizer, by the name of its part.

        Returns:
            The list of (gradient, variable).
        """
        optimizer = self.optimizers[part]
        variables = self.part(part).trainable_variables
        replicas = tf.distribute.get_strategy().num_replicas_in_sync  # they sum their gradients
        scale = optimizer.scale_loss(tf.ones_like(loss) / replicas)
        values = [variable.value for variable in variables]
        gradients = tape.gradient(loss, values, output_gradients=scale)
        if self.accumulated is None:
            self.apply_gradients(part, gradients)
        else:
            self.accumulated.append((part, gradients))
        return list(zip(gradients, variables, strict=True))

    def apply_gradients(self, part: str, gradients: Iterable[Any]) -> None:
        """Takes one step of the part's optimizer with the given gradients."""
        # An embedding's gradient has one slice for each lookup, and a row may be looked up twice.
        # Adam needs the square of the sum of these slices, not the sum of their squares.
        gradients = [g if g is None else tf.convert_to_tensor(g) for g in gradients]
        self.optimizers[part].apply(gradients, self.part(part).trainable_variables)

    @contextlib.contextmanager
    def accumulating(self) -> "Iterator[collections.deque[Any]]":
        """Context in which `minimize` updates nothing, but appends (part, gradients) to a queue.

        Yields:
            The queue.
        """
        self.accumulated = collections.deque()  # Keras would track a list
        try:
            yield self.accumulated
        finally:
            self.accumulated = None

    def next_seed(self) -> tf.Tensor:
        """A new int32[2] seed for stateless ops and TFP: different in each call and replica."""
        with SEED_LOCK if tf.executing_eagerly() else contextlib.nullcontext():
            key = tf.cast(self.seed_generator.next(), tf.int32)
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return key
        return tf.random.experimental.stateless_fold_in(key, context.replica_id_in_sync_group)

    def as_seed(self, value: int | tf.Tensor | None = None) -> tf.Tensor:
        """The int32[2] seed for a `seed` argument: always the same for a value, new for None.

        Args:
            value: an integer from 0 up, an int32[2], or None for `next_seed()`.

        Raises:
            UsageError: any other value.
        """
        return self.next_seed() if value is None else to_seed(value)

    @property
    def iterations(self) -> tf.Tensor:
        """Number of steps so far: a float32 scalar, the argument of schedules."""
        optimizer = next(iter(self.optimizers.values()), None)
        return tf.cast(optimizer.iterations, tf.float32) if optimizer else tf.constant(0.0)

    # Called by the Trainer and by Keras.

    def part(self, name: str) -> keras.layers.Layer:
        """The layer that an optimizer trains; "" is the whole model."""
        return getattr(self, name) if name else self

    def prepare(self, optimizers: Any = None) -> None:
        """Builds the weights and the optimizers' state; called before the first step.

        Args:
            optimizers: in place of those of `configure_optimizers`: a Keras optimizer or its name,
                or a dict of them by part.

        Raises:
            UsageError: the parts differ from those of `configure_optimizers`.
        """
        if not self.built:
            self.build()
        if self.optimizers and optimizers is None:
            return
        default = self.configure_optimizers()
        chosen = default if optimizers is None else optimizers_by_part(optimizers)
        if set(chosen) != set(default):
            raise UsageError(f"{self.name} needs optimizers for {[*default]}, got {[*chosen]}")
        scaled = keras.optimizers.LossScaleOptimizer
        if self.dtype_policy.compute_dtype == "float16":
            chosen = {k: v if isinstance(v, scaled) else scaled(v) for k, v in chosen.items()}
        for part, optimizer in chosen.items():
            if not optimizer.built:
                with all_trainable(self.part(part)) as layer:  # frozen layers may be unfrozen later
                    optimizer.build(layer.trainable_variables)
        self.optimizers = MappingProxyType(chosen)
        if self.compiled:
            self.optimizer = combine_optimizers(chosen)

    def check_trainable(self) -> None:
        """Raises UsageError if all weights are frozen, so that training would change nothing."""
        if not self.trainable_variables:
            raise UsageError(
                f"all weights of {self.name} are frozen, so there is nothing to train: unfreeze a"
                " layer (zoo.finetuning.unfreeze), or set its trainable to True"
            )

    def frozen_variables(self, part: str) -> list[keras.Variable]:
        """Variables of a part that its optimizer was built with, but that are frozen now."""
        trainable = {id(variable) for variable in self.part(part).trainable_variables}
        with all_trainable(self.part(part)) as layer:
            return [v for v in layer.trainable_variables if id(v) not in trainable]


def to_seed(value: Any) -> tf.Tensor:
    """Converts an integer >= 0, or an int32[2], to the int32[2] seed of stateless ops.

    Raises:
        UsageError: any other value.
    """
    if isinstance(value, numbers.Integral):
        check_numbers(seed=value)
        value = np.array([value, 0])
    try:
        seed = tf.convert_to_tensor(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise UsageError(f"seed must be {SEED}, or an int32[2], got {value!r:.80}") from error
    if not seed.dtype.is_integer or seed.shape.as_list() not in ([], [2]):
        raise UsageError(f"seed must be {SEED}, or an int32[2], got {value!r:.80}")
    seed = tf.cast(seed, tf.int32)  # values from 2**31 up keep their 32 bits
    return seed if seed.shape.rank else tf.stack([seed, 0])
