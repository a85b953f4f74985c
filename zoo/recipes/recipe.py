"""A recipe: everything that determines one result, from the data's split to the metric's seed."""

import hashlib
import re
from dataclasses import dataclass, fields

from zoo.checks import check_numbers, check_optional_numbers
from zoo.data import catalog, folders
from zoo.errors import UnknownNameError, UsageError
from zoo.files import user_path
from zoo.recipes.metric_spec import MetricSpec
from zoo.training.run_config import RunConfig

PREPROCESSING = {  # name -> how a protocol describes it
    "none": "original pixel values",
    "dynamic": "binarized again each epoch, test set once (seed 777)",
    "fixed": "binarized once (seed 777)",
    "threshold": "binarized at 0.5",
}
PUBLISHED_BITS = {  # the same in the original order, see `zoo.data.original_order`
    "dynamic": "binarized again each epoch, validation and test set once, as published (seed 777)",
    "fixed": "binarized once, as published (seed 777)",
}


@dataclass(frozen=True)
class Budget:
    """How much computation a run of a recipe may take.

    Attributes:
        epochs: passes over the training data.
        train_examples: number of training examples to use; the training split must then be like
            "train" or "train[:500]"; None: all.
        importance_sampling_images: test images for importance sampling; None: the number in the
            metrics.
        samples: images or texts generated for the metrics; None: the number in the metrics.
        patience: epochs without a better validation loss before training stops; None: never.

    Raises UsageError: a value that is not a number in its range.
    """

    epochs: int
    train_examples: int | None = None
    importance_sampling_images: int | None = None
    samples: int | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        check_numbers(epochs=self.epochs)
        if not self.epochs:
            raise UsageError("epochs of a budget must be an integer >= 1, got 0")
        check_optional_numbers(
            train_examples=self.train_examples,
            importance_sampling_images=self.importance_sampling_images,
            samples=self.samples,
            patience=self.patience,
        )


