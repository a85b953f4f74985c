"""How pairs of texts become ids: languages, tokenizer and vocabulary.

Needs only Python until something is loaded.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.checks import check_numbers
from zoo.data import source_names
from zoo.data.catalog import info
from zoo.errors import UnknownNameError

if TYPE_CHECKING:
    from zoo.data.corpora import Corpus
    from zoo.data.text_dataset import TextDataset

TOKENIZERS = ("bpe", "unigram", "words", "characters", "bytes")


@dataclass(frozen=True)
class TextConfig:
    """The preprocessing of a corpus of texts; both sides share one vocabulary.

    Attributes:
        languages: (source, target); of a table, its columns, ("1", "0"); None: the data's own.
        tokenizer: "bpe" or "unigram" for sub-words, "words", "characters" or "bytes".
        vocabulary_size: number of sub-words or words, special tokens included; all characters are
            kept.
        lowercase: convert all texts to lower case.
        max_length: maximum ids of a sentence, START and END included.
        truncate: cut longer sentences; else they are an error that names the first.
    """

    languages: tuple[str, str] | None = None
    tokenizer: str = "bpe"
    vocabulary_size: int = 8000
    lowercase: bool = False
    max_length: int = 100
    truncate: bool = False

    def __post_init__(self) -> None:
        if self.tokenizer not in TOKENIZERS:
            raise UnknownNameError("tokenizer", self.tokenizer, TOKENIZERS)
        if self.languages is not None:
            languages = source_names.check_languages(self.languages)
            object.__setattr__(self, "languages", languages)  # JSON has lists
        check_numbers(vocabulary_size=self.vocabulary_size, max_length=self.max_length)

    @property
    def description(self) -> str:
        """The preprocessing of the inputs, as a protocol states it."""
        return " to ".join(self.languages or ("source", "target"))

    def load_corpus(self, data: Any, split: str) -> Corpus:
        """The texts of a split. Raises the errors of `load_pairs`."""
        from zoo.data import corpora

        table = not source_names.is_named(data) and source_names.source_path(data).is_file()
        if table and self.languages is not None:
            columns = source_names.parse_columns(self.languages)
            return corpora.load_pairs(data, split, columns=columns)
        return corpora.load_pairs(data, split, self.languages)

    def prepare(self, corpus: Corpus, training: bool = False) -> Corpus:
        """The corpus as the model receives it: here unchanged."""
        return corpus

    def build_vocabulary(self, corpus: Corpus) -> Any:
        """The `zoo.text` vocabulary of all texts of a corpus."""
        from zoo import text

        texts = [line for side in corpus.texts.values() for line in side]
        if self.tokenizer in ("bpe", "unigram"):
            return text.SentencePieceTokenizer.train(
                texts, self.vocabulary_size, self.tokenizer, self.lowercase
            )
        if self.tokenizer == "bytes":
            return text.ByteTokenizer(self.lowercase)
        size = None if self.tokenizer == "characters" else self.vocabulary_size
        return text.WordTokenizer.train(
            texts, size, self.tokenizer.removesuffix("s"), self.lowercase
        )

    def load(self, data: Any, split: str, vocabulary: Any = None, **options: Any) -> TextDataset:
        """A split as a `TextDataset`.

        Args:
            data: a source, as in `load_pairs` or `load_captions`.
            split: in the syntax of TFDS.
            vocabulary: one of `zoo.text`, or one for each side; None: built from the split.
            options: options of `TextDataset`; a shuffled split is prepared for training.
        """
        from zoo.data.text_dataset import TextDataset

        corpus = self.load_corpus(data, split)
        vocabulary = self.build_vocabulary(corpus) if vocabulary is None else vocabulary
        corpus = self.prepare(corpus, training=options.get("shuffle", False))
        dataset = TextDataset(
            corpus, vocabulary, max_length=self.max_length, truncate=self.truncate, **options
        )
        if isinstance(data, str | os.PathLike):
            dataset.source = str(source_names.absolute_source(data))
            dataset.text_config = self
        return dataset


def default_tokenizer(data: Any) -> str:
    """The default tokenizer of a source."""
    return (source_names.is_named(data) and info(data).tokenizer) or "bpe"
