"""A learning-rate schedule that begins with a warm-up, whatever follows."""

from typing import Any

import keras
import tensorflow as tf

from zoo.checks import check_numbers


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
        check_numbers(warmup=warmup_steps)
        self.schedule = schedule
        self.warmup_steps = warmup_steps

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
