"""Minimizes a loss over a tensor that is not a model weight, by L-BFGS or a Keras optimizer."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from blocks.checks import MAX_INT, positive_int

LBFGS_CORRECTION_PAIRS = 10  # pairs of steps and gradient changes that L-BFGS keeps


def minimize_image(
    losses: Callable[[tf.Tensor], dict[str, tf.Tensor]],
    x: tf.Tensor,
    steps: int,
    optimizer: str | keras.optimizers.Optimizer = "lbfgs",
    every: int = 10,
) -> Iterator[tuple[dict[str, Any], tf.Tensor]]:
    """Minimizes `losses(x)["loss"]` over x, and yields the progress.

    Args:
        losses: x -> {"loss": the loss to minimize, ...}, each with one element; it is traced.
        x: float32 tensor of any shape, the initial value. There are no bounds.
        steps: number of iterations.
        optimizer: "lbfgs", or an unbuilt Keras optimizer.
        every: number of iterations between two yields.

    Yields:
        ({"step": iterations so far, "evaluations": of the loss so far, and every loss}, x), first
        for the initial value.

    Raises:
        ValueError: an unknown optimizer, or `steps` or `every` is not a positive integer.
    """
    positive_int(steps, "steps", maximum=MAX_INT)
    positive_int(every, "every", maximum=MAX_INT)
    losses = tf.function(losses)
    if isinstance(optimizer, keras.optimizers.Optimizer):
        progress = _gradient_descent(losses, x, steps, optimizer, every)
    elif optimizer == "lbfgs":
        progress = _lbfgs(losses, x, steps, every)
    else:
        raise ValueError(f"optimizer must be 'lbfgs' or a Keras optimizer, got {optimizer!r}")
    for step, evaluations, x in progress:
        numbers = {name: float(tf.squeeze(value)) for name, value in losses(x).items()}
        yield {"step": step, "evaluations": evaluations, **numbers}, x


def _lbfgs(losses: Callable, x: tf.Tensor, steps: int, every: int) -> Iterator[tuple]:
    """L-BFGS with the line search of Hager and Zhang; an iteration evaluates the loss a few times.

    If the line search fails, the correction pairs are dropped and the search restarts along the
    gradient. If it fails there too, the minimization ends early.
    """
    shape = x.shape

    @tf.function
    def value_and_gradient(flat: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(flat)
            loss = tf.squeeze(losses(tf.reshape(flat, shape))["loss"])
        return loss, tape.gradient(loss, flat)

    def minimize(flat: tf.Tensor, state: Any, iterations: Any) -> Any:
        return tfp.optimizer.lbfgs_minimize(
            value_and_gradient,
            initial_position=flat,
            previous_optimizer_results=state,
            num_correction_pairs=LBFGS_CORRECTION_PAIRS,
            tolerance=0.0,
            max_iterations=iterations,
        )

    resume = tf.function(lambda state, iterations: minimize(None, state, iterations))

    state = minimize(tf.reshape(x, [-1]), None, 0)  # evaluates once
    step = 0
    earlier_evaluations = 0  # before the last restart
    yield 0, 1, x
    while step < steps:
        before = int(state.num_iterations)
        state = resume(state, tf.constant(before + min(every, steps - step)))
        step += int(state.num_iterations) - before
        evaluations = earlier_evaluations + int(state.num_objective_evaluations)
        yield step, evaluations, tf.reshape(state.position, shape)
        if state.failed or state.converged:
            if int(state.num_iterations) == 1:
                return
            earlier_evaluations = evaluations
            state = minimize(state.position, None, 0)


def _gradient_descent(
    losses: Callable, x: tf.Tensor, steps: int, optimizer: keras.optimizers.Optimizer, every: int
) -> Iterator[tuple]:
    """Steps of a Keras optimizer; each evaluates the loss once."""
    yield 0, 0, x
    x = keras.Variable(x)
    optimizer.build([x])

    @tf.function
    def apply_step() -> None:
        with tf.GradientTape() as tape:
            loss = losses(tf.convert_to_tensor(x))["loss"]
        optimizer.apply([tape.gradient(loss, x.value)], [x])

    for step in range(1, steps + 1):
        apply_step()
        if step % every == 0 or step == steps:
            yield step, step, tf.convert_to_tensor(x)
