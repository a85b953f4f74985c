"""What a network predicts at x_t, a point of a `blocks.probability_paths.GaussianPath`.

A `Parametrization` also converts a prediction into the data and the noise that x_t consists of,
which is all that a sampler needs.
"""

from dataclasses import dataclass

import keras
import tensorflow as tf

from blocks.checks import positive_float
from blocks.probability_paths import GaussianPath, append_axes
from blocks.serializable import Serializable


class Parametrization(Serializable):
    """Base of what a network can predict at x_t = alpha x + sigma noise."""

    def target(self, path: GaussianPath, x: tf.Tensor, noise: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        """What the network is trained to predict, [b, ...]."""
        raise NotImplementedError

    def components(
        self, path: GaussianPath, output: tf.Tensor, xt: tf.Tensor, t: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The data and the noise in x_t according to the network's output."""
        raise NotImplementedError


@keras.saving.register_keras_serializable("blocks")
@dataclass(frozen=True)
class Epsilon(Parametrization):
    """The noise: Ho et al. (2020), eq. 14."""

    def target(self, path: GaussianPath, x: tf.Tensor, noise: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        return noise

    def components(
        self, path: GaussianPath, output: tf.Tensor, xt: tf.Tensor, t: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        alpha, sigma = (append_axes(value, xt) for value in path.coefficients(t))
        return (xt - sigma * output) / tf.maximum(alpha, 1e-6), output


@keras.saving.register_keras_serializable("blocks")
@dataclass(frozen=True)
class VPrediction(Parametrization):
    """v = (alpha noise - sigma x) / norm: Salimans, Ho (2022, arXiv 2202.00512), appendix D.

    With another `data_std` than 1, x and alpha are those of data with variance 1. Then v is the
    output of the network F of Karras et al., "EDM" (2022, arXiv 2206.00364), eq. 7: x_t has no
    correlation with it, and it has variance 1 at all times.

    Args:
        data_std: standard deviation of the data.
    """

    data_std: float = 1.0

    def __post_init__(self) -> None:
        positive_float(self.data_std, "data_std")

    def directions(self, path: GaussianPath, t: tf.Tensor, x: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """(cosine, sine, norm): x_t = norm (cosine x / data_std + sine noise)."""
        alpha, sigma = (append_axes(value, x) for value in path.coefficients(t))
        norm = tf.sqrt((self.data_std * alpha) ** 2 + sigma**2)
        return self.data_std * alpha / norm, sigma / norm, norm

    def target(self, path: GaussianPath, x: tf.Tensor, noise: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        cosine, sine, _ = self.directions(path, t, x)
        return cosine * noise - sine * x / self.data_std

    def components(
        self, path: GaussianPath, output: tf.Tensor, xt: tf.Tensor, t: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        cosine, sine, norm = self.directions(path, t, xt)
        x = self.data_std * (cosine * xt / norm - sine * output)
        return x, sine * xt / norm + cosine * output


@keras.saving.register_keras_serializable("blocks")
@dataclass(frozen=True)
class Velocity(Parametrization):
    """d x_t / dt: Lipman et al. (2022), eq. 9."""

    def target(self, path: GaussianPath, x: tf.Tensor, noise: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        return path.velocity(x, noise, t)

    def components(
        self, path: GaussianPath, output: tf.Tensor, xt: tf.Tensor, t: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        alpha, sigma = (append_axes(value, xt) for value in path.coefficients(t))
        d_alpha, d_sigma = (append_axes(value, xt) for value in path.derivatives(t))
        determinant = d_alpha * sigma - alpha * d_sigma  # of x_t and d x_t / dt, two equations
        x = (sigma * output - d_sigma * xt) / determinant
        return x, (d_alpha * xt - alpha * output) / determinant


PARAMETRIZATIONS = {
    "epsilon": Epsilon(),
    "v": VPrediction(),
    "scaled_v": VPrediction(data_std=0.5),
    "velocity": Velocity(),
}
