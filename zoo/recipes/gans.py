"""Recipes of the adversarial models."""

from typing import Any

from zoo.recipes.metric_spec import MetricSpec
from zoo.recipes.recipe import Budget, Recipe

SMOKE = Budget(1, train_examples=2000, samples=200)
IMAGE_METRICS = (
    "frechet",
    "recall",
    "precision",
    "coverage",
    "density",
    "kernel",
    "label_histogram",
)
SPLITS = {
    "mnist": {"train": "train", "test": "test"},
    "fashion_mnist": {"train": "train[:50000]", "test": "train[50000:]"},
}
LIMITATIONS = {
    "mnist": "The Frechet distance is between features of a small digit classifier; it is not the"
    " FID.",
    "fashion_mnist": "The Frechet distance is between features of a small clothes classifier; it is"
    " not the FID. Model and classifier are trained and tested on parts of the usual training"
    " split.",
}


def fidelity_metrics(extractor: str, images: int = 10_000) -> tuple[MetricSpec, ...]:
    """The metrics of generated images, the Frechet distance first.

    Args:
        extractor: name of a classifier, see `zoo.metrics.load_classifier`.
        images: number of generated images.
    """
    names = (*IMAGE_METRICS, "memorization")
    return tuple(MetricSpec(name, extractor=extractor, images=images) for name in names)


# Half the tutorial's channels leave time for four times as many steps. These settings lowered the
# Frechet distance after two and three epochs of MNIST: the relativistic loss, learning rates of
# five times the paper's, a small beta_2, a weak R1 penalty; and, in class-conditional models, a
# third of the noise dimensions. These lowered it after six and eight epochs: a third scale, which
# reaches in eight epochs the distance that took thirty-six without it, and feature matching, which
# doubles the recall of clothes; a weight of 100 instead of 50 gives slightly more even classes. A
# mixture of a hundred Gaussians as noise halves the distance of digits in a complete run, and
# lowers their recall by an eighth. Clothes are best conditioned on instances, by 128 features, in a
# short run: the distance is 0.158 after 16 epochs; with 64 features it was 0.43 after 50 and 0.36
# after 6.

NETWORKS = {"filters": [32, 64], "objective": "relativistic"}


def gan_recipe(
    model: str, data: str, title: str, tag: str | None = None, **overrides: Any
) -> Recipe:
    """A recipe of a GAN.

    Args:
        model, data, title: as in `Recipe`.
        tag: the part of its name after the dot; default the data.
        **overrides: other fields of the `Recipe`.
    """
    settings = {
        "config": NETWORKS,
        "data": data,
        "valid": None,
        "batch_size": 64,
        "learning_rate": {"generator": 1e-3, "discriminator": 1e-3},
        "betas": (0.5, 0.99),
        "schedule": "cosine",
        "ema_momentum": 0.999,
        "select_best_epoch": False,
        "budgets": {"smoke": SMOKE, "cpu-hour": Budget(20), "paper": Budget(100)},
    }
    return Recipe(name=f"{model}.{tag or data}", title=title, model=model, **settings | overrides)


def class_recipe(model: str, data: str, title: str, epochs: int = 72, **config: Any) -> Recipe:
    """A recipe of a GAN on a data set that has a bundled classifier.

    Args:
        model, data, title: as in `Recipe`.
        epochs: epochs of the budget "cpu-hour".
        **config: constructor arguments of the model.
    """
    return gan_recipe(
        model,
        data,
        title,
        config=NETWORKS
        | {"filters": [32, 64, 128], "latent_dim": 32, "feature_matching_weight": 50.0}
        | config,
        **SPLITS[data],
        budgets={"smoke": SMOKE, "cpu-hour": Budget(epochs), "paper": Budget(200)},
        metrics=fidelity_metrics(f"{data}-classifier-v1"),
        limitations=LIMITATIONS[data],
    )


# One class of doodles, evaluated by the features of the digit classifier, as there is no other.

CATS = gan_recipe(
    "dcgan",
    "quickdraw_bitmap/cat",
    "Cats of Quick, Draw! at 28 pixels",
    tag="quickdraw_cat",
    train="train[500:]",
    test="train[:500]",
    budgets={"smoke": SMOKE, "cpu-hour": Budget(150), "paper": Budget(400)},
    metrics=tuple(
        MetricSpec(name, extractor="mnist-classifier-v1", images=500)
        for name in (*IMAGE_METRICS[:-1], "memorization")  # labels of digits are meaningless here
    ),
    limitations="The metrics use features of a digit classifier: they can only compare two"
    " generators of cats.",
)


def facades_recipe(size: int, epochs: int, **config: Any) -> Recipe:
    """The labels-to-facades experiment of Isola et al. (2016), section 6.2 of the appendix.

    Args:
        size: pixels of a side of the images.
        epochs: epochs of the budget "cpu-hour".
        **config: constructor arguments of the model.
    """
    return Recipe(
        name=f"pix2pix.facades_{size}",
        title=f"Facades from label maps, at {size} pixels",
        model="pix2pix",
        config={"image_shape": [size, size, 3], **config},
        data="facades",
        train="train",
        valid=None,
        test="test",
        binarize="none",
        batch_size=1,
        optimizer=None,
        learning_rate=None,
        select_best_epoch=False,
        augment="jitter",
        image_size=size,
        budgets={
            "smoke": Budget(1, train_examples=8),
            "cpu-hour": Budget(epochs),
            "paper": Budget(200),
        },
        metrics=(MetricSpec("l1"), MetricSpec("psnr"), MetricSpec("ssim")),
        limitations="Translated with dropout, as in the paper, with seed 0. The data set on disk"
        " may be a part of the pix2pix archive, which has 400 + 100 + 106 images.",
    )


RECIPES = (
    class_recipe("deligan", "mnist", "Digits at 28 pixels", epochs=48, num_components=100),
    class_recipe("dcgan", "fashion_mnist", "Clothes at 28 pixels", feature_matching_weight=100.0),
    class_recipe("conditional_dcgan", "mnist", "Digits at 28 pixels, by class"),
    class_recipe(
        "instance_dcgan",
        "fashion_mnist",
        "Clothes at 28 pixels, by instance",
        epochs=16,
        feature_matching_weight=100.0,
        full_size_filters=16,
        num_features=128,
    ),
    CATS,
    # A quarter of the pixels and half of the channels: a sixteenth of the computation.
    facades_recipe(
        128,
        epochs=40,
        filters=32,
        discriminator_filters=[32, 64, 128, 256],
        norm="instance",
    ),
    facades_recipe(256, epochs=4),
)
