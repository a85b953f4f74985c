"""From texts to batches of ids: sentences of one length side by side, resumable at any batch.

    corpus = corpora.load_pairs("multi30k", "train", languages=("de", "en"))
    tokenizer = text.SentencePieceTokenizer.train(corpus.texts["source"] + corpus.texts["target"])
    train = TextDataset(corpus, tokenizer, batch_size=64, shuffle=True)
    for batch in train(epoch):      # {"source": int32 [64, 16], "target": int32 [64, 24]}

Rows end in zeros. What a model is to say ("target", "caption") stands between START and END.
"""

import numpy as np
import tensorflow as tf

from zoo.checks import check_numbers, check_optional_numbers
from zoo.data.array_dataset import prefetch
from zoo.data.arrays import from_arrays
from zoo.errors import UsageError
from zoo.text import limit_length

TARGETS = ("target", "caption")


def check_corpus(corpus):
    """Raises UsageError unless texts, arrays and rows fit each other, and images are images."""
    for values in (corpus.texts, corpus.arrays):
        counts = {name: len(value) for name, value in values.items()}
        if len({*counts.values()}) > 1:
            raise UsageError(f"{corpus.name} must have as many of each, got {counts}")
    if not corpus.arrays:
        return
    if "image" in corpus.arrays:
        from_arrays(corpus.arrays["image"])  # raises UsageError unless they are images
    count = len(next(iter(corpus.arrays.values())))
    rows = np.arange(len(corpus)) if corpus.rows is None else np.asarray(corpus.rows)
    if len(rows) != len(corpus) or (len(rows) and not 0 <= rows.min() <= rows.max() < count):
        raise UsageError(
            f"{corpus.name} has {len(corpus):,} texts and {count:,} images; rows= must give each"
            f" text the number of its image, from 0 to {count - 1}"
        )


def check_ids(ids, size, what):
    """Raises UsageError, which names the text, unless all ids are of a vocabulary of this size."""
    for number, row in enumerate(ids, 1):
        if row and not 0 <= min(row) <= max(row) < size:
            raise UsageError(
                f"{what} {number:,} has ids from {min(row)} to {max(row)}; its vocabulary has 0 to"
                f" {size - 1}"
            )


