"""The tutorials' text models without their `tf.function`."""

from typing import Any

import tensorflow as tf

from benchmarks.speed.tf_sequences import (
    TutorialModel,
    greedy_decode,
    make_styles,
    teacher_forcing_step,
)


class EagerModel(TutorialModel):
    """The same loops, not compiled."""

    def train_step(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, Any]:
        return teacher_forcing_step(self, batch)

    def generate(self, source: tf.Tensor, max_length: int) -> tf.Tensor:
        return greedy_decode(self, source, max_length)


STYLES = make_styles(**{"eager loop": EagerModel})
