"""A recipe: everything that decides one number, from the data's split to the metric's seed."""

import re
from dataclasses import asdict, dataclass, field

from zoo.errors import UnknownName, UsageError


@dataclass(frozen=True)
class Metric:
    """How a metric of `zoo.metrics` is written down; `key` and `text` are format strings."""

    key: str
    text: str
    unit: str
    lower_is_better: bool = True
    defaults: dict = field(default_factory=dict)


METRICS = {
    # Bounds on the log-likelihood are kept with the sign changed: nats that one has to pay.
    "log_likelihood": Metric("is_{samples}", "IS-{samples}", "nats"),
    "elbo": Metric("negative_elbo", "-ELBO", "nats"),
    "active_units": Metric("active_units", "active units", "units", False),
    "reconstruction_error": Metric("reconstruction_error", "reconstruction error", "squared error"),
    "aggregate_mmd": Metric(
        "aggregate_mmd", "MMD of codes to prior", "MMD^2", defaults={"images": 2000}
    ),
    "knn_accuracy": Metric(
        "knn_accuracy", "accuracy of the {k} nearest codes", "accuracy", False, {"k": 10}
    ),
}


@dataclass(frozen=True, init=False)
class Measure:
    """A metric and its arguments: `Measure("log_likelihood", samples=5000, images=1000)`.

    Args:
        name: a key of `METRICS`.
        **arguments: of the function in `zoo.metrics`; `images` is how many of the test images are
            drawn with seed 0, all of them if it is left out.
    """

    name: str
    arguments: dict

    def __init__(self, name, **arguments):
        if name not in METRICS:
            raise UnknownName("metric", name, METRICS)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "arguments", arguments)

    @property
    def metric(self):
        return METRICS[self.name]

    @property
    def told(self):
        """All arguments, with the defaults of the metric."""
        return self.metric.defaults | self.arguments

    @property
    def key(self):
        """Its name in a record."""
        return self.metric.key.format(**self.told)

    @property
    def text(self):
        """Its part of the protocol: what, on which images, in which unit."""
        images = self.told.get("images")
        which = f"{images:,} test images drawn with seed 0" if images else "all test images"
        return f"{self.metric.text.format(**self.told)} on {which}, {self.metric.unit}"


@dataclass(frozen=True)
class Budget:
    """How much is spent.

    Attributes:
        epochs: passes over the training images.
        train_images: how many images of the training split are used; None: all.
        is_images: how many test images importance sampling is done on; None: as the measures say.
        patience: epochs without a better validation loss after which training stops; None: never.
    """

    epochs: int
    train_images: int | None = None
    is_images: int | None = None
    patience: int | None = None


@dataclass(frozen=True)
class Reference:
    """A published number.

    Attributes:
        value: as it was published.
        source: where it can be looked up.
        note: how it was made; what differs from ours.
        protocol: as `Recipe.protocol` would write it; only equal protocols are ever compared.
        plus_minus: the uncertainty published with it; 0 if none was.
    """

    value: float
    source: str
    note: str = ""
    protocol: str = ""
    plus_minus: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """Everything behind one number; nothing that decides it is left to a default elsewhere.

    Attributes:
        name: the model's name, a dot, a tag: "vae.mnist_gated".
        title: one line for people.
        model: a name of the registry.
        config: constructor arguments of the model, as JSON has them.
        data: a name of the catalog.
        train, valid, test: splits as TFDS writes them.
        binarize: "dynamic" (training images drawn anew in each epoch, the others once) or what
            else `zoo.data.load` takes.
        batch_size: images a step.
        learning_rate: of Adam.
        schedule: "constant", or "cosine" down to 0.01 of the rate over all steps of the budget.
        ema: momentum of the moving average of the weights, which is what is evaluated; None: none.
        clip: largest norm of all gradients together; None: not clipped.
        warmup_epochs: epochs in which the KL's weight rises from 0 to 1 (below 1: as a fraction of
            the budget); 0: none.
        sub_batches: parts of a batch that are computed side by side, see `zoo.Trainer`.
        seed: of weights, noise and order.
        best: evaluate the epoch with the best validation loss; False: the last.
        budgets: name -> `Budget`; all recipes have "smoke", "cpu-hour" and "paper".
        metrics: `Measure`s, THE number first.
        references: published numbers to stand beside it.
        limits: what a reader must know.
    """

    name: str
    title: str
    model: str
    config: dict
    data: str
    train: str
    valid: str
    test: str
    binarize: str
    batch_size: int
    learning_rate: float
    budgets: dict
    metrics: tuple
    schedule: str = "constant"
    ema: float | None = None
    clip: float | None = None
    warmup_epochs: float = 0
    sub_batches: int = 1
    seed: int = 0
    best: bool = True
    references: tuple = ()
    limits: str = ""

    def budget(self, name):
        """The `Budget` of that name; raises UnknownName."""
        if name not in self.budgets:
            raise UnknownName(f"budget of {self.name}", name, self.budgets)
        return self.budgets[name]

    def splits(self, budget):
        """(train, valid, test) as TFDS writes them, the first cut to what the budget allows."""
        images = self.budget(budget).train_images
        train = first(self.train, images) if images else self.train
        return train, self.valid, self.test

    def measures(self, budget):
        """The metrics, on as many images as the budget says."""
        images = self.budget(budget).is_images
        return tuple(
            Measure(one.name, **one.arguments | {"images": images})
            if images and one.name == "log_likelihood"
            else one
            for one in self.metrics
        )

    def protocol(self, budget="paper", measure=None):
        """The line that decides whether two numbers may be ranked together.

        Data, splits, binarization, metric, images it is taken over, unit. `measure` is the first
        if not given.
        """
        measure = measure or self.measures(budget)[0]
        splits = " / ".join(self.splits(budget))
        pixels = {
            "none": "grey",
            "dynamic": "binarized anew each epoch, test once (seed 777)",
            "once": "binarized once (seed 777)",
            "threshold": "binarized at 0.5",
        }[self.binarize]
        return f"{self.data} {splits}, {pixels}; {measure.text}"

    def training(self, budget):
        """What decides the weights, as JSON has it: two runs that agree in this are the same."""
        told = ("name", "title", "budgets", "metrics", "references", "limits", "best", "test")
        decides = {key: value for key, value in asdict(self).items() if key not in told}
        spent = self.budget(budget)
        return decides | {
            "train": self.splits(budget)[0],
            "epochs": spent.epochs,
            "patience": spent.patience,
        }


def first(split, n):
    """The first `n` examples of a split such as "train", "train[:500]" or "test[9000:]"."""
    found = re.fullmatch(r"(\w+)(?:\[(\d*):(\d*)\])?", split)
    if not found:
        raise UsageError(f"a split that is cut is written like 'train[:500]', got {split!r}")
    begin = int(found[2] or 0)
    end = min(begin + n, int(found[3] or begin + n))
    return f"{found[1]}[{begin}:{end}]"
