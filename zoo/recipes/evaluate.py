"""Evaluation of a recipe: from a trained model and metric specs to the numbers of a record."""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zoo.errors import UnknownNameError, UsageError
from zoo.files import write_atomically
from zoo.recipes.metric_spec import MetricSpec
from zoo.recipes.recipe import Recipe

if TYPE_CHECKING:
    import numpy as np

    from zoo.data.array_dataset import ArrayDataset
    from zoo.data.text_config import TextConfig
    from zoo.data.text_dataset import TextDataset
    from zoo.model import Model
    from zoo.training.trainer import Trainer


def check_feasible(
    recipe: Recipe,
    budget: str,
    train: "ArrayDataset | TextDataset",
    test: "ArrayDataset | TextDataset",
) -> None:
    """Raises, before anything is trained, the errors that would stop the evaluation."""
    from zoo import metrics
    from zoo.metrics.caption_metrics import CAPTION_METRICS
    from zoo.metrics.latents import require_labels

    for spec in recipe.metric_specs(budget):
        arguments = spec.resolved
        if spec.name == "bleu" and arguments["protocol"] not in metrics.BLEU_PROTOCOLS:
            raise UnknownNameError("BLEU protocol", arguments["protocol"], metrics.BLEU_PROTOCOLS)
        if spec.name == "caption_scores" and arguments["score"] not in CAPTION_METRICS:
            raise UnknownNameError("caption score", arguments["score"], CAPTION_METRICS)
        if spec.name == "knn_accuracy":
            require_labels(train.take(1))
            require_labels(test.take(1))
        if spec.generated:
            classifier = metrics.load_classifier(arguments["extractor"])
            classifier.check(test.take(1)["image"])
            if train.num_examples < arguments["images"]:
                raise UsageError(
                    f"a floor for {arguments['images']:,} generated images needs as many training"
                    f" images, got {train.num_examples:,}: ask for fewer (images= of the metric)"
                )


def evaluate_recipe(
    recipe: Recipe,
    budget: str,
    trainer: "Trainer",
    train: Callable[[], Any],
    test: Any,
) -> "tuple[dict[str, dict[str, Any]], dict[str, np.ndarray]]":
    """Computes all metrics of a recipe.

    Args:
        recipe: with the metrics.
        budget: name of a budget.
        trainer: has the weights to be evaluated, or their averages.
        train: called for the training examples, an `ArrayDataset` or `TextDataset` in order.
        test: the test examples, likewise.

    Returns ({metric: its entry in the record}, {metric: values of single images}).
    """
    entries = {}
    values = {}
    score_images = functools.cache(functools.partial(image_metrics, trainer, train, test))
    text_config: Any = recipe.text_config  # not None if there is a metric of texts
    generate = functools.cache(functools.partial(generate_texts, trainer, test, text_config))
    for spec in recipe.metric_specs(budget):
        each = None
        arguments = spec.resolved
        if spec.generated:
            entry = score_images(arguments["extractor"], arguments["images"])[spec.name]
        elif spec.metric.domain == "texts":
            search = arguments["num_beams"], arguments["length_penalty"], arguments.get("texts")
            references = text_config.references(test.corpus)
            entry = score_texts(spec, generate(*search), references)
        else:
            with trainer.averaged_weights() as model:
                entry, each = compute_metric(spec, model, train, test)
        entries[spec.key] = {
            **entry,
            "unit": spec.metric.unit,
            "lower_is_better": spec.metric.lower_is_better,
            "protocol": recipe.protocol(budget, spec),
        }
        if each is not None:
            values[spec.key] = each
    return entries, values


def compute_metric(
    spec: MetricSpec,
    model: "Model",
    train: "Callable[[], ArrayDataset]",
    test: "ArrayDataset",
) -> "tuple[dict[str, Any], np.ndarray | None]":
    """(entry of a metric in a record, values of single images or None)."""
    from zoo import metrics

    arguments = spec.arguments
    sign = 1
    match spec.name:
        case "active_units":
            count, variances = metrics.active_units(model, test, **arguments)
            return {"value": count, "n": len(variances)}, None
        case "aggregate_mmd":
            value, p = metrics.aggregate_mmd(model, test, **arguments)
            return {"value": value, "p": p}, None
        case "reconstruction_error":
            estimate = metrics.reconstruction_error(model, test, **arguments)
        case "knn_accuracy":
            estimate = metrics.knn_accuracy(model, train(), test, **arguments)
        case "log_likelihood" | "elbo":
            sign = -1  # a bound on log p is recorded as a loss
            arguments = {"samples": 1, "seed": 0, "progress": True} | arguments
            estimate = metrics.log_likelihood(model, test, **arguments)
        case "bits_per_dimension":
            estimate = metrics.bits_per_dimension(model, test, progress=True, **arguments)
        case "l1" | "psnr" | "ssim":
            estimate = getattr(metrics, spec.name)(*metrics.translate(model, test))
    interval = sorted(sign * end for end in estimate.interval)
    entry = {"value": sign * estimate.mean, "interval": interval, "n": estimate.n}
    return entry | {"images": estimate.images}, sign * estimate.values


