"""The models that are compared, the variants of each, and the arguments that all variants share.

This module imports neither TensorFlow nor PyTorch: a process imports only what its variant needs.
"""

import functools
import importlib
import importlib.util
import shutil
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, NamedTuple

import zoo

DIFFUSION_MODELS = ("ddpm",)
IMAGE_MODELS = ("vae", "mixture_vae", "dcgan", *DIFFUSION_MODELS)
TEXT_MODELS = ("seq2seq", "captioning")
DECODE_SUFFIX = "-decode"  # model name + suffix: greedy decoding, not training
SAMPLE_SUFFIX = "-sample"  # sampling of images
DECODING = tuple(name + DECODE_SUFFIX for name in TEXT_MODELS)
SAMPLING = tuple(name + SAMPLE_SUFFIX for name in DIFFUSION_MODELS)
MODELS = IMAGE_MODELS + TEXT_MODELS + DECODING + SAMPLING
OTHERS = tuple(name for name in MODELS if name not in DIFFUSION_MODELS + SAMPLING)
SIZES = {"embedding_dim": 256, "units": 512}
MODEL_ARGUMENTS = {  # shared by all variants of a model
    "vae": {},
    "mixture_vae": {},
    "dcgan": {"dropout": 0.3},
    "ddpm": {"dropout": 0.0},
    "seq2seq": {"source_vocabulary": 8000, "target_vocabulary": 8000, **SIZES},
    "captioning": {"caption_vocabulary": 5000, "image_shape": (8, 8, 1280), **SIZES},
}
ANNOTATION_DIM = 256  # output width of the captioning tutorial's dense layer at each image position
ZOO_ARGUMENTS = {  # the zoo's model computes the same as the tutorial's with these
    "dcgan": {"penalty": None},
    "seq2seq": {"dropout": 0.0},
    "captioning": {"cell": "gru", "dropout": 0.0, "doubly_stochastic_weight": 0.0},
}
KEEP_FREED_MEMORY = {  # glibc: freed memory is reused in the next step, not returned to the system
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "10000000000",
}
NO_COMPILE_CACHE = {"TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}  # compile as in a first run


class Variant(NamedTuple):
    """One implementation of training and decoding.

    Attributes:
        run: "module.function" with the arguments (model's name, factory, examples, batch_size,
            timer, **arguments), which trains until the timer ends the process. The module also
            has the functions `threads`, `decode` and `sample`; the latter are run for "-decode" and
            "-sample" models.
        modules: name of the modules whose STYLES have the factory of each model, where {} is
            "images", "diffusion" or "sequences"; None: the zoo.
        arguments: additional arguments of `run`.
        environment: environment variables of the process.
        requirements: packages and programs that must be installed.
        models: names of the models that have this variant.
    """

    run: str
    modules: str | None = None
    arguments: dict[str, Any] = {}
    environment: dict[str, str] = {}
    requirements: tuple[str, ...] = ()
    models: tuple[str, ...] = MODELS

    def missing(self) -> list[str]:
        """The requirements that are not installed."""
        return [
            name
            for name in self.requirements
            if not (importlib.util.find_spec(name) or shutil.which(name))
        ]


TF, EAGER, TORCH = "tf_{}", "tf_{}_eager", "torch_{}"
VARIANTS = {
    "tf.function loop": Variant("tf_runners.loop", TF),
    "tf.function step": Variant("tf_runners.loop", TF, models=DECODING),
    "keras fit": Variant("tf_runners.fit", TF, models=IMAGE_MODELS + TEXT_MODELS),
    "zoo": Variant("tf_runners.trainer"),
    "zoo threads": Variant("tf_runners.trainer", arguments={"configure": True}),
    "zoo train": Variant(
        "tf_runners.trainer", arguments={"as_command": True}, models=IMAGE_MODELS + TEXT_MODELS
    ),
    "zoo translate": Variant(
        "tf_runners.trainer", arguments={"as_command": True}, models=("seq2seq-decode",)
    ),
    "zoo xla": Variant("tf_runners.trainer", arguments={"jit_compile": True}, models=TEXT_MODELS),
    "zoo keras adam": Variant(
        "tf_runners.trainer", arguments={"plain": "adam"}, models=IMAGE_MODELS + TEXT_MODELS
    ),
    "zoo eager": Variant("tf_runners.trainer", arguments={"eager": True}),
    "eager loop": Variant("tf_runners.loop", EAGER, models=OTHERS),
    "pytorch": Variant("torch_runners.loop", TORCH, requirements=("torch",), models=OTHERS),
    "pytorch tuned": Variant(
        "torch_runners.loop",
        TORCH,
        environment=KEEP_FREED_MEMORY,
        requirements=("torch",),
        models=OTHERS,
    ),
    "pytorch compiled": Variant(
        "torch_runners.loop",
        TORCH,
        environment=KEEP_FREED_MEMORY | NO_COMPILE_CACHE,
        requirements=("torch", "g++"),
        models=tuple(name for name in IMAGE_MODELS if name in OTHERS),
    ),
}
BASE = next(iter(VARIANTS))


def variants_of(model: str, variants: Iterable[str] = VARIANTS) -> list[str]:
    """Those of the variants that exist for this model."""
    return [variant for variant in variants if model in VARIANTS[variant].models]


def runner(variant: str, model: str) -> tuple[Callable[..., None], Callable[[], dict[str, int]]]:
    """The function that trains or decodes, and the function that returns the thread counts."""
    module_name, _, name = VARIANTS[variant].run.partition(".")
    module = _import(module_name)
    if model in DECODING + SAMPLING:
        name = "decode" if model in DECODING else "sample"
    run = getattr(module, name)
    return functools.partial(run, **VARIANTS[variant].arguments), module.threads


def factory(variant: str, model: str) -> Callable[..., Any]:
    """A function that builds the variant's model; imports all that it needs."""
    modules = VARIANTS[variant].modules
    model = base_name(model)
    if modules is not None:
        module = _import(modules.format(_kind(model)))
        return module.STYLES[variant][model]
    importlib.import_module(zoo.info(model)["module"])
    return functools.partial(zoo.get, model, **_zoo_arguments(model))


def _kind(model: str) -> str:
    """The kind of a model in the names of modules."""
    if model in DIFFUSION_MODELS:
        return "diffusion"
    return "images" if model in IMAGE_MODELS else "sequences"


def _import(name: str) -> ModuleType:
    return importlib.import_module(f"{__package__}.{name}")


def _zoo_arguments(model):
    """Arguments of the zoo's model only."""
    if model != "captioning":
        return ZOO_ARGUMENTS.get(model, {})
    import keras

    return {
        **ZOO_ARGUMENTS[model],
        "encoder": keras.layers.Dense(ANNOTATION_DIM, activation="relu"),
    }


def model_arguments(model: str) -> dict[str, Any]:
    """Arguments of every variant of the model."""
    return MODEL_ARGUMENTS[base_name(model)]


def base_name(model: str) -> str:
    """The name of the model that is trained: without the suffix."""
    return model.removesuffix(DECODE_SUFFIX).removesuffix(SAMPLE_SUFFIX)
