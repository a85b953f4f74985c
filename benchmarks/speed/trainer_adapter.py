"""The training steps of two models on equal batches; the Trainer with a model's interface."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

import zoo
from benchmarks.speed.tf_runners import optimizers

STEPS = 3


def paired_losses(
    zoo_model: zoo.Model, other: Any, batch: Any, inputs: Any
) -> dict[str, tuple[Any, Any]]:
    """The losses of each step, as pairs, while both models train on the same batch."""
    pairs = {}
    for step in range(STEPS):
        for metric in getattr(other, "metrics", []):
            metric.reset_state()
        expected = zoo_model.train_step(batch)
        actual = other.train_step(inputs)
        pairs |= {f"{loss}, step {step + 1}": (expected[loss], actual[loss]) for loss in actual}
    return pairs


class TrainerAdapter:
    """The zoo's model, trained by a Trainer; each micro-batch is a copy of the whole batch."""

    def __init__(
        self,
        name: str,
        model: zoo.Model,
        batch: Mapping[str, Any],
        micro_batches: int = 1,
        **kwargs: Any,
    ):
        kwargs |= {"micro_batches": micro_batches, "optimizers": optimizers(name)}
        self.model = model
        self.trainer = zoo.Trainer(model, verbose=False, **kwargs)
        copies = {
            feature: tf.concat([value] * micro_batches, 0) for feature, value in batch.items()
        }
        self.data = tf.data.Dataset.from_tensors(copies)  # an epoch is one step
        self.prior = model.latent_prior.weights if hasattr(model, "latent_prior") else []
        self.history: dict[str, list[float]] | None = None
        self.steps = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def train_step(self, _: Any) -> dict[str, float]:
        """The logs of one step; the first call trains for all steps, to compile only once."""
        if self.history is None:
            self.history = self.trainer.fit(self.data, epochs=STEPS).history
        self.steps += 1
        return {name: values[self.steps - 1] for name, values in self.history.items()}
