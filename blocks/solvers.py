"""Solvers that follow a probability path from noise to data, and back.

A solver is independent of the network. It takes

    predict(x, t) -> (data, noise)     what x at time t consists of, for x [b, ...] and t []

and a `blocks.probability_paths.GaussianPath`, so that a trained network can be sampled by any of
them. A new one is a subclass of `Solver` with the method `step`, whose options are constant
values:

    @dataclass(frozen=True)
    class Churn(Solver):
        def step(self, predict, path, x, t, next_t, seed):
            ...
            return x_at_next_t
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import keras
import tensorflow as tf

from blocks.checks import non_negative_float, unit_interval
from blocks.probability_paths import GaussianPath, NoiseSchedule
from blocks.serializable import Serializable

Predict = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
Derivative = Callable[[Any, tf.Tensor], Any]


class Solver(Serializable, ABC):
    """Base of all solvers.

    Attributes:
        evaluations: calls of the network per step.
    """

    evaluations = 1

    @abstractmethod
    def step(
        self,
        predict: Predict,
        path: GaussianPath,
        x: tf.Tensor,
        t: tf.Tensor,
        next_t: tf.Tensor,
        seed: tf.Tensor,
    ) -> tf.Tensor:
        """x at time `next_t`, for x [b, ...] at time t.

        Args:
            seed: int32[2], a different one for each step.
        """

    def check_path(self, path: GaussianPath, steps: int | None = None) -> None:
        """Raises ValueError if the solver cannot follow this path in `steps` steps."""

    def without_clip(self) -> Self:
        """The same solver for data without a range, such as codes of an autoencoder."""
        return self


@keras.saving.register_keras_serializable("blocks")
@dataclass(frozen=True)
class DDIM(Solver):
    """Denoising diffusion implicit models: Song, Meng, Ermon (2020, arXiv 2010.02502), eq. 12.

    Args:
        eta: 0 for a deterministic path, 1 for as much noise as in the ancestral sampler.
        clip: the data are in [-clip, clip], and predictions are clipped to it; None: not clipped.
    """

    eta: float = 0.0
    clip: float | None = 1.0

    def __post_init__(self) -> None:
        unit_interval(self.eta, "eta")
        if self.clip is not None:
            non_negative_float(self.clip, "clip")

    def step(
        self,
        predict: Predict,
        path: GaussianPath,
        x: tf.Tensor,
        t: tf.Tensor,
        next_t: tf.Tensor,
        seed: tf.Tensor,
    ) -> tf.Tensor:
        data, noise = predict(x, t)
        alpha, sigma = path.coefficients(t)
        next_alpha, next_sigma = path.coefficients(next_t)
        if self.clip is not None:
            data = tf.clip_by_value(data, -self.clip, self.clip)
            noise = (x - alpha * data) / sigma
        # The variance of x at next_t, when x at time t and the data are known, eq. 16.
        ratio = alpha * next_sigma / (next_alpha * sigma)
        std = self.eta * next_sigma * tf.sqrt(tf.maximum(1 - ratio**2, 0))
        x = next_alpha * data + tf.sqrt(next_sigma**2 - std**2) * noise
        if self.eta:
            x += std * tf.random.stateless_normal(tf.shape(x), seed)
        return x

    def without_clip(self) -> Self:
        return replace(self, clip=None)


@keras.saving.register_keras_serializable("blocks")
@dataclass(frozen=True)
class Ancestral(DDIM):
    """The sampler of DDPM: Ho et al. (2020, arXiv 2006.11239), algorithm 2, variance of eq. 7.

    It needs a `NoiseSchedule`, and takes at most its `timesteps`; fewer are evenly spaced.

    Args:
        clip: as in `DDIM`.
    """

    eta: float = 1.0

    def check_path(self, path: GaussianPath, steps: int | None = None) -> None:
        if not isinstance(path, NoiseSchedule):
            raise ValueError(
                "the ancestral sampler reverses the steps of a noise schedule, and the path is"
                f" {type(path).__name__}: use ddim, euler, midpoint or heun"
            )
        if steps is not None and steps > path.timesteps:
            raise ValueError(
                f"the ancestral sampler takes at most the {path.timesteps} steps of the noise"
                f" schedule, got {steps}"
            )


class ODESolver(Solver):
    """Base of solvers of dx / dt = velocity, which is deterministic and can be reversed.

    Subclasses define `advance`.
    """

    def step(
        self,
        predict: Predict,
        path: GaussianPath,
        x: tf.Tensor,
        t: tf.Tensor,
        next_t: tf.Tensor,
        seed: tf.Tensor,
    ) -> tf.Tensor:
        return self.advance(velocity_of(predict, path), x, t, next_t)

    @abstractmethod
    def advance(self, derivative: Derivative, y: Any, t: tf.Tensor, next_t: tf.Tensor) -> Any:
        """y at time `next_t`, for a nest of tensors y and dy / dt = derivative(y, t)."""


def velocity_of(predict: Predict, path: GaussianPath) -> Derivative:
    """The function (x, t) -> dx / dt of a prediction."""
    return lambda x, t: path.velocity(*predict(x, t), t)


def _add(y: Any, step: tf.Tensor, *slopes: Any) -> Any:
    """y + step * (mean of the slopes), for nests of tensors."""
    return tf.nest.map_structure(lambda y, *k: y + step * tf.add_n(k) / len(k), y, *slopes)


@keras.saving.register_keras_serializable("blocks")
@dataclass(frozen=True)
class Euler(ODESolver):
    """One evaluation per step, first order."""

    def advance(self, derivative: Derivative, y: Any, t: tf.Tensor, next_t: tf.Tensor) -> Any:
        return _add(y, next_t - t, derivative(y, t))


@keras.saving.register_keras_serializable("blocks")
@dataclass(frozen=True)
class Midpoint(ODESolver):
    """Two evaluations per step, second order: the slope in the middle of the step."""

    evaluations = 2

    def advance(self, derivative: Derivative, y: Any, t: tf.Tensor, next_t: tf.Tensor) -> Any:
        half = (next_t - t) / 2
        middle = _add(y, half, derivative(y, t))
        return _add(y, next_t - t, derivative(middle, t + half))


@keras.saving.register_keras_serializable("blocks")
@dataclass(frozen=True)
class Heun(ODESolver):
    """Two evaluations per step, second order: the mean slope of both ends of the step."""

    evaluations = 2

    def advance(self, derivative: Derivative, y: Any, t: tf.Tensor, next_t: tf.Tensor) -> Any:
        slope = derivative(y, t)
        end = _add(y, next_t - t, slope)
        return _add(y, next_t - t, slope, derivative(end, next_t))


SOLVERS = {
    "ancestral": Ancestral(),
    "ddim": DDIM(),
    "euler": Euler(),
    "midpoint": Midpoint(),
    "heun": Heun(),
}


def follow(
    step: Callable[[Any, tf.Tensor, tf.Tensor, tf.Tensor], Any], y: Any, times: tf.Tensor
) -> Any:
    """Applies `step` from one time to the next, in a loop that is part of the graph.

    Args:
        step: (y, t, next_t, index) -> y at `next_t`.
        y: a nest of tensors, the state at the first time.
        times: float32 [steps + 1].

    Returns the state at the last time.
    """
    last = tf.size(times) - 1

    def body(index: tf.Tensor, y: Any) -> tuple[tf.Tensor, Any]:
        return index + 1, step(y, times[index], times[index + 1], index)

    return tf.while_loop(lambda index, y: index < last, body, (0, y))[1]


def follow_all(
    step: Callable[[Any, tf.Tensor, tf.Tensor, tf.Tensor], Any], y: tf.Tensor, times: tf.Tensor
) -> tf.Tensor:
    """`follow` that returns the states at all times, [steps + 1, ...]."""
    pairs = times[:-1], times[1:], tf.range(tf.size(times) - 1)
    states = tf.scan(lambda y, each: step(y, *each), pairs, y)
    return tf.concat([y[None], states], axis=0)


def log_density(
    solver: ODESolver,
    predict: Predict,
    path: GaussianPath,
    x: tf.Tensor,
    times: tf.Tensor,
    seed: tf.Tensor,
) -> tf.Tensor:
    """log p(x) of the flow's data distribution by the change of variables: float32 [b], in nats.

    Chen et al., "Neural Ordinary Differential Equations" (2018, arXiv 1806.07366), eq. 8. The
    divergence is estimated with one Rademacher vector for each example: Grathwohl et al., "FFJORD"
    (2018, arXiv 1810.01367), eq. 7. The estimate has no bias except that of the solver's steps.

    Args:
        solver: the solver of the flow from data to noise.
        predict, path: as in `Solver.step`.
        x: data [b, ...].
        times: from data to noise, float32 [steps + 1].
        seed: int32[2] of the Rademacher vectors.
    """
    signs = tf.random.stateless_uniform(tf.shape(x), seed, 0, 2, tf.int32)
    probe = 2 * tf.cast(signs, x.dtype) - 1
    axes = list(range(1, x.shape.rank))
    velocity = velocity_of(predict, path)

    def derivative(state: Any, t: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(state[0])
            v = velocity(state[0], t)
            projected = tf.reduce_sum(v * probe)
        return v, tf.reduce_sum(tape.gradient(projected, state[0]) * probe, axes)

    change = tf.zeros(tf.shape(x)[:1], x.dtype)
    noise, change = follow(
        lambda y, t, next_t, index: solver.advance(derivative, y, t, next_t), (x, change), times
    )
    sigma = path.coefficients(tf.constant(path.noise_time))[1]
    log_normal = -0.5 * (noise / sigma) ** 2 - tf.math.log(sigma * math.sqrt(2 * math.pi))
    return tf.reduce_sum(log_normal, axes) + change
