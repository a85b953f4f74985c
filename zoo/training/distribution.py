"""Distribution of batches to replicas, and reduction of their results."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.model import Model
    from zoo.training.train_state import TrainState


class Distribution:
    """A `tf.distribute.Strategy` for the Trainer; with one replica, functions are called directly.

    Args:
        strategy: a strategy whose `run` supports Keras models; default: no distribution.

    Attributes:
        num_replicas: number of replicas.
        is_chief: whether this process writes files.
    """

    def __init__(self, strategy: tf.distribute.Strategy | None = None):
        self.strategy = strategy or tf.distribute.get_strategy()
        self.num_replicas = self.strategy.num_replicas_in_sync
        resolver = self.strategy.cluster_resolver
        self.is_chief = resolver is None or not resolver.task_id

    def check_scope(self, model: "Model") -> None:
        """Raises UsageError if the model was created outside the strategy's scope."""
        created = self.strategy.extended.variable_created_in_scope
        if self.num_replicas > 1 and not all(created(v.value) for v in model.variables):
            raise UsageError(
                "the model was created outside the strategy; write"
                " `with strategy.scope(): model = zoo.get(...)`"
            )

    def run(self, function: Callable[[Any], Any], batch: Any) -> Any:
        """Calls `function(batch)` on each replica with its part of the batch."""
        return (
            function(batch)
            if self.num_replicas == 1
            else self.strategy.run(function, args=(batch,))
        )

    def mean(self, values: dict[str, Any]) -> dict[str, tf.Tensor]:
        """The mean of each value over the replicas."""
        return {name: self.strategy.reduce("MEAN", v, None) for name, v in values.items()}

    def sum(self, values: dict[str, Any]) -> dict[str, tf.Tensor]:
        """The sum of each value over the replicas."""
        return {name: self.strategy.reduce("SUM", v, None) for name, v in values.items()}

    def distribute(self, dataset: tf.data.Dataset) -> Iterable[Any]:
        """An iterable of batches, each divided among the replicas."""
        if self.num_replicas == 1:
            return dataset
        return self.strategy.experimental_distribute_dataset(dataset)

    def sync(self, state: "TrainState") -> None:
        """Copies the first replica's variables to all; only moving statistics can differ."""
        if self.num_replicas > 1:
            state.assign(state.arrays())

    def check_size(self, batch: dict[str, Any]) -> None:
        """Raises UsageError if the number of replicas does not divide the size of the batch."""
        size = next(iter(batch.values())).shape[0]
        if size % self.num_replicas:
            raise UsageError(
                f"a batch of {size} cannot be divided among {self.num_replicas} replicas;"
                f" make the batch size a multiple of {self.num_replicas}"
            )
