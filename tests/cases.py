"""Small versions of every registered model, and data that fit them: what the suites run over.

A new model needs no line here: its configuration is read from its signature, its batches from its
`batch_spec`.
"""

import functools

import keras
import numpy as np
import tensorflow as tf

import zoo
from zoo.registry import arguments, get_class

SMALL = {"image_shape": (8, 8, 1), "components": 4, "couplings": 2, "coupling_units": 8}


def small_config(name):
    known = arguments(get_class(name))
    return {key: value for key, value in SMALL.items() if key in known}


def small_model(name, seed=0, **config):
    keras.utils.set_random_seed(seed)
    return zoo.get(name, **{**small_config(name), **config})


def examples(model, n=32, seed=0):
    """A batch of n that fits the model: binary images, integers below 10."""
    rng = np.random.default_rng(seed)
    batch = {}
    for name, spec in model.batch_spec.items():
        shape = [n, *(size or 5 for size in spec.shape[1:])]
        values = rng.random(shape) > 0.5 if spec.dtype.is_floating else rng.integers(0, 10, shape)
        batch[name] = tf.constant(values, spec.dtype)
    return batch


@functools.cache
def shuffled(name, n=32, batch_size=8):
    """Epoch -> Dataset in an order of its own."""
    batch = {k: v.numpy() for k, v in examples(small_model(name), n).items()}

    def data(epoch):
        order = np.random.default_rng((7, epoch)).permutation(n)
        dataset = tf.data.Dataset.from_tensor_slices({k: v[order] for k, v in batch.items()})
        return dataset.batch(batch_size, drop_remainder=True)

    return data


def trainer(name, workdir=None, model=None, **options):
    options = {"verbose": False, "figures_every": 0, **options}
    return zoo.Trainer(model or small_model(name), workdir, **options)


def same_bits(a, b):
    """Keys of two dicts of arrays that differ in any bit."""
    assert a.keys() == b.keys()
    return [key for key in a if a[key].tobytes() != b[key].tobytes()]
