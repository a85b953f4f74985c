"""A fused Adam and AdamW, several optimizers as one Keras optimizer, learning-rate schedules."""

from collections.abc import Iterable, Mapping, Sequence, ValuesView
from types import MappingProxyType
from typing import Any

import keras
import tensorflow as tf

from blocks.checks import MAX_INT, non_negative_float, positive_int
from zoo.errors import UsageError


@keras.saving.register_keras_serializable("zoo")
class Adam(keras.optimizers.Adam):
    """Adam with TensorFlow's fused kernel; equals `keras.optimizers.Adam` up to rounding.

    Keras updates a weight by a dozen operations, each of which reads and writes the whole weight.
    In a text model, most of whose weights are embeddings, they take a tenth of a training step.

    Kingma, Ba, "Adam: A Method for Stochastic Optimization" (2014, arXiv 1412.6980), in the form at
    the end of section 2. Arguments and state are those of `keras.optimizers.Adam`, which also
    computes the update if `amsgrad` is set.
    """

    def build(self, variables: Sequence[keras.Variable]) -> None:
        super().build(variables)
        momenta = (slot for slot in self.variables if slot.path.endswith("_momentum"))
        velocities = (slot for slot in self.variables if slot.path.endswith("_velocity"))
        # A view of a dict, which Keras does not track: it would save each slot twice.
        self.slots = MappingProxyType(dict(enumerate(zip(momenta, velocities, strict=True))))

    def update_step(self, gradient: Any, variable: keras.Variable, learning_rate: Any) -> None:
        if self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        momentum, velocity = self.slots[self._get_variable_index(variable)]  # as in Keras' guide
        dtype = variable.dtype
        step = tf.cast(self.iterations + 1, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=momentum.value.handle,
            v=velocity.value.handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=tf.cast(learning_rate, dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(tf.convert_to_tensor(gradient), dtype),
        )


@keras.saving.register_keras_serializable("zoo")
class AdamW(Adam):
    """`Adam` with decoupled weight decay of matrices: of kernels, not of biases, norms, embeddings.

    Loshchilov, Hutter, "Decoupled Weight Decay Regularization" (2017, arXiv 1711.05101).

    Args:
        learning_rate, weight_decay, **kwargs: as in `keras.optimizers.AdamW`.
    """

    def __init__(self, learning_rate: Any = 0.001, weight_decay: float = 0.1, **kwargs: Any):
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)

    def build(self, variables: Sequence[keras.Variable]) -> None:
        others = [variable for variable in variables if not variable.name.endswith("kernel")]
        if not self.built:
            self.exclude_from_weight_decay(var_list=others)
        super().build(variables)


@keras.saving.register_keras_serializable("zoo")
class AveragingAdam(Adam):
    """`Adam` with a moving average of the weights that is useful from the first steps on.

    The momentum in step n is min(ema_momentum, n / (n + 9)), as in TensorFlow's
    `ExponentialMovingAverage` with `num_updates`. With a constant momentum of 0.999 the average
    would consist mostly of the initial weights in the first thousand steps.

    Args:
        learning_rate, **kwargs: as in `Adam`.
        ema_momentum: the momentum after many steps.
    """

    def __init__(
        self, learning_rate: Any = 1e-3, *, ema_momentum: float = 0.999, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **{**kwargs, "use_ema": True, "ema_momentum": ema_momentum})

    @property
    def ema_momentum(self) -> Any:
        """The momentum of the current step, a scalar."""
        step = tf.cast(self.iterations, tf.float32)
        return tf.minimum(self.final_ema_momentum, step / (step + 9))

    @ema_momentum.setter
    def ema_momentum(self, value: float) -> None:
        self.final_ema_momentum = value

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "ema_momentum": self.final_ema_momentum}


@keras.saving.register_keras_serializable("zoo")
class MultiOptimizer(keras.optimizers.Optimizer):
    """Several optimizers, one for each part of a model, as the single `optimizer` of Keras.

    Keras saves them with the model, and its callbacks iterate over `optimizers` and so change the
    learning rate of each. The updates are done in the model's `minimize`.

    Args:
        parts: name of a part of the model -> its optimizer. Learning rates are logged by these
            names.
    """

    def __init__(self, parts: Mapping[str, keras.optimizers.Optimizer], name: str = "optimizers"):
        super().__init__(learning_rate=0.0, name=name)
        # Mapping proxies, which Keras does not track: it would save each optimizer twice.
        self.parts = MappingProxyType(dict(parts))
        self.inner_optimizers = MappingProxyType(
            {part: unwrap_loss_scale(optimizer) for part, optimizer in parts.items()}
        )
        for part, optimizer in self.inner_optimizers.items():
            optimizer.name = part
        self.built = True  # `Model.prepare` builds each with the variables of its part

    @property
    def optimizers(self) -> ValuesView[keras.optimizers.Optimizer]:
        """The optimizers, without loss scaling."""
        return self.inner_optimizers.values()

    @property
    def variables(self) -> list[keras.Variable]:
        """The variables of all optimizers."""
        return [variable for part in self.parts.values() for variable in part.variables]

    @property
    def iterations(self) -> keras.Variable:
        """The number of steps of the first optimizer."""
        return next(iter(self.optimizers)).iterations

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the first optimizer; setting it scales all by the same factor."""
        return next(iter(self.optimizers)).learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        old = float(self.learning_rate)
        for optimizer in self.optimizers:
            optimizer.learning_rate = rate * float(optimizer.learning_rate) / old if old else rate

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets the variables of all optimizers, in the order of `variables`."""
        for variable, value in zip(self.variables, weights, strict=True):
            variable.assign(value)

    def finalize_variable_values(self, var_list: Sequence[keras.Variable]) -> None:
        """Does nothing: the model, which knows the variables of each part, applies averages."""

    def get_config(self) -> dict[str, Any]:
        parts = {part: keras.optimizers.serialize(value) for part, value in self.parts.items()}
        return {"parts": parts, "name": self.name}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> "MultiOptimizer":
        parts = {
            part: keras.optimizers.deserialize(value, custom_objects)
            for part, value in config["parts"].items()
        }
        return cls(parts, config["name"])


