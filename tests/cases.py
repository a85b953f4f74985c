"""Small versions of all registered models, and matching data: those of `zoo.testing`."""

from zoo.generation.text_kind import LONGEST
from zoo.registry import get_class
from zoo.testing import inputs, same_bits, shared_model, small_model, small_trainer
from zoo.testing import shuffled_batches as shuffled

__all__ = [
    "LONGEST",
    "examples",
    "generate_outputs",
    "inputs",
    "same_bits",
    "shared_model",
    "shuffled",
    "small_config",
    "small_model",
    "small_trainer",
]


def small_config(name):
    return get_class(name).small_config()


def examples(model, n=32, seed=0):
    """A batch of n that fits the model: binary images, sentences, integers below 10."""
    return model.example_batch(n, seed)


def generate_outputs(model, batch, seed):
    """What a model is for: images [n, h, w, c], ids [n, LONGEST], ratings [n], ..."""
    return model.outputs(batch, seed)
