"""Tokenizers: text to ids and back, by SentencePiece sub-words, words, characters or bytes.

    tokenizer = text.SentencePieceTokenizer.train(sentences, vocabulary_size=8000)
    ids = tokenizer.encode(["Ein Mann schläft."])       # [[512, 334, 2071, 298]]
    tokenizer.decode(ids)                               # ["Ein Mann schläft."]
    tokenizer.save("runs/mine")                         # a JSON file with a checksum

The first four ids of every vocabulary are the same: 0 is padding (PAD), 1 is unknown text
(UNKNOWN), 2 and 3 are the START and the END of a sentence. `to_json` contains the complete
vocabulary, so a model that stores this text in its configuration needs no corpus.
"""

import json

from zoo.errors import UsageError, one_line
from zoo.files import user_path
from zoo.text.byte_tokenizer import ByteTokenizer
from zoo.text.sentencepiece_tokenizer import SentencePieceTokenizer
from zoo.text.vocabulary import (
    END,
    FILE_NAME,
    PAD,
    START,
    UNKNOWN,
    Vocabulary,
    limit_length,
    to_str_list,
)
from zoo.text.word_tokenizer import WordTokenizer

__all__ = [
    "END",
    "PAD",
    "START",
    "UNKNOWN",
    "ByteTokenizer",
    "SentencePieceTokenizer",
    "Vocabulary",
    "WordTokenizer",
    "from_json",
    "limit_length",
    "load",
    "to_str_list",
]

_KINDS: dict[str, type[Vocabulary]] = {
    "sub-words": SentencePieceTokenizer,
    "words": WordTokenizer,
    "characters": WordTokenizer,
    "bytes": ByteTokenizer,
}


def from_json(text: str) -> Vocabulary:
    """The vocabulary that `to_json` wrote. Raises UsageError if the text is not one."""
    try:
        config = json.loads(text)
        return _KINDS[config["kind"]].from_dict(config)
    except Exception as error:  # foreign text can fail in any way, such as 10,000 brackets
        raise UsageError(f"this is not a vocabulary: {_describe_error(error)}") from error


def load(folder: str) -> Vocabulary:
    """The vocabulary saved in a folder. Raises UsageError if it is missing or damaged."""
    path = user_path(folder) / FILE_NAME
    if not path.is_file():
        raise UsageError(f"there is no vocabulary at {path}")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        sha256 = config.pop("sha256")
        vocabulary = from_json(json.dumps(config))
        if vocabulary.fingerprint != sha256:
            raise UsageError(f"its SHA-256 is not {sha256[:8]}...")
    except Exception as error:
        reason = _describe_error(error)
        raise UsageError(f"{path} is damaged, restore it or train again: {reason}") from error
    return vocabulary


def _describe_error(error: Exception) -> str:
    """An error in one line, with its type unless it is one of the zoo's."""
    kind = "" if isinstance(error, UsageError) else f"{type(error).__name__} "
    return kind + one_line(error)
