"""`ddpm` without the zoo, in the style of keras.io's example of DDIM, and as one `tf.function`.

The network, loss and schedule are those of `zoo.models.ddpm`, in stock layers of Keras; as on
keras.io a second network holds the moving average of the weights. Layers are created in the order
of the zoo's, so that weights can be copied.
"""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from benchmarks.speed.tf_images import LossTrackingModel

FILTERS = (32, 64, 128)
TIMESTEPS = 1000
EMA = 0.999
HEADS = 4
ALPHA_BAR = np.cumprod(1 - np.linspace(1e-4, 0.02, TIMESTEPS))


def conv(filters: int, size: int = 3, **kwargs: Any) -> layers.Layer:
    return layers.Conv2D(filters, size, padding="same", **kwargs)


def norm() -> layers.Layer:
    return layers.GroupNormalization(8, epsilon=1e-5)


class Residual(layers.Layer):
    """Two convolutions with group normalization, the second one modulated by the time."""

    def __init__(self, filters: int, project: bool = False):
        super().__init__()
        self.norm = norm()
        self.conv = conv(filters, use_bias=False)
        self.modulation = layers.Dense(2 * filters)
        self.output_norm = norm()
        self.output_conv = conv(filters)
        self.skip = conv(filters, 1, use_bias=False) if project else layers.Identity()

    def call(self, inputs: tf.Tensor, embedding: tf.Tensor) -> tf.Tensor:
        x = self.conv(keras.activations.silu(self.norm(inputs)))
        scale, shift = tf.split(self.modulation(keras.activations.silu(embedding)), 2, axis=-1)
        x = self.output_norm(x) * (1 + scale[:, None, None]) + shift[:, None, None]
        return self.skip(inputs) + self.output_conv(keras.activations.silu(x))


