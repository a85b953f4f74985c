"""Recipes of diffusion models and flows."""

from typing import Any

from zoo.recipes.gans import LIMITATIONS, SMOKE, SPLITS, fidelity_metrics
from zoo.recipes.metric_spec import MetricSpec
from zoo.recipes.recipe import Budget, Recipe

# On patches of 2 x 2 pixels a step takes about half the time, most of it in a few wide
# convolutions.
NETWORK = {"filters": [64, 128], "patch_size": 2, "num_heads": 4}

# Where x_t is nearly all noise, a prediction of the noise contains little information about the
# image, so it needs more steps of sampling and of training.
V_PREDICTION: dict[str, Any] = {"parametrization": "v", "schedule": "cosine"}


def diffusion_recipe(
    model: str, data: str, title: str, epochs: int, tag: str | None = None, **overrides: Any
) -> Recipe:
    """A recipe of a diffusion or flow model: Adam, cosine decay, averaged weights.

    Args:
        model, data, title: as in `Recipe`.
        epochs: epochs of the budget "cpu-hour".
        tag: the part of its name after the dot; default the data.
        **overrides: other fields of the `Recipe`.
    """
    settings: dict[str, Any] = {
        "config": NETWORK,
        "data": data,
        "valid": None,
        "batch_size": 128,
        "learning_rate": 1e-3,
        "betas": (0.9, 0.99),
        "schedule": "cosine",
        "ema_momentum": 0.999,
        "clip_norm": 1.0,
        "micro_batches": 4,
        "select_best_epoch": False,
        "budgets": {"smoke": SMOKE, "cpu-hour": Budget(epochs), "paper": Budget(200)},
    }
    return Recipe(name=f"{model}.{tag or data}", title=title, model=model, **settings | overrides)


def class_recipe(
    model: str, data: str, title: str, epochs: int, density: bool = False, **config: Any
) -> Recipe:
    """A recipe on a data set that has classes and a bundled classifier.

    Args:
        model, data, title, epochs: as in `diffusion_recipe`.
        density: whether bits per dimension are measured, too.
        **config: constructor arguments of the model.
    """
    densities = (MetricSpec("bits_per_dimension", images=1000),) if density else ()
    return diffusion_recipe(
        model,
        data,
        title,
        epochs,
        config=NETWORK | {"num_classes": 10} | config,
        **SPLITS[data],
        metrics=(*fidelity_metrics(f"{data}-classifier-v1"), *densities),
        limitations=LIMITATIONS[data],
    )


# The codes of the VAE of the preset `vae.mnist`, whose own prior is N(0, I).

LATENT = diffusion_recipe(
    "flow_matching",
    "mnist",
    "Digits at 28 pixels, a flow as prior of the codes of vae.mnist",
    epochs=20,
    tag="mnist_codes",
    config={"autoencoder": "vae.mnist", "filters": [64, 256], "repeats": 3},
    binarize="dynamic",
    **SPLITS["mnist"],
    metrics=fidelity_metrics("mnist-classifier-v1"),
    limitations=LIMITATIONS["mnist"] + " The images are means of Bernoulli pixels.",
)

RECIPES = (
    class_recipe("ddpm", "mnist", "Digits at 28 pixels", epochs=18, **V_PREDICTION),
    class_recipe("ddpm", "fashion_mnist", "Clothes at 28 pixels", epochs=18, **V_PREDICTION),
    class_recipe("flow_matching", "mnist", "Digits at 28 pixels", epochs=18, density=True),
    class_recipe("flow_matching", "fashion_mnist", "Clothes at 28 pixels", epochs=18, density=True),
    LATENT,
    diffusion_recipe(
        "flow_matching",
        "quickdraw_bitmap/cat",
        "Cats of Quick, Draw! at 28 pixels",
        epochs=9,
        tag="quickdraw_cat",
        train="train[500:]",
        test="train[:500]",
        metrics=tuple(
            MetricSpec(name, extractor="mnist-classifier-v1", images=500)
            for name in ("frechet", "recall", "precision", "memorization")
        ),
        limitations="The metrics use features of a digit classifier: they can only compare two"
        " generators of cats.",
    ),
    diffusion_recipe(
        "flow_matching",
        "snowflakes",
        "Snow crystals at 64 pixels",
        epochs=60,
        tag="snowflakes_64",
        config={"image_shape": [64, 64, 1], "filters": [64, 128], "patch_size": 4},
        train="train",
        test="test",
        metrics=(MetricSpec("bits_per_dimension", images=100),),
        limitations="The crystals are simulated: there are no published results; 100 test images.",
    ),
)
