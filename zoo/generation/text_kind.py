"""The hooks of `zoo.model.kind` for models that generate text from a source."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from zoo import text
from zoo.data.text_config import TextConfig, default_tokenizer
from zoo.errors import UsageError
from zoo.log import log_message
from zoo.model import small_models
from zoo.model.kind import Kind, Signature
from zoo.registry import arguments

ASSETS = "assets.extra"  # TensorFlow's folder for files that it does not read itself
SMALL = (
    ("source_vocabulary", 20),
    ("target_vocabulary", 20),
    ("caption_vocabulary", 20),
    ("encoder", (8, 16)),
    ("hidden_dim", 16),
    ("intermediate_dim", 16),
    ("num_encoder_layers", 1),
    ("num_decoder_layers", 1),
)
LONGEST = 6  # ids of a text in `example_batch`


class TextKind(Kind):
    """The data of models whose `target_feature` is a text.

    Attributes:
        config_class: the preprocessing of the data; its fields are the options of `load_data`.
    """

    data_kind = "texts"
    data_options = tuple(field.name for field in fields(TextConfig))
    config_class: type[TextConfig] = TextConfig

    input_feature: str
    target_feature: str
    vocabularies: dict[str, Any]
    vocabulary_sizes: dict[str, int]
    vocabulary: Callable[[str], Any]
    generate: Callable[..., Any]

    # Data.

    @classmethod
    def load_data(  # type: ignore[override]
        cls,
        source: Any,
        split: str,
        *,
        training: bool = False,
        arguments: Mapping[str, Any] | None = None,
        batch_size: int = 64,
        seed: int = 0,
        drop_remainder: bool | None = None,
        **options: Any,
    ) -> Any:
        """Loads a split of texts, shuffled for training, tokenized by the vocabularies.

        Args:
            source, split, training, batch_size, seed, drop_remainder: as in `zoo.Model.load_data`.
            arguments: constructor arguments; the vocabularies in them are used. Missing ones are
                built from this split.
            **options: fields of `config_class`.
        """
        config = cls.config_class(**cls.resolve_options(source, options))
        vocabularies = {
            name.removesuffix("_vocabulary"): text.from_json(value)
            for name, value in (arguments or {}).items()
            if name in cls.fitted_arguments and isinstance(value, str)
        }
        return config.load(
            source,
            split,
            vocabularies or None,
            batch_size=batch_size,
            shuffle=training,
            seed=seed,
            drop_remainder=bool(drop_remainder),
        )

    @classmethod
    def resolve_options(
        cls, source: Any, options: dict[str, Any], explicit: Collection[str] = ()
    ) -> dict[str, Any]:
        tokenizer = options.get("tokenizer") or default_tokenizer(source)
        options = options | {"tokenizer": tokenizer}
        cls.config_class(**options)  # checks them
        if tokenizer in ("characters", "bytes") and "vocabulary_size" in explicit:
            raise UsageError(
                f"{source} is tokenized into {tokenizer}, all of which are in the vocabulary: leave"
                " --vocabulary-size out, or choose another --tokenizer"
            )
        return options

    @classmethod
    def arguments_from_data(cls, data: Any) -> dict[str, Any]:
        texts = getattr(data, "vocabularies", {}).items()
        return cls.select_arguments(
            **{f"{name}_vocabulary": vocabulary.to_json() for name, vocabulary in texts}
        )

    # Metrics.

    def generate_texts(self, data: Any, n: int | None = None, **options: Any) -> list[str]:
        """The generated texts for the first `n` examples of a split; None: for all.

        Args:
            data: a data set of `load_data`.
            n: number of examples.
            **options: options of the search, as in `generate`.
        """
        raise NotImplementedError

    def reference_texts(self, data: Any) -> list[Any]:
        """The correct text of each example, or a list of correct texts."""
        raise NotImplementedError

    # Export.

    def signatures(self, num_beams: int = 1, max_length: int = 100) -> dict[str, Signature]:
        """`generate`, ids or images to the fields of `decoding.DecodingResult`.

        Args:
            num_beams: 1 for greedy search; more for beam search.
            max_length: maximum number of generated tokens, END included.
        """

        def generate(source: tf.Tensor) -> dict[str, tf.Tensor]:
            result = self.generate(source, num_beams, max_length)._asdict()
            return {"weights" if name == "aux" else name: x for name, x in result.items()}

        return {"generate": (generate, [self.batch_spec[self.input_feature]])}

    def generate_strings(self, source: tf.Tensor, num_beams: int, max_length: int) -> tf.Tensor:
        """The generated texts, strings [n], in a graph; needs `has_word_vocabularies`."""
        tokens = self.generate(source, num_beams, max_length).tokens
        vocabulary = self.vocabulary(self.target_feature)
        return vocabulary.detokenize(tokens[:, 0] if num_beams > 1 else tokens)

    @property
    def has_word_vocabularies(self) -> bool:
        """Whether all vocabularies work in a graph; sub-words need Python strings."""
        return all(isinstance(value, text.WordTokenizer) for value in self.vocabularies.values())

    def tracked_resources(self) -> list[Any]:
        vocabularies = [value for value in self.vocabularies.values() if value]
        return [getattr(vocabulary, "lookup_layers", []) for vocabulary in vocabularies]

    def write_assets(self, folder: Path) -> None:
        """Writes the vocabularies of a model that is exported with ids instead of strings."""
        if self.has_word_vocabularies:
            return
        for feature, vocabulary in self.vocabularies.items():
            if vocabulary:
                vocabulary.save(folder / ASSETS / feature)
                if hasattr(vocabulary, "model"):  # a file for SentencePiece itself
                    path = folder / ASSETS / feature / "sentencepiece.model"
                    path.write_bytes(vocabulary.model)
        log_message(self._ids_only_note())

    def _ids_only_note(self) -> str:
        """Why a model was exported with ids instead of strings."""
        if not all(self.vocabularies.values()):
            return (
                f"note: {self.name} has only the size of its vocabulary: the exported function"
                " takes and returns ids"
            )
        kinds = " and ".join(f"{value.kind} ({k})" for k, value in self.vocabularies.items())
        return (
            f"note: {kinds} are not all words or characters, and sub-words do not work in a graph:"
            f" the exported function takes and returns ids; the vocabularies are in {ASSETS}"
        )

    # Small, for tests.

    @classmethod
    def small_config(cls) -> dict[str, Any]:
        return super().small_config() | small_models.matching_arguments(arguments(cls), SMALL)

    def example_batch(self, n: int = 32, seed: int = 0) -> dict[str, tf.Tensor]:
        """A random batch: ids between START and END, zeros at the end; images are 0 or 1."""
        random = np.random.default_rng(seed)
        batch = {}
        for name, spec in self.batch_spec.items():
            if name in self.vocabulary_sizes:
                batch[name] = tf.constant(_random_ids(random, n), spec.dtype)
            else:
                batch[name] = small_models.random_feature(random, n, spec)
        return batch

    def outputs(self, batch: dict[str, tf.Tensor], seed: Any) -> tf.Tensor:
        """Sampled ids [n, LONGEST]; eagerly, since tracing takes longer than a few tokens."""
        # Low enough to depend on the weights, high enough to depend on the seed.
        options = {"seed": seed, "temperature": 0.5, "eager": True}
        return self.generate(batch[self.input_feature], max_length=LONGEST, **options).tokens


def _random_ids(random: np.random.Generator, n: int) -> np.ndarray:
    """Ids [n, LONGEST]: START, one word or more, END, zeros."""
    lengths = random.integers(3, LONGEST + 1, (n, 1))
    places = np.arange(LONGEST)
    ids = np.where(places == lengths - 1, text.END, random.integers(4, 10, (n, LONGEST)))
    return np.where(places == 0, text.START, np.where(places < lengths, ids, text.PAD))