class SelfAttention(layers.Layer):
    """Residual self-attention between the positions of a map of 7 x 7."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = norm()
        self.channels = channels
        self.query, self.key, self.value, self.output_layer = (
            layers.Dense(channels) for _ in range(4)
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        x = tf.reshape(self.norm(inputs), (-1, 49, self.channels))
        query, key, value = (self.heads(layer(x)) for layer in (self.query, self.key, self.value))
        scores = tf.matmul(query, key, transpose_b=True) / math.sqrt(self.channels // HEADS)
        context = tf.transpose(tf.matmul(tf.nn.softmax(scores), value), (0, 2, 1, 3))
        y = self.output_layer(tf.reshape(context, (-1, 49, self.channels)))
        return inputs + tf.reshape(y, (-1, 7, 7, self.channels))

    def heads(self, x: tf.Tensor) -> tf.Tensor:
        x = tf.reshape(x, (-1, 49, HEADS, self.channels // HEADS))
        return tf.transpose(x, (0, 2, 1, 3))


class UNet(keras.Model):
    """Noisy images [batch, 28, 28, 1] and steps [batch] to the predicted noise."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c = FILTERS
        self.input_conv = conv(a)
        self.down_blocks = [Residual(a), Residual(b)]
        self.downsamples = [conv(b, strides=2), conv(c, strides=2)]
        self.middle_block = Residual(c)
        self.attention = SelfAttention(c)
        self.output_block = Residual(c)
        self.up_blocks = [Residual(b, project=True), Residual(a, project=True)]
        self.output_norm = norm()
        self.upsamples = [layers.Conv2DTranspose(n, 2, 2, padding="same") for n in (b, a)]
        self.output_conv = layers.Conv2DTranspose(1, 3, padding="same")
        self.time_hidden = layers.Dense(4 * a, activation="silu")
        self.time_output = layers.Dense(4 * a)
        self(tf.zeros((1, 28, 28, 1)), tf.ones(1, tf.int32))  # builds the weights

    def call(self, x: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        embedding = self.time_output(self.time_hidden(self.waves(steps)))
        x = self.input_conv(x)
        skips = []
        for block, downsample in zip(self.down_blocks, self.downsamples, strict=True):
            x = block(x, embedding)
            skips.append(x)
            x = downsample(x)
        x = self.attention(self.middle_block(x, embedding))
        x = self.output_block(x, embedding)
        for upsample, block in zip(self.upsamples, self.up_blocks, strict=True):
            x = block(tf.concat([upsample(x), skips.pop()], axis=-1), embedding)
        return self.output_conv(keras.activations.silu(self.output_norm(x)))

    def waves(self, steps: tf.Tensor) -> tf.Tensor:
        half = 2 * FILTERS[0]
        rates = tf.exp(-math.log(10_000) / half * tf.range(half, dtype=tf.float32))
        angles = tf.cast(steps, tf.float32)[:, None] * rates
        return tf.concat([tf.sin(angles), tf.cos(angles)], axis=-1)


def random_noise(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """A random step, and noise, for each image."""
    steps = tf.random.uniform(tf.shape(images)[:1], 1, TIMESTEPS + 1, tf.int32)
    return steps, tf.random.normal(tf.shape(images))


def diffusion_step(model: Any, images: tf.Tensor) -> tf.Tensor:
    """One step of training, for the models of both styles; returns the loss."""
    steps, noise = model.noise(images)
    alpha_bar = tf.gather(tf.constant(ALPHA_BAR, tf.float32), steps - 1)[:, None, None, None]
    with tf.GradientTape() as tape:
        noisy = tf.sqrt(alpha_bar) * (2 * images - 1) + tf.sqrt(1 - alpha_bar) * noise
        loss = tf.reduce_mean((noise - model.network(noisy, steps)) ** 2)
    variables = model.network.trainable_variables
    gradients = tape.gradient(loss, variables)
    model.optimizer.apply_gradients(zip(gradients, variables, strict=True))
    for average, variable in zip(model.ema_network.weights, model.network.weights, strict=True):
        average.assign(EMA * average + (1 - EMA) * variable)
    return loss


def ddim_sample(model: Any, n: int, seed: int, steps: int) -> tf.Tensor:
    """DDIM as on keras.io: a Python loop that calls a compiled step."""
    x = tf.random.stateless_normal((n, 28, 28, 1), [seed, 0])
    times = np.linspace(TIMESTEPS, 0, steps + 1).round().astype(int)
    for t, next_t in zip(times, times[1:], strict=False):
        x = model.denoise(x, tf.constant(t, tf.int32), tf.constant(next_t, tf.int32))
    return tf.clip_by_value((x + 1) / 2, 0, 1)


def denoise(network: keras.Model, x: tf.Tensor, t: tf.Tensor, next_t: tf.Tensor) -> tf.Tensor:
    """One step of DDIM, with predictions clipped to the range of pixels."""
    table = tf.constant(np.insert(ALPHA_BAR, 0, 1.0), tf.float32)
    alpha_bar, next_alpha_bar = table[t], table[next_t]
    noise = network(x, tf.fill(tf.shape(x)[:1], t))
    data = (x - tf.sqrt(1 - alpha_bar) * noise) / tf.sqrt(alpha_bar)
    data = tf.clip_by_value(data, -1, 1)
    noise = (x - tf.sqrt(alpha_bar) * data) / tf.sqrt(1 - alpha_bar)
    return tf.sqrt(next_alpha_bar) * data + tf.sqrt(1 - next_alpha_bar) * noise


class TutorialDDPM:
    """The model in the style of TensorFlow's tutorials: one compiled step."""

    def __init__(self, dropout: float = 0.0):
        self.network = UNet()
        self.ema_network = UNet()
        self.optimizer = keras.optimizers.Adam(1e-3)
        self.noise = random_noise

    @tf.function
    def train_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"loss": diffusion_step(self, images)}

    @tf.function
    def denoise(self, x: tf.Tensor, t: tf.Tensor, next_t: tf.Tensor) -> tf.Tensor:
        return denoise(self.network, x, t, next_t)

    sample = ddim_sample


class KerasDDPM(LossTrackingModel):
    """The model in the style of keras.io's example, trained by `fit`."""

    def __init__(self, dropout: float = 0.0):
        super().__init__(["loss"])
        self.network = UNet()
        self.ema_network = UNet()
        self.noise = random_noise
        self.compile(optimizer=keras.optimizers.Adam(1e-3))

    def train_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.update_trackers({"loss": diffusion_step(self, images)})


STYLES = {"tf.function loop": {"ddpm": TutorialDDPM}, "keras fit": {"ddpm": KerasDDPM}}
