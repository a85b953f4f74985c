"""The loops that train in TensorFlow: by hand, by `keras.Model.fit`, by the zoo's Trainer."""

import sys

import keras
import tensorflow as tf

import zoo
from benchmarks.variants import SETTINGS, prepared
from zoo.threads import one_per_operation


class AfterStep(keras.callbacks.Callback):
    """Hands each step's logs to the protocol, which may block."""

    def __init__(self, protocol):
        super().__init__()
        self.protocol = protocol

    def on_train_batch_end(self, batch, logs=None):
        self.protocol.send(logs)


def trainer(name, make, images, batch_size, protocol, eager=False, as_command=False):
    """`Trainer.fit`; with the settings that the command `zoo train` makes, if `as_command`."""
    parts = zoo.registry.get_class(name).sub_batches if as_command else 1
    if parts > 1:  # as the command does
        one_per_operation()
    keras.utils.set_random_seed(0)
    data = zoo.data.load(images, batch_size=batch_size, shuffle=True)
    model = make(**SETTINGS[name])
    ours = zoo.Trainer(
        model,
        callbacks=[AfterStep(protocol)],
        optimizers=optimizers(name),
        sub_batches=parts,
        eager=eager,
        verbose=False,
    )
    ours.fit(data, epochs=sys.maxsize)


def optimizers(name):
    """The tutorials' where the zoo's are others."""
    parts = ("generator", "discriminator") if name == "dcgan" else ()
    return {part: keras.optimizers.Adam(1e-4) for part in parts} or None


def fit(name, make, images, batch_size, protocol):
    keras.utils.set_random_seed(0)
    data = dataset(name, images, batch_size)
    model = make(**SETTINGS[name])
    callbacks = [AfterStep(protocol)]
    model.fit(data, epochs=sys.maxsize, callbacks=callbacks, shuffle=False, verbose=0)


def loop(name, make, images, batch_size, protocol):
    keras.utils.set_random_seed(0)
    data = dataset(name, images, batch_size)
    model = make(**SETTINGS[name])
    while True:
        for batch in data:
            protocol.send(model.train_step(batch))


def dataset(name, images, batch_size):
    """The tutorials' pipeline; `prefetch` is a gift to them, they do without."""
    data = tf.data.Dataset.from_tensor_slices(prepared(name, images)).shuffle(len(images))
    return data.batch(batch_size).prefetch(tf.data.AUTOTUNE)


def threads():
    """How many work within and across operations; 0 is TensorFlow's own choice."""
    return {
        "intra_op": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter_op": tf.config.threading.get_inter_op_parallelism_threads(),
    }
