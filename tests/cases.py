"""Small versions of all registered models, and matching data.

New models need no change here: small arguments are chosen by the signature, batches by the
`batch_spec`.
"""

import functools

import keras
import numpy as np
import tensorflow as tf

import zoo
from zoo import text
from zoo.registry import arguments, get_class

# A small value is used if an argument has this name and a default of this type.
SMALL = (
    ("image_shape", (8, 8, 1)),
    ("filters", (8, 16)),
    ("filters", 8),
    ("discriminator_filters", (8, 16)),
    ("components", 4),
    ("num_components", 4),
    ("num_pseudo_inputs", 4),
    ("num_couplings", 2),
    ("coupling_units", 8),
    ("content_weight", 100.0),
    ("content_layers", ("block1_conv1",)),
    ("source_vocabulary", 20),
    ("target_vocabulary", 20),
    ("caption_vocabulary", 20),
    ("rating_range", (0.0, 1.0)),
    ("encoder", (8, 16)),
    ("embedding_dim", 16),
    ("units", 16),
    ("hidden_dim", 16),
    ("intermediate_dim", 16),
    ("num_encoder_layers", 1),
    ("num_decoder_layers", 1),
)
LONGEST = 6  # ids of a sentence


def small_config(name):
    cls = get_class(name)
    kinds = {key: type(p.default) for key, p in arguments(cls).items()}
    own = cls.small_config() if hasattr(cls, "small_config") else {}
    return {key: value for key, value in SMALL if kinds.get(key) is type(value)} | own


def small_model(name, seed=0, **config):
    keras.utils.set_random_seed(seed)
    return zoo.get(name, **{**small_config(name), **config})


def examples(model, n=32, seed=0):
    """A batch of n that fits the model: binary images, sentences, integers below 10."""
    rng = np.random.default_rng(seed)
    batch = {}
    for name, spec in model.batch_spec.items():
        if spec.dtype.is_integer and spec.shape.rank == 2:
            values = sentences(rng, n)
        else:
            shape = [n, *spec.shape[1:]]
            floats = spec.dtype.is_floating
            values = rng.random(shape) > 0.5 if floats else rng.integers(0, 10, shape)
        batch[name] = tf.constant(values, spec.dtype)
    return batch


def sentences(rng, n):
    """Ids [n, LONGEST]: START, one word or more, END, zeros."""
    lengths = rng.integers(3, LONGEST + 1, (n, 1))
    places = np.arange(LONGEST)
    ids = np.where(places == lengths - 1, text.END, rng.integers(4, 10, (n, LONGEST)))
    return np.where(places == 0, text.START, np.where(places < lengths, ids, text.PAD))


def generate_outputs(model, batch, seed):
    """The outputs of a model: images [n, h, w, c] from noise or of a batch, or a stylized image.

    Text models: ids [n, LONGEST]; models of ratings: ratings [n].
    """
    if hasattr(model, "predict_ratings"):
        return model.predict_ratings(batch["user"], batch["item"])
    if not uses_seed(model):
        return tf.repeat(model.stylized_image()[None], len(batch["content"]), axis=0)
    if hasattr(model, "generate"):
        # Low enough to depend on the weights, high enough to depend on the seed.
        how = {"seed": seed, "temperature": 0.5}
        return model.generate(batch[model.input_feature], max_length=LONGEST, **how).tokens
    if hasattr(model, "translate"):
        return model.translate(batch["source"], seed=seed)
    return model.sample(len(batch["image"]), seed=seed)


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
