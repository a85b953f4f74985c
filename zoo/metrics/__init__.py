"""How good is a model: numbers with an interval, that can be compared and know when they cannot.

    test = zoo.data.load("mnist", "test", batch_size=256, binarize="once")
    one = metrics.log_likelihood(model, test, samples=500)      # -84.98 [-85.30, -84.66] nats, ...
    two = metrics.log_likelihood(other, test, samples=500)
    print(metrics.compare(one, two))                            # paired over the same images

Everywhere, `data` is what the trainer takes: a `zoo.data.Data`, a callable epoch ->
`tf.data.Dataset` (asked for epoch 0), or a Dataset. A model needs only the verbs that a number is
made of; UsageError names the one that is missing.
"""

from zoo.metrics.codes import active_units, ex_post, knn_accuracy, reconstruction_error
from zoo.metrics.discrepancy import aggregate_mmd, mmd
from zoo.metrics.estimate import Comparison, Estimate, ProtocolWarning, compare, fingerprint
from zoo.metrics.likelihood import log_likelihood

__all__ = [
    "Comparison",
    "Estimate",
    "ProtocolWarning",
    "active_units",
    "aggregate_mmd",
    "compare",
    "ex_post",
    "fingerprint",
    "knn_accuracy",
    "log_likelihood",
    "mmd",
    "reconstruction_error",
]
