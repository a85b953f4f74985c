"""Base class of models that generate images along a probability path from noise.

A subclass defines the network, the path and the training step. Sampling, codes, inpainting and
likelihoods are the same for all of them: `blocks.solvers` needs only what `components` returns.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.checks import fraction, int_tuple, non_negative_int, positive_int
from blocks.parametrizations import Parametrization
from blocks.probability_paths import GaussianPath, resolve_object
from blocks.residual import TimeEmbedding
from blocks.solvers import SOLVERS, Solver
from zoo import figures
from zoo.generation.film_files import write_path_samples
from zoo.generation.flow_codes import ODE_SOLVER, FlowCodes
from zoo.generation.path_sampling import (
    MAX_STEPS,
    convert_mask,
    follow_path,
    inpainting_conditions,
    resolve_solver,
    sampling_conditions,
)
from zoo.model import Model
from zoo.model.method_arguments import checked_method


class DiffusionModel(FlowCodes):
    """Base of diffusion and flow models: x_t = alpha(t) x + sigma(t) noise, data x in [-1, 1].

    Calling it maps noise [batch, h, w, c] to images in [0, 1]. All loops over time are part of one
    graph, which is traced once for each sampler, and again only for another rank of the arguments.

    Args:
        image_shape: (rows, columns, channels).
        sampler: the default solver of `sample`: a key of `SOLVERS`, or an object.
        sampling_steps: default number of steps.
        num_classes: number of classes that images are conditioned on; 0: none.
        label_dropout: fraction of the training labels that are dropped, for guidance.
    """

    micro_batches = 4
    sample_suffixes = (*Model.sample_suffixes, ".gif")

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        sampler: str | Solver,
        sampling_steps: int,
        num_classes: int,
        label_dropout: float,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.image_shape = int_tuple(image_shape, "image_shape", 3)
        self.sampler = resolve_object(sampler, SOLVERS, Solver, "sampler")
        self.sampling_steps = positive_int(sampling_steps, "sampling_steps", MAX_STEPS)
        self.num_classes = non_negative_int(num_classes, "num_classes")
        self.label_dropout = fraction(label_dropout, "label_dropout")

    @classmethod
    def small_config(cls) -> dict[str, Any]:
        return super().small_config() | {"filters": (64,), "patch_size": 4, "sampling_steps": 2}

    def set_path(self, probability_path: GaussianPath, parametrization: Parametrization) -> None:
        """Sets the path from noise to data, and what the network predicts on it.

        Raises:
            ValueError: the sampler cannot follow this path.
        """
        self.probability_path = probability_path
        self.parametrization = parametrization
        try:
            self.sampler.check_path(probability_path, self.sampling_steps)
        except ValueError as error:
            raise ValueError(f"sampler and sampling_steps: {error}") from error

    def set_network(self, network: keras.layers.Layer, units: int) -> None:
        """Sets the network and creates the embeddings, `units` wide, that it is called with."""
        dtype = self.dtype_policy
        self.network = network
        self.time_embedding = TimeEmbedding(units, dtype=dtype)
        self.class_embedding = None
        if self.num_classes:  # the last row is for dropped labels
            self.class_embedding = keras.layers.Embedding(self.num_classes + 1, units, dtype=dtype)

    def build(self, input_shape: tuple | None = None) -> None:
        self.time_embedding.build((None,))
        if self.class_embedding:
            self.class_embedding.build((None,))
        self.network.build((None, *self.code_shape), (None, self.time_embedding.units))

    @property
    def batch_spec(self) -> dict[str, tf.TensorSpec]:
        spec = super().batch_spec
        return spec | ({"label": tf.TensorSpec((None,), tf.int64)} if self.num_classes else {})

    # The data space: pixels in [-1, 1].

    def to_data(self, images: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Images [b, h, w, c] in [0, 1] as the data of the path."""
        return 2 * images - 1

    def to_images(self, data: tf.Tensor) -> tf.Tensor:
        """Data of the path as images in [0, 1]."""
        return tf.clip_by_value((data + 1) / 2, 0, 1)

    # The network.

    def training_labels(self, batch: dict[str, tf.Tensor], training: bool) -> tf.Tensor | None:
        """The labels of a batch, in training some of them dropped; None without classes."""
        if not self.num_classes:
            return None
        labels = batch["label"]
        if training:
            uniform = tf.random.stateless_uniform(tf.shape(labels), self.next_seed())
            labels = tf.where(uniform < self.label_dropout, self.no_labels(labels), labels)
        return labels

    def no_labels(self, examples: tf.Tensor) -> tf.Tensor:
        """The labels that stand for no class, int64 [b], for examples [b, ...]."""
        return tf.fill(tf.shape(examples)[:1], tf.constant(self.num_classes, tf.int64))

    def estimate(
        self, xt: tf.Tensor, t: tf.Tensor, labels: tf.Tensor | None, training: bool = False
    ) -> tf.Tensor:
        """The network's prediction at x_t [b, ...] and times [b]: float32 [b, ...]."""
        embedding = self.time_embedding(t)
        if self.class_embedding:
            embedding += self.class_embedding(labels)
        return tf.cast(self.network(xt, embedding, training=training), tf.float32)

    def components(
        self,
        xt: tf.Tensor,
        t: tf.Tensor,
        labels: tf.Tensor | None = None,
        guidance: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The network's estimates of the data and of the noise in x_t, at one time [].

        Args:
            guidance: scale of classifier-free guidance, Ho, Salimans (2022, arXiv 2207.12598), eq.
                6: unconditional + guidance * (conditional - unconditional); None: conditional.
        """
        times = tf.fill(tf.shape(xt)[:1], t)
        if labels is None and self.num_classes:
            labels = self.no_labels(xt)
        if guidance is None:
            output = self.estimate(xt, times, labels)
        else:
            both = tf.concat([labels, self.no_labels(xt)], 0)
            multiples = [2, *[1] * (xt.shape.rank - 1)]
            output = self.estimate(tf.tile(xt, multiples), tf.tile(times, [2]), both)
            conditional, unconditional = tf.split(output, 2)
            output = unconditional + guidance * (conditional - unconditional)
        return self.parametrization.components(self.probability_path, output, xt, t)

    # Generation.

    def generator_inputs(
        self, n: int | tf.Tensor, seed: int | tf.Tensor | None = None
    ) -> tf.Tensor:
        """Noise for `n` images, [n, ...]; the noise of the first images does not depend on `n`."""
        shape = tf.concat([[n], self.code_shape], 0)
        noise = tf.random.stateless_normal(shape, self.as_seed(seed))
        return tf.ensure_shape(noise, (None, *self.code_shape))

    def call(self, noise: tf.Tensor, training: bool = False) -> tf.Tensor:
        times = self.probability_path.times(self.sampling_steps)
        return self.to_images(follow_path(self, ODE_SOLVER, False, noise, times))

    @checked_method(n="n", label="label")
    def sample(
        self,
        n: int,
        seed: int | tf.Tensor | None = None,
        label: int | tf.Tensor | None = None,
        guidance: float = 1.0,
        steps: int | None = None,
        sampler: str | Solver | None = None,
    ) -> tf.Tensor:
        """`n` generated images [n, h, w, c] in [0, 1].

        Args:
            n: number of images.
            seed: the same seed gives the same images, whatever their number; None: new ones.
            label: class of all images, or a class per image; by default each class in turn.
            guidance: scale of classifier-free guidance: 1 for none, more for images that are more
                typical of their class.
            steps: number of steps; default `sampling_steps`.
            sampler: a key of `blocks.solvers.SOLVERS`, or an object; default that of the model.

        Raises:
            UsageError: an impossible number, a label or guidance of a model without classes, or a
                sampler that cannot follow the path of the model.
        """
        seed = self.as_seed(seed)
        noise = self.generator_inputs(n, seed)
        solver, times = resolve_solver(self, sampler, steps)
        conditions = sampling_conditions(self, n, label, guidance)
        run = self.graph_of(follow_path, solver, False)
        return self.to_images(run(noise, times, seed, *conditions))

    @checked_method(n="n", label="label", steps="steps")
    def sample_path(
        self,
        n: int,
        seed: int | tf.Tensor | None = None,
        label: int | tf.Tensor | None = None,
        guidance: float = 1.0,
        steps: int | None = None,
        sampler: str | Solver | None = None,
    ) -> tf.Tensor:
        """`n` images at each step from noise to image: [n, steps + 1, h, w, c] in [0, 1].

        Arguments and errors: `sample`, whose images are the last ones.
        """
        seed = self.as_seed(seed)
        noise = self.generator_inputs(n, seed)
        solver, times = resolve_solver(self, sampler, steps)
        conditions = sampling_conditions(self, n, label, guidance)
        states = self.graph_of(follow_path, solver, True)(noise, times, seed, *conditions)
        images = self.to_images(tf.reshape(states, (-1, *self.code_shape)))
        images = tf.reshape(images, (len(times), -1, *self.image_shape))
        return tf.transpose(images, (1, 0, 2, 3, 4))

    @checked_method(x="image")
    def inpaint(
        self,
        x: tf.Tensor,
        mask: Any,
        seed: int | tf.Tensor | None = None,
        label: int | tf.Tensor | None = None,
        guidance: float = 1.0,
        steps: int | None = None,
        sampler: str | Solver | None = None,
    ) -> tf.Tensor:
        """Images [b, h, w, c] whose pixels under the mask are generated; the others are unchanged.

        In each step the other pixels are those of the image with noise: Lugmayr et al., "RePaint"
        (2022, arXiv 2201.09865), eq. 8, without its repetitions.

        Args:
            x: images [b, h, w, c] in [0, 1].
            mask: True where pixels are generated: [h, w], or one for each image [b, h, w].
            label: class of all images, or a class per image; by default without a class.
            seed, guidance, steps, sampler: as in `sample`.

        Raises:
            UsageError: as in `sample`, guidance without a label, a mask of another shape, or a
                model of codes.
        """
        self.require_pixels("inpaint")
        n = len(x)
        pixels = convert_mask(self, mask, n)
        seed = self.as_seed(seed)
        noise = self.generator_inputs(n, seed)
        solver, times = resolve_solver(self, sampler, steps)
        conditions = inpainting_conditions(self, x, label, guidance)
        run = self.graph_of(follow_path, solver, False)
        generated = run(noise, times, seed, *conditions, self.to_data(x), pixels)
        return tf.where(pixels, self.to_images(generated), x)

    def write_samples(  # type: ignore[override]
        self,
        file: Path,
        n: int | None = None,
        seed: int = 0,
        label: int | None = None,
        sampler: str | None = None,
        steps: int | None = None,
        guidance: float = 1.0,
        film: bool = False,
    ) -> None:
        """Writes samples, or a film of the steps from noise to image.

        Args:
            file: a figure, an array, or an animation (.gif).
            n: number of samples; default 64, or 8 rows of a film, or 36 images of an animation.
            seed, label, sampler, steps, guidance: as in `sample`.
            film: also show the states between noise and image.
        """
        options = {"label": label, "sampler": sampler, "steps": steps, "guidance": guidance}
        write_path_samples(self, file, n, seed, film, **options)

    def figures(self, batch: dict[str, Any]) -> dict[str, np.ndarray]:
        return {**super().figures(batch), "film": figures.film(self)}
