"""Evaluation of a recipe: from a trained model and metrics to the numbers of a record."""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.files import digest, write_atomically
from zoo.recipes.recipe import Recipe

if TYPE_CHECKING:
    import numpy as np

    from zoo.data.array_dataset import ArrayDataset
    from zoo.model import Model
    from zoo.training.trainer import Trainer

LoadSplit = Callable[[str], Any]  # the name of a split -> a data set of the model's `load_data`
UNFINISHED = "evaluation"  # folder inside a run's folder, with the finished parts of long metrics


def check_feasible(
    recipe: Recipe, budget: str, train: Any, test: Any, load_split: LoadSplit | None = None
) -> None:
    """Raises, before anything is trained, the errors that would stop the evaluation.

    Args:
        recipe: with the metrics.
        budget: name of a budget.
        train, test: data sets of the model's `load_data`.
        load_split: as in `evaluate_recipe`.
    """
    for spec in recipe.metric_specs(budget):
        if spec.split and load_split:
            load_split(spec.split)
        if spec.metric.check:
            spec.metric.check(train, test, **spec.all_arguments)


def evaluate_recipe(
    recipe: Recipe,
    budget: str,
    trainer: "Trainer",
    load_split: LoadSplit,
    test: Any,
) -> "tuple[dict[str, dict[str, Any]], dict[str, np.ndarray]]":
    """Computes all metrics of a recipe.

    Args:
        recipe: with the metrics.
        budget: name of a budget.
        trainer: has the weights to be evaluated, or their averages.
        load_split: called with the name of a split for its examples, in order, as a data set of the
            model's `load_data`.
        test: the test examples, such a data set.

    Returns ({metric: its entry in the record}, {metric: values of single examples}).
    """
    entries = {}
    values = {}
    folder = trainer.workdir.path if trainer.workdir else None
    train = functools.partial(load_split, recipe.splits(budget)[0])
    data = EvaluationData(train, test, folder, load_split)
    for spec in recipe.metric_specs(budget):
        with trainer.averaged_weights() as model:
            entry, each = spec.metric.compute(model, data, **spec.all_arguments)
        entries[spec.key] = {
            **entry,
            "unit": spec.metric.unit,
            "lower_is_better": spec.metric.lower_is_better,
            "protocol": recipe.protocol(budget, spec),
        }
        if each is not None:
            values[spec.key] = each
    return entries, values


class EvaluationData:
    """The data that metrics are computed on, and model outputs that several metrics share.

    Args:
        train: called for the training examples, in order.
        test: the test examples.
        folder: folder of the run, where generated texts and the finished parts of long metrics are
            written; None: they are not written.
        load_split: called with the name of another split.

    Attributes:
        train, test: as above.
    """

    def __init__(
        self,
        train: Callable[[], Any],
        test: Any,
        folder: Path | None = None,
        load_split: LoadSplit | None = None,
    ) -> None:
        self.train = train
        self.test = test
        self.folder = folder
        self._load_split = load_split
        self._texts: dict[tuple, list[str]] = {}
        self._image_scores: dict[tuple, dict[str, dict[str, Any]]] = {}

    def checkpoint(self, name: str, arguments: dict[str, Any]) -> Path | None:
        """The file of the finished part of a long metric; None: there is no folder.

        Args:
            name: name of the metric.
            arguments: arguments of the metric.
        """
        if self.folder is None:
            return None
        return self.folder / UNFINISHED / f"{name}-{digest(arguments)[:12]}.npz"

    def texts(
        self,
        model: Any,
        num_beams: int,
        length_penalty: float,
        texts: int | None = None,
        split: str | None = None,
    ) -> tuple[list[str], Any]:
        """(generated texts, references) of the first `texts` test examples; None: of all.

        Args:
            model: generates texts.
            num_beams, length_penalty: as in `zoo.SequenceGenerator.generate`.
            texts: number of texts.
            split: a split to use instead of the test examples.
        """
        data = self._load_split(split) if split and self._load_split else self.test
        key = num_beams, length_penalty, texts, split
        if key not in self._texts:
            beams = {"num_beams": num_beams, "length_penalty": length_penalty}
            search = beams if num_beams > 1 else {}
            self._texts[key] = model.generate_texts(data, texts, **search)
            self._write(f"{split or 'test'}-beam{num_beams}.txt", self._texts[key])
        generated = self._texts[key]
        return generated, model.reference_texts(data)[: len(generated)]

    def _write(self, name: str, texts: list[str]) -> None:
        if self.folder:
            lines = "".join(f"{' '.join(line.split())}\n" for line in texts).encode()
            write_atomically(self.folder / name, lambda file: file.write(lines))

    def image_scores(self, model: Any, extractor: str, images: int) -> dict[str, dict[str, Any]]:
        """All metrics of `images` generated images: {metric: entry in a record}.

        Args:
            model: generates images.
            extractor: name of a classifier.
        """
        key = extractor, images
        if key not in self._image_scores:
            self._image_scores[key] = image_metrics(model, self.train, self.test, *key)
        return self._image_scores[key]


def image_metrics(
    model: "Model",
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
