"""Codes and likelihoods of images by the deterministic flow between noise and data.

Song et al., "Score-Based Generative Modeling through Stochastic Differential Equations" (2020,
arXiv 2011.13456), section 4.3, for diffusion models; a flow model is such a flow itself.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from blocks.solvers import Midpoint
from zoo.errors import UsageError
from zoo.generation.path_sampling import GraphCache, follow_path, path_density, resolve_solver
from zoo.model import Model
from zoo.model.kind import Signature
from zoo.model.method_arguments import checked_method

LEVELS = 256  # of a pixel, in the likelihood of 8-bit images
ODE_SOLVER = Midpoint()


class FlowCodes(Model):
    """The methods of `DiffusionModel` that use the deterministic flow, without guidance.

    Codes are the noise at the other end of the flow. A model with classes is used without a class.
    """

    image_shape: tuple[int, ...]
    num_classes: int
    label_dropout: float
    to_data: Callable[..., tf.Tensor]
    to_images: Callable[..., tf.Tensor]

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self._graphs = GraphCache()

    @property
    def code_shape(self) -> tuple[int, ...]:
        """The shape of noise and data of one example."""
        return self.image_shape

    @property
    def codes_spec(self) -> tf.TensorSpec:
        """The spec of codes; known without `encode`, since Keras asks for it when it saves."""
        return tf.TensorSpec((None, *self.code_shape), tf.float32)

    def graph_of(self, function: Callable, *settings: Any) -> Callable:
        """`function(self, *settings, ...)` as a graph, a function of the remaining arguments."""
        return self._graphs.compile(function, self, *settings)

    def _flow(self, x: tf.Tensor, times: tf.Tensor) -> tf.Tensor:
        return self.graph_of(follow_path, ODE_SOLVER, False)(x, times)

    @property
    def generates_pixels(self) -> bool:
        """Whether the data of the path are pixels, in [-1, 1]; else codes, which have no range."""
        return self.code_shape == self.image_shape

    @property
    def knows_no_class(self) -> bool:
        """Whether the model was trained with images without a class."""
        return not self.num_classes or self.label_dropout > 0

    def signatures(self) -> dict[str, Signature]:
        functions = super().signatures()
        return functions if self.knows_no_class else {"sample": functions["sample"]}

    def require_unconditional(self, method: str) -> None:
        """Raises UsageError if the model cannot predict without a class."""
        if not self.knows_no_class:
            raise UsageError(
                f"{method} uses no class, but {self.name} was trained with label_dropout=0 and"
                " cannot predict without a label: train with label_dropout=0.1"
            )

    def _flow_times(self, method: str, steps: int | None) -> tf.Tensor:
        """The times of the deterministic flow without a class, from noise to data."""
        self.require_unconditional(method)
        return resolve_solver(self, ODE_SOLVER, steps)[1]

    def require_pixels(self, method: str) -> None:
        """Raises UsageError if the data of the path are not pixels but codes of an autoencoder."""
        if not self.generates_pixels:
            raise UsageError(
                f"{method} needs a model of pixels, and {self.name} generates codes of an"
                " autoencoder: use a model without autoencoder"
            )

    @checked_method(x="image")
    def encode(self, x: tf.Tensor, steps: int | None = None) -> tf.Tensor:
        """Images [b, h, w, c] to their noise, by the deterministic flow: the codes of `decode`."""
        times = self._flow_times("encode", steps)
        return self._flow(self.to_data(x), tf.reverse(times, [0]))

    @checked_method(z="codes")
    def decode(self, z: tf.Tensor, steps: int | None = None) -> tf.Tensor:
        """Noise [b, ...] to images [b, h, w, c] in [0, 1], by the deterministic flow."""
        times = self._flow_times("decode", steps)
        return self.to_images(self._flow(z, times))

    @checked_method(a="image", b="image", steps="steps")
    def interpolate(self, a: tf.Tensor, b: tf.Tensor, steps: int = 8) -> tf.Tensor:
        """Images between those of two batches: [batch, steps, h, w, c].

        Decoded from codes on the great circle between the codes of both, which have the norm of
        noise: White, "Sampling Generative Networks" (2016, arXiv 1609.04468), section 2.1.
        """
        shape = (-1, 1, math.prod(self.code_shape))
        start, end = (tf.reshape(self.encode(x), shape) for x in (a, b))
        t = tf.reshape(tf.linspace(0.0, 1.0, steps), (1, steps, 1))
        cosine = -keras.losses.cosine_similarity(start, end, axis=-1)[..., None]
        angle = tf.acos(tf.clip_by_value(cosine, -1 + 1e-6, 1 - 1e-6))
        z = (tf.sin((1 - t) * angle) * start + tf.sin(t * angle) * end) / tf.sin(angle)
        images = self.decode(tf.reshape(z, (-1, *self.code_shape)))
        return tf.reshape(images, (-1, steps, *self.image_shape))

    @checked_method(x="image")
    def log_prob(
        self, x: tf.Tensor, seed: int | tf.Tensor | None = None, steps: int | None = None
    ) -> tf.Tensor:
        """log p(x) of 8-bit images, [b], in nats: a lower bound on average over the noise.

        Uniform noise of one level is added to the pixels (dequantization), one sample for each
        image; the density of the result is that of the deterministic flow, see
        `blocks.solvers.log_density`. Models with classes give the density without a class.

        Args:
            x: images [b, h, w, c] in [0, 1], of 256 levels.
            seed: seed of the dequantization and of the estimate of the divergence.
            steps: number of steps of the solver; default `sampling_steps`.
        """
        self.require_pixels("log_prob")
        times = self._flow_times("log_prob", steps)
        seed = self.as_seed(seed)
        noise = tf.random.stateless_uniform(tf.shape(x), seed)
        pixels = ((LEVELS - 1) * x + noise) / LEVELS
        run = self.graph_of(path_density, ODE_SOLVER)
        log_p = run(self.to_data(pixels), tf.reverse(times, [0]), seed)
        return log_p + math.prod(self.image_shape) * math.log(2 / LEVELS)  # 2: of [-1, 1]
