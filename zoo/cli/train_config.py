"""The configuration of a run: the options of `zoo train` that decide its numbers.

TensorFlow is imported only to load data and to build models.
"""

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from zoo import registry
from zoo.cli.options import explicit_options
from zoo.cli.overrides import infer_from_data
from zoo.cli.terminal import import_tensorflow
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.model import Model
    from zoo.training.trainer import Trainer

DATA_OPTIONS = (  # of `zoo train`; a model's class says which of them apply
    "binarize",
    "augment",
    "image_size",
    "languages",
    "tokenizer",
    "vocabulary_size",
    "lowercase",
    "max_length",
    "truncate",
    "column",
)


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
    column: str | None = None
    seed: int = 0
    precision: str = "float32"
    learning_rate: float | None = None
    micro_batches: int = 1

    @property
    def model_class(self) -> "type[Model]":
        """The class of the model, which says what data it loads."""
        import_tensorflow()
        return registry.get_class(self.model)

    @property
    def data_options(self) -> dict[str, Any]:
        """The options of the data that apply to the model."""
        return {name: getattr(self, name) for name in self.model_class.data_options}

    def load_data(
        self, split: str, training: bool = False, arguments: dict[str, Any] | None = None
    ) -> Any:
        """Loads a split of the data: shuffled for training, otherwise complete and in order.

        Batches for evaluation have at least eight examples, since figures are made of the first.

        Args:
            split: as in "train[:90%]".
            training: whether to shuffle and augment.
            arguments: of the model, for what has been computed from the training split, such as a
                vocabulary; default: those of this configuration, or of the training split.
        """
        cls = self.model_class
        arguments = self.set if arguments is None else arguments
        if split != self.split and set(cls.fitted_arguments) - arguments.keys():
            arguments = cls.arguments_from_data(self.load_data(self.split))
        dropped = True if self.micro_batches > 1 else None  # the last batch, if it is not full
        return cls.load_data(
            self.data,
            split,
            training=training,
            arguments=arguments,
            batch_size=self.batch_size if training else max(self.batch_size, 8),
            seed=self.seed,
            drop_remainder=dropped if training else False,
            **self.data_options,
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
    """The configuration with the defaults that depend on its data; raises UsageError.

    Options for other data than those of the model are errors.
    """
    cls = config.model_class
    defaults = {field.name: field.default for field in fields(TrainConfig)}
    explicit = explicit_options()
    rejected = [
        name
        for name in DATA_OPTIONS
        if name not in cls.data_options
        and (name in explicit or getattr(config, name) != defaults[name])
    ]
    if rejected:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in rejected)
        verb = "has" if len(rejected) == 1 else "have"
        raise UsageError(
            f"{config.model} is trained on {cls.data_kind}, where {options} {verb} no effect: leave"
            f" {'it' if len(rejected) == 1 else 'them'} out"
        )
    resolved = cls.resolve_options(config.data, config.data_options, explicit.keys())
    return replace(config, **resolved)
