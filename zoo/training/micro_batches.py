"""A batch in pieces that are computed side by side, as if on replicas that share one machine."""

import tensorflow as tf

from zoo.errors import UsageError


def train_step(model, batch, count):
    """`model.train_step` on `count` equal pieces of a batch, then one update with the mean.

    Exactly the step on the whole batch where the loss is a mean over examples; batch statistics
    and whatever compares examples with each other are those of each piece. Each piece draws noise
    of its own. An update in the midst of a step is seen by the next step only.
    """
    if count == 1:
        return model.train_step(batch)
    logs, updates = [], []
    for piece in split(batch, count):
        with model.accumulating() as accumulated:
            logs.append(model.train_step(piece))
        updates.append(accumulated)
    for same in zip(*updates, strict=True):
        (part, *_), gradients = same[0], [gradients for _, gradients in same]
        model.apply_gradients(part, [mean(values) for values in zip(*gradients, strict=True)])
    return {name: mean([log[name] for log in logs]) for name in logs[0]}


def eval_sums(model, batch, count):
    """What `model.eval_step` returns of a batch, in pieces: {name: [sum, count of values]}."""
    if count > 1:
        sums = [eval_sums(model, piece, 1) for piece in split(batch, count)]
        return {name: tf.add_n([each[name] for each in sums]) for name in sums[0]}
    values = model.eval_step(batch)
    for name, value in values.items():
        if value.shape.rank != 1:
            raise UsageError(f"eval_step must return one value per example for {name!r}")
    values = {name: tf.cast(value, tf.float64) for name, value in values.items()}
    return {
        name: tf.stack([tf.reduce_sum(value), tf.reduce_sum(tf.ones_like(value))])
        for name, value in values.items()
    }


def means(totals):
    """{name: mean} of the sums of `eval_sums`; raises UsageError where there is no value."""
    if not totals:
        raise UsageError("the data to evaluate on hold zero batches")
    missing = [name for name, (_, count) in totals.items() if not count]
    if missing:
        raise UsageError(
            f"{', '.join(missing)}: there is no value, since these compare the examples of a batch"
            " with each other; evaluate in batches of 2 or more"
        )
    return {name: float(total / count) for name, (total, count) in totals.items()}


def split(batch, count):
    """The pieces of a batch, none empty, as equal as can be; one, if its size is not known."""
    size = next(iter(batch.values())).shape[0]
    count = min(count, size or 1)
    for i in range(count):
        part = slice(size * i // count, size * (i + 1) // count) if count > 1 else slice(None)
        yield {name: value[part] for name, value in batch.items()}


def mean(values):
    """Mean of tensors; None, the gradient of what has no part in the loss, stays None."""
    return None if values[0] is None else tf.add_n(values) / len(values)


def check(dataset, count):
    """Raises UsageError unless every batch divides into so many equal pieces."""
    size = next(iter(dataset.element_spec.values())).shape[0]
    if count > 1 and (size is None or size % count):
        raise UsageError(
            f"micro_batches={count} needs batches of one size that it divides, got"
            f" {size or 'batches whose last is shorter'}; zoo.data.load(..., drop_remainder=True)"
            " leaves a short last batch out"
        )
