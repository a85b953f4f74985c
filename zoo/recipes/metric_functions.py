"""What the metrics of recipes compute, as entries of a record.

Importing this module needs no TensorFlow.
"""

from typing import TYPE_CHECKING, Any

from zoo.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from zoo.metrics.estimate import Estimate
    from zoo.metrics.text_scores import CorpusScore
    from zoo.model import Model
    from zoo.recipes.evaluate import EvaluationData

Result = tuple[dict[str, Any], "np.ndarray | None"]  # entry of a record, values of single examples


def estimate_entry(estimate: "Estimate", sign: int = 1) -> Result:
    """The entry of a mean over examples; `sign` -1 records a bound on log p as a loss."""
    interval = sorted(sign * end for end in estimate.interval)
    entry = {"value": sign * estimate.mean, "interval": interval, "n": estimate.n}
    return entry | {"images": estimate.images}, sign * estimate.values


def score_entry(score: "CorpusScore") -> Result:
    """The entry of a score of texts."""
    return {
        "value": score.value,
        "interval": [*score.interval],
        "n": score.n,
        "signature": score.protocol,
        "references": score.references,
    }, None


# Of a model of images.


def log_likelihood(model: "Model", data: "EvaluationData", **arguments: Any) -> Result:
    from zoo import metrics

    arguments = {"samples": 1, "seed": 0, "progress": True} | arguments
    checkpoint = data.checkpoint("log_likelihood", arguments)
    estimate = metrics.log_likelihood(model, data.test, checkpoint=checkpoint, **arguments)
    return estimate_entry(estimate, sign=-1)


def bits_per_dimension(model: "Model", data: "EvaluationData", **arguments: Any) -> Result:
    from zoo import metrics

    arguments = {"progress": True} | arguments
    return estimate_entry(metrics.bits_per_dimension(model, data.test, **arguments))


def active_units(model: "Model", data: "EvaluationData", **arguments: Any) -> Result:
    from zoo import metrics

    count, variances = metrics.active_units(model, data.test, **arguments)
    return {"value": count, "n": len(variances)}, None


def aggregate_mmd(model: "Model", data: "EvaluationData", **arguments: Any) -> Result:
    from zoo import metrics

    value, p = metrics.aggregate_mmd(model, data.test, **arguments)
    return {"value": value, "p": p}, None


def reconstruction_error(model: "Model", data: "EvaluationData", **arguments: Any) -> Result:
    from zoo import metrics

    return estimate_entry(metrics.reconstruction_error(model, data.test, **arguments))


def knn_accuracy(model: "Model", data: "EvaluationData", **arguments: Any) -> Result:
    from zoo import metrics

    return estimate_entry(metrics.knn_accuracy(model, data.train(), data.test, **arguments))


def check_labels(train: Any, test: Any, **arguments: Any) -> None:
    """Raises UsageError unless both splits have labels."""
    from zoo.metrics.latents import require_labels

    require_labels(train.take(1))
    require_labels(test.take(1))


class ImageScore:
    """A score of generated images by the features of a classifier.

    Args:
        name: a key of `EvaluationData.image_scores`.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(
        self, model: "Model", data: "EvaluationData", extractor: str, images: int
    ) -> Result:
        return data.image_scores(model, extractor, images)[self.name], None


def check_classifier(train: Any, test: Any, extractor: str, images: int) -> None:
    """Raises UsageError unless the classifier takes the images and there are enough of them."""
    from zoo import metrics

    metrics.load_classifier(extractor).check(test.take(1)["image"])
    if train.num_examples < images:
        raise UsageError(
            f"a floor for {images:,} generated images needs as many training images, got"
            f" {train.num_examples:,}: generate fewer (images= of the metric)"
        )


class PairSimilarity:
    """A similarity of translated images and their targets.

    Args:
        name: name of the function in `zoo.metrics`.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, model: "Model", data: "EvaluationData") -> Result:
        from zoo import metrics

        function = getattr(metrics, self.name)
        return estimate_entry(function(*metrics.translate(model, data.test)))


# Of generated texts. `search` is how they are generated.


def exact_match(model: "Model", data: "EvaluationData", **search: Any) -> Result:
    from zoo import metrics

    return score_entry(metrics.exact_match(*data.texts(model, **search)))


def bleu(model: "Model", data: "EvaluationData", protocol: str, **search: Any) -> Result:
    from zoo import metrics

    return score_entry(metrics.bleu(*data.texts(model, **search), protocol))


def check_bleu(train: Any, test: Any, protocol: str, **search: Any) -> None:
    """Raises UnknownNameError for an unknown protocol."""
    from zoo import metrics

    if protocol not in metrics.BLEU_PROTOCOLS:
        raise UnknownNameError("BLEU protocol", protocol, metrics.BLEU_PROTOCOLS)


def chrf(model: "Model", data: "EvaluationData", **search: Any) -> Result:
    from zoo import metrics

    return score_entry(metrics.chrf(*data.texts(model, **search)))


def caption_scores(model: "Model", data: "EvaluationData", score: str, **search: Any) -> Result:
    from zoo import metrics

    return score_entry(metrics.caption_scores(*data.texts(model, **search))[score])


def check_caption_score(train: Any, test: Any, score: str, **search: Any) -> None:
    """Raises UnknownNameError for an unknown score."""
    from zoo.metrics.caption_metrics import CAPTION_METRICS

    if score not in CAPTION_METRICS:
        raise UnknownNameError("caption score", score, CAPTION_METRICS)
