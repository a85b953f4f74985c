"""The zoo: a pluggable model zoo of generative and sequence architectures for TensorFlow.

    model = zoo.get("vae", latent_dim=2)             # the paper's architecture, ready to call
    data = zoo.data.load("mnist", "train", batch_size=256)
    zoo.Trainer(model, workdir="runs/vae").fit(data, epochs=10)
    model.sample(16)

Importing this package imports neither TensorFlow nor TFDS nor matplotlib; they come when used.
"""

import importlib

from zoo import environment, errors
from zoo.environment import set_keras_home
from zoo.factory import get, info, load_block, names
from zoo.registry import register
from zoo.version import __version__

__all__ = [
    "__version__",
    "Captioner",
    "Model",
    "Speaker",
    "Trainer",
    "Translator",
    "checked_method",
    "data",
    "errors",
    "export",
    "feature_extractor",
    "figures",
    "finetuning",
    "get",
    "info",
    "inspection",
    "load_block",
    "log_message",
    "metrics",
    "names",
    "optimizers",
    "presets",
    "recipes",
    "register",
    "save",
    "text",
    "transfer_weights",
]

set_keras_home()

LAZY = {
    "Captioner": "zoo.generation.captioner",
    "Model": "zoo.model",
    "Speaker": "zoo.generation.sequence_generator",
    "Trainer": "zoo.training.trainer",
    "Translator": "zoo.generation.translator",
    "checked_method": "zoo.model.method_arguments",
    "data": None,
    "export": "zoo.saved_model",
    "feature_extractor": "zoo.finetuning.features",
    "figures": None,
    "finetuning": None,
    "inspection": None,
    "log_message": "zoo.log",
    "metrics": None,
    "optimizers": None,
    "presets": None,
    "recipes": None,
    "save": "zoo.presets",
    "text": None,
    "transfer_weights": "zoo.factory",
}


LIGHT = {"data", "presets", "recipes", "save"}  # need no TensorFlow yet


def __getattr__(name):
    if name not in LAZY:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    if name not in LIGHT:
        environment.import_tensorflow()
    if LAZY[name] is None:
        return importlib.import_module(f"zoo.{name}")
    return getattr(importlib.import_module(LAZY[name]), name)


def __dir__():
    return sorted(set(__all__) | set(globals()))
