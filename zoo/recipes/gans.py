"""Recipes of the adversarial models."""

from zoo.recipes.metric_spec import Measure
from zoo.recipes.recipe import Budget, Recipe

SMOKE = Budget(1, train_examples=2000, samples=200)
SEEN = ("frechet", "recall", "precision", "coverage", "density", "kernel", "label_histogram")
SPLITS = {
    "mnist": {"train": "train", "test": "test"},
    "fashion_mnist": {"train": "train[:50000]", "test": "train[50000:]"},
}
LIMITS = {
    "mnist": "The Frechet distance is that of a small classifier of digits, and not the FID.",
    "fashion_mnist": "The Frechet distance is that of a small classifier of clothes, and not the"
    " FID. Trained and tested on parts of the usual training split, the classifier as well.",
}


def fidelity(extractor, images=10_000):
    """What generated images are asked, the Frechet distance first."""
    names = (*SEEN, "memorization")
    return tuple(Measure(name, extractor=extractor, images=images) for name in names)


# Half the tutorial's channels leave time for four times as many steps. What brought them on, by the
# Frechet distance after two and three epochs of MNIST: comparing each drawing with the real image
# beside it, rates five times the paper's, a squared gradient that is soon forgotten, a weak
# R1; and, where there are classes, a third of the noise. Then, after six and eight: a third scale,
# with which eight epochs do what thirty-six did without, and feature matching, with which clothes
# have twice the recall; their weight of 100 over 50 is by a small difference in evenness. A
# hundred clouds of noise took half off the distance of digits in a whole run, and an eighth off
# their recall. Clothes want to be told of instances, by 128 features, and then no long run: the
# distance is 0.158 after 16 epochs, and was 0.43 after 50 with 64 features, 0.36 after 6.

NETWORKS = {"filters": [32, 64], "objective": "relativistic"}


def drawings(model, data, title, tag=None, **told):
    settings = {
        "config": NETWORKS,
        "data": data,
        "valid": None,
        "batch_size": 64,
        "learning_rate": {"generator": 1e-3, "discriminator": 1e-3},
        "betas": (0.5, 0.99),
        "schedule": "cosine",
        "ema": 0.999,
        "best": False,
        "budgets": {"smoke": SMOKE, "cpu-hour": Budget(20), "paper": Budget(100)},
    }
    return Recipe(name=f"{model}.{tag or data}", title=title, model=model, **settings | told)


def classified(model, data, title, epochs=72, **config):
    """Drawings of a data set whose classes a classifier knows."""
    return drawings(
        model,
        data,
        title,
        config=NETWORKS
        | {"filters": [32, 64, 128], "latent_dim": 32, "feature_matching_weight": 50.0}
        | config,
        **SPLITS[data],
        budgets={"smoke": SMOKE, "cpu-hour": Budget(epochs), "paper": Budget(200)},
        metrics=fidelity(f"{data}-classifier-v1"),
        limits=LIMITS[data],
    )


# One class of doodles. The numbers see strokes as a classifier of digits does: there is no other.

CATS = drawings(
    "dcgan",
    "quickdraw_bitmap/cat",
    "Cats of Quick, Draw! at 28 pixels",
    tag="quickdraw_cat",
    train="train[500:]",
    test="train[:500]",
    budgets={"smoke": SMOKE, "cpu-hour": Budget(150), "paper": Budget(400)},
    metrics=tuple(
        Measure(name, extractor="mnist-classifier-v1", images=500)
        for name in (*SEEN[:-1], "memorization")  # no digit's label means anything here
    ),
    limits="A classifier of digits looks at cats: its numbers tell two generators of cats apart,"
    " and nothing else.",
)


def facades(size, epochs, **config):
    """The labels-to-facades experiment of Isola et al. (2016), section 6.2 of the appendix."""
    return Recipe(
        name=f"pix2pix.facades_{size}",
        title=f"Facades out of label maps, at {size} pixels",
        model="pix2pix",
        config={"image_shape": [size, size, 3], **config},
        data="facades",
        train="train",
        valid=None,
        test="test",
        binarize="none",
        batch_size=1,
        learning_rate=None,
        best=False,
        augment="jitter",
        image_size=size,
        budgets={
            "smoke": Budget(1, train_examples=8),
            "cpu-hour": Budget(epochs),
            "paper": Budget(200),
        },
        metrics=(Measure("l1"), Measure("psnr"), Measure("ssim")),
        limits="Translated with dropout, as in the paper, drawn with seed 0. The data set on disk"
        " may be a part of the pix2pix archive, which has 400 + 100 + 106 images.",
    )


RECIPES = (
    classified("dcgan", "mnist", "Digits at 28 pixels", epochs=48, components=100),
    classified("dcgan", "fashion_mnist", "Clothes at 28 pixels", feature_matching_weight=100.0),
    classified("conditional_dcgan", "mnist", "Digits at 28 pixels, by class"),
    classified(
        "instance_dcgan",
        "fashion_mnist",
        "Clothes at 28 pixels, by instance",
        epochs=16,
        feature_matching_weight=100.0,
        full_size_filters=16,
        num_features=128,
    ),
    CATS,
    # A quarter of the pixels and half of the channels: a sixteenth of the work.
    facades(
        128,
        epochs=40,
        filters=32,
        discriminator_filters=[32, 64, 128, 256],
        norm="instance",
    ),
    facades(256, epochs=4),
)
