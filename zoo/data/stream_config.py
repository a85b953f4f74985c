"""How one text becomes a stream of ids: the tokenizer and its vocabulary.

Needs only Python until something is loaded.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.checks import check_numbers
from zoo.data import source_names
from zoo.data.catalog import info
from zoo.data.text_config import TOKENIZERS
from zoo.errors import UnknownNameError, UsageError
from zoo.log import log_message

if TYPE_CHECKING:
    from zoo.data.token_blocks import TokenBlocks
    from zoo.text import Vocabulary

VOCABULARY_TEXT = 20_000_000  # characters of the training text from which a vocabulary is computed


@dataclass(frozen=True)
class StreamConfig:
    """The preprocessing of a text for a language model.

    Attributes:
        tokenizer: "characters" (all of the training text), "bytes", "bpe" or "unigram" for
            sub-words, or "words", which lose the white space between them.
        vocabulary_size: number of sub-words or words, special tokens included.
        lowercase: convert the text to lower case.
        column: for a table: the column, see `zoo.data.text_sources.open_text`.
    """

    tokenizer: str = "characters"
    vocabulary_size: int = 8000
    lowercase: bool = False
    column: str | None = None

    def __post_init__(self) -> None:
        if self.tokenizer not in TOKENIZERS:
            raise UnknownNameError("tokenizer", self.tokenizer, TOKENIZERS)
        check_numbers(vocabulary_size=self.vocabulary_size)

    @property
    def description(self) -> str:
        """The preprocessing of the texts, as a protocol states it."""
        case = "lower case" if self.lowercase else "original text"
        return case + (f", column {self.column}" if self.column else "")

    def build_vocabulary(self, source: Any, split: str) -> Vocabulary:
        """The vocabulary of a split of a source, which should be the training split."""
        from zoo import text
        from zoo.data import text_sources, token_files

        documents = text_sources.open_text(source, self.column).documents(split)
        if self.tokenizer == "bytes":
            return text.ByteTokenizer(self.lowercase)
        if self.tokenizer == "characters":
            characters = token_files.character_set(documents, self.lowercase)
            if not characters:
                raise UsageError(f"{source} {split} is empty: it has no text")
            return text.WordTokenizer(characters, "character", self.lowercase)
        lines = token_files.training_lines(documents, VOCABULARY_TEXT)
        if self.tokenizer == "words":
            return text.WordTokenizer.train(lines, self.vocabulary_size, lowercase=self.lowercase)
        options: dict[str, Any] = {"add_dummy_prefix": False}  # texts are encoded in pieces
        return text.SentencePieceTokenizer.train(
            lines, self.vocabulary_size, self.tokenizer, self.lowercase, **options
        )

    def load(
        self, source: Any, split: str, vocabulary: Vocabulary | None = None, **options: Any
    ) -> TokenBlocks:
        """A split as a `TokenBlocks`.

        Args:
            source: as in `zoo.data.text_sources.open_text`.
            split: in the syntax of TFDS.
            vocabulary: None: computed from the split.
            options: options of `TokenBlocks`.

        Raises UsageError.
        """
        from zoo.data import text_sources, token_files
        from zoo.data.token_blocks import TokenBlocks

        if vocabulary is None:
            vocabulary = self.build_vocabulary(source, split)
        opened = text_sources.open_text(source, self.column)
        name = f"{opened.name} {split}"
        file = token_files.write_tokens(
            opened.documents(split),
            vocabulary,
            name,
            source=token_files.checksum(source),
            split=split,
            column=self.column,
        )
        if file.unknown:
            log_message(
                f"note: {name} has {file.unknown:,} {vocabulary.kind} that the training text lacks;"
                " they count as unknown tokens"
            )
        blocks = TokenBlocks(file, vocabulary, name=opened.name, split=split, **options)
        if isinstance(source, str | os.PathLike):
            blocks.source = str(source_names.absolute_source(source))
            blocks.text_config = self
        return blocks


def default_stream_tokenizer(source: Any) -> str:
    """The default tokenizer of a source for a language model."""
    named = source_names.is_named(source) and info(source).kind == "texts"
    return (named and info(source).tokenizer) or "characters"
