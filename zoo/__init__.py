"""The zoo: a pluggable model zoo of generative and sequence architectures for TensorFlow.

    model = zoo.get("vae", latent_dim=2)             # the paper's architecture, ready to call
    data = zoo.data.load("mnist", "train", batch_size=256)
    zoo.Trainer(model, workdir="runs/vae").fit(data, epochs=10)
    model.sample(16)

Importing this package imports neither TensorFlow nor TFDS nor matplotlib; they come when used.
"""

import importlib

from zoo.environment import check_backend, give_keras_a_home
from zoo.registry import get, info, names, register

__version__ = "0.1.0"
__all__ = [
    "Adam",
    "Captioner",
    "Model",
    "Speaker",
    "Trainer",
    "Translator",
    "data",
    "export",
    "features",
    "figures",
    "finetuning",
    "get",
    "info",
    "inspection",
    "load_block",
    "names",
    "presets",
    "register",
    "save",
    "transfer",
    "verb",
]

give_keras_a_home()

LAZY = {
    "Adam": "zoo.optimizers",
    "Captioner": "zoo.captioner",
    "Model": "zoo.model",
    "Speaker": "zoo.speaker",
    "Trainer": "zoo.trainer",
    "Translator": "zoo.translator",
    "data": None,
    "export": "zoo.saved_model",
    "features": "zoo.extraction",
    "figures": None,
    "finetuning": None,
    "inspection": None,
    "load_block": "zoo.presets",
    "presets": None,
    "save": "zoo.presets",
    "transfer": "zoo.adapting",
    "verb": "zoo.verbs",
}


def __getattr__(name):
    if name not in LAZY:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    if LAZY[name] is None:  # packages that are light by themselves
        return importlib.import_module(f"zoo.{name}")
    check_backend()
    return getattr(importlib.import_module(LAZY[name]), name)


def __dir__():
    return sorted(set(__all__) | set(globals()))
