"""Batches of token ids: sentences of similar length together; resumable at any batch.

    corpus = corpora.load_pairs("multi30k", "train", languages=("de", "en"))
    tokenizer = text.SentencePieceTokenizer.train(corpus.texts["source"] + corpus.texts["target"])
    train = TextDataset(corpus, tokenizer, batch_size=64, shuffle=True)
    for batch in train(epoch):      # {"source": int32 [64, 16], "target": int32 [64, 24]}

Rows are padded with zeros. Texts to generate ("target", "caption") are between START and END.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.checks import check_flags, check_numbers, check_optional_numbers
from zoo.data.array_dataset import prefetch
from zoo.data.arrays import from_arrays
from zoo.data.corpora import Corpus
from zoo.errors import UsageError
from zoo.text import limit_length

TARGETS = ("target", "caption")


def _check_corpus(corpus: Corpus) -> None:
    """Raises UsageError unless texts, arrays and rows are consistent and images are valid."""
    for values in (corpus.texts, corpus.arrays):
        counts = {name: len(value) for name, value in values.items()}
        if len({*counts.values()}) > 1:
            raise UsageError(f"{corpus.name} must have equally many of each, got {counts}")
    if not corpus.arrays:
        return
    if "image" in corpus.arrays:
        from_arrays(corpus.arrays["image"])  # raises UsageError unless they are images
    count = len(next(iter(corpus.arrays.values())))
    rows = np.arange(len(corpus)) if corpus.rows is None else np.asarray(corpus.rows)
    if len(rows) != len(corpus) or (len(rows) and not 0 <= rows.min() <= rows.max() < count):
        raise UsageError(
            f"{corpus.name} has {len(corpus):,} texts and {count:,} images; rows= must hold the"
            f" index of the image of each text, from 0 to {count - 1}"
        )


def _check_ids(ids: Sequence[Sequence[int]], size: int, label: str) -> None:
    """Raises UsageError, which names the text, unless all ids are below the vocabulary's size."""
    for number, row in enumerate(ids, 1):
        if row and not 0 <= min(row) <= max(row) < size:
            raise UsageError(
                f"{label} {number:,} has ids from {min(row)} to {max(row)}; its vocabulary has 0 to"
                f" {size - 1}"
            )


