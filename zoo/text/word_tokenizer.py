"""Tokenizer of words or characters from a list, in Python or inside a TensorFlow graph."""

import collections
import functools
from collections.abc import Iterable
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from zoo.checks import check_flags, check_numbers, check_optional_numbers
from zoo.errors import UnknownNameError, UsageError, short_repr
from zoo.text.vocabulary import (
    END,
    PAD,
    SPECIAL,
    START,
    UNKNOWN,
    UNKNOWN_TEXT,
    Vocabulary,
    normalize,
    strip_special,
)

# Regular expressions of RE2. Cf are characters without width, M combining marks.
SPACES = r"[\pZ\x{0B}\x{1C}-\x{1F}\x{85}]"
FLAG = r"[\x{1F1E6}-\x{1F1FF}]{2}"
SIGN = rf"(?:{FLAG}|[^\pL\pM\pN\p{{Cf}}\s])"
SKIN = r"\x{1F3FB}-\x{1F3FF}"
SYMBOL = rf"\p{{Cf}}*{SIGN}(?:\x{{200D}}{SIGN}|[\pM\p{{Cf}}{SKIN}])*"


class WordTokenizer(Vocabulary):
    """Words or characters from a list, by `keras.layers.StringLookup`, also inside a graph.

    `tokenizer(tensor)` and `tokenizer.detokenize(ids)` are `encode` and `decode` for tensors,
    without the normal form, which TensorFlow does not support. Words are separated by white space
    of any kind that Unicode has; each punctuation mark is a word. Characters without width (a
    joiner, a variation selector, a combining mark) stay with their neighbor, so an emoji of several
    code points is one word. Decoded words are joined by spaces, decoded characters by nothing.

    Args:
        words: list of str; word i has the id i + 4.
        unit: "word" or "character".
        lowercase: whether to lower-case texts before encoding.
    """

    def __init__(self, words: Iterable[str], unit: str = "word", lowercase: bool = False):
        if unit not in ("word", "character"):
            raise UnknownNameError("unit", unit, ("word", "character"))
        check_flags(lowercase=lowercase)
        words = list(words)
        if not all(isinstance(word, str) for word in words):
            raise UsageError(f"words must be a list of str, got {short_repr(words)}")
        if len(set(words)) < len(words) or set(words) & {"", *SPECIAL}:
            raise UsageError(f"words must be distinct and not empty, and none may be in {SPECIAL}")
        self.words = words
        self.unit = unit
        self.lowercase = lowercase

    @property
    def kind(self) -> str:
        """ "words" or "characters"."""
        return f"{self.unit}s"

    @classmethod
    def train(
        cls,
        sentences: Iterable[str | bytes],
        vocabulary_size: int | None = None,
        unit: str = "word",
        lowercase: bool = False,
        min_count: int = 1,
    ) -> Self:
        """The words of a corpus, the most frequent first.

        Args:
            sentences: str or UTF-8 bytes.
            vocabulary_size: maximum number of ids, including the four special ones; None: no limit.
            unit, lowercase: as in the constructor.
            min_count: rarer words are left out.
        """
        check_optional_numbers(vocabulary_size=vocabulary_size)
        check_numbers(min_count=min_count)
        if vocabulary_size is not None and vocabulary_size <= len(SPECIAL):
            raise UsageError(
                f"vocabulary_size must be above {len(SPECIAL)}, the number of special ids, got"
                f" {vocabulary_size}"
            )
        empty = cls([], unit, lowercase)
        texts = normalize(sentences, lowercase)
        counts = collections.Counter(
            word.decode() for row in empty.split(texts).to_list() for word in row
        )
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        words = [w for w in ranked if counts[w] >= min_count and w not in SPECIAL]
        if not words:
            raise UsageError("a vocabulary needs a corpus, got no sentence that contains text")
        room = None if vocabulary_size is None else vocabulary_size - len(SPECIAL)
        return cls(words[:room], unit, lowercase)

    def split(self, texts: Any) -> tf.RaggedTensor:
        """Strings [n] as a ragged tensor of words or characters [n, None]."""
        texts = tf.convert_to_tensor(texts, tf.string)
        if self.lowercase:
            texts = tf.strings.lower(texts, encoding="utf-8")
        if self.unit == "character":
            return tf.strings.unicode_split(texts, "UTF-8")
        texts = tf.strings.regex_replace(texts, SPACES, " ")
        words = tf.strings.split(tf.strings.regex_replace(texts, f"({SYMBOL})", r" \1 "))
        invisible = tf.strings.regex_full_match(words.flat_values, r"\p{Cf}+")  # with no neighbor
        return tf.ragged.boolean_mask(words, words.with_flat_values(~invisible))

    def __call__(self, texts: Any) -> tf.RaggedTensor:
        """Strings [n] -> ids, an int32 RaggedTensor [n, None]."""
        return tf.cast(self.lookup_layers[0](self.split(texts)), tf.int32)

    def detokenize(self, ids: Any) -> tf.Tensor:
        """int [n, t] -> strings [n], each cut before its first END."""
        ids = tf.convert_to_tensor(ids)
        inside = tf.cumsum(tf.cast(ids == END, tf.int32), axis=1) == 0
        strings = self.lookup_layers[1](ids)
        words = tf.ragged.boolean_mask(strings, inside & (ids != PAD) & (ids != START))
        return tf.strings.reduce_join(words, -1, separator=" " if self.unit == "word" else "")

    @functools.cached_property
    def lookup_layers(self) -> list[keras.layers.StringLookup]:
        """Two Keras layers, text to id and id to text; an exported module must track them."""
        tokens = [f" {SPECIAL[START]}", f" {SPECIAL[END]}", *self.words]  # `split` yields no spaces
        with tf.init_scope():  # the tables outlive the graph in which they are first used
            return [
                keras.layers.StringLookup(
                    vocabulary=tokens, mask_token="", oov_token=UNKNOWN_TEXT, invert=invert
                )
                for invert in (False, True)
            ]

    def encode(self, texts: Iterable[str | bytes]) -> list[list[int]]:
        return self(normalize(texts, self.lowercase)).to_list()

    def encode_arrays(self, texts: Iterable[str | bytes]) -> list[np.ndarray]:
        if self.unit == "word":
            return super().encode_arrays(texts)
        lines = normalize(texts, self.lowercase)
        points = np.frombuffer("".join(lines).encode("utf-32-le"), np.uint32)
        ends = np.cumsum([len(line) for line in lines])
        return np.split(self._id_of_code_point[points], ends[:-1]) if lines else []

    @functools.cached_property
    def _id_of_code_point(self) -> np.ndarray:
        """Of a vocabulary of characters: code point -> id."""
        ids = np.full(0x110000, UNKNOWN, np.int32)
        ids[[ord(character) for character in self.words]] = np.arange(len(self.words)) + len(
            SPECIAL
        )
        return ids

    def decode(self, ids: Any) -> list[str]:
        size = len(self)
        tokens = [*SPECIAL, *self.words]
        tokens[UNKNOWN] = UNKNOWN_TEXT
        join = (" " if self.unit == "word" else "").join
        return [
            join(tokens[i if 0 <= i < size else UNKNOWN] for i in row) for row in strip_special(ids)
        ]

    def tokens(self, ids: Iterable[int]) -> list[str]:
        tokens = [*SPECIAL, *self.words]
        return [tokens[int(i)] if 0 <= i < len(tokens) else UNKNOWN_TEXT for i in ids]

    def to_dict(self) -> dict[str, Any]:
        config = {"unit": self.unit, "lowercase": self.lowercase, "words": self.words}
        return {"kind": self.kind, **config}

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> Self:
        if not isinstance(config["words"], list):
            raise UsageError(f"words must be a list, got {short_repr(config['words'])}")
        return cls(config["words"], config["unit"], config["lowercase"])

    def __len__(self) -> int:
        return len(SPECIAL) + len(self.words)