@dataclass(frozen=True)
class Reference:
    """A published result.

    Attributes:
        value: as published.
        source: publication, and the place in it.
        note: how it was obtained; how that differs from the recipe.
        protocol: as `Recipe.protocol` would write it; only equal protocols are compared.
        plus_minus: the uncertainty published with it; 0 if none was.
    """

    value: float
    source: str
    note: str = ""
    protocol: str = ""
    plus_minus: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Recipe(RunConfig):
    """The description of a run and of how its result is measured, for several budgets.

    No value that determines a result is a default elsewhere. The fields of `RunConfig` are not
    repeated here; `epochs` and `patience` are those of a budget.

    Attributes:
        name: the model's name, a dot, a tag: "vae.mnist_gated".
        title: one line for people.
        budgets: name -> `Budget`. Recipes of the zoo have "smoke" and "paper", and between them the
            default: "cpu-hour", at most an hour of training on two cores, or a name with its
            minutes, as in "cpu-90-minutes".
        metrics: `MetricSpec`s, the main one first.
        references: published results to compare with.
        limitations: what a reader must know.

    Raises UsageError: as in `RunConfig`; or no learning rate for the named optimizer.
    """

    name: str
    title: str
    data: str
    test: str
    budgets: dict[str, Budget]
    metrics: tuple[MetricSpec, ...]
    optimizer: str | None = "adam"
    drop_remainder: bool | None = True
    select_best_epoch: bool = True
    references: tuple[Reference, ...] = ()
    limitations: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.optimizer is not None and self.learning_rate is None:
            raise UsageError(
                f"{self.name} names no learning_rate for {self.optimizer}: name it, or set"
                " optimizer=None for the model's own optimizers"
            )
        if not self.metrics or not all(isinstance(spec, MetricSpec) for spec in self.metrics):
            raise UsageError(f"metrics must be one MetricSpec or more, got {self.metrics!r}")
        if not all(isinstance(budget, Budget) for budget in self.budgets.values()):
            raise UsageError(f"budgets must be a dict, name -> Budget, got {self.budgets!r}")
        for name, budget in self.budgets.items():
            self._check_monitor(budget.patience)
            try:
                self.splits(name)
            except UsageError as error:
                raise UsageError(
                    f"{self.name}: the budget {name!r} has train_examples={budget.train_examples},"
                    f" and {error}"
                ) from error

    def budget(self, name: str) -> Budget:
        """The `Budget` of that name; raises UnknownNameError."""
        if name not in self.budgets:
            raise UnknownNameError(f"budget of {self.name}", name, self.budgets)
        return self.budgets[name]

    @property
    def default_budget(self) -> str:
        """The budget of `zoo reproduce` unless one is named: the first after "smoke"."""
        return next((name for name in self.budgets if name != "smoke"), "smoke")

    def splits(self, budget: str) -> tuple[str, str | None, str]:
        """(train, valid, test) in TFDS syntax, `train` limited to what the budget allows."""
        examples = self.budget(budget).train_examples
        train = self.train if examples is None else limit_split(self.train, examples)
        return train, self.valid, self.test

    def metric_specs(self, budget: str) -> tuple[MetricSpec, ...]:
        """The metrics, on as many images or texts as the budget allows."""
        limits = self.budget(budget)

        def limit(spec: MetricSpec) -> dict[str, int]:
            field = spec.metric.budget_field
            count = getattr(limits, field) if field else None
            return {spec.metric.domain: count} if count else {}

        return tuple(MetricSpec(s.name, **s.arguments | limit(s)) for s in self.metrics)

    def protocol(self, budget: str = "paper", metric: MetricSpec | None = None) -> str:
        """The line that decides whether two results may be compared.

        It states data, splits, preprocessing or languages, metric, examples and unit. Data without
        a name in the catalog are identified by a checksum. Tokenization is not part of it, since
        metrics compare whole texts.

        Args:
            budget: name of a budget.
            metric: one of `metric_specs`; default the first.
        """
        metric = metric or self.metric_specs(budget)[0]
        splits = " / ".join(filter(None, self.splits(budget)))
        identity = data_identity(self.data)
        return f"{identity} {splits}, {self.preprocessing}; {metric.description}"

    @property
    def preprocessing(self) -> str:
        """How the data are preprocessed, for the protocol."""
        if self.text_config:
            return self.text_config.description
        if self.binarize == "none" and self.image_size is not None:
            return f"{self.image_size} pixels wide"
        original = ".original" in self.test
        return (PREPROCESSING | (PUBLISHED_BITS if original else {}))[self.binarize]

    def run_config(self, budget: str) -> RunConfig:
        """The description of the run with a budget, without the fields that only recipes have."""
        limits = self.budget(budget)
        values = {each.name: getattr(self, each.name) for each in fields(RunConfig)}
        return RunConfig(
            **values
            | {
                "train": self.splits(budget)[0],
                "epochs": limits.epochs,
                "patience": limits.patience,
                "save_every": 1000,
                "figures_every": max(1, limits.epochs // 10),
            }
        )


def limit_split(split: str, n: int) -> str:
    """The first `n` examples of a split such as "train", "train[:500]" or "test[9000:]"."""
    match = re.fullmatch(r"(\w+(?:\.\w+)?)(?:\[(\d*):(\d*)\])?", split)
    if not match:
        raise UsageError(f"a limited split must be like 'train' or 'train[:500]', got {split!r}")
    begin = int(match[2] or 0)
    end = min(begin + n, int(match[3] or begin + n))
    return f"{match[1]}[{begin}:{end}]"


def data_identity(data: str) -> str:
    """What identifies data: a name of the catalog; of a file or folder, its name and checksum."""
    direction, colon, place = data.rpartition(":")  # of pairs, such as "AtoB:facades"
    path = user_path(place)
    if data.partition("/")[0] in catalog.CATALOG or not path.exists():
        return data
    files = [path] if path.is_file() else folders.visible_files(path)
    checksum = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        checksum.update(f"{file.relative_to(path.parent).as_posix()} {size}\n".encode())
        checksum.update(file.read_bytes())
    return f"{direction}{colon}{path.name} (sha256 {checksum.hexdigest()[:12]})"
