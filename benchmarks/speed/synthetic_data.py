"""What the models learn from, made up: as the zoo is given it, and as the tutorials' users feed it.

All sentences are of one length. So nothing in a batch is padding, the zoo's masks change no number,
and the tutorials, which know no mask but the loss's, can do without.
"""

import numpy as np

from benchmarks.speed.variants import DECODE, PICTURES, settings

START, END = 2, 3  # as in zoo.text, which would bring TensorFlow along
LENGTH = 16  # words a sentence, and of what is said END too
SAID = 20  # words that are decoded
EPOCH = 234  # batches, as many as MNIST's at a batch size of 256


def batches(model):
    """How many there are examples for: features of images are large, an epoch repeats them."""
    return EPOCH // 39 if model.removesuffix(DECODE) == "captioning" else EPOCH


def examples(model, count):
    """uint8 images, black or white; or a dict of arrays, named as the zoo names them."""
    random, sizes = np.random.default_rng(0), settings(model)
    if model in PICTURES:
        return 255 * random.integers(0, 2, (count, 28, 28, 1), "uint8")

    def words(vocabulary, length):
        return random.integers(END + 1, sizes[vocabulary], (count, length), "int32")

    def said(vocabulary):
        marks = (np.full((count, 1), mark, "int32") for mark in (START, END))
        return np.insert(words(vocabulary, LENGTH - 1), [0, LENGTH - 1], np.hstack([*marks]), 1)

    if model.removesuffix(DECODE) == "seq2seq":
        source = words("source_vocabulary", LENGTH)
        return {"source": source, "target": said("target_vocabulary")}
    image = random.random((count, *sizes["image_shape"]), "float32")
    return {"image": image, "caption": said("caption_vocabulary")}


def prepared(model, found):
    """Examples as the tutorials feed them: a pair, or images in [0, 1], for the GAN in [-1, 1]."""
    if isinstance(found, dict):
        return tuple(found.values())
    images = found.astype("float32")
    return (images - 127.5) / 127.5 if model == "dcgan" else images / 255
