"""Optimizers as Keras has them, in one pass over the weights; and several of them as one."""

from types import MappingProxyType

import keras
import tensorflow as tf

from blocks.checks import MAX_INT, non_negative_float, positive_int
from zoo.errors import UsageError


@keras.saving.register_keras_serializable("zoo")
class Adam(keras.optimizers.Adam):
    """Keras' Adam, to rounding, by the one operation that TensorFlow has for it.

    Keras writes the update of a weight as a dozen operations, each of which reads and writes all of
    it. In a model of words, most of whose weights are tables, that is a tenth of a training step.

    Kingma, Ba (2014, arXiv 1412.6980), as at the end of its section 2. Arguments and state are
    those of `keras.optimizers.Adam`; with `amsgrad` it is that one.
    """

    def update_step(self, gradient, variable, learning_rate):
        if self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        index, dtype = self._get_variable_index(variable), variable.dtype
        step = tf.cast(self.iterations + 1, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=tf.cast(learning_rate, dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(tf.convert_to_tensor(gradient), dtype),
        )


@keras.saving.register_keras_serializable("zoo")
class Optimizers(keras.optimizers.Optimizer):
    """The optimizers of a model that has several, as the one `optimizer` that Keras looks for.

    Keras saves them with the model, and its callbacks go over `optimizers`, so that the rate of
    each is changed. Each updates a part of the model, in the model's `minimize`.

    Args:
        parts: name of a part of the model -> its optimizer. Rates are logged by these names.
    """

    def __init__(self, parts, name="optimizers"):
        super().__init__(learning_rate=0.0, name=name)
        # Views of a mapping, which Keras does not walk: it would save each optimizer twice.
        self.parts = MappingProxyType(dict(parts))
        self.unscaled = MappingProxyType({part: unscaled(one) for part, one in parts.items()})
        for part, optimizer in self.unscaled.items():
            optimizer.name = part
        self.built = True  # by `Model.prepare`, each over the variables of its part

    @property
    def optimizers(self):
        return self.unscaled.values()

    @property
    def variables(self):
        return [variable for one in self.parts.values() for variable in one.variables]

    @property
    def iterations(self):
        return next(iter(self.optimizers)).iterations

    @property
    def learning_rate(self):
        """The first one's; what it is multiplied by, all are."""
        return next(iter(self.optimizers)).learning_rate

    @learning_rate.setter
    def learning_rate(self, rate):
        old = float(self.learning_rate)
        for optimizer in self.optimizers:
            optimizer.learning_rate = rate * float(optimizer.learning_rate) / old if old else rate

    def set_weights(self, weights):
        for variable, value in zip(self.variables, weights, strict=True):
            variable.assign(value)

    def finalize_variable_values(self, var_list):
        """Leaves moving averages to the model, which knows the variables of each part."""

    def get_config(self):
        parts = {k: keras.optimizers.serialize(one) for k, one in self.parts.items()}
        return {"parts": parts, "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        parts = {
            part: keras.optimizers.deserialize(one, custom_objects)
            for part, one in config["parts"].items()
        }
        return cls(parts, config["name"])


def as_one(optimizers):
    """What Keras takes for the optimizer of a model whose `optimizers` these are."""
    return optimizers[""] if [*optimizers] == [""] else Optimizers(optimizers)


def as_parts(optimizer):
    """{part: optimizer} of what `compile` and the Trainer take: one, several, or their names."""
    if isinstance(optimizer, Optimizers):
        return dict(optimizer.parts)
    parts = optimizer if isinstance(optimizer, dict) else {"": optimizer}
    return {part: keras.optimizers.get(one) for part, one in parts.items()}


def unscaled(optimizer):
    """The optimizer inside one that scales the loss."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def is_scheduled(optimizer):
    """Whether a schedule sets the learning rate, so that nothing else can."""
    return isinstance(unscaled(optimizer).get_config()["learning_rate"], dict)


def check_rates(model, callbacks):
    """Raises UsageError if callbacks set a learning rate that a schedule sets already."""
    setters = keras.callbacks.LearningRateScheduler | keras.callbacks.ReduceLROnPlateau
    scheduled = [part for part, one in model.optimizers.items() if is_scheduled(one)]
    for callback in keras.tree.flatten(getattr(callbacks, "callbacks", callbacks)):
        if scheduled and isinstance(callback, setters):
            which = "".join(f" of the {part}" for part in scheduled if part)
            raise UsageError(
                f"{type(callback).__name__} sets the learning rate, which a schedule sets in the"
                f" optimizer{which} already: give the optimizer a number, or leave the callback out"
            )


@keras.saving.register_keras_serializable("zoo")
class InverseSquareRoot(keras.optimizers.schedules.LearningRateSchedule):
    """Rises in a straight line to its peak, then falls with the square root of the step.

    Vaswani et al., "Attention Is All You Need" (2017, arXiv 1706.03762), eq. 3, where the peak is
    (width * warmup_steps) ** -0.5.

    Args:
        peak: the highest rate.
        warmup_steps: steps up to there.
    """

    def __init__(self, peak, warmup_steps):
        self.peak = non_negative_float(peak, "peak")
        self.warmup_steps = positive_int(warmup_steps, "warmup_steps", maximum=MAX_INT)

    def __call__(self, step):
        taken = (tf.cast(step, tf.float32) + 1) / self.warmup_steps
        return self.peak * tf.minimum(taken, tf.math.rsqrt(taken))

    def get_config(self):
        return {"peak": self.peak, "warmup_steps": self.warmup_steps}
