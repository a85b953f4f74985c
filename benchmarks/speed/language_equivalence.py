"""The values of `benchmarks.speed.equivalence` for language models: losses, or decoded tokens."""

import functools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import zoo
from benchmarks.speed.synthetic_data import END, decoded_length, make_examples, prepare
from benchmarks.speed.tf_runners import generate, optimizers
from benchmarks.speed.trainer_adapter import TrainerAdapter, paired_losses
from benchmarks.speed.variants import DECODING, VARIANTS, base_name, factory, model_arguments

WEIGHT_SCALE = 4.0  # larger weights, with which a model generates many different tokens
EXCLUDED = -10.0  # factor of the vectors of tokens that must not be generated


def language_model_values(name: str, variant: str, batch_size: int) -> dict[str, tuple[Any, Any]]:
    """Quantity -> (value in the zoo, value in the variant): losses, or tokens."""
    zoo_model, other = (factory(each, name)(**model_arguments(name)) for each in ("zoo", variant))
    zoo_model.prepare(optimizers(base_name(name)))
    if variant == "keras hub":
        _compute_as_keras_hub(zoo_model)
    batch = make_examples(name, batch_size)
    inputs = tf.constant(prepare(name, batch))
    if name in DECODING:
        _vary_tokens(zoo_model)
        other = _with_weights(other, variant, zoo_model)
        models = (zoo_model, other)
        return {"tokens": tuple(generate(m, inputs, decoded_length(name)) for m in models)}
    other = _with_weights(other, variant, zoo_model)
    if variant.startswith("zoo"):
        jit_compile = VARIANTS[variant].arguments.get("jit_compile", False)
        micro_batches = 1 if jit_compile else type(other).micro_batches
        other = TrainerAdapter(name, other, batch, micro_batches, jit_compile=jit_compile)
    batch = {feature: tf.constant(value) for feature, value in batch.items()}
    return paired_losses(zoo_model, other, batch, inputs)


def _with_weights(other, variant, zoo_model):
    """The variant's model, with the zoo's weights and the methods of a TensorFlow model."""
    if variant.startswith("pytorch"):
        from benchmarks.speed.torch_weights import LanguageModelAdapter

        other = LanguageModelAdapter(other)
        other.set_weights(zoo_model.weights)
        return other
    weights = other.weights if isinstance(other, zoo.LanguageModel) else other.network.weights
    for variable, value in zip(weights, zoo_model.weights, strict=True):
        variable.assign(tf.reshape(value, variable.shape))  # Keras' kernels have an axis of heads
    return other


def _compute_as_keras_hub(model):
    """The approximate GELU of keras_hub, and its epsilon."""
    for layer in model.layer_stack:
        layer.self_attention_norm.epsilon = 1e-5
        layer.feed_forward_norm.epsilon = 1e-5
        gelu = functools.partial(keras.activations.gelu, approximate=True)
        layer.feed_forward.layers[0].activation = gelu


def _vary_tokens(model):
    """Sets weights with which the most probable token changes, and is never a special one.

    The last normalization adds a vector to which the other tokens are orthogonal, and which is
    longer than all that it is added to.
    """
    model.set_weights([WEIGHT_SCALE * weight for weight in model.get_weights()])
    unit = np.random.default_rng(1).normal(size=model.hidden_dim)
    unit /= np.linalg.norm(unit)
    model.norm.beta.assign(2 * WEIGHT_SCALE * model.hidden_dim**0.5 * unit)
    table = model.embedding.embeddings.numpy()
    table -= np.outer(table @ unit, unit)
    table[: END + 1] = EXCLUDED * unit
    model.embedding.embeddings.assign(table)
