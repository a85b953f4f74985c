"""A denoising autoencoder of one-dimensional signals: a plug-in of a kind that the zoo has not.

Pascal Vincent, Hugo Larochelle, Yoshua Bengio, Pierre-Antoine Manzagol, "Extracting and Composing
Robust Features with Denoising Autoencoders", 2008, ICML.
"""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import zoo
from blocks.checks import non_negative_float, positive_int
from zoo import recipes
from zoo.data.numpy_files import write_arrays


@zoo.register("signal_autoencoder")
class SignalAutoencoder(zoo.Model):
    """Denoising autoencoder of signals [batch, length].

    Args:
        length: number of values of a signal.
        units: units of the hidden layers.
        latent_dim: numbers in a code.
        noise: standard deviation of the noise that is added to the inputs in training.
    """

    input_feature = target_feature = "signal"
    data_kind = "signals"
    data_options = ()
    inferred_arguments = ("length",)
    methods = {"encode": ("signal",), "decode": ("codes",), "reconstruct": ("signal",)}
    sample_suffixes = (".png", ".npy", ".npz")
    outputs_use_seed = False

    def __init__(self, length=64, units=128, latent_dim=8, noise=0.1, **kwargs):
        super().__init__(**kwargs)
        self.length = positive_int(length, "length")
        self.units = positive_int(units, "units")
        self.latent_dim = positive_int(latent_dim, "latent_dim")
        self.noise = non_negative_float(noise, "noise")
        self.encoder = self.network(latent_dim)
        self.decoder = self.network(length)

    def network(self, outputs):
        dtype = self.dtype_policy
        hidden = keras.layers.Dense(self.units, "relu", dtype=dtype)
        return keras.Sequential([hidden, keras.layers.Dense(outputs, dtype=dtype)])

    def build(self, input_shape=None):
        self.encoder.build((None, self.length))
        self.decoder.build((None, self.latent_dim))

    @property
    def batch_spec(self):
        return {"signal": tf.TensorSpec((None, self.length), tf.float32)}

    def call(self, signal, training=False):
        return tf.cast(self.decoder(self.encoder(signal)), tf.float32)

    def train_step(self, batch):
        x = batch["signal"]
        corrupted = x + self.noise * tf.random.stateless_normal(tf.shape(x), self.next_seed())
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((x - self(corrupted, training=True)) ** 2)
        self.minimize(loss, tape)
        return {"loss": loss}

    def eval_step(self, batch):
        x = batch["signal"]
        return {"loss": tf.reduce_mean((x - self(x)) ** 2, axis=-1)}

    @zoo.checked_method(x="signal")
    def encode(self, x):
        """The codes [n, latent_dim] of signals [n, length]."""
        return tf.cast(self.encoder(x), tf.float32)

    @zoo.checked_method(z="codes")
    def decode(self, z):
        """The signals [n, length] of codes [n, latent_dim]."""
        return tf.cast(self.decoder(z), tf.float32)

    @zoo.checked_method(x="signal")
    def reconstruct(self, x):
        """Signals [n, length] from the codes of signals."""
        return self(x)

    # What this kind of data is: for `zoo train`, `zoo sample`, figures and `zoo check`.

    @classmethod
    def load_data(cls, source, split, *, training=False, arguments=None, **options):
        path = Path(source)
        csv = path.suffix == ".csv"
        signals = np.loadtxt(path, delimiter=",", ndmin=2) if csv else np.load(path)
        arrays = zoo.data.slice_split({"signal": signals.astype(np.float32)}, split, name=path.name)
        options |= {"name": path.stem, "split": split, "shuffle": training}
        return zoo.data.ArrayDataset(arrays, **options)

    @classmethod
    def arguments_from_data(cls, data):
        return {"length": data.spec["signal"].shape[1]}

    def figures(self, batch):
        return {"reconstructions": self.plot(batch["signal"][:4])}

    def plot(self, signals):
        figure, *axes = zoo.figures.plot(300, 200, panels=len(signals))
        for panel, signal, output in zip(axes, signals, self.reconstruct(signals), strict=True):
            panel.plot(signal, label="signal")
            panel.plot(output, label="reconstruction")
        return zoo.figures.to_array(figure)

    def write_samples(self, file, data, n=4):
        signals = data.take(n)["signal"]
        if file.suffix in zoo.figures.FORMATS:
            zoo.figures.save(file, self.plot(signals))
        else:
            write_arrays(file, reconstruction=self.reconstruct(signals), signal=signals)

    @classmethod
    def next_commands(cls, run):
        return [f"zoo sample {run} -n 4"]

    @classmethod
    def small_config(cls):
        return {"length": 16, "units": 32}

    def outputs(self, batch, seed):
        return self.reconstruct(batch["signal"])


def peak_error(model, data):
    """The mean distance between the largest values of signals and of their reconstructions."""
    signals = data.test.take(data.test.num_examples)["signal"]
    errors = np.abs(signals.max(1) - np.max(model.reconstruct(signals), 1))
    return {"value": float(errors.mean()), "n": len(errors)}, errors


recipes.register_metric(
    "peak_error",
    recipes.Metric("peak_error", "error of the peak", "units", peak_error, domain="signals"),
)
