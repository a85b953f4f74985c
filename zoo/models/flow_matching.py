"""Flow Matching for Generative Modeling.

Yaron Lipman, Ricky T. Q. Chen, Heli Ben-Hamu, Maximilian Nickel, Matt Le, 2022, arXiv 2210.02747;
with the path of Xingchao Liu, Chengyue Gong, Qiang Liu, "Flow Straight and Fast", 2022, arXiv
2209.03003, and the minibatch optimal transport of Alexander Tong et al., 2023, arXiv 2302.00482.
"""

from typing import Any

import keras
import tensorflow as tf

import zoo
from blocks import DiffusionMLP, DiffusionUNet
from blocks.adversarial import per_example
from blocks.pairings import PAIRINGS, Pairing
from blocks.parametrizations import PARAMETRIZATIONS, Parametrization
from blocks.probability_paths import PATHS, GaussianPath, resolve_object


@zoo.register("flow_matching")
class FlowMatching(zoo.DiffusionModel):
    """Flow from noise to images: a network that predicts the velocity of straight lines.

    With an `autoencoder` the flow is a prior of its codes, and images are decoded from them: Vahdat
    et al., "Score-based Generative Modeling in Latent Space" (2021, arXiv 2106.05931). The
    weights of the autoencoder do not change.

    Calling it maps noise, [batch, h, w, c] or [batch, latent_dim], to images in [0, 1].

    Args:
        image_shape: (rows, columns, channels); the U-Net halves the size once less than it has
            levels.
        filters: channels of each level of the U-Net; for codes, the last one is the width of a
            dense network.
        repeats: residual blocks of each level, on the way down and on the way up.
        num_heads: heads of the attention at the smallest feature map.
        patch_size: side of the patches of pixels that the U-Net works on.
        dropout: dropout rate of the residual blocks.
        probability_path: "linear", "linear_quadratic_times", or an object such as
            `CosineSchedule()`.
        parametrization: what the network predicts: "velocity", "v", "scaled_v", or an object.
        pairing: which noise belongs to which image of a batch: "independent", "optimal_transport",
            or an object.
        num_classes: number of classes; 0: the images have none.
        label_dropout: fraction of the labels that are dropped in training, for guidance.
        sampler: default of `sample`: "midpoint", "heun", "euler", "ddim", or an object.
        sampling_steps: default number of steps of the sampler.
        autoencoder: None; a trained model with `posterior` and `decode`, such as a `vae`; or the
            name of a preset, such as "vae.mnist".
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (28, 28, 1),
        filters: tuple[int, ...] = (32, 64, 128),
        repeats: int = 1,
        num_heads: int = 4,
        patch_size: int = 1,
        dropout: float = 0.0,
        probability_path: str | GaussianPath = "linear",
        parametrization: str | Parametrization = "velocity",
        pairing: str | Pairing = "independent",
        num_classes: int = 0,
        label_dropout: float = 0.1,
        sampler: Any = "midpoint",
        sampling_steps: int = 25,
        autoencoder: Any = None,
        **kwargs: Any,
    ):
        super().__init__(image_shape, sampler, sampling_steps, num_classes, label_dropout, **kwargs)
        path = resolve_object(probability_path, PATHS, GaussianPath, "probability_path")
        prediction = (parametrization, PARAMETRIZATIONS, Parametrization, "parametrization")
        self.set_path(path, resolve_object(*prediction))
        self.pairing = resolve_object(pairing, PAIRINGS, Pairing, "pairing")
        self.autoencoder = _trained_autoencoder(autoencoder, self.image_shape)
        network = DiffusionUNet(
            filters, repeats, num_heads, patch_size, dropout, dtype=self.dtype_policy
        )
        self.filters = network.filters
        self.repeats = network.repeats
        self.num_heads = network.num_heads
        self.patch_size = network.patch_size
        self.dropout = network.dropout
        if self.autoencoder:
            network = DiffusionMLP(self.filters[-1], self.repeats, dtype=self.dtype_policy)
        self.set_network(network, 4 * self.filters[0])

    def build(self, input_shape: tuple | None = None) -> None:
        if self.autoencoder and not self.autoencoder.built:
            self.autoencoder.build()
        super().build(input_shape)

    def configure_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        return {"": zoo.optimizers.AveragingAdam(1e-3, ema_momentum=0.999)}

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self.matching_loss(batch, training=True))
        self.minimize(loss, tape)
        return {"loss": loss}

    def eval_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {"loss": self.matching_loss(batch)}

    def matching_loss(self, batch: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """The squared error of each example's prediction, per dimension: [b]; eq. 14."""
        labels = self.training_labels(batch, training)
        x1 = self.to_data(batch["image"], self.next_seed())
        x0 = tf.random.stateless_normal(tf.shape(x1), self.next_seed())  # x_0 ~ N(0, I)
        x0 = self.pairing(x0, x1, batch["label"] if self.num_classes else None)
        t = self.probability_path.random_times(tf.shape(x1)[0], self.next_seed())  # t ~ U[0, 1]
        xt = self.probability_path.interpolate(x1, x0, t)  # (1 - t) x_0 + t x_1
        output = self.estimate(xt, t, labels, training)
        target = self.parametrization.target(self.probability_path, x1, x0, t)  # x_1 - x_0
        return per_example((target - output) ** 2)

    # The data of the flow: pixels in [-1, 1], or codes.

    @property
    def code_shape(self) -> tuple[int, ...]:
        return (self.autoencoder.latent_dim,) if self.autoencoder else self.image_shape

    def to_data(self, images: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        if not self.autoencoder:
            return super().to_data(images)
        posterior = self.autoencoder.posterior(images)
        return tf.stop_gradient(posterior.mean() if seed is None else posterior.sample(seed=seed))

    def to_images(self, data: tf.Tensor) -> tf.Tensor:
        if not self.autoencoder:
            return super().to_images(data)
        return tf.cast(self.autoencoder.decode(data), tf.float32)


def _trained_autoencoder(autoencoder: Any, image_shape: tuple[int, ...]) -> Any:
    """The model with frozen weights, from a model or the name of a preset; raises ValueError."""
    if autoencoder is None:
        return None
    if isinstance(autoencoder, str):
        try:
            autoencoder = zoo.get(autoencoder, pretrained=True)
        except ValueError as error:
            raise ValueError(f"autoencoder: there is no preset {autoencoder!r:.80}") from error
    if not all(hasattr(autoencoder, method) for method in ("posterior", "decode", "latent_dim")):
        raise ValueError(
            "autoencoder must be a model with posterior and decode, such as a vae, or the name of a"
            f" preset, got {autoencoder!r:.80}"
        )
    if autoencoder.image_shape != image_shape:
        raise ValueError(
            f"autoencoder is for images of shape {autoencoder.image_shape}, and image_shape is"
            f" {image_shape}"
        )
    autoencoder.trainable = False
    return autoencoder