class TextDataset:
    """A corpus as ids in memory: call it with an epoch for a tf.data.Dataset of batches.

    A shuffled epoch e is a permutation drawn from (seed, e), sorted by padded lengths, cut into
    batches, and these are shuffled: so batch k is a function of (seed, e, k) alone. Lengths are
    padded to multiples, which leaves few shapes of batches, and every epoch has the same shapes:
    a compiled step is traced for the last time in the first epoch.

    Args:
        corpus: a `corpora.Corpus`; its arrays are part of the batches, uint8 scaled to [0, 1].
        tokenizer: a `zoo.text.Vocabulary`, or one for each text: {"source": ..., "target": ...}.
        batch_size: sentences in a batch.
        batch_tokens: instead of batch_size: maximum ids of the widest text of a batch, padding
            included.
        shuffle: whether epochs are shuffled; else the corpus's order, whatever the lengths.
        seed: seed of the order.
        max_length: maximum ids of a sentence, START and END included; a longer one is an error.
        truncate: cut longer sentences instead.
        multiple: widths are multiples of this.
        drop_remainder: drop the examples that do not fill a batch; they differ between epochs.

    Attributes:
        vocabularies: name of the text -> its `zoo.text.Vocabulary`.
        source, text_config: the name or path of the data and the `TextConfig` that loaded them, if
            one did; the description of a run stores both.

    Raises:
        UsageError: a sentence is too long, there is no batch, or an argument is invalid.
    """

    source: str | None = None
    text_config: Any = None

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: Any,
        *,
        batch_size: int = 64,
        batch_tokens: int | None = None,
        shuffle: bool = False,
        seed: int = 0,
        max_length: int = 100,
        truncate: bool = False,
        multiple: int = 8,
        drop_remainder: bool = False,
    ):
        check_numbers(batch_size=batch_size, seed=seed, max_length=max_length, multiple=multiple)
        check_optional_numbers(batch_tokens=batch_tokens)
        check_flags(shuffle=shuffle, truncate=truncate, drop_remainder=drop_remainder)
        if batch_tokens is not None and drop_remainder:
            raise UsageError("drop_remainder needs batch_size, not batch_tokens")
        _check_corpus(corpus)
        separate = isinstance(tokenizer, dict)
        self.corpus = corpus
        self.vocabularies = {
            name: tokenizer[name] if separate else tokenizer for name in corpus.texts
        }
        self.name = corpus.name
        self.split = corpus.split
        self.batch_size = batch_size if batch_tokens is None else None
        self.batch_tokens = batch_tokens
        self.shuffle = shuffle
        self.seed = seed
        self.max_length = max_length
        self.multiple = multiple
        self.drop_remainder = drop_remainder
        self.num_examples = len(corpus)
        self._lengths = {}
        self._flat = {}
        self._starts = {}
        with tf.device("CPU:0"):
            for name, texts in corpus.texts.items():
                label = f"{corpus.name} {corpus.split}: {name}"
                ids = self.vocabularies[name].encode(texts)
                _check_ids(ids, len(self.vocabularies[name]), label)
                ids = limit_length(ids, name in TARGETS, max_length, truncate, label)
                lengths = np.array([len(sentence) for sentence in ids], np.int64)
                self._lengths[name] = lengths
                self._starts[name] = tf.constant(np.cumsum(lengths) - lengths)
                self._flat[name] = tf.constant([i for row in ids for i in row] + [0], tf.int32)
            self._arrays = {name: tf.constant(value) for name, value in corpus.arrays.items()}
        self._edges = self._plan(0)[1]
        if not self.num_examples or not len(self):
            raise UsageError(
                f"{self.name} {self.split} has {self.num_examples:,} sentences, not enough for one"
                f" batch of {self.batch_size}; use a smaller batch_size or drop_remainder=False"
            )

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self._edges) - 1

    def __iter__(self) -> Iterator[dict[str, tf.Tensor]]:
        """The batches of epoch 0."""
        return iter(self(0))

    def __call__(self, epoch: int) -> tf.data.Dataset:
        """The batches of an epoch; `.skip(k)` starts at batch k, in 1 ms per skipped batch."""
        check_numbers(epoch=epoch)
        order, edges, batch_order = self._plan(epoch)
        widths = {name: tf.constant(width) for name, width in self._widths(order, edges).items()}
        order = tf.constant(order)
        edges = tf.constant(edges)
        size = self.batch_size
        even = size and (self.drop_remainder or self.num_examples % size == 0)

        def make_batch(number: tf.Tensor) -> dict[str, tf.Tensor]:
            rows = order[edges[number] : edges[number + 1]]
            if even:
                rows = tf.ensure_shape(rows, [size])
            return self._batch(rows, {name: width[number] for name, width in widths.items()})

        return prefetch(tf.data.Dataset.from_tensor_slices(batch_order).map(make_batch))

    def _plan(self, epoch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(order of the sentences, boundaries of the batches, order of the batches) of an epoch."""
        random = np.random.default_rng((self.seed, epoch))
        count = self.num_examples
        order = random.permutation(count) if self.shuffle else np.arange(count)
        if self.drop_remainder and self.batch_size:
            order = order[: count - count % self.batch_size]
        if self.shuffle:
            order = order[np.lexsort([self._padded_lengths(name)[order] for name in self._lengths])]
        edges = self._boundaries(order)
        batches = np.arange(len(edges) - 1)
        return order, edges, random.permutation(batches) if self.shuffle else batches

    def _boundaries(self, order: np.ndarray) -> np.ndarray:
        """The boundaries of the batches of sentences in this order."""
        if self.batch_size:
            return np.append(np.arange(0, len(order), self.batch_size), len(order))
        edges = [0]
        widest = 0
        for i, width in enumerate(
            np.max([self._padded_lengths(n)[order] for n in self._lengths], 0)
        ):
            widest = max(widest, width)
            if i > edges[-1] and (i + 1 - edges[-1]) * widest > self.batch_tokens:
                edges.append(i)
                widest = width
        return np.append(edges, len(order))

    def _widths(self, order: np.ndarray, edges: np.ndarray) -> dict[str, np.ndarray]:
        """name -> width of each batch."""
        return {
            name: np.maximum.reduceat(self._padded_lengths(name)[order], edges[:-1])
            for name in self._lengths
        }

    def _padded_lengths(self, name: str) -> np.ndarray:
        """Lengths of all sentences, rounded up to at least one multiple."""
        return np.maximum(-(-self._lengths[name] // self.multiple), 1) * self.multiple

    def _batch(
        self, rows: np.ndarray | tf.Tensor, widths: Mapping[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """The texts of some rows, at these widths, and their arrays."""
        batch = {}
        for name, width in widths.items():
            flat = self._flat[name]
            column = tf.range(width)
            index = tf.gather(self._starts[name], rows)[:, None] + column
            inside = column < tf.gather(self._lengths[name], rows)[:, None]
            ids = tf.gather(flat, tf.minimum(index, tf.size(flat, tf.int64) - 1))
            batch[name] = tf.where(inside, ids, 0)
        array_rows = rows if self.corpus.rows is None else tf.gather(self.corpus.rows, rows)
        for name, array in self._arrays.items():
            value = tf.gather(array, array_rows)
            batch[name] = tf.cast(value, tf.float32) / 255 if value.dtype == tf.uint8 else value
        return batch

    def take(self, n: int) -> dict[str, np.ndarray]:
        """The first n sentences (all, if there are fewer), unshuffled, as one batch of arrays."""
        check_numbers(n=n)
        rows = np.arange(min(n, self.num_examples))
        widths = {name: self._padded_lengths(name)[rows].max() for name in self._lengths}
        return {name: value.numpy() for name, value in self._batch(rows, widths).items()}

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the batches: a sorted list of (sentences, *widths of the texts)."""
        order, edges, _ = self._plan(0)
        sides = np.stack([np.diff(edges), *self._widths(order, edges).values()], 1)
        return [tuple(row) for row in np.unique(sides, axis=0).tolist()]

    @property
    def spec(self) -> dict[str, tf.TensorSpec]:
        """name -> tf.TensorSpec of a batch; dimensions that vary are None."""
        return self(0).element_spec

    def describe(self) -> str:
        """A summary in one line."""
        texts = ", ".join(
            f"{name} {lengths.mean():.1f} ids on average, {lengths.max()} at most"
            for name, lengths in self._lengths.items()
        )
        order = f"shuffled with seed {self.seed}" if self.shuffle else "in order"
        return f"{self.name} {self.split}: {self.num_examples:,} sentences, {texts}; {order}"

    def __repr__(self) -> str:
        size = f"{self.batch_size}" if self.batch_size else f"up to {self.batch_tokens} ids"
        return f"<TextDataset {self.describe()}, {len(self)} x {size}>"
