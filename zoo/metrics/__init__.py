"""Metrics with confidence intervals, and comparisons that reject incomparable numbers.

    test = zoo.data.load("mnist", "test", batch_size=256, binarize="fixed")
    one = metrics.log_likelihood(model, test, samples=500)      # -84.98 [-85.30, -84.66] nats, ...
    two = metrics.log_likelihood(other, test, samples=500)
    print(metrics.compare(one, two))                            # paired over the same images

Everywhere, `data` is what the trainer takes: a `zoo.data.ArrayDataset`, a callable epoch ->
`tf.data.Dataset` (called with epoch 0), or a Dataset. A model needs only the methods that a metric
uses; UsageError names a missing one.

Generated images are compared by the features of a network:

    net = metrics.load_classifier("mnist-classifier-v1")
    extract = functools.partial(metrics.extract_features, net, name=net.name)
    real, other = (extract(images, split=split) for split, images in splits.items())
    generated = extract(metrics.generate(model, 10_000), split="generated")
    for score in metrics.image_scores(real, generated, other).values():
        print(score)                            # with the score of other real images

Texts are compared with human references, see `zoo.metrics.translation_metrics` and
`zoo.metrics.caption_metrics`:

    one, two = (metrics.bleu(model.translate(source), target, "13a") for model in models)
    print(metrics.compare_texts(one, two))      # paired; protocols must be equal
"""

from zoo.metrics.caption_metrics import caption_scores
from zoo.metrics.classifiers import Classifier, load_classifier
from zoo.metrics.estimate import Comparison, Estimate, ProtocolWarning, compare, fingerprint
from zoo.metrics.image_density import bits_per_dimension
from zoo.metrics.image_distances import (
    frechet_distance,
    image_scores,
    kernel_distance,
    label_histogram_distance,
)
from zoo.metrics.image_features import ImageFeatures, extract_features
from zoo.metrics.image_similarity import l1, psnr, ssim
from zoo.metrics.language_metrics import random_window_nll, token_nll
from zoo.metrics.latent_mmd import aggregate_mmd, mmd
from zoo.metrics.latents import active_units, fit_latent_density, knn_accuracy, reconstruction_error
from zoo.metrics.likelihood import log_likelihood
from zoo.metrics.model_outputs import generate, sample_rows, translate
from zoo.metrics.neighbors import Memorization, density_coverage, memorization, precision_recall
from zoo.metrics.scores import Score, rank
from zoo.metrics.text_scores import CorpusScore, TextComparison, compare_texts, rank_texts
from zoo.metrics.translation_metrics import BLEU_PROTOCOLS, bleu, chrf, exact_match, perplexity

__all__ = [
    "BLEU_PROTOCOLS",
    "Classifier",
    "Comparison",
    "CorpusScore",
    "Estimate",
    "ImageFeatures",
    "Memorization",
    "ProtocolWarning",
    "Score",
    "TextComparison",
    "active_units",
    "aggregate_mmd",
    "bits_per_dimension",
    "bleu",
    "caption_scores",
    "chrf",
    "compare",
    "compare_texts",
    "density_coverage",
    "fit_latent_density",
    "exact_match",
    "load_classifier",
    "extract_features",
    "image_scores",
    "fingerprint",
    "frechet_distance",
    "generate",
    "kernel_distance",
    "knn_accuracy",
    "l1",
    "label_histogram_distance",
    "log_likelihood",
    "memorization",
    "mmd",
    "perplexity",
    "precision_recall",
    "psnr",
    "random_window_nll",
    "rank",
    "rank_texts",
    "sample_rows",
    "reconstruction_error",
    "ssim",
    "token_nll",
    "translate",
]
