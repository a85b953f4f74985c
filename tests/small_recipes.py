"""Recipes that take a second, and the command that runs them."""

from dataclasses import replace

import numpy as np
from click.testing import CliRunner

from zoo.cli.main import main
from zoo.recipes import Budget, MetricSpec, Recipe, Reference


def tiny(folder, **changes):
    """A recipe that takes a second, on images that it writes to `folder`."""
    random = np.random.default_rng(0)
    np.savez(folder / "images.npz", image=random.random((96, 8, 8)), label=np.arange(96) % 3)
    recipe = Recipe(
        name="vae.tiny",
        title="A small network on noise",
        model="vae",
        config={"image_shape": [8, 8, 1], "filters": [4], "base_filters": 4},
        data=str(folder / "images.npz"),
        train="train[:64]",
        valid="train[64:80]",
        test="train[80:]",
        binarize="dynamic",
        batch_size=16,
        learning_rate=1e-2,
        schedule="cosine",
        ema_momentum=0.9,
        clip_norm=1.0,
        kl_warmup_epochs=1,
        budgets={
            "smoke": Budget(1, train_examples=32, importance_sampling_images=8),
            "paper": Budget(2),
        },
        metrics=(
            MetricSpec("log_likelihood", samples=5),
            MetricSpec("elbo"),
            MetricSpec("active_units"),
            MetricSpec("reconstruction_error"),
            MetricSpec("aggregate_mmd", images=16),
            MetricSpec("knn_accuracy", k=3),
        ),
        references=(Reference(1.0, "nowhere", "made up"),),
    )
    return replace(recipe, **changes)


def run(*args):
    return CliRunner().invoke(main, ["reproduce", *map(str, args)])
