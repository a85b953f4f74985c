"""Batch normalization's moving statistics, measured anew for weights that did not make them."""

import keras


def normalizations(layer):
    """Every batch normalization inside a layer that holds its parts as `layers`."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return [layer]
    return [found for part in getattr(layer, "layers", []) for found in normalizations(part)]


def reestimate(network, batches):
    """Moving statistics of `network` become the mean of what `batches` show it.

    For weights averaged over training, whose activations nobody has seen yet: Izmailov et al.,
    "Averaging Weights Leads to Wider Optima and Better Generalization" (2018, arXiv 1803.05407),
    section 3. Runs eagerly. What is frozen keeps its statistics.

    Args:
        network: a layer that can be called on a batch.
        batches: an iterable of its inputs.
    """
    found = [layer for layer in normalizations(network) if layer.trainable]
    usual = [layer.momentum for layer in found]
    try:
        for seen, batch in enumerate(batches if found else ()):
            for layer in found:
                layer.momentum = seen / (seen + 1)  # a running mean that forgets nothing
            network(batch, training=True)
    finally:
        for layer, momentum in zip(found, usual, strict=True):
            layer.momentum = momentum
