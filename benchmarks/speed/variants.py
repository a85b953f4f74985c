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
LANGUAGE_MODELS = ("gpt", "gpt-small")
SMALL_SUFFIX = "-small"  # another size of the same model
DECODE_SUFFIX = "-decode"  # model name + suffix: greedy decoding, not training
SAMPLE_SUFFIX = "-sample"  # sampling of images
TRAINING = IMAGE_MODELS + TEXT_MODELS + LANGUAGE_MODELS
DECODING = tuple(name + DECODE_SUFFIX for name in TEXT_MODELS + LANGUAGE_MODELS)
SAMPLING = tuple(name + SAMPLE_SUFFIX for name in DIFFUSION_MODELS)
MODELS = TRAINING + DECODING + SAMPLING
GPT_MODELS = tuple(name for name in MODELS if name.startswith(LANGUAGE_MODELS))
OTHERS = tuple(name for name in MODELS if name not in DIFFUSION_MODELS + SAMPLING + GPT_MODELS)
SIZES = {"embedding_dim": 256, "units": 512}
PROMPT_LENGTH = 16  # tokens of a language model's prompt, the first is END
CONTINUATION_LENGTH = 256  # tokens that a language model decodes
MODEL_ARGUMENTS = {  # shared by all variants of a model
    "vae": {},
    "mixture_vae": {},
    "dcgan": {"dropout": 0.3},
    "ddpm": {"dropout": 0.0},
    "seq2seq": {"source_vocabulary": 8000, "target_vocabulary": 8000, **SIZES},
    "captioning": {"caption_vocabulary": 5000, "image_shape": (8, 8, 1280), **SIZES},
    "gpt": {  # 65 characters and four special tokens
        "text_vocabulary": 69,
        "context_length": 256,
        "num_layers": 6,
        "hidden_dim": 384,
        "num_heads": 6,
        "dropout": 0.0,
    },
    "gpt-small": {
        "text_vocabulary": 69,
        "context_length": 64,
        "num_layers": 4,
        "hidden_dim": 128,
        "num_heads": 4,
        "dropout": 0.0,
    },
}
ADAMW = {"learning_rate": 1e-3, "beta_2": 0.99, "weight_decay": 0.1}  # of language models
CLIP_NORM = 1.0  # of all gradients together
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
            "images", "diffusion", "sequences" or "language"; None: the zoo.
        arguments: additional arguments of `run`.
        environment: environment variables of the process.
        requirements: packages and programs that must be installed.
        models: names of the models that have this variant.
        same_network: whether it computes what the zoo does, which is checked before timing. If not,
            the record has the numbers of parameters and operations of both networks.
    """

    run: str
    modules: str | None = None
    arguments: dict[str, Any] = {}
    environment: dict[str, str] = {}
    requirements: tuple[str, ...] = ()
    models: tuple[str, ...] = MODELS
    same_network: bool = True

    def missing(self) -> list[str]:
        """The requirements that are not installed."""
        return [
            name
            for name in self.requirements
            if not (importlib.util.find_spec(name) or shutil.which(name))
        ]


def _other_network(*requirements):
    """A variant of the diffusion models whose network is that of a package."""
    return Variant(
        "torch_runners.loop",
        "torch_{}_peers",
        environment=KEEP_FREED_MEMORY | NO_COMPILE_CACHE,
        requirements=("torch", *requirements),
        models=DIFFUSION_MODELS + SAMPLING,
        same_network=False,
    )


LUCIDRAINS = (
    "denoising_diffusion_pytorch",  # which imports these
    "accelerate",
    "ema_pytorch",
    "pytorch_fid",
    "torchvision",
)
TF, EAGER, TORCH = "tf_{}", "tf_{}_eager", "torch_{}"
XLA_MODELS = TEXT_MODELS + LANGUAGE_MODELS
COMPILED_MODELS = IMAGE_MODELS + SAMPLING + GPT_MODELS
VARIANTS = {
    "tf.function loop": Variant("tf_runners.loop", TF),
    "tf.function step": Variant("tf_runners.loop", TF, models=DECODING),
    "keras fit": Variant("tf_runners.fit", TF, models=TRAINING),
    "keras hub": Variant(
        "tf_runners.fit",
        "keras_hub_{}",
        requirements=("keras_hub", "tokenizers"),
        models=GPT_MODELS,
    ),
    "zoo": Variant("tf_runners.trainer"),
    "zoo threads": Variant("tf_runners.trainer", arguments={"configure": True}),
    "zoo train": Variant("tf_runners.trainer", arguments={"as_command": True}, models=TRAINING),
    "zoo translate": Variant(
        "tf_runners.trainer", arguments={"as_command": True}, models=("seq2seq-decode",)
    ),
    "zoo xla": Variant("tf_runners.trainer", arguments={"jit_compile": True}, models=XLA_MODELS),
    "zoo keras adam": Variant(
        "tf_runners.trainer", arguments={"plain": "adam"}, models=IMAGE_MODELS + TEXT_MODELS
    ),
    "zoo eager": Variant("tf_runners.trainer", arguments={"eager": True}),
    "eager loop": Variant("tf_runners.loop", EAGER, models=OTHERS),
    "pytorch": Variant("torch_runners.loop", TORCH, requirements=("torch",)),
    "pytorch tuned": Variant(
        "torch_runners.loop", TORCH, environment=KEEP_FREED_MEMORY, requirements=("torch",)
    ),
    "pytorch compiled": Variant(
        "torch_runners.loop",
        TORCH,
        environment=KEEP_FREED_MEMORY | NO_COMPILE_CACHE,
        requirements=("torch", "g++"),
        models=COMPILED_MODELS,
    ),
    "diffusers": _other_network("diffusers"),
    "diffusers compiled": _other_network("diffusers", "g++"),
    "lucidrains": _other_network(*LUCIDRAINS),
    "lucidrains compiled": _other_network(*LUCIDRAINS, "g++"),
}
BASE = next(iter(VARIANTS))
SAME_WORK = "pytorch"  # a variant of PyTorch whose network is that of the zoo


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
        return module.STYLES[variant][zoo_name(model)]
    importlib.import_module(zoo.info(zoo_name(model))["module"])
    return functools.partial(zoo.get, zoo_name(model), **_zoo_arguments(model))


def _kind(model: str) -> str:
    """The kind of a model in the names of modules."""
    if model in DIFFUSION_MODELS:
        return "diffusion"
    if model in LANGUAGE_MODELS:
        return "language"
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
    """Arguments of every variant of the model; a decoded text fits into the context."""
    arguments = MODEL_ARGUMENTS[base_name(model)]
    if model in DECODING and model in GPT_MODELS:
        return arguments | {"context_length": PROMPT_LENGTH + CONTINUATION_LENGTH}
    return arguments


def base_name(model: str) -> str:
    """The name of the model that is trained: without the suffix of what is timed."""
    return model.removesuffix(DECODE_SUFFIX).removesuffix(SAMPLE_SUFFIX)


def zoo_name(model: str) -> str:
    """The model's name in the zoo."""
    return base_name(model).removesuffix(SMALL_SUFFIX)
