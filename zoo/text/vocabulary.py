"""What every vocabulary does, and the checks of text and of ids."""

import hashlib
import itertools
import json
import unicodedata
from collections.abc import Iterable

import numpy as np

from zoo.checks import check_optional_numbers
from zoo.errors import UsageError, short_repr
from zoo.files import user_path, write_json

PAD, UNKNOWN, START, END = range(4)
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
STRANGE = "\u2047"  # decoded UNKNOWN: a double question mark
FILE = "vocabulary.json"


def readable(texts, what="line"):
    """A list of str from str or UTF-8 bytes.

    Raises UsageError that names the first one (counted from 1) which is neither.
    """
    if isinstance(texts, str | bytes):
        raise UsageError(
            f"expected a list of sentences, got one sentence; write [{short_repr(texts)}]"
        )
    if not isinstance(texts, Iterable):
        raise UsageError(f"expected a list of sentences, got {short_repr(texts)}")
    found = []
    for number, text in enumerate(texts, 1):
        try:
            text = text.decode() if isinstance(text, bytes) else text
            text.encode()  # half a surrogate pair is a str, but no text
            found.append(str(text))
        except UnicodeError as error:
            raise UsageError(
                f"{what} {number:,} is not UTF-8 text: {error.reason} at position {error.start} of"
                f" {text[:60]!r}; save it as UTF-8"
            ) from error
        except (AttributeError, TypeError) as error:
            raise UsageError(f"{what} {number:,} must be text, got {short_repr(text)}") from error
    return found


def normal(texts, lowercase=False):
    """`readable` in Unicode's normal form C, lower-cased if so asked: what is encoded."""
    texts = [unicodedata.normalize("NFC", text) for text in readable(texts)]
    return [text.lower() for text in texts] if lowercase else texts


def check_flags(**values):
    """Raises UsageError for what must be True or False, and is not."""
    for name, value in values.items():
        if not isinstance(value, bool):
            raise UsageError(f"{name} must be True or False, got {short_repr(value)}")


class Vocabulary:
    """What `Tokenizer` and `Words` share. Two with the same `to_json` are equal."""

    def encode(self, texts):
        """A list of texts, str or UTF-8 bytes, as a list of lists of ids; "" has no ids."""
        raise NotImplementedError

    def decode(self, ids):
        """Texts of ids: lists of lists, or an array [n, t]; each ends before its first END."""
        raise NotImplementedError

    def pieces(self, ids):
        """The piece of text that each id of one sentence stands for: labels of an axis."""
        raise NotImplementedError

    def to_dict(self):
        """The constructor's arguments as JSON values, and "kind"."""
        raise NotImplementedError

    def array(self, texts, marked=False, limit=None, truncate=False):
        """Encoded texts, filled up with 0: int32 [n, longest], at least one column.

        marked: put START and END around each.
        limit, truncate: see `fit`.
        """
        ids = fit(self.encode(texts), marked, limit, truncate)
        found = np.full((len(ids), max(1, *map(len, ids))) if ids else (0, 1), PAD, np.int32)
        for row, sentence in zip(found, ids, strict=True):
            row[: len(sentence)] = sentence
        return found

    def to_json(self):
        """The whole vocabulary as text."""
        return json.dumps(self.to_dict())

    @property
    def fingerprint(self):
        """SHA-256 in hex of `to_json`."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def save(self, folder):
        """Write `folder`/vocabulary.json, whole or not at all; returns its path."""
        path = user_path(folder) / FILE
        write_json(path, self.to_dict() | {"sha256": self.fingerprint})
        return path

    def __eq__(self, other):
        return isinstance(other, Vocabulary) and self.to_json() == other.to_json()

    def __hash__(self):
        return hash(self.fingerprint)

    def __repr__(self):
        return f"<{type(self).__name__} {self.kind}, {len(self):,} ids, {self.fingerprint[:8]}>"


def fit(ids, marked=False, limit=None, truncate=False, what="line"):
    """Lists of ids with START and END (`marked`), none longer than `limit` with these two.

    Raises UsageError naming the first that is longer; with `truncate`, cuts it before its END.
    """
    check_optional_numbers(limit=limit)
    if limit is not None and limit <= 2 * marked:
        raise UsageError(f"a limit of {limit} has no room for an id between START and END")
    room = None if limit is None else limit - 2 * marked
    for number, sentence in enumerate(ids, 1):
        if room is not None and not truncate and len(sentence) > room:
            raise UsageError(
                f"{what} {number:,} has {len(sentence) + 2 * marked:,} ids, more than the limit"
                f" of {limit}; raise it, leave it out, or pass truncate=True"
            )
    return [[START, *s[:room], END] if marked else s[:room] for s in ids]


def sentences_of(ids):
    """Lists of ids without PAD and START, up to and without the first END."""
    ids = ids.to_list() if hasattr(ids, "to_list") else ids  # a RaggedTensor
    rows = [np.asarray(row, np.int64).tolist() for row in ids]
    whole = (itertools.takewhile(lambda i: i != END, row) for row in rows)
    return [[i for i in row if i not in (PAD, START)] for row in whole]
