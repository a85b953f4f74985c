"""Checks that the variants which `benchmarks.speed` compares are the same computation.

`python -m benchmarks.speed.equivalence vae` copies the zoo's initial weights into each variant,
gives both the same batch and the same noise, and takes three real training steps with each. Equal
outputs of every network before the first step and equal losses at each step mean equal networks,
losses, gradients and optimizers. Dropout is off here, because its random masks cannot be compared;
its rate is one argument for all variants. Prints the largest relative difference of each variant
as JSON; fails above the tolerance.
"""

import argparse
import json
import sys
from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf

from benchmarks.speed.language_equivalence import language_model_values
from benchmarks.speed.synthetic_data import (
    END,
    SAMPLING_STEPS,
    decoded_length,
    make_examples,
    prepare,
)
from benchmarks.speed.tf_runners import generate, optimizers
from benchmarks.speed.trainer_adapter import TrainerAdapter, paired_losses
from benchmarks.speed.variants import (
    DECODING,
    GPT_MODELS,
    IMAGE_MODELS,
    SAMPLING,
    VARIANTS,
    factory,
    model_arguments,
    variants_of,
)

TOLERANCE = 1e-4
WEIGHT_SCALE = 2.0  # larger weights, with which a model generates many different tokens
EXCLUDED = -1e9  # the logit of a token that must not be generated


def check(name: str, variants: Iterable[str] = VARIANTS, batch_size: int = 16) -> dict[str, float]:
    """Variant -> largest relative difference from the zoo.

    Variants that use the zoo's own step, that cannot run here, or that have another network are
    skipped, and so are those of `plain_parts`, whose equality is tested part by part.

    Raises:
        AssertionError: a difference is larger than TOLERANCE.
    """
    return {
        variant: compare(name, variant, batch_size)
        for variant in variants_of(name, variants)
        if variant not in ("zoo", "zoo eager")
        and "plain" not in VARIANTS[variant].arguments
        and VARIANTS[variant].same_network
        and not VARIANTS[variant].missing()
    }


def compare(name: str, variant: str, batch_size: int) -> float:
    """Largest relative difference between a variant and the zoo; AssertionError as in `check`."""
    keras.utils.set_random_seed(0)
    if name in SAMPLING:
        compare_values = _sampled_values
    elif name in GPT_MODELS:
        compare_values = language_model_values
    else:
        compare_values = _image_model_values if name in IMAGE_MODELS else _text_model_values
    pairs = compare_values(name, variant, batch_size)
    differences = {quantity: _relative_difference(*pair) for quantity, pair in pairs.items()}
    worst = max(differences, key=differences.get)
    if not differences[worst] <= TOLERANCE:  # also fails for NaN
        expected, actual = (np.ravel(value)[:3] for value in pairs[worst])
        raise AssertionError(
            f"{name}, {variant!r} is not the zoo's computation: {worst} differs by"
            f" {differences[worst]:.1e} (tolerance {TOLERANCE}): expected {expected} as in the zoo,"
            f" got {actual}"
        )
    return differences[worst]


def _image_model_values(name, variant, batch_size):
    """Quantity -> (value in the zoo, value in the variant) of an image model."""
    arguments = dict.fromkeys(model_arguments(name), 0.0)  # the only argument is dropout
    zoo_model = factory("zoo", name)(**arguments)
    other = factory(variant, name)(**arguments)
    zoo_model.prepare(optimizers(name))
    pixels = 255 * (np.random.default_rng(0).random((batch_size, 28, 28, 1)) > 0.8)
    images = prepare(name, pixels.astype("uint8"))
    batch = {"image": tf.constant(pixels / 255, tf.float32)}
    seed = tf.constant([1, 2], tf.int32)
    zoo_model.next_seed = lambda: seed
    if variant in ("zoo train", "zoo threads"):
        other = TrainerAdapter(name, other, batch, type(other).micro_batches, eager=True)
        other.model.next_seed = zoo_model.next_seed
    elif VARIANTS[variant].requirements:
        from benchmarks.speed.torch_weights import ImageModelAdapter

        other = ImageModelAdapter(other)

    noise, pairs = _copy_weights(zoo_model, other, images)
    other.noise = lambda _: noise  # a variant samples either with `noise` or with `seed`
    other.seed = seed
    return pairs | paired_losses(zoo_model, other, batch, tf.constant(images))


