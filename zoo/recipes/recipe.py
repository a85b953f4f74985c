"""A recipe: everything that determines one result, from the data's split to the metric's seed."""

import hashlib
import re
from dataclasses import asdict, dataclass
from typing import Any

from zoo.checks import check_numbers, check_optional_numbers
from zoo.data import catalog, folders
from zoo.data.stream_config import StreamConfig
from zoo.data.text_config import TextConfig
from zoo.errors import UnknownNameError, UsageError
from zoo.files import user_path
from zoo.recipes.metric_spec import MetricSpec

SCHEDULES = ("constant", "cosine")
BINARIZATIONS = {  # name -> how a protocol describes it
    "none": "original pixel values",
    "dynamic": "binarized again each epoch, test set once (seed 777)",
    "fixed": "binarized once (seed 777)",
    "threshold": "binarized at 0.5",
}


@dataclass(frozen=True)
class Budget:
    """How much computation a run of a recipe may take.

    Attributes:
        epochs: passes over the training data.
        train_examples: examples of the training split that are used; None: all.
        importance_sampling_images: test images for importance sampling; None: as the metrics have
            it.
        samples: images or texts that are generated for the metrics; None: as the metrics have it.
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


@dataclass(frozen=True)
class Recipe:
    """Everything that determines a result; no value that matters is a default elsewhere.

    Attributes:
        name: the model's name, a dot, a tag: "vae.mnist_gated".
        title: one line for people.
        model: a name of the registry.
        config: constructor arguments of the model, as JSON values.
        data: a name of the catalog, or the path of a file or folder.
        train, valid, test: splits in TFDS syntax; `valid` may be None.
        batch_size: examples per step.
        learning_rate: of Adam; a dict, part -> rate, for a model of several networks; None: the
            model's own optimizers, with their moving averages.
        betas: of Adam, decay rates of the averages of gradients and of squared gradients.
        schedule: "constant", or "cosine" down to 0.01 of the rate over all steps of the budget.
        ema_momentum: of the moving average of the weights, which is evaluated; None: no average.
        clip_norm: largest global norm of the gradients; None: not clipped.
        kl_warmup_epochs: epochs in which the KL weight rises from 0 to 1 (below 1: as a fraction
            of the budget); 0: none.
        micro_batches: parts of a batch that are computed in parallel, see `zoo.Trainer`.
        jit_compile: compile the step with XLA, see `zoo.Trainer`.
        text_config: how pairs of texts, images with captions (`zoo.data.caption_config`) or a
            running text (`zoo.data.stream_config`) become batches; None: the data are images.
        binarize: "dynamic" (training images binarized again in each epoch, the others once) or
            another value of `zoo.data.load`.
        augment: augmentation of training images, as in `zoo.data.load`.
        image_size: pixels that images are resized to; None: not resized.
        seed: of weights, noise and data order.
        select_best_epoch: evaluate the epoch with the best validation loss; False: the last.
        budgets: name -> `Budget`; all recipes have "smoke", "cpu-hour" and "paper".
        metrics: `MetricSpec`s, the main one first.
        references: published results to compare with.
        limitations: what a reader must know.

    Raises UsageError: a number out of its range, an unknown name, or two arguments that exclude
        each other.
    """

    name: str
    title: str
    model: str
    config: dict[str, Any]
    data: str
    train: str
    valid: str | None
    test: str
    batch_size: int
    learning_rate: float | dict[str, float] | None
    budgets: dict[str, Budget]
    metrics: tuple[MetricSpec, ...]
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: str = "constant"
    ema_momentum: float | None = None
    clip_norm: float | None = None
    kl_warmup_epochs: float = 0
    micro_batches: int = 1
    jit_compile: bool = False
    text_config: TextConfig | StreamConfig | None = None
    binarize: str = "none"
    augment: str = "none"
    image_size: int | None = None
    seed: int = 0
    select_best_epoch: bool = True
    references: tuple[Reference, ...] = ()
    limitations: str = ""

    def __post_init__(self) -> None:
        self._check_values()
        adam = self.betas, self.schedule, self.ema_momentum, self.clip_norm
        if self.learning_rate is None and adam != ((0.9, 0.999), "constant", None, None):
            raise UsageError(
                f"{self.name} uses the model's own optimizers (learning_rate=None): leave out"
                " betas, schedule, ema_momentum and clip_norm"
            )
        if self.valid is None and self.select_best_epoch:
            raise UsageError(
                f"{self.name} has no validation split, so no epoch is the best: set"
                " select_best_epoch=False"
            )
        patient = any(budget.patience is not None for budget in self.budgets.values())
        if self.valid is None and patient:
            raise UsageError(
                f"{self.name} has no validation split, so there is no loss for patience: leave"
                " patience out of its budgets, or name a split (valid=)"
            )
        images = self.binarize, self.augment, self.image_size
        if self.text_config and images != ("none", "none", None):
            raise UsageError(
                f"{self.name} trains on texts: leave out binarize, augment and image_size, which"
                " are for images"
            )

    def _check_values(self) -> None:
        """Raises UsageError unless every number is in its range and every name exists."""
        check_numbers(
            batch_size=self.batch_size,
            micro_batches=self.micro_batches,
            kl_warmup_epochs=self.kl_warmup_epochs,
            seed=self.seed,
        )
        check_optional_numbers(
            ema_momentum=self.ema_momentum, clip_norm=self.clip_norm, image_size=self.image_size
        )
        rates = self.learning_rate
        for rate in rates.values() if isinstance(rates, dict) else [rates]:
            check_optional_numbers(learning_rate=rate)
        if not isinstance(self.betas, tuple | list) or len(self.betas) != 2:
            raise UsageError(f"betas must be two numbers, got {self.betas!r}")
        for beta in self.betas:
            check_numbers(betas=beta)
        for kind, name, names in (
            ("schedule", self.schedule, SCHEDULES),
            ("binarization", self.binarize, BINARIZATIONS),
        ):
            if name not in names:
                raise UnknownNameError(kind, name, names)
        if not self.metrics or not all(isinstance(spec, MetricSpec) for spec in self.metrics):
            raise UsageError(f"metrics must be one MetricSpec or more, got {self.metrics!r}")
        if not all(isinstance(budget, Budget) for budget in self.budgets.values()):
            raise UsageError(f"budgets must be a dict, name -> Budget, got {self.budgets!r}")

    def budget(self, name: str) -> Budget:
        """The `Budget` of that name; raises UnknownNameError."""
        if name not in self.budgets:
            raise UnknownNameError(f"budget of {self.name}", name, self.budgets)
        return self.budgets[name]

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

        It has data, splits, preprocessing or languages, metric, examples and unit. Data without a
        name in the catalog are identified by a checksum. Tokenization is not part of it, since
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
        return BINARIZATIONS[self.binarize]

    def training(self, budget: str) -> dict[str, Any]:
        """What determines the weights, as JSON values: two runs with equal ones are the same."""
        irrelevant = (
            "name",
            "title",
            "budgets",
            "metrics",
            "references",
            "limitations",
            "select_best_epoch",
            "test",
        )
        relevant = {key: value for key, value in asdict(self).items() if key not in irrelevant}
        limits = self.budget(budget)
        return relevant | {
            "train": self.splits(budget)[0],
            "epochs": limits.epochs,
            "patience": limits.patience,
        }


def limit_split(split: str, n: int) -> str:
    """The first `n` examples of a split such as "train", "train[:500]" or "test[9000:]"."""
    match = re.fullmatch(r"(\w+(?:\.\w+)?)(?:\[(\d*):(\d*)\])?", split)
    if not match:
        raise UsageError(f"a limited split must be written like 'train[:500]', got {split!r}")
    begin = int(match[2] or 0)
    end = min(begin + n, int(match[3] or begin + n))
    return f"{match[1]}[{begin}:{end}]"


def data_identity(data: str) -> str:
    """What identifies data: a name of the catalog; of a file or folder, its name and checksum."""
    direction, colon, place = data.rpartition(":")  # of pairs, as "AtoB:facades"
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
