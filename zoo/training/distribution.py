"""One replica or many: how a batch reaches them and how their answers come together."""

import tensorflow as tf

from zoo.errors import UsageError


class Distribution:
    """A `tf.distribute.Strategy` as the Trainer sees it; without one, everything is direct.

    Args:
        strategy: any strategy whose `run` works on Keras models, or None.
    """

    def __init__(self, strategy=None):
        self.strategy = strategy or tf.distribute.get_strategy()
        self.num_replicas = self.strategy.num_replicas_in_sync
        resolver = self.strategy.cluster_resolver
        self.is_chief = resolver is None or not resolver.task_id

    def check_scope(self, model):
        """Raises UsageError if the model was created outside the strategy's scope."""
        created = self.strategy.extended.variable_created_in_scope
        if self.num_replicas > 1 and not all(created(v.value) for v in model.variables):
            raise UsageError(
                "the model was created outside the strategy; write"
                " `with strategy.scope(): model = zoo.get(...)`"
            )

    def run(self, function, batch):
        """`function(batch)` on each replica's share; plain Python where there is one replica."""
        return (
            function(batch)
            if self.num_replicas == 1
            else self.strategy.run(function, args=(batch,))
        )

    def mean(self, values):
        return {name: self.strategy.reduce("MEAN", v, None) for name, v in values.items()}

    def sum(self, values):
        return {name: self.strategy.reduce("SUM", v, None) for name, v in values.items()}

    def distribute(self, dataset):
        """An iterable of batches, each divided among the replicas."""
        if self.num_replicas == 1:
            return dataset
        return self.strategy.experimental_distribute_dataset(dataset)

    def sync(self, state):
        """Gives every replica the first one's variables: only moving statistics can differ."""
        if self.num_replicas > 1:
            state.assign(state.arrays())

    def check_size(self, batch):
        """Raises UsageError if a global batch does not divide evenly."""
        size = next(iter(batch.values())).shape[0]
        if size % self.num_replicas:
            raise UsageError(
                f"a batch of {size} does not divide among {self.num_replicas} replicas;"
                f" make the batch size a multiple of {self.num_replicas}"
            )
