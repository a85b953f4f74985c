"""What is compared: the models, the variants of each, the settings that they share.

Nothing here imports TensorFlow or PyTorch, so that a process holds only what its variant needs.
"""

import functools
import importlib
import importlib.util
import shutil
from typing import NamedTuple

import zoo

PICTURES = ("vae", "mixture_vae", "dcgan")
SENTENCES = ("seq2seq", "captioning")
DECODE = "-decode"  # ends the name of a trained model's task to answer, word by word
DECODED = tuple(name + DECODE for name in SENTENCES)
MODELS = PICTURES + SENTENCES + DECODED
SIZES = {"embedding_dim": 256, "units": 512}
SETTINGS = {  # where all need to agree
    "vae": {},
    "mixture_vae": {},
    "dcgan": {"dropout": 0.3},
    "seq2seq": {"source_vocabulary": 8000, "target_vocabulary": 8000, **SIZES},
    "captioning": {"caption_vocabulary": 5000, "image_shape": (8, 8, 1280), **SIZES},
}
SIGHT = 256  # width of what the captioning tutorial's one dense layer makes of a place
OURS = {  # what makes the zoo's model the tutorial's
    "dcgan": {"penalty": None},
    "seq2seq": {"dropout": 0.0},
    "captioning": {"cell": "gru", "dropout": 0.0, "doubly_stochastic_weight": 0.0},
}
KEEP_MEMORY = {  # for glibc: freed memory is kept, and not asked of the system anew at each step
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "10000000000",
}
COMPILE_ANEW = {"TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}  # as at a model's very first step


class Variant(NamedTuple):
    """One way to train a model, and to let it answer.

    Attributes:
        run: "module.function" (model's name, factory, examples, batch_size, protocol, **arguments)
            that trains until the protocol ends the process; its module knows its `threads`, and
            the function `decode` that answers in place of training.
        baseline: how the modules' names begin whose STYLES hold the factory of each model:
            [baseline]baselines, and [baseline]sequence_baselines; None is the zoo.
        arguments: further ones of `run`.
        environment: variables of its process.
        needs: packages and programs it cannot do without.
        models: names of what it is a way of.
    """

    run: str
    baseline: str | None = None
    arguments: dict = {}
    environment: dict = {}
    needs: tuple = ()
    models: tuple = MODELS

    def missing(self):
        return [n for n in self.needs if not (importlib.util.find_spec(n) or shutil.which(n))]


TF, EAGER, TORCH = "", "eager_", "torch_"
VARIANTS = {
    "tf.function loop": Variant("tf_runners.loop", TF),
    "tf.function step": Variant("tf_runners.loop", TF, models=DECODED),
    "keras fit": Variant("tf_runners.fit", TF, models=PICTURES + SENTENCES),
    "zoo": Variant("tf_runners.trainer"),
    "zoo train": Variant(
        "tf_runners.trainer", arguments={"as_command": True}, models=PICTURES + SENTENCES
    ),
    "zoo translate": Variant(
        "tf_runners.trainer", arguments={"as_command": True}, models=("seq2seq-decode",)
    ),
    "zoo threads": Variant(
        "tf_runners.trainer", arguments={"as_command": True}, models=("captioning-decode",)
    ),
    "zoo xla": Variant("tf_runners.trainer", arguments={"jit_compile": True}, models=SENTENCES),
    "zoo eager": Variant("tf_runners.trainer", arguments={"eager": True}),
    "eager loop": Variant("tf_runners.loop", EAGER),
    "pytorch": Variant("torch_runners.loop", TORCH, needs=("torch",)),
    "pytorch tuned": Variant(
        "torch_runners.loop", TORCH, environment=KEEP_MEMORY, needs=("torch",)
    ),
    "pytorch compiled": Variant(
        "torch_runners.loop",
        TORCH,
        environment=KEEP_MEMORY | COMPILE_ANEW,
        needs=("torch", "g++"),
        models=PICTURES,
    ),
}
BASE = next(iter(VARIANTS))


def of(model, variants=VARIANTS):
    """Those of the variants that are ways of this model."""
    return [variant for variant in variants if model in VARIANTS[variant].models]


def runner(variant, model):
    """The variant's function that works, and the one that tells how many threads it uses."""
    module, _, name = VARIANTS[variant].run.partition(".")
    module = importlib.import_module(f"{__package__}.{module}")
    run = getattr(module, "decode" if model in DECODED else name)
    return functools.partial(run, **VARIANTS[variant].arguments), module.threads


def factory(variant, model):
    """What makes the variant's model; everything it needs is imported."""
    baseline, model = VARIANTS[variant].baseline, model.removesuffix(DECODE)
    if baseline is not None:
        family = "" if model in PICTURES else "sequence_"
        module = importlib.import_module(f"{__package__}.{baseline}{family}baselines")
        return module.STYLES[variant][model]
    importlib.import_module(zoo.info(model)["module"])
    return functools.partial(zoo.get, model, **ours(model))


def ours(model):
    """Arguments of the zoo's model alone."""
    if model != "captioning":
        return OURS.get(model, {})
    import keras

    return {**OURS[model], "encoder": keras.layers.Dense(SIGHT, activation="relu")}


def settings(model):
    """Arguments of every variant's model."""
    return SETTINGS[model.removesuffix(DECODE)]
