"""The description of a run: everything that determines its numbers, from the data to the seeds.

`zoo train` makes it from options, a name or a file; a recipe is a description with budgets and
metrics; the `config.json` of a run stores its description. Importing this module needs no
TensorFlow.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from zoo.checks import check_numbers, check_optional_numbers
from zoo.data.caption_config import CaptionConfig
from zoo.data.stream_config import StreamConfig
from zoo.data.text_config import TextConfig
from zoo.errors import UnknownNameError, UsageError, short_repr

SCHEDULES = ("constant", "linear", "cosine", "inverse_sqrt")
OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop", "adagrad", "adafactor", "nadam", "lion")
STRATEGIES = ("mirrored", "multi_worker")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
BINARIZATIONS = ("none", "threshold", "dynamic", "fixed")
AUGMENTATIONS = ("none", "jitter")

# Fields that may change when a run is resumed: they do not affect the weights of any step.
RESUMABLE = (
    *("epochs", "steps", "test", "select_best_epoch"),
    *("strategy", "save_every", "figures_every"),
)

_CHOICES = {
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "strategy": STRATEGIES,
    "precision": PRECISIONS,
    "binarize": BINARIZATIONS,
    "augment": AUGMENTATIONS,
}
_TEXTS = ("model", "data", "train", "valid", "test", "monitor", "init")
_FLAGS = ("jit_compile", "drop_remainder", "select_best_epoch")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """The description of a run.

    Attributes:
        model: a name of the registry.
        config: constructor arguments of the model, as JSON values; others follow from the data.
        data: a name of the catalog, or the path of a file or folder; None: unknown, since the data
            of a run in Python did not come from `zoo.data`.
        train, valid, test: splits in TFDS syntax, for training, for validation after each epoch
            (None: no validation), and for the evaluation at the end.
        batch_size: examples per step.
        epochs: total passes over the training data.
        steps: total steps, in place of `epochs`.
        optimizer: a name of `OPTIMIZERS`, for every part of the model; None: the model's own
            optimizers. The other settings of optimizers apply to both.
        learning_rate: the peak of the schedule; a dict, part -> rate, for a model of several
            networks; None: that of the optimizer.
        betas: for Adam and its variants, the decay rates of the averages of gradients and of
            squared gradients.
        schedule: "constant"; "linear" or "cosine" down to 0.01 of the rate over all steps;
            "inverse_sqrt" after the warm-up.
        warmup: steps in which the learning rate rises linearly from 0.
        weight_decay: decoupled weight decay; None: that of the optimizer.
        clip_norm: largest global norm of the gradients; None: not clipped.
        ema_momentum: momentum of the moving average of the weights, which is evaluated; None: no
            average.
        accumulate: batches whose gradients are averaged for one update.
        patience: epochs without a better `monitor` before training stops; None: never.
        monitor: metric whose best epoch is kept, as in `zoo.Trainer`.
        kl_warmup_epochs: epochs in which the KL weight rises from 0 to 1 (below 1: as a fraction
            of the budget); 0: none.
        micro_batches: parts of a batch that are computed in parallel, see `zoo.Trainer`.
        jit_compile: compile the step with XLA, see `zoo.Trainer`.
        precision: a dtype policy of Keras.
        text_config: how pairs of texts, images with captions (`zoo.data.caption_config`) or a
            running text (`zoo.data.stream_config`) become batches; None: the data are not text.
        binarize: "dynamic" (training images binarized again in each epoch, the others once) or
            another value of `zoo.data.load`.
        augment: augmentation of training images, as in `zoo.data.load`.
        image_size: pixels that images are resized to; None: not resized.
        drop_remainder: drop a last training batch that is not full; None: as `zoo.data.load` does.
        seed: seed of weights, noise and data order.
        select_best_epoch: evaluate the epoch with the best `monitor`; False: the last.
        init: a run, a preset or a file whose weights are the initial ones, as far as they fit.
        freeze: patterns of layers that are not trained, as in `zoo.finetuning.freeze`.
        strategy: distribution strategy, "mirrored" or "multi_worker"; None: one device.
        save_every, figures_every: as in `zoo.Trainer`.

    Raises UsageError: a value out of its range, an unknown name, or two fields that exclude each
        other.
    """

    model: str
    config: dict[str, Any] = field(default_factory=dict)
    data: str | None
    train: str = "train"
    valid: str | None = None
    test: str | None = None
    batch_size: int = 128
    epochs: int | None = None
    steps: int | None = None
    optimizer: str | None = None
    learning_rate: float | dict[str, float] | None = None
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: str = "constant"
    warmup: int = 0
    weight_decay: float | None = None
    clip_norm: float | None = None
    ema_momentum: float | None = None
    accumulate: int = 1
    patience: int | None = None
    monitor: str | None = "val_loss"
    kl_warmup_epochs: float = 0
    micro_batches: int = 1
    jit_compile: bool = False
    precision: str = "float32"
    text_config: TextConfig | StreamConfig | None = None
    binarize: str = "none"
    augment: str = "none"
    image_size: int | None = None
    drop_remainder: bool | None = None
    seed: int = 0
    select_best_epoch: bool = False
    init: str | None = None
    freeze: tuple[str, ...] = ()
    strategy: str | None = None
    save_every: int = 200
    figures_every: int = 1

    def __post_init__(self) -> None:
        self._convert_json_values()
        self._check_types()
        self._check_values()
        if self.epochs is not None and self.steps is not None:
            raise UsageError(f"give epochs or steps, got epochs={self.epochs}, steps={self.steps}")
        if self.schedule == "inverse_sqrt" and not self.warmup:
            raise UsageError("the schedule inverse_sqrt needs warmup, the steps before the decay")
        self._check_monitor(self.patience)
        images = self.binarize, self.augment, self.image_size
        if self.text_config and images != ("none", "none", None):
            raise UsageError(
                f"{self.model} trains on texts: leave out binarize, augment and image_size, which"
                " are for images"
            )

    def _check_monitor(self, patience: int | None) -> None:
        """Raises UsageError if the best epoch, or patience, needs a metric that is not logged."""
        name = (self.monitor or "val_").removeprefix("max:")
        if self.valid is not None or not name.startswith("val_") or self.data is None:
            return
        reason = f"{self.model} has no validation split, so there is no {name}"
        if self.select_best_epoch:
            raise UsageError(
                f"{reason} to choose the best epoch by: set select_best_epoch=False, or name a"
                " split (valid=)"
            )
        if patience is not None:
            raise UsageError(f"{reason} for patience: leave it out, or name a split (valid=)")

    def _convert_json_values(self) -> None:
        """Converts the values that JSON and TOML store as lists and dicts."""
        text_config = self.text_config
        if isinstance(text_config, dict):
            classes = (TextConfig, StreamConfig, CaptionConfig)
            matching = (cls for cls in classes if text_config.keys() <= {*_names(cls)})
            try:
                object.__setattr__(self, "text_config", next(matching, TextConfig)(**text_config))
            except TypeError as error:
                raise UsageError(f"text_config has an unknown key: {error}") from error
        for name in ("betas", "freeze"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))

    def _check_types(self) -> None:
        optional = {each.name for each in fields(self) if each.default is None} | {
            "data",
            "monitor",
        }
        for name, kind, words in (
            *((name, str, "text") for name in _TEXTS),
            *((name, bool, "true or false") for name in _FLAGS),
            ("config", dict, "a dict of arguments"),
            ("text_config", TextConfig | StreamConfig, "a TextConfig"),
        ):
            value = getattr(self, name)
            if not isinstance(value, kind) and not (value is None and name in optional):
                raise UsageError(f"{name} must be {words}, got {short_repr(value)}")

    def _check_values(self) -> None:
        """Raises UsageError unless every number is in its range and every name exists."""
        numbers = (
            *("batch_size", "warmup", "accumulate", "kl_warmup_epochs", "micro_batches"),
            *("seed", "save_every", "figures_every"),
        )
        check_numbers(**{name: getattr(self, name) for name in numbers})
        optional = (
            *("epochs", "steps", "weight_decay", "clip_norm", "ema_momentum", "patience"),
            "image_size",
        )
        check_optional_numbers(**{name: getattr(self, name) for name in optional})
        rates = self.learning_rate
        for rate in rates.values() if isinstance(rates, dict) else [rates]:
            check_optional_numbers(learning_rate=rate)
        if not isinstance(self.betas, tuple) or len(self.betas) != 2:
            raise UsageError(f"betas must be two numbers, got {self.betas!r}")
        for beta in self.betas:
            check_numbers(betas=beta)
        if not isinstance(self.freeze, tuple) or not all(isinstance(p, str) for p in self.freeze):
            raise UsageError(f"freeze must be patterns of layers, got {short_repr(self.freeze)}")
        for name, names in _CHOICES.items():
            value = getattr(self, name)
            if value not in names and not (value is None and name in ("optimizer", "strategy")):
                kind = {"binarize": "binarization", "augment": "augmentation"}.get(name, name)
                raise UnknownNameError(kind, value, names)

    @property
    def languages(self) -> tuple[str, str] | None:
        """The languages, or columns, of the data's texts; None: the data's own, or not text."""
        return getattr(self.text_config, "languages", None)

    def data_options(self, names: Collection[str]) -> dict[str, Any]:
        """The options of `zoo.Model.load_data`.

        Args:
            names: the `data_options` of the model's class.
        """
        texts = asdict(self.text_config) if self.text_config else {}
        return {name: getattr(self, name) for name in names if hasattr(self, name)} | texts

    @property
    def decays(self) -> bool:
        """Whether the learning rate, or the KL weight, depends on the total number of steps."""
        return self.schedule in ("linear", "cosine") or 0 < self.kl_warmup_epochs < 1

    def total_steps(self, steps_per_epoch: int) -> int:
        """The number of steps of the whole run."""
        return self.steps if self.steps is not None else (self.epochs or 0) * steps_per_epoch

    def kl_warmup_steps(self, steps_per_epoch: int) -> int:
        """Steps in which the KL weight rises; 0: none."""
        warmup = self.kl_warmup_epochs
        if not warmup:
            return 0
        steps = steps_per_epoch if warmup >= 1 else self.total_steps(steps_per_epoch)
        return max(1, round(warmup * steps))


def _names(cls: Any) -> list[str]:
    return [each.name for each in fields(cls)]
