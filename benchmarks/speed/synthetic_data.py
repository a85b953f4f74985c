"""Synthetic examples, in the form of the zoo's data sets and in the form of the tutorials.

All sequences have one length, so no batch has padding: the zoo's masks change no number, and the
tutorials, which mask only the loss, compute the same.
"""

from typing import Any

import numpy as np

from benchmarks.speed.variants import (
    CONTINUATION_LENGTH,
    GPT_MODELS,
    IMAGE_MODELS,
    LANGUAGE_MODELS,
    PROMPT_LENGTH,
    base_name,
    model_arguments,
)

START, END = 2, 3  # as in zoo.text, which would import TensorFlow
SEQUENCE_LENGTH = 16  # tokens in a source; tokens in a target without START
DECODED_LENGTH = 20  # tokens of a translation or caption that are decoded
SAMPLING_STEPS = 20  # of a diffusion model
STEPS_PER_EPOCH = 234  # as many as for MNIST at batch size 256


def num_batches(model: str) -> int:
    """Number of batches to make examples for: few for image features; an epoch repeats them."""
    captioning = base_name(model) == "captioning"
    return STEPS_PER_EPOCH // 39 if captioning else STEPS_PER_EPOCH


def make_examples(model: str, count: int) -> np.ndarray | dict[str, np.ndarray]:
    """Examples as in the zoo: uint8 images, black or white; or a dict of arrays."""
    rng = np.random.default_rng(0)
    sizes = model_arguments(model)
    if base_name(model) in IMAGE_MODELS:
        return 255 * rng.integers(0, 2, (count, 28, 28, 1), "uint8")

    def random_tokens(vocabulary, length):
        return rng.integers(END + 1, sizes[vocabulary], (count, length), "int32")

    def target_tokens(vocabulary):
        marks = (np.full((count, 1), mark, "int32") for mark in (START, END))
        tokens = random_tokens(vocabulary, SEQUENCE_LENGTH - 1)
        return np.insert(tokens, [0, SEQUENCE_LENGTH - 1], np.hstack([*marks]), 1)

    if model in GPT_MODELS:  # blocks of a text; or prompts, which begin after END
        decoding = model not in LANGUAGE_MODELS
        length = PROMPT_LENGTH if decoding else sizes["context_length"] + 1
        tokens = random_tokens("text_vocabulary", length)
        tokens[:, :decoding] = END
        return {"text": tokens}
    if base_name(model) == "seq2seq":
        source = random_tokens("source_vocabulary", SEQUENCE_LENGTH)
        return {"source": source, "target": target_tokens("target_vocabulary")}
    image = rng.random((count, *sizes["image_shape"]), "float32")
    return {"image": image, "caption": target_tokens("caption_vocabulary")}


def decoded_length(model: str) -> int:
    """Number of tokens that are decoded."""
    return CONTINUATION_LENGTH if model in GPT_MODELS else DECODED_LENGTH


def prepare(model: str, examples: np.ndarray | dict[str, np.ndarray]) -> Any:
    """Examples as in the tutorials: ids, a pair, or images in [0, 1], for the GAN in [-1, 1]."""
    if model in GPT_MODELS:
        return examples["text"]
    if isinstance(examples, dict):
        return tuple(examples.values())
    images = examples.astype("float32")
    return (images - 127.5) / 127.5 if model == "dcgan" else images / 255
