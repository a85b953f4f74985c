"""The configuration of a run: the options of `zoo train` that decide its numbers.

TensorFlow is imported only to load data and to build models.
"""

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from zoo import data as datasets
from zoo import registry
from zoo.cli.options import explicit_options
from zoo.cli.overrides import VOCABULARY_ARGUMENTS, infer_from_data
from zoo.cli.terminal import import_tensorflow
from zoo.data.caption_config import CaptionConfig
from zoo.data.text_config import TextConfig, default_tokenizer
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.model import Model
    from zoo.training.trainer import Trainer

IMAGE_OPTIONS = ("binarize", "augment", "image_size")  # without effect on text
TEXT_OPTIONS = tuple(field.name for field in fields(TextConfig))  # without effect on images
INAPPLICABLE = {  # kind of data -> (what the model is trained on, options without effect on it)
    "pairs": ("text", IMAGE_OPTIONS),
    "captions": ("images with captions", ("binarize", "augment", "languages")),
    "ratings": ("ratings", (*IMAGE_OPTIONS, *TEXT_OPTIONS)),
    "images": ("images", TEXT_OPTIONS),
}


@dataclass(frozen=True)
class TrainConfig:
    """What decides a run's numbers. Fields are named after the options of `zoo train`."""

    model: str
    set: dict
    data: str
    split: str = "train"
    test_split: str = "test"
    batch_size: int = 128
    binarize: str = "none"
    augment: str = "none"
    image_size: int | None = None
    languages: tuple | None = None
    tokenizer: str | None = None
    vocabulary_size: int = 8000
    lowercase: bool = False
    max_length: int = 100
    truncate: bool = False
    seed: int = 0
    precision: str = "float32"
    learning_rate: float | None = None
    micro_batches: int = 1

    @property
    def kind(self) -> str:
        """The kind of data that the model is trained on, as in `zoo.data.catalog`."""
        import_tensorflow()
        return registry.get_class(self.model).data_kind

    @property
    def text_config(self) -> TextConfig:
        """How texts become ids; raises UsageError for options that are not possible."""
        options = {name: getattr(self, name) for name in TEXT_OPTIONS}
        if self.kind == "captions":
            return CaptionConfig(**options, image_size=self.image_size)
        return TextConfig(**options)

    def load_data(
        self, split: str, training: bool = False, vocabulary: dict[str, Any] | None = None
    ) -> Any:
        """Loads a split of the data: shuffled for training, otherwise complete and in order.

        Data for evaluation do not change: dynamic binarization becomes one draw ("fixed").
        Their batches have at least eight examples, since figures are made of the first.

        Args:
            split: as in "train[:90%]".
            training: whether to shuffle and augment.
            vocabulary: tokenizes texts; default: that of the model's arguments, or one built from
                the training split.
        """
        common: dict[str, Any] = {
            "batch_size": self.batch_size if training else max(self.batch_size, 8),
            "shuffle": training,
            "seed": self.seed,
        }
        if self.kind in ("pairs", "captions"):
            text_config = self.text_config
            vocabulary = vocabulary or vocabularies_in(self.set)
            if vocabulary is None and split != self.split:
                corpus = text_config.load_corpus(self.data, self.split)
                vocabulary = text_config.build_vocabulary(corpus)
            even = training and self.micro_batches > 1
            return text_config.load(self.data, split, vocabulary, drop_remainder=even, **common)
        fixed = self.binarize == "dynamic" and not training
        return datasets.load(
            self.data,
            split,
            **common,
            binarize="fixed" if fixed else self.binarize,
            augment=self.augment if training else "none",
            image_size=self.image_size,
            drop_remainder=None if training else False,
        )

    def build_model(self, data: Any = None, trained: bool = False) -> "Model":
        """Builds the model with initial weights from the seed.

        Args:
            data: decides `image_shape`, the vocabularies and the classes; None: the arguments do.
            trained: as in `infer_from_data`.
        """
        import_tensorflow()
        import keras

        keras.utils.set_random_seed(self.seed)
        config = keras.saving.deserialize_keras_object(self.set)
        if data is not None:
            config = infer_from_data(self.model, config, data, trained)
        return registry.build(self.model, dtype=self.precision, **config)

    def build_trainer(self, model: "Model", workdir: Any = None, **options: Any) -> "Trainer":
        """The trainer of this run; `--learning-rate` is that of every optimizer of the model."""
        optimizers = model.configure_optimizers()
        if self.learning_rate is not None:
            optimizers = {
                part: type(optimizer).from_config(
                    {**optimizer.get_config(), "learning_rate": self.learning_rate}
                )
                for part, optimizer in optimizers.items()
            }
        from zoo.training.trainer import Trainer

        return Trainer(
            model,
            workdir,
            optimizers=optimizers,
            seed=self.seed,
            micro_batches=self.micro_batches,
            **options,
        )


def validate(config: TrainConfig) -> TrainConfig:
    """The configuration with the tokenizer that suits its data; raises UsageError.

    Options for images are errors for a model of text, and options for text for a model of images.
    """
    trained_on, inapplicable = INAPPLICABLE[config.kind]
    defaults = {field.name: field.default for field in fields(TrainConfig)}
    explicit = explicit_options()
    rejected = [
        name for name in inapplicable if name in explicit or getattr(config, name) != defaults[name]
    ]
    if rejected:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in rejected)
        verb = "has" if len(rejected) == 1 else "have"
        raise UsageError(
            f"{config.model} is trained on {trained_on}, where {options} {verb} no effect: leave"
            f" {'it' if len(rejected) == 1 else 'them'} out"
        )
    if config.kind not in ("pairs", "captions"):
        return config
    config = replace(config, tokenizer=config.tokenizer or default_tokenizer(config.data))
    if config.tokenizer == "characters" and "vocabulary_size" in explicit:
        raise UsageError(
            f"{config.data} is tokenized into characters, all of which are in the vocabulary: leave"
            " --vocabulary-size out, or choose another --tokenizer"
        )
    config.text_config  # noqa: B018  (it checks the options)
    return config


def vocabularies_in(model_config: dict[str, Any]) -> dict[str, Any] | None:
    """The vocabularies in a model's arguments, {"source": ..., "target": ...}; None without any."""
    from zoo import text

    vocabularies = {
        key.removesuffix("_vocabulary"): text.from_json(value)
        for key, value in model_config.items()
        if key in VOCABULARY_ARGUMENTS and isinstance(value, str)
    }
    return vocabularies or None
