"""What is asked of a trained model: a metric, its arguments, and how both are written down."""

import re
from dataclasses import dataclass, field

from zoo.checks import NUMBERS, check_optional_numbers
from zoo.errors import UnknownNameError, UsageError


@dataclass(frozen=True)
class Metric:
    """How a metric of `zoo.metrics` is written down; `key` and `text` are format strings.

    `of` is what it is taken over: "images", or "texts", which a model translates for it. `takes`
    are the arguments that it may have beside those of `defaults` and those that its names mention.
    """

    key: str
    text: str
    unit: str
    lower_is_better: bool = True
    defaults: dict = field(default_factory=dict)
    of: str = "images"
    takes: tuple = ()

    @property
    def arguments(self):
        """The names of all arguments that a `Measure` of it may have."""
        mentioned = re.findall(r"{(\w+)}", self.key + self.text)
        return {*mentioned, *self.defaults, *self.takes} - {"search", "how"}


NOISE = ("images", "seed", "chunk")
MADE = {"images": 10_000}
SEARCH = {"num_beams": 1, "length_penalty": 0.6, "texts": None}  # how a model looks for its words
METRICS = {
    # Bounds on the log-likelihood are kept with the sign changed: nats that one has to pay.
    "log_likelihood": Metric("is_{samples}", "IS-{samples}", "nats", takes=NOISE),
    "elbo": Metric("negative_elbo", "-ELBO", "nats", takes=NOISE),
    "active_units": Metric("active_units", "active units", "units", False, takes=("threshold",)),
    "reconstruction_error": Metric("reconstruction_error", "reconstruction error", "squared error"),
    "aggregate_mmd": Metric(
        "aggregate_mmd",
        "MMD of codes to prior",
        "MMD^2",
        defaults={"images": 2000},
        takes=("seed", "permutations"),
    ),
    "knn_accuracy": Metric(
        "knn_accuracy", "accuracy of the {k} nearest codes", "accuracy", False, {"k": 10}
    ),
    # Generated images, as a network sees them: `extractor` is a name of
    # `zoo.metrics.load_classifier`.
    "frechet": Metric("frechet", "Frechet distance by {extractor}", "features^2", True, MADE),
    "kernel": Metric("kernel", "kernel distance by {extractor}", "MMD^2", True, MADE),
    "precision": Metric("precision", "precision (k=3) by {extractor}", "share", False, MADE),
    "recall": Metric("recall", "recall (k=3) by {extractor}", "share", False, MADE),
    "density": Metric("density", "density (k=5) by {extractor}", "ratio", False, MADE),
    "coverage": Metric("coverage", "coverage (k=5) by {extractor}", "share", False, MADE),
    "label_histogram": Metric(
        "label_histogram", "distance of label histograms by {extractor}", "share", True, MADE
    ),
    "memorization": Metric(
        "memorization",
        "distance to the nearest training image over that of test images by {extractor}",
        "ratio",
        False,
        MADE,
    ),
    # Images that a model makes of others, each beside its true one.
    "l1": Metric("l1", "L1 distance", "of the range"),
    "psnr": Metric("psnr", "PSNR", "dB", False),
    "ssim": Metric("ssim", "SSIM", "SSIM", False),
    # What a model says by itself, beside what people say.
    "exact_match": Metric(
        "exact_match_{search}", "exact match, {how}", "%", False, SEARCH, "texts"
    ),
    "bleu": Metric(
        "bleu_{protocol}_{search}", "BLEU {protocol}, {how}", "%", False, SEARCH, "texts"
    ),
    # By COCO's definitions; `score` is a name that `zoo.metrics.caption_scores` gives.
    "caption_scores": Metric(
        "coco_{score}_{search}", "COCO {score}, {how}", "%", False, SEARCH, "texts"
    ),
    "chrf": Metric("chrf_{search}", "chrF2, {how}", "%", False, SEARCH, "texts"),
}


@dataclass(frozen=True, init=False)
class Measure:
    """A metric and its arguments: `Measure("log_likelihood", samples=5000, images=1000)`.

    Args:
        name: a key of `METRICS`.
        **arguments: of the function in `zoo.metrics`; `images` is how many of the test images are
            drawn with seed 0, all of them if it is left out. With an `extractor`, `images` is how
            many are generated. Of what a model says, `texts` is how many of the test texts are
            taken, the first ones, and `num_beams` is 1 for greedy.

    Raises UsageError: no such metric; one of its arguments is missing, not one of them, or not a
        number in its range.
    """

    name: str
    arguments: dict

    def __init__(self, name, **arguments):
        if name not in METRICS:
            raise UnknownNameError("metric", name, METRICS)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "arguments", arguments)
        try:
            self.key, self.text  # noqa: B018  (they name every argument that there must be)
        except KeyError as error:
            raise UsageError(f"the metric {name!r} needs the argument {error}") from error
        for argument in arguments:
            if argument not in self.metric.arguments:
                what = f"argument of the metric {name!r}"
                raise UnknownNameError(what, argument, self.metric.arguments)
        check_optional_numbers(**{k: v for k, v in arguments.items() if k in NUMBERS})

    @property
    def metric(self):
        return METRICS[self.name]

    @property
    def generated(self):
        """Whether it is about images that the model generates."""
        return "extractor" in self.told

    @property
    def told(self):
        """All arguments, with the defaults of the metric, and words for the search."""
        told = self.metric.defaults | self.arguments
        if self.metric.of == "texts":
            num_beams = told["num_beams"]
            told["search"] = "greedy" if num_beams == 1 else f"beam{num_beams}"
            told["how"] = f"beam of {num_beams}, length penalty {told['length_penalty']:g}"
            told["how"] = "greedy" if num_beams == 1 else told["how"]
        return told

    @property
    def key(self):
        """Its name in a record."""
        return self.metric.key.format(**self.told)

    @property
    def text(self):
        """Its part of the protocol: what, on which images or texts, in which unit."""
        images, texts = self.told.get("images"), self.told.get("texts")
        which = f"all test {self.metric.of}"
        if texts:
            which = f"the first {texts:,} test texts"
        elif self.generated:
            which = f"{images:,} generated images, all test images"
        elif images:
            which = f"{images:,} test images drawn with seed 0"
        return f"{self.metric.text.format(**self.told)} on {which}, {self.metric.unit}"
