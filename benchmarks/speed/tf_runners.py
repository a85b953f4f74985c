"""The loops that train in TensorFlow: by hand, by `keras.Model.fit`, by the zoo's Trainer."""

import itertools

import keras
import tensorflow as tf

import zoo
from benchmarks.speed.synthetic_data import EPOCH, SAID, prepared
from benchmarks.speed.variants import SENTENCES, settings
from zoo.threads import single_threaded_ops

ENDLESS = 2**31 - 1  # epochs; the data end earlier


class AfterStep(keras.callbacks.Callback):
    """Hands each step's logs to the protocol, which may block."""

    def __init__(self, protocol):
        super().__init__()
        self.protocol = protocol

    def on_train_batch_end(self, batch, logs=None):
        self.protocol.send(logs)


def trainer(name, make, found, batch_size, protocol, as_command=False, **how):
    """`Trainer.fit`; with the settings that the command `zoo train` makes, if `as_command`."""
    parts = zoo.registry.get_class(name).micro_batches if as_command else 1
    if parts > 1:  # as the command does
        single_threaded_ops()
    keras.utils.set_random_seed(0)
    how |= {"micro_batches": parts, "optimizers": optimizers(name), "verbose": False}
    ours = zoo.Trainer(make(**settings(name)), callbacks=[AfterStep(protocol)], **how)
    ours.fit(data(found, batch_size), epochs=ENDLESS)


def data(found, batch_size):
    """The zoo's pipeline: epoch -> batches."""
    if isinstance(found, dict):
        kept = zoo.data.ArrayDataset(found, batch_size=batch_size, shuffle=True)
    else:
        kept = zoo.data.load(found, batch_size=batch_size, shuffle=True)
    return lambda epoch: kept(epoch).repeat(EPOCH // len(kept))


def optimizers(name):
    """The tutorials' where the zoo's are others."""
    if name in SENTENCES:
        return zoo.optimizers.Adam(1e-3)
    parts = ("generator", "discriminator") if name == "dcgan" else ()
    return {part: zoo.optimizers.Adam(1e-4) for part in parts} or None


def fit(name, make, found, batch_size, protocol):
    keras.utils.set_random_seed(0)
    batches = dataset(name, found, batch_size)
    model = make(**settings(name))
    callbacks = [AfterStep(protocol)]
    model.fit(batches, epochs=ENDLESS, callbacks=callbacks, shuffle=False, verbose=0)


def loop(name, make, found, batch_size, protocol):
    keras.utils.set_random_seed(0)
    batches = dataset(name, found, batch_size)
    model = make(**settings(name))
    while True:
        for batch in batches:
            protocol.send(model.train_step(batch))


def dataset(name, found, batch_size):
    """The tutorials' pipeline; `prefetch` is a gift to them, they do without."""
    examples = tf.data.Dataset.from_tensor_slices(prepared(name, found))
    shuffled = examples.shuffle(examples.cardinality())
    return shuffled.batch(batch_size).prefetch(tf.data.AUTOTUNE)


def decode(name, make, found, batch_size, protocol, as_command=False, **how):
    """What a model answers, one batch of sources after the other; `as_command` as above."""
    if as_command:
        single_threaded_ops()
    keras.utils.set_random_seed(0)
    model = make(**settings(name))
    sources = prepared(name, found)[0]
    for at in itertools.cycle(range(0, len(sources), batch_size)):
        said = model.generate(sources[at : at + batch_size], max_length=SAID, **how)
        protocol.send({"words": tf.size(tokens(said))})


def tokens(said):
    """Those of what the zoo's `generate` returns; a tutorial's returns nothing else."""
    return getattr(said, "tokens", said)


def threads():
    """How many work within and across operations; 0 is TensorFlow's own choice."""
    return {
        "intra_op": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter_op": tf.config.threading.get_inter_op_parallelism_threads(),
    }
