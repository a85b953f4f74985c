"""Words and characters from a list, in Python or inside a TensorFlow graph."""

import collections
import functools

import keras
import tensorflow as tf

from zoo.checks import check_numbers, check_optional_numbers
from zoo.errors import UnknownNameError, UsageError, short_repr
from zoo.text.vocabulary import (
    END,
    PAD,
    SPECIAL,
    START,
    STRANGE,
    UNKNOWN,
    Vocabulary,
    check_flags,
    normal,
    sentences_of,
)

# In the language of RE2. Cf are characters of no width, M combining marks.
SPACES = r"[\pZ\x{0B}\x{1C}-\x{1F}\x{85}]"
FLAG = r"[\x{1F1E6}-\x{1F1FF}]{2}"
SIGN = rf"(?:{FLAG}|[^\pL\pM\pN\p{{Cf}}\s])"
SKIN = r"\x{1F3FB}-\x{1F3FF}"
SYMBOL = rf"\p{{Cf}}*{SIGN}(?:\x{{200D}}{SIGN}|[\pM\p{{Cf}}{SKIN}])*"


class Words(Vocabulary):
    """Characters or words from a list, by `keras.layers.StringLookup`: also inside a graph.

    `words(tensor)` and `words.strings(ids)` are `encode` and `decode` for tensors, but for the
    normal form, which TensorFlow does not know. Words are what stands between white space, of any
    kind that Unicode has; punctuation is a word of its own. What has no width (a joiner, a
    variation selector, a combining mark) belongs to its neighbor, so an emoji of several signs is
    one word. Decoded words are joined by spaces, decoded characters by nothing.

    Args:
        words: list of str; word i has the id i + 4.
        unit: "word" or "character".
        lowercase: lower-case all that is encoded.
    """

    def __init__(self, words, unit="word", lowercase=False):
        if unit not in ("word", "character"):
            raise UnknownNameError("unit", unit, ("word", "character"))
        check_flags(lowercase=lowercase)
        words = list(words)
        if not all(isinstance(word, str) for word in words):
            raise UsageError(f"words must be a list of str, got {short_repr(words)}")
        if len(set(words)) < len(words) or set(words) & {"", *SPECIAL}:
            raise UsageError(f"words must differ, and none be empty or of {SPECIAL}")
        self.words, self.unit, self.lowercase = words, unit, lowercase

    @property
    def kind(self):
        return f"{self.unit}s"

    @classmethod
    def train(cls, sentences, vocabulary_size=None, unit="word", lowercase=False, min_count=1):
        """The words of a corpus, the most frequent first, those seen `min_count` times or more.

        vocabulary_size: the four special ids counted; None takes all.
        """
        check_optional_numbers(vocabulary_size=vocabulary_size)
        check_numbers(min_count=min_count)
        if vocabulary_size is not None and vocabulary_size <= len(SPECIAL):
            raise UsageError(
                f"vocabulary_size must be above {len(SPECIAL)}, the number of special ids, got"
                f" {vocabulary_size}"
            )
        empty = cls([], unit, lowercase)
        texts = normal(sentences, lowercase)
        counts = collections.Counter(
            word.decode() for row in empty.split(texts).to_list() for word in row
        )
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        known = [w for w in ranked if counts[w] >= min_count and w not in SPECIAL]
        if not known:
            raise UsageError("a vocabulary needs a corpus, got no sentence that holds text")
        room = None if vocabulary_size is None else vocabulary_size - len(SPECIAL)
        return cls(known[:room], unit, lowercase)

    def split(self, texts):
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

    def __call__(self, texts):
        """Strings [n] -> ids, an int32 RaggedTensor [n, None]."""
        return tf.cast(self.tables[0](self.split(texts)), tf.int32)

    def strings(self, ids):
        """int [n, t] -> strings [n], each up to its first END."""
        ids = tf.convert_to_tensor(ids)
        inside = tf.cumsum(tf.cast(ids == END, tf.int32), axis=1) == 0
        words = tf.ragged.boolean_mask(self.tables[1](ids), inside & (ids != PAD) & (ids != START))
        return tf.strings.reduce_join(words, -1, separator=" " if self.unit == "word" else "")

    @functools.cached_property
    def tables(self):
        """Two Keras layers, text -> id and id -> text: what is exported must hold them."""
        tokens = [f" {SPECIAL[START]}", f" {SPECIAL[END]}", *self.words]  # no split gives a space
        with tf.init_scope():  # they outlive the graph that asked first
            return [
                keras.layers.StringLookup(
                    vocabulary=tokens, mask_token="", oov_token=STRANGE, invert=invert
                )
                for invert in (False, True)
            ]

    def encode(self, texts):
        return self(normal(texts, self.lowercase)).to_list()

    def decode(self, ids):
        size = len(self)
        names = [*SPECIAL, *self.words]
        names[UNKNOWN] = STRANGE
        join = (" " if self.unit == "word" else "").join
        return [
            join(names[i if 0 <= i < size else UNKNOWN] for i in row) for row in sentences_of(ids)
        ]

    def pieces(self, ids):
        names = [*SPECIAL, *self.words]
        return [names[int(i)] if 0 <= i < len(names) else STRANGE for i in ids]

    def to_dict(self):
        own = {"unit": self.unit, "lowercase": self.lowercase, "words": self.words}
        return {"kind": self.kind, **own}

    @classmethod
    def from_dict(cls, found):
        if not isinstance(found["words"], list):
            raise UsageError(f"words must be a list, got {short_repr(found['words'])}")
        return cls(found["words"], found["unit"], found["lowercase"])

    def __len__(self):
        return len(SPECIAL) + len(self.words)