class TextDataset:
    """A corpus as ids in memory: call it with an epoch for a tf.data.Dataset of batches.

    A shuffled epoch e is a permutation drawn from (seed, e), sorted by padded lengths, cut into
    batches, and these shuffled: so batch k is a function of (seed, e, k) and of nothing else.
    Lengths are padded to multiples, which leaves few shapes of batches, and every epoch has the
    same ones: a compiled step is traced for the last time in the first epoch.

    Args:
        corpus: a `corpora.Corpus`; its arrays ride along, bytes scaled to floats in [0, 1].
        tokenizer: a `zoo.text.Vocabulary`, or one for each text: {"source": ..., "target": ...}.
        batch_size: sentences in a batch.
        batch_tokens: in place of it, ids in the widest text of a batch, padding counted.
        shuffle: else the order is the corpus's own, whatever the lengths.
        seed: of the order.
        max_length: maximum number of ids per sentence, including START and END; a longer one is an
            error that names it.
        truncate: cut longer ones instead.
        multiple: widths are multiples of this.
        drop_remainder: leave out, at random in each epoch, what does not fill a batch.

    Attributes:
        vocabularies: name of the text -> its `zoo.text.Vocabulary`.

    Raises UsageError: a sentence is too long, there is no batch, or an argument is impossible.
    """

    def __init__(
        self,
        corpus,
        tokenizer,
        *,
        batch_size=64,
        batch_tokens=None,
        shuffle=False,
        seed=0,
        max_length=100,
        truncate=False,
        multiple=8,
        drop_remainder=False,
    ):
        check_numbers(batch_size=batch_size, seed=seed, max_length=max_length, multiple=multiple)
        check_optional_numbers(batch_tokens=batch_tokens)
        if batch_tokens is not None:
            if drop_remainder:
                raise UsageError("drop_remainder goes with batch_size, not with batch_tokens")
            batch_size = None
        check_corpus(corpus)
        one_each = isinstance(tokenizer, dict)
        self.corpus = corpus
        self.vocabularies = {
            name: tokenizer[name] if one_each else tokenizer for name in corpus.texts
        }
        self.name, self.split = corpus.name, corpus.split
        self.batch_size, self.batch_tokens = batch_size, batch_tokens
        self.shuffle, self.seed = shuffle, seed
        self.multiple, self.drop_remainder = multiple, drop_remainder
        self.num_examples = len(corpus)
        self._lengths, self._flat, self._starts = {}, {}, {}
        with tf.device("CPU:0"):
            for name, texts in corpus.texts.items():
                what = f"{corpus.name} {corpus.split}: {name}"
                ids = self.vocabularies[name].encode(texts)
                check_ids(ids, len(self.vocabularies[name]), what)
                ids = limit_length(ids, name in TARGETS, max_length, truncate, what)
                lengths = np.array([len(sentence) for sentence in ids], np.int64)
                self._lengths[name] = lengths
                self._starts[name] = tf.constant(np.cumsum(lengths) - lengths)
                self._flat[name] = tf.constant([i for row in ids for i in row] + [0], tf.int32)
            self._arrays = {name: tf.constant(value) for name, value in corpus.arrays.items()}
        self._cuts = self._plan(0)[1]
        if not self.num_examples or not len(self):
            raise UsageError(
                f"{self.name} {self.split} has {self.num_examples:,} sentences, not enough for one"
                f" batch of {batch_size}; use a smaller batch_size or drop_remainder=False"
            )

    def __len__(self):
        """Batches in an epoch."""
        return len(self._cuts) - 1

    def __iter__(self):
        """The batches of epoch 0."""
        return iter(self(0))

    def __call__(self, epoch):
        """The batches of an epoch; `.skip(k)` of it begins at batch k, at 1 ms a skipped batch."""
        check_numbers(epoch=epoch)
        order, cuts, turns = self._plan(epoch)
        widths = {name: tf.constant(each) for name, each in self._widths(order, cuts).items()}
        order, cuts = tf.constant(order), tf.constant(cuts)
        size = self.batch_size
        even = size and (self.drop_remainder or self.num_examples % size == 0)

        def batch(number):
            rows = order[cuts[number] : cuts[number + 1]]
            if even:
                rows = tf.ensure_shape(rows, [size])
            return self._batch(rows, {name: width[number] for name, width in widths.items()})

        return prefetch(tf.data.Dataset.from_tensor_slices(turns).map(batch))

    def _plan(self, epoch):
        """(order of the sentences, where to cut it, order of the batches) of an epoch."""
        random = np.random.default_rng((self.seed, epoch))
        count = self.num_examples
        order = random.permutation(count) if self.shuffle else np.arange(count)
        if self.drop_remainder:
            order = order[: count - count % self.batch_size]
        if self.shuffle:
            order = order[np.lexsort([self._padded(name)[order] for name in self._lengths])]
        cuts = self._cut(order)
        turns = np.arange(len(cuts) - 1)
        return order, cuts, random.permutation(turns) if self.shuffle else turns

    def _cut(self, order):
        """Where the batches of sentences in this order begin, and where the last one ends."""
        if self.batch_size:
            return np.append(np.arange(0, len(order), self.batch_size), len(order))
        cuts, widest = [0], 0
        for at, width in enumerate(np.max([self._padded(n)[order] for n in self._lengths], 0)):
            widest = max(widest, width)
            if at > cuts[-1] and (at + 1 - cuts[-1]) * widest > self.batch_tokens:
                cuts.append(at)
                widest = width
        return np.append(cuts, len(order))

    def _widths(self, order, cuts):
        """name -> how wide each batch is."""
        return {
            name: np.maximum.reduceat(self._padded(name)[order], cuts[:-1])
            for name in self._lengths
        }

    def _padded(self, name):
        """Lengths of all sentences, rounded up: a sentence without ids needs room too."""
        return np.maximum(-(-self._lengths[name] // self.multiple), 1) * self.multiple

    def _batch(self, rows, widths):
        """The texts of some rows, at these widths, and the arrays that belong to them."""
        found = {}
        for name, width in widths.items():
            flat, column = self._flat[name], tf.range(width)
            place = tf.gather(self._starts[name], rows)[:, None] + column
            inside = column < tf.gather(self._lengths[name], rows)[:, None]
            ids = tf.gather(flat, tf.minimum(place, tf.size(flat, tf.int64) - 1))
            found[name] = tf.where(inside, ids, 0)
        picked = rows if self.corpus.rows is None else tf.gather(self.corpus.rows, rows)
        for name, array in self._arrays.items():
            value = tf.gather(array, picked)
            found[name] = tf.cast(value, tf.float32) / 255 if value.dtype == tf.uint8 else value
        return found

    def take(self, n):
        """The first n sentences (all, if there are fewer), unshuffled, as one batch of arrays."""
        check_numbers(n=n)
        rows = np.arange(min(n, self.num_examples))
        widths = {name: self._padded(name)[rows].max() for name in self._lengths}
        return {name: value.numpy() for name, value in self._batch(rows, widths).items()}

    @property
    def shapes(self):
        """The shapes that batches have: a sorted list of (sentences, *widths of the texts)."""
        order, cuts, _ = self._plan(0)
        sides = np.stack([np.diff(cuts), *self._widths(order, cuts).values()], 1)
        return [tuple(row) for row in np.unique(sides, axis=0).tolist()]

    @property
    def spec(self):
        """name -> tf.TensorSpec of a batch; dimensions that vary are None."""
        return self(0).element_spec

    def describe(self):
        """One line for people."""
        texts = ", ".join(
            f"{name} {lengths.mean():.1f} ids on average, {lengths.max()} at most"
            for name, lengths in self._lengths.items()
        )
        order = f"shuffled with seed {self.seed}" if self.shuffle else "in order"
        return f"{self.name} {self.split}: {self.num_examples:,} sentences, {texts}; {order}"

    def __repr__(self):
        size = f"{self.batch_size}" if self.batch_size else f"up to {self.batch_tokens} ids"
        return f"<TextDataset {self.describe()}, {len(self)} x {size}>"