def combine_optimizers(
    optimizers: Mapping[str, keras.optimizers.Optimizer],
) -> keras.optimizers.Optimizer:
    """The `optimizer` that Keras expects, for a model with the given `optimizers`."""
    return optimizers[""] if [*optimizers] == [""] else MultiOptimizer(optimizers)


def optimizers_by_part(optimizer: Any) -> dict[str, keras.optimizers.Optimizer]:
    """{part: optimizer} for an argument of `compile` or the Trainer.

    Args:
        optimizer: a Keras optimizer or its name, or a dict of them by part.
    """
    if isinstance(optimizer, MultiOptimizer):
        return dict(optimizer.parts)
    parts = optimizer if isinstance(optimizer, dict) else {"": optimizer}
    return {part: keras.optimizers.get(value) for part, value in parts.items()}


def optimizer_by_name(name: str) -> keras.optimizers.Optimizer:
    """The optimizer of that name; "adam" and "adamw" are the fused ones, others those of Keras."""
    own = {"adam": Adam, "adamw": AdamW}
    return own[name]() if name in own else keras.optimizers.get(name)


def unwrap_loss_scale(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """The optimizer inside a `LossScaleOptimizer`; any other as it is."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def has_schedule(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether the learning rate is a schedule, so that callbacks cannot set it."""
    return isinstance(unwrap_loss_scale(optimizer).get_config()["learning_rate"], dict)


def check_schedules(
    model: Any, callbacks: keras.callbacks.CallbackList | Iterable[keras.callbacks.Callback] | None
) -> None:
    """Checks that no callback sets a learning rate that is a schedule.

    Raises:
        UsageError: one does.
    """
    setters = keras.callbacks.LearningRateScheduler | keras.callbacks.ReduceLROnPlateau
    scheduled = [part for part, value in model.optimizers.items() if has_schedule(value)]
    for callback in keras.tree.flatten(getattr(callbacks, "callbacks", callbacks)):
        if scheduled and isinstance(callback, setters):
            parts = "".join(f" of the {part}" for part in scheduled if part)
            raise UsageError(
                f"{type(callback).__name__} sets the learning rate, but the optimizer{parts} has a"
                " schedule: give the optimizer a number, or leave the callback out"
            )


@keras.saving.register_keras_serializable("zoo")
class InverseSquareRoot(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up to a peak, then decay with the inverse square root of the step.

    Vaswani et al., "Attention Is All You Need" (2017, arXiv 1706.03762), eq. 3, where the peak is
    (width * warmup_steps) ** -0.5.

    Args:
        peak: the highest learning rate.
        warmup_steps: number of steps until the peak.
    """

    def __init__(self, peak: float, warmup_steps: int):
        self.peak = non_negative_float(peak, "peak")
        self.warmup_steps = positive_int(warmup_steps, "warmup_steps", maximum=MAX_INT)

    def __call__(self, step: Any) -> tf.Tensor:
        progress = (tf.cast(step, tf.float32) + 1) / self.warmup_steps
        return self.peak * tf.minimum(progress, tf.math.rsqrt(progress))

    def get_config(self) -> dict[str, Any]:
        return {"peak": self.peak, "warmup_steps": self.warmup_steps}


@keras.saving.register_keras_serializable("zoo")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up from 0, then another schedule from its beginning.

    Goyal et al., "Accurate, Large Minibatch SGD" (2017, arXiv 1706.02677), section 2.2.

    Args:
        schedule: the schedule, or a constant rate, after the warm-up.
        warmup_steps: number of steps until its first value.
    """

    def __init__(self, schedule: Any, warmup_steps: int):
        if isinstance(schedule, dict):
            schedule = keras.optimizers.schedules.deserialize(schedule)
        self.schedule = schedule
        self.warmup_steps = positive_int(warmup_steps, "warmup_steps", maximum=MAX_INT)

    def __call__(self, step: Any) -> tf.Tensor:
        step = tf.cast(step, tf.float32)
        later = tf.maximum(step - self.warmup_steps, 0.0)
        rate = self.schedule(later) if callable(self.schedule) else self.schedule
        return rate * tf.minimum((step + 1) / self.warmup_steps, 1.0)

    def get_config(self) -> dict[str, Any]:
        schedule = self.schedule
        if callable(schedule):
            schedule = keras.optimizers.schedules.serialize(schedule)
        return {"schedule": schedule, "warmup_steps": self.warmup_steps}
