"""What is compared, and on what: the variants, the settings they share, the images they are fed.

Nothing here imports TensorFlow or PyTorch, so that a process holds only what its variant needs.
"""

import functools
import importlib
import importlib.util
import shutil
from typing import NamedTuple

import zoo

MODELS = ("vae", "mixture_vae", "dcgan")
SETTINGS = {"vae": {}, "mixture_vae": {}, "dcgan": {"dropout": 0.3}}  # where all need to agree
OURS = {"dcgan": {"penalty": None}}  # what makes the zoo's model the tutorial's
KEEP_MEMORY = {  # for glibc: freed memory is kept, and not asked of the system anew at each step
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "10000000000",
}
COMPILE_ANEW = {"TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}  # as at a model's very first step


class Variant(NamedTuple):
    """One way to train a model.

    Attributes:
        run: "module.function" (model's name, factory, images, batch_size, protocol, **arguments)
            that trains until the protocol ends the process; its module knows its `threads`.
        baseline: module whose STYLES hold the factory of each model; None is the zoo.
        arguments: further ones of `run`.
        environment: variables of its process.
        needs: packages and programs it cannot do without.
    """

    run: str
    baseline: str | None = None
    arguments: dict = {}
    environment: dict = {}
    needs: tuple = ()

    def missing(self):
        return [n for n in self.needs if not (importlib.util.find_spec(n) or shutil.which(n))]


TF, EAGER, TORCH = (f"{__package__}.{n}baselines" for n in ("", "eager_", "torch_"))
VARIANTS = {
    "tf.function loop": Variant("tf_runners.loop", TF),
    "keras fit": Variant("tf_runners.fit", TF),
    "zoo": Variant("tf_runners.trainer"),
    "zoo train": Variant("tf_runners.trainer", arguments={"as_command": True}),
    "zoo eager": Variant("tf_runners.trainer", arguments={"eager": True}),
    "eager loop": Variant("tf_runners.loop", EAGER),
    "pytorch": Variant("torch_baselines.loop", TORCH, needs=("torch",)),
    "pytorch tuned": Variant(
        "torch_baselines.loop", TORCH, environment=KEEP_MEMORY, needs=("torch",)
    ),
    "pytorch compiled": Variant(
        "torch_baselines.loop",
        TORCH,
        environment=KEEP_MEMORY | COMPILE_ANEW,
        needs=("torch", "g++"),
    ),
}
BASE = next(iter(VARIANTS))


def runner(variant):
    """The variant's function that trains, and the one that tells how many threads it uses."""
    module, _, name = VARIANTS[variant].run.partition(".")
    module = importlib.import_module(f"{__package__}.{module}")
    return functools.partial(getattr(module, name), **VARIANTS[variant].arguments), module.threads


def factory(variant, model):
    """What makes the variant's model; everything it needs is imported."""
    baseline = VARIANTS[variant].baseline
    if baseline:
        return importlib.import_module(baseline).STYLES[variant][model]
    importlib.import_module(zoo.info(model)["module"])
    return functools.partial(zoo.get, model, **OURS.get(model, {}))


def prepared(model, images):
    """uint8 images as the tutorials feed them: in [0, 1] for the VAEs, in [-1, 1] for the GAN."""
    images = images.astype("float32")
    return (images - 127.5) / 127.5 if model == "dcgan" else images / 255
