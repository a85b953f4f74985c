"""How good is a model: numbers with an interval, that can be compared and know when they cannot.

    test = zoo.data.load("mnist", "test", batch_size=256, binarize="once")
    one = metrics.log_likelihood(model, test, samples=500)      # -84.98 [-85.30, -84.66] nats, ...
    two = metrics.log_likelihood(other, test, samples=500)
    print(metrics.compare(one, two))                            # paired over the same images

Everywhere, `data` is what the trainer takes: a `zoo.data.Data`, a callable epoch ->
`tf.data.Dataset` (asked for epoch 0), or a Dataset. A model needs only the verbs that a number is
made of; UsageError names the one that is missing.

Generated images are measured by what a network sees in them:

    real, other = (metrics.features(net, x, name=hashed, split=s) for s, x in splits.items())
    mine = metrics.features(net, model.sample(10_000), name=hashed, split="mine")
    for score in metrics.fidelity(real, mine, other).values():
        print(score)                            # with the score that real images have
"""

from zoo.metrics.codes import active_units, ex_post, knn_accuracy, reconstruction_error
from zoo.metrics.discrepancy import aggregate_mmd, mmd
from zoo.metrics.estimate import Comparison, Estimate, ProtocolWarning, compare, fingerprint
from zoo.metrics.features import Features, features
from zoo.metrics.fidelity import (
    fidelity,
    frechet_distance,
    kernel_distance,
    label_histogram_distance,
)
from zoo.metrics.likelihood import log_likelihood
from zoo.metrics.neighbours import Memorization, density_coverage, memorization, precision_recall
from zoo.metrics.pairs import l1, psnr, ssim
from zoo.metrics.scores import Score, rank

__all__ = [
    "Comparison",
    "Estimate",
    "Features",
    "Memorization",
    "ProtocolWarning",
    "Score",
    "active_units",
    "aggregate_mmd",
    "compare",
    "density_coverage",
    "ex_post",
    "features",
    "fidelity",
    "fingerprint",
    "frechet_distance",
    "kernel_distance",
    "knn_accuracy",
    "l1",
    "label_histogram_distance",
    "log_likelihood",
    "memorization",
    "mmd",
    "precision_recall",
    "psnr",
    "rank",
    "reconstruction_error",
    "ssim",
]
