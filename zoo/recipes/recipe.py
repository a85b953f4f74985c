"""A recipe: everything that decides one number, from the data's split to the metric's seed."""

import hashlib
import re
from dataclasses import asdict, dataclass

from zoo.checks import check_numbers, check_optional_numbers
from zoo.data import catalog, folders
from zoo.data.text_config import TextConfig
from zoo.errors import UnknownNameError, UsageError
from zoo.files import user_path
from zoo.recipes.metric_spec import Measure

SCHEDULES = ("constant", "cosine")
BINARIZATIONS = {  # and how a protocol writes them
    "none": "as they are",
    "dynamic": "binarized anew each epoch, test once (seed 777)",
    "fixed": "binarized once (seed 777)",
    "threshold": "binarized at 0.5",
}


@dataclass(frozen=True)
class Budget:
    """How much is spent.

    Attributes:
        epochs: passes over the training data.
        train_examples: how many examples of the training split are used; None: all.
        is_images: how many test images importance sampling is done on; None: as the measures say.
        samples: how many images are generated, or texts translated, to be measured; None: as the
            measures say.
        patience: epochs without a better validation loss after which training stops; None: never.

    Raises UsageError: one of them is not such a number.
    """

    epochs: int
    train_examples: int | None = None
    is_images: int | None = None
    samples: int | None = None
    patience: int | None = None

    def __post_init__(self):
        check_numbers(epochs=self.epochs)
        if not self.epochs:
            raise UsageError("epochs of a budget must be an integer >= 1, got 0")
        check_optional_numbers(
            train_examples=self.train_examples,
            is_images=self.is_images,
            samples=self.samples,
            patience=self.patience,
        )


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
        data: a name of the catalog, or the path of a file or folder.
        train, valid, test: splits as TFDS writes them; `valid` may be None.
        batch_size: examples a step.
        learning_rate: of Adam; of several actors a dict, part -> rate; None: the optimizers are
            the model's own, with their averages.
        betas: of Adam, how slowly it forgets gradients and their squares.
        schedule: "constant", or "cosine" down to 0.01 of the rate over all steps of the budget.
        ema: momentum of the moving average of the weights, which is what is evaluated; None: none.
        clip: largest norm of all gradients together; None: not clipped.
        warmup_epochs: epochs in which the KL's weight rises from 0 to 1 (below 1: as a fraction of
            the budget); 0: none.
        micro_batches: parts of a batch that are computed side by side, see `zoo.Trainer`.
        jit_compile: compile the step with XLA, see `zoo.Trainer`.
        texts: how pairs of texts, or images with captions (`zoo.data.caption_config`), become
            batches; None: the data are images.
        binarize: "dynamic" (training images drawn anew in each epoch, the others once) or what
            else `zoo.data.load` takes.
        augment: what is done to training images, as `zoo.data.load` takes it.
        image_size: pixels that images are scaled to; None: as they are.
        seed: of weights, noise and order.
        best: evaluate the epoch with the best validation loss; False: the last.
        budgets: name -> `Budget`; all recipes have "smoke", "cpu-hour" and "paper".
        metrics: `Measure`s, THE number first.
        references: published numbers to stand beside it.
        limits: what a reader must know.

    Raises UsageError: a number is out of its range, a name is not one of those above, or two
        arguments do not go together.
    """

    name: str
    title: str
    model: str
    config: dict
    data: str
    train: str
    valid: str | None
    test: str
    batch_size: int
    learning_rate: float | dict | None
    budgets: dict
    metrics: tuple
    betas: tuple = (0.9, 0.999)
    schedule: str = "constant"
    ema: float | None = None
    clip: float | None = None
    warmup_epochs: float = 0
    micro_batches: int = 1
    jit_compile: bool = False
    texts: TextConfig | None = None
    binarize: str = "none"
    augment: str = "none"
    image_size: int | None = None
    seed: int = 0
    best: bool = True
    references: tuple = ()
    limits: str = ""

    def __post_init__(self):
        self._check_values()
        told = self.betas, self.schedule, self.ema, self.clip
        adams = told != ((0.9, 0.999), "constant", None, None)
        if self.learning_rate is None and adams:
            raise UsageError(
                f"{self.name} leaves the optimizers to the model (learning_rate=None): betas,"
                " schedule, ema and clip are theirs, and must be left out"
            )
        if self.valid is None and self.best:
            raise UsageError(f"{self.name} has no validation split: no epoch is best; best=False")
        if self.valid is None and any(one.patience is not None for one in self.budgets.values()):
            raise UsageError(
                f"{self.name} has no validation split: no loss to be patient with; leave patience"
                " out of its budgets, or name a split (valid=)"
            )
        if self.texts and (self.binarize, self.augment, self.image_size) != ("none", "none", None):
            raise UsageError(
                f"{self.name} reads texts: binarize, augment and image_size are of images, and must"
                " be left out"
            )

    def _check_values(self):
        """Raises UsageError unless every number is in its range and every name exists."""
        check_numbers(
            batch_size=self.batch_size,
            micro_batches=self.micro_batches,
            warmup_epochs=self.warmup_epochs,
            seed=self.seed,
        )
        check_optional_numbers(ema=self.ema, clip=self.clip, image_size=self.image_size)
        several = isinstance(self.learning_rate, dict)
        for rate in self.learning_rate.values() if several else [self.learning_rate]:
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
        if not self.metrics or not all(isinstance(one, Measure) for one in self.metrics):
            raise UsageError(f"metrics must be one Measure or more, got {self.metrics!r}")
        if not all(isinstance(one, Budget) for one in self.budgets.values()):
            raise UsageError(f"budgets must be a dict, name -> Budget, got {self.budgets!r}")

    def budget(self, name):
        """The `Budget` of that name; raises UnknownNameError."""
        if name not in self.budgets:
            raise UnknownNameError(f"budget of {self.name}", name, self.budgets)
        return self.budgets[name]

    def splits(self, budget):
        """(train, valid, test) as TFDS writes them, the first cut to what the budget allows."""
        examples = self.budget(budget).train_examples
        train = self.train if examples is None else first(self.train, examples)
        return train, self.valid, self.test

    def measures(self, budget):
        """The metrics, on as many images or texts as the budget says."""
        spent = self.budget(budget)

        def cut(one):
            made = one.generated or one.metric.of == "texts"
            count = spent.samples if made else one.name == "log_likelihood" and spent.is_images
            return {one.metric.of: count} if count else {}

        return tuple(Measure(one.name, **one.arguments | cut(one)) for one in self.metrics)

    def protocol(self, budget="paper", measure=None):
        """The line that decides whether two numbers may be ranked together.

        Data, splits, binarization or size or languages, metric, what it is taken over, unit.
        `measure` is the first if not given. Data that have no name are told by their checksum.
        How texts are cut is not part of it: they are judged as whole texts.
        """
        measure = measure or self.measures(budget)[0]
        splits = " / ".join(filter(None, self.splits(budget)))
        return f"{source(self.data)} {splits}, {self.seen}; {measure.text}"

    @property
    def seen(self):
        """How the data are shown, as a protocol tells it."""
        if self.texts:
            return self.texts.description
        if self.binarize == "none" and self.image_size is not None:
            return f"{self.image_size} pixels wide"
        return BINARIZATIONS[self.binarize]

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
    found = re.fullmatch(r"(\w+(?:\.\w+)?)(?:\[(\d*):(\d*)\])?", split)
    if not found:
        raise UsageError(f"a split that is cut is written like 'train[:500]', got {split!r}")
    begin = int(found[2] or 0)
    end = min(begin + n, int(found[3] or begin + n))
    return f"{found[1]}[{begin}:{end}]"


def source(data):
    """What names data for good: a name of the catalog; of a file or folder, also a checksum."""
    direction, colon, place = data.rpartition(":")  # of pairs, as "AtoB:facades"
    path = user_path(place)
    if data.partition("/")[0] in catalog.CATALOG or not path.exists():
        return data
    files = [path] if path.is_file() else folders.visible_files(path)
    found = hashlib.sha256()
    for file in files:
        found.update(f"{file.relative_to(path.parent).as_posix()} {file.stat().st_size}\n".encode())
        found.update(file.read_bytes())
    return f"{direction}{colon}{path.name} (sha256 {found.hexdigest()[:12]})"
