"""The zoo: a pluggable model zoo of generative and sequence architectures for TensorFlow.

    model = zoo.get("vae", latent_dim=2)             # the paper's architecture, built
    data = zoo.data.load("mnist", "train", batch_size=256)
    zoo.Trainer(model, workdir="runs/vae").fit(data, epochs=10)
    model.sample(16)

Importing this package does not import TensorFlow, TFDS or matplotlib; they are imported on first
use.
"""

import importlib
from typing import TYPE_CHECKING, Any

from zoo import environment, errors
from zoo.environment import ensure_keras_home
from zoo.factory import get, info, load_block, names
from zoo.registry import register
from zoo.version import __version__

if TYPE_CHECKING:  # the names of _LAZY, for editors and type checkers
    from zoo import (
        data,
        figures,
        finetuning,
        inspection,
        metrics,
        optimizers,
        presets,
        recipes,
        testing,
        text,
        threads,
    )
    from zoo.factory import transfer_weights
    from zoo.finetuning.features import feature_extractor
    from zoo.generation.captioner import Captioner
    from zoo.generation.diffusion_model import DiffusionModel
    from zoo.generation.language_model import LanguageModel
    from zoo.generation.sequence_generator import SequenceGenerator
    from zoo.generation.translator import Translator
    from zoo.log import log_message
    from zoo.model import Model
    from zoo.model.image_translator import ImageTranslator
    from zoo.model.method_arguments import checked_method
    from zoo.model.recommender import Recommender
    from zoo.model.stylizer import Stylizer
    from zoo.presets import save
    from zoo.recipes.loading import load
    from zoo.saved_model import export
    from zoo.training.trainer import Trainer

__all__ = [
    "__version__",
    "Captioner",
    "DiffusionModel",
    "ImageTranslator",
    "LanguageModel",
    "Model",
    "Recommender",
    "SequenceGenerator",
    "Stylizer",
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
    "load",
    "load_block",
    "log_message",
    "metrics",
    "names",
    "optimizers",
    "presets",
    "recipes",
    "register",
    "save",
    "testing",
    "text",
    "threads",
    "transfer_weights",
]

ensure_keras_home()

# Public name -> the module that defines it; None: it is a submodule.
_LAZY = {
    "Captioner": "zoo.generation.captioner",
    "DiffusionModel": "zoo.generation.diffusion_model",
    "ImageTranslator": "zoo.model.image_translator",
    "LanguageModel": "zoo.generation.language_model",
    "Model": "zoo.model",
    "Recommender": "zoo.model.recommender",
    "SequenceGenerator": "zoo.generation.sequence_generator",
    "Stylizer": "zoo.model.stylizer",
    "Trainer": "zoo.training.trainer",
    "Translator": "zoo.generation.translator",
    "checked_method": "zoo.model.method_arguments",
    "data": None,
    "export": "zoo.saved_model",
    "feature_extractor": "zoo.finetuning.features",
    "figures": None,
    "finetuning": None,
    "inspection": None,
    "load": "zoo.recipes.loading",
    "log_message": "zoo.log",
    "metrics": None,
    "optimizers": None,
    "presets": None,
    "recipes": None,
    "save": "zoo.presets",
    "testing": None,
    "text": None,
    "threads": None,
    "transfer_weights": "zoo.factory",
}


_WITHOUT_TENSORFLOW = {"data", "presets", "recipes", "save"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    if name not in _WITHOUT_TENSORFLOW:
        environment.import_tensorflow()
    module = _LAZY[name]
    if module is None:
        return importlib.import_module(f"zoo.{name}")
    return getattr(importlib.import_module(module), name)


def __dir__() -> list[str]:
    return sorted(set(__all__) | set(globals()))
