"""The metrics that recipes may name; `zoo.recipes.register_metric` adds one."""

from typing import Any

from zoo.recipes import metric_functions as compute
from zoo.recipes.metric import Metric

# How texts are generated, and from which split; None: the recipe's test split.
SEARCH = {"num_beams": 1, "length_penalty": 0.6, "texts": None, "split": None}


def _generated(
    name: str, description: str, unit: str, lower_is_better: bool = False
) -> dict[str, Metric]:
    """A metric of generated images, by the features of a `zoo.metrics.load_classifier`."""
    return {
        name: Metric(
            name,
            f"{description} by {{extractor}}",
            unit,
            compute.ImageScore(name),
            lower_is_better,
            defaults={"images": 10_000},
            check=compute.check_classifier,
            budget_field="samples",
        )
    }


def _texts(name: str, key: str, description: str, check: Any = None) -> dict[str, Metric]:
    """A metric of generated texts, compared with reference texts."""
    return {
        name: Metric(
            f"{key}_{{search}}",
            f"{description}, {{search_description}}",
            "%",
            getattr(compute, name),
            lower_is_better=False,
            defaults=SEARCH,
            domain="texts",
            check=check,
            budget_field="samples",
        )
    }


METRICS: dict[str, Metric] = {
    # Bounds on the log-likelihood are recorded with a negative sign, as a loss in nats.
    "log_likelihood": Metric(
        "iwae_{samples}",
        "IWAE-{samples}",
        "nats",
        compute.log_likelihood,
        optional=("images", "seed", "chunk"),
        budget_field="importance_sampling_images",
    ),
    "elbo": Metric(
        "negative_elbo",
        "-ELBO",
        "nats",
        compute.log_likelihood,
        optional=("images", "seed", "chunk"),
    ),
    "bits_per_dimension": Metric(
        "bits_per_dimension",
        "bits per dimension of 8-bit pixels, uniformly dequantized, {sampling_steps} steps",
        "bits/dim",
        compute.bits_per_dimension,
        defaults={"sampling_steps": 50},
        optional=("images", "seed", "chunk"),
        budget_field="importance_sampling_images",
    ),
    "active_units": Metric(
        "active_units",
        "active units",
        "units",
        compute.active_units,
        lower_is_better=False,
        optional=("threshold",),
    ),
    "reconstruction_error": Metric(
        "reconstruction_error",
        "reconstruction error",
        "squared error",
        compute.reconstruction_error,
    ),
    "aggregate_mmd": Metric(
        "aggregate_mmd",
        "MMD of codes to prior",
        "MMD^2",
        compute.aggregate_mmd,
        defaults={"images": 2000},
        optional=("seed", "permutations"),
    ),
    "knn_accuracy": Metric(
        "knn_accuracy",
        "accuracy of the {k} nearest codes",
        "accuracy",
        compute.knn_accuracy,
        lower_is_better=False,
        defaults={"k": 10},
        check=compute.check_labels,
    ),
    **_generated("frechet", "Frechet distance", "features^2", lower_is_better=True),
    **_generated("kernel", "kernel distance", "MMD^2", lower_is_better=True),
    **_generated("precision", "precision (k=3)", "fraction"),
    **_generated("recall", "recall (k=3)", "fraction"),
    **_generated("density", "density (k=5)", "ratio"),
    **_generated("coverage", "coverage (k=5)", "fraction"),
    **_generated(
        "label_histogram", "distance of label histograms", "fraction", lower_is_better=True
    ),
    **_generated(
        "memorization", "distance to the nearest training image over that of test images", "ratio"
    ),
    # Of images translated by the model, each compared with its target.
    "l1": Metric("l1", "L1 distance", "of the range", compute.PairSimilarity("l1")),
    "psnr": Metric("psnr", "PSNR", "dB", compute.PairSimilarity("psnr"), lower_is_better=False),
    "ssim": Metric("ssim", "SSIM", "SSIM", compute.PairSimilarity("ssim"), lower_is_better=False),
    **_texts("exact_match", "exact_match", "exact match"),
    **_texts("bleu", "bleu_{protocol}", "BLEU {protocol}", compute.check_bleu),
    # By COCO's definitions; `score` is a key of what `zoo.metrics.caption_scores` returns.
    **_texts("caption_scores", "coco_{score}", "COCO {score}", compute.check_caption_score),
    **_texts("chrf", "chrf", "chrF2"),
}
