"""Down a loss to where it is small, for what is no weight of a model and sought anew each time."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from blocks.checks import MAX_INT, positive_int

LBFGS_CORRECTION_PAIRS = 10  # pairs of steps and changes of the gradient that L-BFGS remembers


def minimize_image(losses, x, steps, optimizer="lbfgs", every=10):
    """Goes down a loss, and says now and then where it is: a generator.

    Args:
        losses: x -> {"loss": what is to become small, ...}, each of one element; traced.
        x: float32 tensor of any shape, where to begin. There are no bounds.
        steps: iterations in total.
        optimizer: "lbfgs", or a Keras optimizer that has no variables yet.
        every: iterations between two yields.

    Yields:
        ({"step": iterations so far, "evaluations": of the loss so far, and every loss}, x); first
        of the beginning.

    Raises:
        ValueError: another optimizer, no whole number of steps.
    """
    positive_int(steps, "steps", maximum=MAX_INT)
    positive_int(every, "every", maximum=MAX_INT)
    losses = tf.function(losses)
    if isinstance(optimizer, keras.optimizers.Optimizer):
        way = _gradient_descent(losses, x, steps, optimizer, every)
    elif optimizer == "lbfgs":
        way = _lbfgs(losses, x, steps, every)
    else:
        raise ValueError(f"optimizer must be 'lbfgs' or a Keras optimizer, got {optimizer!r}")
    for step, evaluations, x in way:
        numbers = {name: float(tf.squeeze(value)) for name, value in losses(x).items()}
        yield {"step": step, "evaluations": evaluations, **numbers}, x


def _lbfgs(losses, x, steps, every):
    """L-BFGS with the line search of Hager and Zhang; an iteration evaluates the loss a few times.

    Where the line search finds no way down, the memory is emptied and the search goes on along the
    gradient; where that leads nowhere either, it ends before its time.
    """
    shape = x.shape

    @tf.function
    def value_and_gradient(flat):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(flat)
            loss = tf.squeeze(losses(tf.reshape(flat, shape))["loss"])
        return loss, tape.gradient(loss, flat)

    def minimize(flat, state, iterations):
        return tfp.optimizer.lbfgs_minimize(
            value_and_gradient,
            initial_position=flat,
            previous_optimizer_results=state,
            num_correction_pairs=LBFGS_CORRECTION_PAIRS,
            tolerance=0.0,
            max_iterations=iterations,
        )

    go_on = tf.function(lambda state, iterations: minimize(None, state, iterations))

    state = minimize(tf.reshape(x, [-1]), None, 0)  # evaluates once
    done, spent = 0, 0  # spent: evaluations before the memory was last emptied
    yield 0, 1, x
    while done < steps:
        before = int(state.num_iterations)
        state = go_on(state, tf.constant(before + min(every, steps - done)))
        done += int(state.num_iterations) - before
        yield done, spent + int(state.num_objective_evaluations), tf.reshape(state.position, shape)
        if state.failed or state.converged:
            if int(state.num_iterations) == 1:
                return
            spent += int(state.num_objective_evaluations)
            state = minimize(state.position, None, 0)


def _gradient_descent(losses, x, steps, optimizer, every):
    """Steps of a Keras optimizer; each evaluates the loss once."""
    yield 0, 0, x
    x = keras.Variable(x)
    optimizer.build([x])

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = losses(tf.convert_to_tensor(x))["loss"]
        optimizer.apply([tape.gradient(loss, x.value)], [x])

    for done in range(1, steps + 1):
        step()
        if done % every == 0 or done == steps:
            yield done, done, tf.convert_to_tensor(x)
