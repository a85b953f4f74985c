"""Micro-batches: equal parts of a batch that are computed in parallel, like local replicas."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from zoo import threads
from zoo.environment import count_cores
from zoo.errors import UsageError
from zoo.log import log_message_once

if TYPE_CHECKING:
    from zoo.model import Model


def train_step(model: "Model", batch: dict[str, tf.Tensor], count: int) -> dict[str, tf.Tensor]:
    """`model.train_step` on `count` equal micro-batches, then one update with the mean gradient.

    Equals the step on the whole batch if the loss is a mean over examples. Batch statistics, and
    losses that compare examples with each other, are computed for each micro-batch. Each has its
    own noise. If a step updates twice, the second gradient does not depend on the first update.

    Returns:
        The means of the logged scalars.
    """
    if count == 1:
        return model.train_step(batch)
    logs = []
    updates = []
    for micro_batch in _split(batch, count):
        with model.accumulating() as accumulated:
            logs.append(model.train_step(micro_batch))
        updates.append(accumulated)
    for update in zip(*updates, strict=True):
        part = update[0][0]
        gradients = [gradients for _, gradients in update]
        model.apply_gradients(part, [_mean(values) for values in zip(*gradients, strict=True)])
    return {name: _mean([log[name] for log in logs]) for name in logs[0]}


def eval_sums(model: "Model", batch: dict[str, tf.Tensor], count: int) -> dict[str, tf.Tensor]:
    """`model.eval_step` on `count` micro-batches: {name: [sum, number of values]}, float64.

    Raises:
        UsageError: `eval_step` does not return one value for each example.
    """
    if count > 1:
        parts = [eval_sums(model, micro_batch, 1) for micro_batch in _split(batch, count)]
        return {name: tf.add_n([sums[name] for sums in parts]) for name in parts[0]}
    values = model.eval_step(batch)
    for name, value in values.items():
        if value.shape.rank != 1:
            raise UsageError(f"eval_step must return one value per example for {name!r}")
    values = {name: tf.cast(value, tf.float64) for name, value in values.items()}
    return {
        name: tf.stack([tf.reduce_sum(value), tf.reduce_sum(tf.ones_like(value))])
        for name, value in values.items()
    }


def means_of_sums(totals: dict[str, Any]) -> dict[str, float]:
    """{name: mean} from the sums of `eval_sums`.

    Raises:
        UsageError: there is no value to average.
    """
    if not totals:
        raise UsageError("the evaluation data hold zero batches")
    missing = [name for name, (_, count) in totals.items() if not count]
    if missing:
        raise UsageError(
            f"{', '.join(missing)} cannot be evaluated on batches of 1, since they compare the"
            " examples of a batch with each other: use batches of 2 or more"
        )
    return {name: float(total / count) for name, (total, count) in totals.items()}


def _split(batch: dict[str, tf.Tensor], count: int) -> Iterator[dict[str, tf.Tensor]]:
    """Non-empty micro-batches of nearly equal size; a single one if the size is not known."""
    size = next(iter(batch.values())).shape[0]
    count = min(count, size or 1)
    for i in range(count):
        part = slice(size * i // count, size * (i + 1) // count) if count > 1 else slice(None)
        yield {name: value[part] for name, value in batch.items()}


def _mean(values: Sequence[Any]) -> Any:
    """Mean of tensors; None, the gradient of an unused variable, stays None."""
    return None if values[0] is None else tf.add_n(values) / len(values)


def default_count(model: "Model", dataset: tf.data.Dataset, replicas: int, verbose: bool) -> int:
    """The number of micro-batches of a new run, unless the Trainer sets it.

    It is the model's own number where that is faster (on a CPU, with one thread per operation) and
    divides every batch; otherwise 1. Eager steps have the same number as a graph.

    Args:
        model: to train.
        dataset: the training data.
        replicas: number of replicas.
        verbose: print a note if other threads would be faster.
    """
    count = model.micro_batches
    if count == 1 or replicas > 1 or not divides(dataset, count) or not threads.is_cpu():
        return 1
    if threads.parallel_ops() > 1:
        return count
    if verbose and count_cores() > 1 and not threads.are_set():
        package, _, name = keras.saving.get_registered_name(type(model)).rpartition(">")
        argument = repr(name) if package == "zoo" else name
        log_message_once(
            f"note: {name} trains faster on this CPU with one thread per operation: begin the"
            f" script with zoo.threads.configure({argument})"
        )
    return 1


def divides(dataset: tf.data.Dataset, count: int) -> bool:
    """Whether all batches have one known size, and `count` divides it."""
    size = next(iter(dataset.element_spec.values())).shape[0]
    return size is not None and size % count == 0


def check_divides(dataset: tf.data.Dataset, count: int) -> None:
    """Raises UsageError unless `count` divides the size of every batch."""
    size = next(iter(dataset.element_spec.values())).shape[0]
    if count > 1 and not divides(dataset, count):
        raise UsageError(
            f"micro_batches={count} must divide the size of every batch, got"
            f" {size or 'a shorter last batch'}; zoo.data.load(..., drop_remainder=True)"
            " drops a short last batch"
        )