def generate_texts(
    trainer: "Trainer",
    test: "TextDataset",
    text_config: "TextConfig",
    num_beams: int,
    length_penalty: float,
    count: int | None,
) -> list[str]:
    """The texts that the model generates for the first `count` test examples; None: for all.

    They are also written to the run's folder.
    """
    search = {"num_beams": num_beams, "length_penalty": length_penalty} if num_beams > 1 else {}
    with trainer.averaged_weights() as model:
        texts = text_config.generate(model, test.corpus, count, **search)
    if trainer.workdir:
        lines = "".join(f"{' '.join(line.split())}\n" for line in texts).encode()
        path = trainer.workdir.path / f"test-beam{num_beams}.txt"
        write_atomically(path, lambda file: file.write(lines))
    return texts


def score_texts(
    spec: MetricSpec, texts: list[str], references: list[str] | list[list[str]]
) -> dict[str, Any]:
    """The entry of a metric of texts in a record."""
    from zoo import metrics

    arguments = spec.resolved
    protocol = [arguments["protocol"]] if spec.name == "bleu" else []
    score = getattr(metrics, spec.name)(texts, references[: len(texts)], *protocol)
    score = score[arguments["score"]] if spec.name == "caption_scores" else score
    return {
        "value": score.value,
        "interval": [*score.interval],
        "n": score.n,
        "signature": score.protocol,
        "references": score.references,
    }


def image_metrics(
    trainer: "Trainer",
    train: "Callable[[], ArrayDataset]",
    test: "ArrayDataset",
    extractor: str,
    images: int,
) -> dict[str, dict[str, Any]]:
    """All metrics of `images` generated images by one classifier: {metric: entry in a record}.

    The real images are those of `test`; floors are of as many images of `train()`, drawn with
    seed 0.
    """
    from zoo import metrics
    from zoo.metrics.model_outputs import sample_rows

    net = metrics.load_classifier(extractor)
    extract: Callable[..., Any] = functools.partial(
        metrics.extract_features, net, name=net.name, progress=True
    )
    known, real = (
        extract(all_images(data), split=f"{data.name} {data.split}") for data in (train(), test)
    )
    with trainer.averaged_weights() as model:
        generated = extract(metrics.generate(model, images), split=f"{model.name}, seed 0")
    rows = sample_rows(known.n, images, seed=0)
    reference = replace(
        known,
        values=known.values[rows],
        labels=known.labels[rows],
        split=f"{images:,} of {known.split}, seed 0",
    )
    common = {
        "extractor": net.name,
        "n": images,
        "n_real": real.n,
        "images": metrics.fingerprint(all_images(test)),
    }
    scores: dict[str, Any] = metrics.image_scores(real, generated, reference)
    entries = {
        name: common
        | {"value": score.value, "floor": score.floor.value}
        | ({} if score.error is None else {"error": score.error})
        for name, score in scores.items()
    }
    histogram = functools.partial(
        metrics.label_histogram_distance, real.labels, num_classes=net.num_classes
    )
    distance, dropped = histogram(generated.labels)
    floor, _ = histogram(reference.labels)
    entries["label_histogram"] = common | {"value": distance, "dropped": dropped, "floor": floor}
    copies = metrics.memorization(known, generated, real)
    entries["memorization"] = common | {
        "value": copies.ratio,
        "floor": 1.0,  # test images, by definition
        "z": copies.z,
        "copies": copies.copies,
        "copies_in_test": copies.copies_in_test,
        "n_train": copies.n_train,
    }
    return entries


def all_images(data: "ArrayDataset") -> "np.ndarray":
    """All images of a data set, in order: [n, h, w, c]."""
    return data.take(data.num_examples)["image"]
