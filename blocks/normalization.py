"""Batch normalization with a fused kernel, and the recomputation of its moving statistics."""

from collections.abc import Iterable

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("blocks")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` with TensorFlow's fused kernel for training on images.

    Ioffe, Szegedy, "Batch Normalization" (2015, arXiv 1502.03167). Same weights and results; in
    training, feature maps [batch, h, w, c] take about half the time on a CPU.

    Args:
        as in Keras.
    """

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        channels_last = self.axis in (-1, 3)
        supported = self.center and self.scale and not self.synchronized and mask is None
        if not (training and self.trainable and supported and channels_last and inputs.ndim == 4):
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            tf.cast(self.gamma, tf.float32),
            tf.cast(self.beta, tf.float32),
            epsilon=self.epsilon,
            is_training=True,
        )
        count = tf.cast(tf.size(inputs) // tf.shape(inputs)[-1], tf.float32)
        variance *= (count - 1) / count  # the kernel returns the unbiased variance
        rate = 1 - self.momentum
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + tf.cast(value, moving.dtype) * rate)
        return outputs


def batch_norm_layers(layer: keras.layers.Layer) -> list[keras.layers.BatchNormalization]:
    """Every batch normalization in a layer that holds its sublayers as `layers`."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return [layer]
    sublayers = getattr(layer, "layers", [])
    return [norm for sublayer in sublayers for norm in batch_norm_layers(sublayer)]


def update_batch_norm(network: keras.layers.Layer, batches: Iterable[tf.Tensor]) -> None:
    """Sets the moving statistics of `network` to their mean over `batches`.

    For weights that were averaged over training: Izmailov et al., "Averaging Weights Leads to Wider
    Optima and Better Generalization" (2018, arXiv 1803.05407), section 3; compare
    `torch.optim.swa_utils.update_bn`. Runs eagerly. Frozen layers keep their statistics.

    Args:
        network: a layer that can be called on a batch.
        batches: inputs of the layer.
    """
    norms = [layer for layer in batch_norm_layers(network) if layer.trainable]
    momenta = [layer.momentum for layer in norms]
    try:
        for index, batch in enumerate(batches if norms else ()):
            for layer in norms:
                layer.momentum = index / (index + 1)  # a cumulative mean
            network(batch, training=True)
    finally:
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum
