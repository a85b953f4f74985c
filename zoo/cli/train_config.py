"""What decides a run's numbers, as the options of `zoo train` say it.

TensorFlow is imported only to load data and build models.
"""

from dataclasses import dataclass, fields, replace

from zoo import data as datasets
from zoo import registry
from zoo.cli.options import explicit
from zoo.cli.overrides import VOCABULARIES, fitted
from zoo.cli.terminal import import_tensorflow
from zoo.data.caption_config import Captions
from zoo.data.text_config import Texts, tokens_of
from zoo.errors import UsageError

OF_IMAGES = ("binarize", "augment", "image_size")  # settings that mean nothing for texts
OF_TEXTS = tuple(field.name for field in fields(Texts))  # ... and for images
MEANINGLESS = {  # kind of data -> (what the model learns from, settings that say nothing of it)
    "pairs": ("texts", OF_IMAGES),
    "captions": ("images with captions", ("binarize", "augment", "languages")),
    "ratings": ("ratings", (*OF_IMAGES, *OF_TEXTS)),
    "images": ("images", OF_TEXTS),
}


@dataclass(frozen=True)
class Settings:
    """What decides a run's numbers. Fields are named as the options of `zoo train`."""

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
    tokens: str | None = None
    vocabulary_size: int = 8000
    lowercase: bool = False
    max_length: int = 100
    truncate: bool = False
    seed: int = 0
    precision: str = "float32"
    learning_rate: float | None = None
    sub_batches: int = 1

    @property
    def kind(self):
        """The kind of data that the model learns from, as `zoo.data.catalog` has it."""
        import_tensorflow()
        return registry.get_class(self.model).data_kind

    @property
    def texts(self):
        """How texts become ids; raises UsageError where that cannot be."""
        told = {name: getattr(self, name) for name in OF_TEXTS}
        if self.kind == "captions":
            return Captions(**told, image_size=self.image_size)
        return Texts(**told)

    def load(self, split, training=False, vocabulary=None):
        """A split of the data: shuffled to train on; whole and in order to look at.

        What is looked at does not change: dynamic binarization becomes one draw ("once"). It comes
        in batches of eight or more, since pictures are drawn of the first. Texts are cut by a
        vocabulary: this one, or the model's, or the one that the training split makes.
        """
        common = {
            "batch_size": self.batch_size if training else max(self.batch_size, 8),
            "shuffle": training,
            "seed": self.seed,
        }
        if self.kind in ("pairs", "captions"):
            vocabulary = vocabulary or vocabulary_of(self.set)
            if vocabulary is None and split != self.split:
                vocabulary = self.texts.learn(self.texts.corpus(self.data, self.split))
            even = training and self.sub_batches > 1
            return self.texts.load(self.data, split, vocabulary, drop_remainder=even, **common)
        fixed = self.binarize == "dynamic" and not training
        return datasets.load(
            self.data,
            split,
            **common,
            binarize="once" if fixed else self.binarize,
            augment=self.augment if training else "none",
            image_size=self.image_size,
            drop_remainder=None if training else False,
        )

    def build(self, data=None, trained=False):
        """The model with fresh weights from the seed; its `image_shape` is that of the data.

        Its vocabularies and classes are those of the data, too; `trained` as `fitted` takes it.
        """
        import_tensorflow()
        import keras

        keras.utils.set_random_seed(self.seed)
        config = keras.saving.deserialize_keras_object(self.set)
        if data is not None:
            config = fitted(self.model, config, data, trained)
        return registry.build(self.model, dtype=self.precision, **config)

    def trainer(self, model, workdir=None, **options):
        """The trainer of this run; `--learning-rate` goes to every optimizer of the model."""
        optimizers = model.configure_optimizers()
        if self.learning_rate is not None:
            optimizers = {
                part: type(one).from_config(
                    {**one.get_config(), "learning_rate": self.learning_rate}
                )
                for part, one in optimizers.items()
            }
        own = {"optimizers": optimizers, "seed": self.seed, "sub_batches": self.sub_batches}
        from zoo.training.trainer import Trainer

        return Trainer(model, workdir, **own, **options)


def fitting(settings):
    """The settings, checked: those of images do not go with texts, nor those of texts with images.

    Texts are cut as suits the data, if nothing else was asked for.
    """
    reads, others = MEANINGLESS[settings.kind]
    plain = {field.name: field.default for field in fields(Settings)}
    given = explicit()
    wrong = [name for name in others if name in given or getattr(settings, name) != plain[name]]
    if wrong:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in wrong)
        raise UsageError(f"{settings.model} learns from {reads}, of which {options} says nothing")
    if settings.kind not in ("pairs", "captions"):
        return settings
    settings = replace(settings, tokens=settings.tokens or tokens_of(settings.data))
    if settings.tokens == "characters" and "vocabulary_size" in given:
        raise UsageError(
            f"{settings.data} is cut into characters, all of which are in the vocabulary: leave"
            " --vocabulary-size out, or choose other --tokens"
        )
    settings.texts  # noqa: B018  (it checks them)
    return settings


def vocabulary_of(config):
    """The vocabularies in a model's configuration, {"source": ..., "target": ...}; else None."""
    from zoo import text

    kept = {key: one for key, one in config.items() if key in VOCABULARIES and isinstance(one, str)}
    found = {key.removesuffix("_vocabulary"): text.from_json(one) for key, one in kept.items()}
    return found or None
