"""The moving statistics of batch normalization, recomputed from batches."""

from collections.abc import Iterable

import keras
import tensorflow as tf


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
