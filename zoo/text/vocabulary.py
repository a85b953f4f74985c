"""Base class of all tokenizers, and the checks of text and of ids."""

import hashlib
import itertools
import json
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from zoo.checks import check_flags, check_optional_numbers
from zoo.errors import UsageError, short_repr
from zoo.files import user_path, write_json

PAD, UNKNOWN, START, END = range(4)
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
UNKNOWN_TEXT = "\u2047"  # what UNKNOWN is decoded to: a double question mark
FILE_NAME = "vocabulary.json"


def to_str_list(texts: Iterable[str | bytes], what: str = "line") -> list[str]:
    """A list of str from str or UTF-8 bytes.

    Args:
        what: the word for a text in error messages.

    Raises UsageError that names the first invalid text, counted from 1.
    """
    if isinstance(texts, str | bytes):
        raise UsageError(
            f"expected a list of sentences, got one sentence; write [{short_repr(texts)}]"
        )
    if not isinstance(texts, Iterable):
        raise UsageError(f"expected a list of sentences, got {short_repr(texts)}")
    strings = []
    for number, text in enumerate(texts, 1):
        try:
            text = text.decode() if isinstance(text, bytes) else text
            text.encode()  # half a surrogate pair is a valid str, but not valid text
            strings.append(str(text))
        except (UnicodeDecodeError, UnicodeEncodeError) as error:
            raise UsageError(
                f"{what} {number:,} is not UTF-8 text: {error.reason} at position {error.start} of"
                f" {text[:60]!r}; save it as UTF-8"
            ) from error
        except (AttributeError, TypeError) as error:
            raise UsageError(f"{what} {number:,} must be text, got {short_repr(text)}") from error
    return strings


def normalize(texts: Iterable[str | bytes], lowercase: bool = False) -> list[str]:
    """`to_str_list` in Unicode's normal form C, and in lower case if `lowercase`."""
    normal = [unicodedata.normalize("NFC", text) for text in to_str_list(texts)]
    return [text.lower() for text in normal] if lowercase else normal


class Vocabulary:
    """Base of all tokenizers. Two tokenizers are equal if their `to_json` is."""

    def encode(self, texts: Iterable[str | bytes]) -> list[list[int]]:
        """Texts, str or UTF-8 bytes, as lists of ids; "" gives an empty list."""
        raise NotImplementedError

    def decode(self, ids: Any) -> list[str]:
        """Texts of ids: lists of lists, or an array [n, t]; each ends before its first END."""
        raise NotImplementedError

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """The text of each id of one sentence, for example as labels of an axis."""
        raise NotImplementedError

    @property
    def kind(self) -> str:
        """The unit of text that gets an id: "sub-words", "words", "characters" or "bytes"."""
        raise NotImplementedError

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> "Vocabulary":
        """The inverse of `to_dict`."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """The constructor's arguments as JSON values, and "kind"."""
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def encode_arrays(self, texts: Iterable[str | bytes]) -> list[np.ndarray]:
        """Texts as arrays of ids, int32; faster than `encode` for long texts of characters."""
        return [np.array(row, np.int32) for row in self.encode(texts)]

    def encode_batch(
        self,
        texts: Iterable[str | bytes],
        add_start_end: bool = False,
        max_length: int | None = None,
        truncate: bool = False,
    ) -> np.ndarray:
        """Encoded texts, padded with 0: int32 [n, longest], with one column or more.

        Args:
            add_start_end: whether to put START and END around each text.
            max_length, truncate: as in `limit_length`.
        """
        ids = limit_length(self.encode(texts), add_start_end, max_length, truncate)
        batch = np.full((len(ids), max(1, *map(len, ids))) if ids else (0, 1), PAD, np.int32)
        for row, sentence in zip(batch, ids, strict=True):
            row[: len(sentence)] = sentence
        return batch

    def to_json(self) -> str:
        """The complete vocabulary as text."""
        return json.dumps(self.to_dict())

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hex of `to_json`."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def save(self, folder: str | Path) -> Path:
        """Writes `folder`/vocabulary.json atomically; returns its path."""
        path = user_path(folder) / FILE_NAME
        write_json(path, self.to_dict() | {"sha256": self.fingerprint})
        return path

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.kind}, {len(self):,} ids, {self.fingerprint[:8]}>"


def limit_length(
    ids: list[list[int]],
    add_start_end: bool = False,
    max_length: int | None = None,
    truncate: bool = False,
    what: str = "line",
) -> list[list[int]]:
    """Lists of ids, with START and END around each if asked for, of at most `max_length` ids.

    Args:
        add_start_end: whether to add START and END; `max_length` counts them.
        max_length: maximum number of ids; None: no limit.
        truncate: cut longer lists before their END instead of raising an error.
        what: the word for a list in error messages.

    Raises UsageError that names the first list that is too long.
    """
    check_optional_numbers(max_length=max_length)
    check_flags(add_start_end=add_start_end, truncate=truncate)
    if max_length is not None and max_length <= 2 * add_start_end:
        raise UsageError(f"max_length={max_length} leaves no room for an id between START and END")
    room = None if max_length is None else max_length - 2 * add_start_end
    for number, sentence in enumerate(ids, 1):
        if room is not None and not truncate and len(sentence) > room:
            raise UsageError(
                f"{what} {number:,} has {len(sentence) + 2 * add_start_end:,} ids, more than"
                f" max_length={max_length}; raise max_length, leave the text out, or pass"
                " truncate=True"
            )
    return [[START, *s[:room], END] if add_start_end else s[:room] for s in ids]


def strip_special(ids: Any) -> list[list[int]]:
    """Lists of ids without PAD and START, each cut before its first END.

    Raises UsageError unless `ids` has rows of integers.
    """
    ids = ids.to_list() if hasattr(ids, "to_list") else ids  # a RaggedTensor
    try:
        arrays = [np.asarray(row) for row in ids]
    except (TypeError, ValueError) as error:
        raise UsageError(f"ids are a list of lists of integers, got {short_repr(ids)}") from error
    for array in arrays:
        if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
            raise UsageError(
                f"ids are a list of lists of integers, got the row {short_repr(array)}"
            )
    rows = [array.tolist() for array in arrays]
    sentences = (itertools.takewhile(lambda i: i != END, row) for row in rows)
    return [[i for i in sentence if i not in (PAD, START)] for sentence in sentences]