def _sampled_values(name, variant, batch_size):
    """Quantity -> (value in the zoo, value in the variant) of the samples of a diffusion model."""
    zoo_model, other = (factory(each, name)(**model_arguments(name)) for each in ("zoo", variant))
    weights = zoo_model.get_weights()
    images = zoo_model.sample(batch_size, seed=1, steps=SAMPLING_STEPS)
    if VARIANTS[variant].requirements:
        from benchmarks.speed.torch_weights import ImageModelAdapter

        other = ImageModelAdapter(other)
        other.network.set_weights(weights)
        noise = zoo_model.generator_inputs(batch_size, zoo_model.as_seed(1))
        return {"images": (images, other.sample(noise, SAMPLING_STEPS))}
    (other if variant.startswith("zoo") else other.network).set_weights(weights)
    return {"images": (images, other.sample(batch_size, seed=1, steps=SAMPLING_STEPS))}


def _text_model_values(name, variant, batch_size):
    """Quantity -> (value in the zoo, value in the variant) of a text model: losses, or tokens."""
    zoo_model, other = (factory(each, name)(**model_arguments(name)) for each in ("zoo", variant))
    batch = make_examples(name, batch_size)
    inputs = tuple(map(tf.constant, prepare(name, batch)))
    if variant in ("zoo train", "zoo threads", "zoo xla") and name not in DECODING:
        micro_batches = 1 if variant == "zoo xla" else type(other).micro_batches
        zoo_model.prepare(optimizers(name))
        other.prepare(optimizers(name))
        other.set_weights(zoo_model.get_weights())
        jit_compile = variant == "zoo xla"
        other = TrainerAdapter(name, other, batch, micro_batches, jit_compile=jit_compile)
        return paired_losses(zoo_model, other, batch, inputs)
    if name in DECODING:  # varied tokens, and never END
        zoo_model.set_weights([WEIGHT_SCALE * weight for weight in zoo_model.get_weights()])
        ids = tf.range(zoo_model.vocabulary_sizes[zoo_model.target_feature])
        zoo_model.output_layer.bias.assign(tf.where(ids > END, 0.0, EXCLUDED))
    options = {}
    if variant in ("zoo translate", "zoo threads"):
        other.set_weights(zoo_model.get_weights())
        options = {"micro_batches": 2}
    elif VARIANTS[variant].requirements:
        from benchmarks.speed.torch_weights import TextModelAdapter

        other = TextModelAdapter(other)
        other.set_weights(zoo_model.weights)
    else:
        for variable, value in zip(other.network.weights, zoo_model.weights, strict=True):
            variable.assign(value)
    if name in DECODING:
        expected = generate(zoo_model, inputs[0], decoded_length(name))
        return {"tokens": (expected, generate(other, inputs[0], decoded_length(name), **options))}
    zoo_model.prepare(optimizers(name))
    batch = {feature: tf.constant(value) for feature, value in batch.items()}
    return paired_losses(zoo_model, other, batch, inputs)


def _copy_weights(zoo_model, other, images):
    """Copies the weights; returns the noise of the zoo's step and each network's two outputs."""
    if hasattr(zoo_model, "schedule"):
        return _copy_diffusion_weights(zoo_model, other, images)
    if hasattr(zoo_model, "generator"):
        noise = zoo_model.noise(len(images))
        inputs = {"generator": noise, "discriminator": images}
    else:
        q = zoo_model.posterior(images)
        noise = (q.sample(seed=zoo_model.next_seed()) - q.mean()) / q.stddev()
        inputs = {"encoder": images, "decoder": noise}
        for variable, value in zip(other.prior, zoo_model.latent_prior.weights, strict=True):
            variable.assign(value)
    pairs = {}
    for part, value in inputs.items():
        zoo_network = getattr(zoo_model, part)
        other_network = getattr(other, part)
        other_network.set_weights(zoo_network.get_weights())
        pairs[part] = zoo_network(value), other_network(value)
    return noise, pairs


def _copy_diffusion_weights(zoo_model, other, images):
    """`_copy_weights` of a diffusion model, whose noise is a step and noise for each image."""
    seed = zoo_model.next_seed()
    times = zoo_model.schedule.random_times(len(images), seed)
    noise = tf.random.stateless_normal(images.shape, seed)
    if isinstance(other, TrainerAdapter):
        other.set_weights(zoo_model.get_weights())
        return noise, {}
    other.network.set_weights(zoo_model.get_weights())
    steps = tf.cast(tf.round(times * zoo_model.schedule.timesteps), tf.int32)
    outputs = zoo_model.estimate(noise, times, None), other.network(noise, steps)
    return (steps, noise), {"network": outputs}


def _relative_difference(expected, actual):
    """Largest difference, relative to the largest expected value; 0 if there is no difference."""
    expected = np.asarray(expected)
    actual = np.asarray(actual)
    difference = np.max(np.abs(expected - actual))
    return float(difference / np.max(np.abs(expected))) if difference else 0.0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--variants", nargs="+", default=VARIANTS)
    options = parser.parse_args()
    try:
        print(json.dumps({name: check(name, options.variants) for name in options.models}))
    except AssertionError as error:
        sys.exit(str(error))
