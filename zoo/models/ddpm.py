"""Denoising Diffusion Probabilistic Models.

Jonathan Ho, Ajay Jain, Pieter Abbeel, 2020, arXiv 2006.11239. Sampling in few steps: Jiaming Song,
Chenlin Meng, Stefano Ermon, "Denoising Diffusion Implicit Models", 2020, arXiv 2010.02502.
Guidance: Jonathan Ho, Tim Salimans, "Classifier-Free Diffusion Guidance", 2022, arXiv 2207.12598.
"""

from typing import Any

import keras
import tensorflow as tf

import zoo
from blocks import DiffusionUNet
from blocks.adversarial import per_example
from blocks.parametrizations import PARAMETRIZATIONS, Parametrization
from blocks.probability_paths import SCHEDULES, NoiseSchedule, resolve_object


@zoo.register("ddpm")
class DDPM(zoo.DiffusionModel):
    """Diffusion model: a U-Net that predicts the noise in a noisy image.

    Calling it maps noise [batch, h, w, c] to images [batch, h, w, c] in [0, 1].

    Args:
        image_shape: (rows, columns, channels); the U-Net halves the size once less than it has
            levels.
        filters: channels of each level of the U-Net.
        repeats: residual blocks of each level, on the way down and on the way up.
        num_heads: heads of the attention at the smallest feature map.
        patch_size: side of the patches of pixels that the U-Net works on.
        dropout: dropout rate of the residual blocks.
        schedule: "linear", "cosine", or an object such as `LinearSchedule(timesteps=4000)`.
        parametrization: what the network predicts: "epsilon" (the noise), "v", "scaled_v" or an
            object.
        num_classes: number of classes; 0: the images have none.
        label_dropout: fraction of the labels that are dropped in training, for guidance.
        sampler: default of `sample`: "ancestral", "ddim", "euler", "midpoint", "heun", or an object
            such as `DDIM(eta=0.5)`.
        sampling_steps: default number of steps of the sampler.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (28, 28, 1),
        filters: tuple[int, ...] = (32, 64, 128),
        repeats: int = 1,
        num_heads: int = 4,
        patch_size: int = 1,
        dropout: float = 0.0,
        schedule: str | NoiseSchedule = "linear",
        parametrization: str | Parametrization = "epsilon",
        num_classes: int = 0,
        label_dropout: float = 0.1,
        sampler: Any = "ddim",
        sampling_steps: int = 50,
        **kwargs: Any,
    ):
        super().__init__(image_shape, sampler, sampling_steps, num_classes, label_dropout, **kwargs)
        self.schedule = resolve_object(schedule, SCHEDULES, NoiseSchedule, "schedule")
        prediction = (parametrization, PARAMETRIZATIONS, Parametrization, "parametrization")
        self.set_path(self.schedule, resolve_object(*prediction))
        network = DiffusionUNet(
            filters, repeats, num_heads, patch_size, dropout, dtype=self.dtype_policy
        )
        self.filters = network.filters
        self.repeats = network.repeats
        self.num_heads = network.num_heads
        self.patch_size = network.patch_size
        self.dropout = network.dropout
        self.set_network(network, 4 * network.filters[0])

    @classmethod
    def small_config(cls) -> dict[str, Any]:
        return {**super().small_config(), "parametrization": "v"}  # learns faster

    def configure_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        return {"": zoo.optimizers.AveragingAdam(1e-3, ema_momentum=0.999)}

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self.denoising_loss(batch, training=True))
        self.minimize(loss, tape)
        return {"loss": loss}

    def eval_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {"loss": self.denoising_loss(batch)}

    def denoising_loss(self, batch: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """The squared error of each example's prediction, per pixel: [b]; algorithm 1, eq. 14."""
        x0 = self.to_data(batch["image"])
        t = self.schedule.random_times(tf.shape(x0)[0], self.next_seed())  # t ~ Uniform({1 ... T})
        noise = tf.random.stateless_normal(tf.shape(x0), self.next_seed())  # epsilon ~ N(0, I)
        xt = self.schedule.interpolate(x0, noise, t)  # eq. 4
        output = self.estimate(xt, t, self.training_labels(batch, training), training)
        return per_example((self.parametrization.target(self.schedule, x0, noise, t) - output) ** 2)
