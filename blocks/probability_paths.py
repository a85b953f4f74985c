"""Probability paths from noise to data: x_t = alpha(t) x + sigma(t) noise.

`NoiseSchedule`: the forward process of diffusion models, Ho, Jain, Abbeel, "Denoising Diffusion
Probabilistic Models" (2020, arXiv 2006.11239); time runs from 1 (noise) to 0 (data). `LinearPath`:
Lipman et al., "Flow Matching for Generative Modeling" (2022, arXiv 2210.02747), Liu et al., "Flow
Straight and Fast" (2022, arXiv 2209.03003); time runs from 0 (noise) to 1 (data).
"""

import functools
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from blocks.checks import MAX_INT, fraction, one_of, positive_float, positive_fraction, positive_int
from blocks.serializable import Serializable

MAX_BETA = 0.999  # of the cosine schedule: Nichol, Dhariwal (2021), section 3.2


def append_axes(values: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Values [] or [b] with axes of size 1, so that they multiply x [b, ...]."""
    rank = tf.convert_to_tensor(values).shape.rank
    return tf.reshape(values, (-1, *[1] * (x.shape.rank - 1))) if rank else values


class GaussianPath(Serializable):
    """Base of all paths: subclasses define alpha and sigma, and their derivatives.

    Times are float32, [] or [b].

    Attributes:
        noise_time: the time of pure noise, where sampling begins.
        data_time: the time of the data, where sampling ends.
    """

    noise_time: ClassVar[float]
    data_time: ClassVar[float]

    def coefficients(self, t: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """(alpha, sigma) at time t."""
        raise NotImplementedError

    def derivatives(self, t: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """(d alpha / dt, d sigma / dt) at time t."""
        raise NotImplementedError

    def random_times(self, n: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """`n` times to train at, float32 [n]."""
        raise NotImplementedError

    def interpolate(self, x: tf.Tensor, noise: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        """x_t for data x and noise [b, ...]."""
        alpha, sigma = self.coefficients(t)
        return append_axes(alpha, x) * x + append_axes(sigma, x) * noise

    def velocity(self, x: tf.Tensor, noise: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        """d x_t / dt for data x and noise [b, ...]."""
        d_alpha, d_sigma = self.derivatives(t)
        return append_axes(d_alpha, x) * x + append_axes(d_sigma, x) * noise

    def times(self, steps: int | tf.Tensor) -> tf.Tensor:
        """The times of a sampler from noise to data, [steps + 1]; here evenly spaced."""
        return tf.linspace(self.noise_time, self.data_time, steps + 1)


@keras.saving.register_keras_serializable("blocks")
@dataclass(frozen=True)
class LinearPath(GaussianPath):
    """x_t = t x + (1 - t) noise: straight lines from noise to data.

    Args:
        time_power: times of training and of sampling are 1 - u ** time_power for u in [0, 1]. With
            1 they are evenly spaced; with 2, the quadratic spacing of Song, Meng, Ermon (2020,
            arXiv 2010.02502), appendix D.2, more of them are near the data, where the likelihood
            of pixels depends most on the predictions.
    """

    noise_time: ClassVar[float] = 0.0
    data_time: ClassVar[float] = 1.0
    time_power: float = 1.0

    def __post_init__(self) -> None:
        positive_float(self.time_power, "time_power")

    def coefficients(self, t: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return t, 1 - t

    def derivatives(self, t: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.ones_like(t), -tf.ones_like(t)

    def random_times(self, n: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return self._near_data(tf.random.stateless_uniform((n,), seed))

    def times(self, steps: int | tf.Tensor) -> tf.Tensor:
        return self._near_data(super().times(steps))

    def _near_data(self, t: tf.Tensor) -> tf.Tensor:
        """Maps evenly spaced times to times with `time_power`."""
        return t if self.time_power == 1 else 1 - (1 - t) ** self.time_power


class NoiseSchedule(GaussianPath):
    """Base of discrete schedules: alpha(t)^2 = prod_{i <= t T} (1 - beta_i), sigma^2 = 1 - alpha^2.

    Between the T discrete times log alpha is interpolated linearly, so that solvers of differential
    equations can use any time.

    Attributes:
        timesteps: T.
    """

    noise_time: ClassVar[float] = 1.0
    data_time: ClassVar[float] = 0.0
    timesteps: int

    def betas(self) -> np.ndarray:
        """The variances of the noise added in each step, float64 [T]."""
        raise NotImplementedError

    def coefficients(self, t: tf.Tensor) -> tf.Tensor:
        log_alpha, _ = self._log_alpha(t)
        return tf.exp(log_alpha), tf.sqrt(-tf.math.expm1(2 * log_alpha))

    def derivatives(self, t: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        t = tf.maximum(t, 1 / self.timesteps)  # sigma has no derivative at 0
        log_alpha, slope = self._log_alpha(t)
        alpha = tf.exp(log_alpha)
        return slope * alpha, -slope * alpha**2 / tf.sqrt(-tf.math.expm1(2 * log_alpha))

    def random_times(self, n: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        step = tf.random.stateless_uniform((n,), seed, 1, self.timesteps + 1, tf.int32)
        return tf.cast(step, tf.float32) / self.timesteps

    def _log_alpha(self, t: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """log alpha and its derivative at time t."""
        table = tf.constant(_log_alphas(self), tf.float32)
        position = t * self.timesteps
        cell = tf.clip_by_value(tf.cast(position, tf.int32), 0, self.timesteps - 1)
        before = tf.gather(table, cell)
        rise = tf.gather(table, cell + 1) - before
        return before + rise * (position - tf.cast(cell, tf.float32)), rise * self.timesteps


@functools.cache
def _log_alphas(schedule: NoiseSchedule) -> np.ndarray:
    """log alpha at the times 0, 1/T, ..., 1."""
    return np.concatenate([[0.0], np.cumsum(np.log1p(-schedule.betas()))]) / 2


@keras.saving.register_keras_serializable("blocks")
@dataclass(frozen=True)
class LinearSchedule(NoiseSchedule):
    """Variances that rise linearly: Ho et al. (2020), section 4.

    Args:
        timesteps: T, the number of steps of the forward process.
        first, last: beta_1 and beta_T for 1,000 steps; for other T they are scaled by 1000 / T.
    """

    timesteps: int = 1000
    first: float = 1e-4
    last: float = 0.02

    def __post_init__(self) -> None:
        positive_int(self.timesteps, "timesteps", MAX_INT)
        positive_fraction(self.first, "first")  # with 0 there is no noise to predict at t = 1 / T
        positive_fraction(self.last, "last")

    def betas(self) -> np.ndarray:
        betas = np.linspace(self.first, self.last, self.timesteps) * 1000 / self.timesteps
        return np.minimum(betas, MAX_BETA)


@keras.saving.register_keras_serializable("blocks")
@dataclass(frozen=True)
class CosineSchedule(NoiseSchedule):
    """alpha(t)^2 as a squared cosine: Nichol, Dhariwal (2021, arXiv 2102.09672), eq. 17.

    Args:
        timesteps: T, the number of steps of the forward process.
        offset: s, which keeps the first variances from being too small.
    """

    timesteps: int = 1000
    offset: float = 0.008

    def __post_init__(self) -> None:
        positive_int(self.timesteps, "timesteps", MAX_INT)
        fraction(self.offset, "offset")

    def betas(self) -> np.ndarray:
        t = np.arange(self.timesteps + 1) / self.timesteps
        alpha_bar = np.cos((t + self.offset) / (1 + self.offset) * math.pi / 2) ** 2
        return np.minimum(1 - alpha_bar[1:] / alpha_bar[:-1], MAX_BETA)


SCHEDULES = {"linear": LinearSchedule(), "cosine": CosineSchedule()}
PATHS = {"linear": LinearPath(), "linear_quadratic_times": LinearPath(time_power=2.0)}


def resolve_object(value: Any, table: dict[str, Any], kind: type, argument: str) -> Any:
    """An object of `kind`, or the one that `table` has under a name; else raises ValueError."""
    if isinstance(value, kind):
        return value
    return table[one_of(value, table, argument)]
