"""Learning rates that Keras lacks."""

import keras
import tensorflow as tf

from blocks.checks import MANY, at_least_one, at_least_zero


@keras.saving.register_keras_serializable("blocks")
class InverseSquareRoot(keras.optimizers.schedules.LearningRateSchedule):
    """Rises in a straight line to its peak, then falls with the square root of the step.

    Vaswani et al., "Attention Is All You Need" (2017, arXiv 1706.03762), eq. 3, where the peak is
    (width * warmup_steps) ** -0.5.

    Args:
        peak: the highest rate.
        warmup_steps: steps up to there.
    """

    def __init__(self, peak, warmup_steps):
        self.peak = at_least_zero(peak, "peak")
        self.warmup_steps = at_least_one(warmup_steps, "warmup_steps", most=MANY)

    def __call__(self, step):
        taken = (tf.cast(step, tf.float32) + 1) / self.warmup_steps
        return self.peak * tf.minimum(taken, tf.math.rsqrt(taken))

    def get_config(self):
        return {"peak": self.peak, "warmup_steps": self.warmup_steps}
