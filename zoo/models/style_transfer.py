"""A Neural Algorithm of Artistic Style.

Leon A. Gatys, Alexander S. Ecker, Matthias Bethge, 2015, arXiv 1508.06576.
"""

from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf

import zoo
from blocks.checks import int_tuple, non_negative_float, one_of, str_tuple
from blocks.feature_network import FeatureNetwork, frozen_copy
from blocks.image_optimization import minimize_image
from blocks.style import Canvas, gram_matrix, layer_error, to_rgb_batch, total_variation


@zoo.register("style_transfer")
class StyleTransfer(zoo.Stylizer):
    """Neural style transfer: the pixels of an image are optimized, not the weights of a network.

    `stylize` is the paper's method: it optimizes the pixels of one image, and the model does not
    change. `train_step`, for a trainer, differs: it takes one step on the pixels of a canvas, which
    are the only trained weights.

    Batches hold "content" and "style"; with several pairs the loss is their mean. Calling it maps
    images [batch, h, w, c] to their style, the concatenated Gram matrices: [batch, numbers].

    Args:
        image_shape: (rows, columns, channels) of the canvas; 1 or 3 channels.
        feature_network: the network of the losses, as in `blocks.feature_network.FeatureNetwork`:
            "random", the default, which needs no file; "vgg19", as in the paper; a path; or a Keras
            model, which is copied.
        content_layers: names of the layers of the content loss.
        style_layers: names of the layers of the style loss.
        content_weight: alpha of eq. 7.
        style_weight: beta of eq. 7.
        total_variation_weight: weight of the total variation, a smoothness term that is not in the
            paper.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (256, 256, 3),
        feature_network: str | keras.Model = "random",
        content_layers: tuple[str, ...] = ("block3_conv1",),
        style_layers: tuple[str, ...] = ("block1_conv1", "block2_conv1", "block3_conv1"),
        content_weight: float = 1.0,
        style_weight: float = 50.0,
        total_variation_weight: float = 1.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.image_shape = int_tuple(image_shape, "image_shape", 3)
        is_model = isinstance(feature_network, keras.Model)
        self.feature_network = frozen_copy(feature_network) if is_model else feature_network
        self.content_layers = str_tuple(content_layers, "content_layers")
        self.style_layers = str_tuple(style_layers, "style_layers")
        self.content_weight = non_negative_float(content_weight, "content_weight")
        self.style_weight = non_negative_float(style_weight, "style_weight")
        self.total_variation_weight = non_negative_float(
            total_variation_weight, "total_variation_weight"
        )

        layers = dict.fromkeys(self.content_layers + self.style_layers)
        self.network = FeatureNetwork(self.feature_network, [*layers], dtype=self.dtype_policy)
        self.canvas = Canvas(self.image_shape, dtype=self.dtype_policy)

    def build(self, input_shape: tuple | None = None) -> None:
        self.network.build((None, *self.image_shape))
        self.canvas.build()

    def configure_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        return {"": zoo.optimizers.Adam(0.02)}

    def adapt(self, data: Iterable[dict[str, tf.Tensor]]) -> None:
        """Initializes a blank canvas with white noise."""
        if self.canvas.is_blank():
            self.canvas.pixels.assign(self.noise(self.canvas.pixels.shape))

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step on the canvas, with the targets of this batch; `stylize` is the usual way."""
        targets = self.targets(batch["content"], batch["style"])  # P^l and A^l
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.canvas.pixels.value)  # the network is frozen
            losses = self.losses(self.canvas(), targets)
            loss = tf.reduce_mean(losses["loss"])
        self.minimize(loss, tape)
        return {name: tf.reduce_mean(value) for name, value in losses.items()}

    def eval_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return self.losses(self.canvas(), self.targets(batch["content"], batch["style"]))

    def content_features(self, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """F^l: the feature maps of the content layers."""
        return {layer: features[layer] for layer in self.content_layers}

    def gram_matrices(self, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """G^l: the Gram matrices of the style layers, eq. 3."""
        return {layer: gram_matrix(features[layer]) for layer in self.style_layers}

    def targets(
        self, content: tf.Tensor, style: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """P^l of the content images and A^l of the style images."""
        return self.content_features(self.network(content)), self.gram_matrices(self.network(style))

    def losses(
        self, x: tf.Tensor, targets: tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]
    ) -> dict[str, tf.Tensor]:
        """The losses of an image x [1, h, w, c] by name; [n] for the targets of n pairs."""
        features = self.network(x)
        (p, a) = targets
        content = layer_error(self.content_features(features), p)  # eq. 1
        style = layer_error(self.gram_matrices(features), a)  # eq. 4, 5
        variation = total_variation(x) + tf.zeros_like(content)
        loss = self.content_weight * content + self.style_weight * style  # eq. 7
        return {
            "loss": loss + self.total_variation_weight * variation,
            "content_loss": content,
            "style_loss": style,
            "total_variation": variation,
        }

    def call(self, images: tf.Tensor) -> tf.Tensor:
        grams = self.gram_matrices(self.network(images)).values()
        return tf.concat([tf.reshape(g, (-1, g.shape[1] * g.shape[2])) for g in grams], axis=-1)

    def noise(self, shape: tuple[int, ...], seed: int | tf.Tensor | None = None) -> tf.Tensor:
        """White noise in [0, 1)."""
        return tf.random.stateless_uniform(shape, self.as_seed(seed))

    def stylized_image(self) -> tf.Tensor:
        """The canvas as an image: [h, w, c] in [0, 1]."""
        return tf.clip_by_value(self.canvas()[0], 0.0, 1.0)

    @zoo.checked_method(content="single_image", style="single_image", steps="steps")
    def stylize(
        self,
        content: Any,
        style: Any,
        steps: int = 300,
        optimizer: str | keras.optimizers.Optimizer = "lbfgs",
        init: str = "content",
        seed: int | tf.Tensor | None = None,
        callback: Callable[[tf.Tensor, dict[str, Any]], None] | None = None,
    ) -> tuple[tf.Tensor, list[dict[str, Any]]]:
        """Renders `content` in the style of `style`; the weights of the model do not change.

        Args:
            content, style: images [h, w, 1 or 3], floats in [0, 1] or uint8, of any size.
            steps: number of iterations of the optimizer.
            optimizer: "lbfgs", "adam", or an unbuilt Keras optimizer; pixels are unbounded.
            init: initial image, "content" or "noise" (as in the paper).
            seed: seed of the noise; only with `init="noise"`.
            callback: called with (image, entry of the history) at the start and every 10 steps.

        Returns:
            (image [h, w, 3] in [0, 1], history: the entries of `minimize_image`).

        Raises:
            ValueError: an argument that is not an image, an image too small for the network, or an
                unknown `init` or `optimizer`.
        """
        content = to_rgb_batch(content, "content")
        style = to_rgb_batch(style, "style")
        self.network.check(content.shape)
        self.network.check(style.shape)
        from_noise = one_of(init, ("content", "noise"), "init") == "noise"
        if seed is not None and not from_noise:
            raise ValueError(f"seed={seed!r:.80} would change nothing: it needs init='noise'")
        x = self.noise(content.shape, seed) if from_noise else content
        optimizer = self.configure_optimizers()[""] if optimizer == "adam" else optimizer
        targets = self.targets(content, style)
        history = []
        for entry, batch in minimize_image(lambda x: self.losses(x, targets), x, steps, optimizer):
            history.append(entry)
            image = tf.clip_by_value(batch[0], 0.0, 1.0)
            if callback:
                callback(image, entry)
        return image, history
