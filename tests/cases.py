"""Small versions of all registered models, and matching data.

A model's class says how it is made small, see `zoo.model.kind`.
"""

import functools

import keras
import numpy as np
import tensorflow as tf

import zoo
from zoo import text
from zoo.generation.text_kind import LONGEST
from zoo.registry import get_class


def small_config(name):
    return get_class(name).small_config()


def small_model(name, seed=0, **config):
    keras.utils.set_random_seed(seed)
    return zoo.get(name, **{**small_config(name), **config})


def examples(model, n=32, seed=0):
    """A batch of n that fits the model: binary images, sentences, integers below 10."""
    return model.example_batch(n, seed)


def generate_outputs(model, batch, seed):
    """What a model is for: images [n, h, w, c], ids [n, LONGEST], ratings [n], ..."""
    return model.outputs(batch, seed)


def uses_seed(model):
    """Whether `generate_outputs` depends on the seed."""
    return not hasattr(model, "stylized_image") and not hasattr(model, "predict_ratings")


def output_spec(model):
    """(shape of one example, dtype, highest value) of `generate_outputs`."""
    if hasattr(model, "generate"):
        return (LONGEST,), np.int32, model.vocabulary_sizes[model.target_feature] - 1
    if hasattr(model, "predict_ratings"):
        return (), np.float32, model.rating_range[1]
    return model.image_shape, np.float32, 1.0


def output_error(found, truth):
    """Error in [0, 1]: the mean absolute error of images, the fraction of wrong tokens."""
    if truth.dtype.is_floating:
        return float(tf.reduce_mean(tf.abs(found - truth)))
    words = truth[:, 1:]  # START is not generated
    return float(np.mean((found[:, : words.shape[1]] != words)[words != text.PAD]))


def inputs(model, n):
    """Inputs of `call`: a feature of the batches, several features, or noise."""
    if isinstance(model.input_feature, tuple):
        batch = examples(model, n)
        return {name: batch[name] for name in model.input_feature}
    if model.input_feature:
        return examples(model, n)[model.input_feature]
    return model.generator_inputs(n, seed=0)


@functools.cache
def shuffled(name, n=32, batch_size=8):
    """Epoch -> Dataset in another order for each epoch."""
    batch = {k: v.numpy() for k, v in examples(small_model(name), n).items()}

    def data(epoch):
        order = np.random.default_rng((7, epoch)).permutation(n)
        dataset = tf.data.Dataset.from_tensor_slices({k: v[order] for k, v in batch.items()})
        return dataset.batch(batch_size, drop_remainder=True)

    return data


def small_trainer(name, workdir=None, model=None, **options):
    options = {"verbose": False, "figures_every": 0, **options}
    return zoo.Trainer(model or small_model(name), workdir, **options)


def same_bits(a, b):
    """Keys of two dicts of arrays that differ in any bit."""
    assert a.keys() == b.keys()
    return [key for key in a if a[key].tobytes() != b[key].tobytes()]
