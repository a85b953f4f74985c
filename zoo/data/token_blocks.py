"""Blocks of a stream of ids for language models; the stream is mapped into memory.

    for batch in train(epoch):          # {"text": int32 [64, context_length + 1]}

An epoch of training cuts the stream into blocks at a random offset and permutes them. Both are
functions of (seed, epoch), and the permutation is computed block by block: a text of any size
takes constant memory, and batch k of an epoch is made without the batches before it.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.checks import check_flags, check_numbers
from zoo.data.array_dataset import prefetch
from zoo.data.token_files import TokenFile
from zoo.errors import UsageError
from zoo.text.vocabulary import END, Vocabulary

ROUNDS = 4  # of the Feistel network


class TokenBlocks:
    """A stream of ids as batches: call it with an epoch for a tf.data.Dataset.

    Blocks overlap by one id: each id of the stream is the target of one position and the input of
    the next. For training, a block is [context_length + 1] ids. For evaluation, windows of this
    length begin every `stride` ids, and "weight" [b, context_length] is positive for the targets
    that no previous window has. So each id counts once (the first is predicted from END), and the
    mean over windows of their weighted sums is the mean over the ids.

    Args:
        file: the ids.
        vocabulary: vocabulary of the ids.
        context_length: inputs of a block.
        name: name of the data set.
        split: which part of it this is.
        batch_size: blocks in a batch.
        shuffle: whether these are random blocks for training; else windows in order.
        seed: seed of the order.
        stride: ids from one window to the next; None: context_length.
        drop_remainder: drop the blocks that do not fill a batch.

    Attributes:
        source, text_config: the name or path of the data and the `StreamConfig` that loaded them,
            if one did; the description of a run stores both.

    Raises:
        UsageError: the text is too short, or a number is out of its range.
    """

    source: str | None = None
    text_config: Any = None

    def __init__(
        self,
        file: TokenFile,
        vocabulary: Vocabulary,
        context_length: int,
        *,
        name: str = "text",
        split: str = "train",
        batch_size: int = 64,
        shuffle: bool = False,
        seed: int = 0,
        stride: int | None = None,
        drop_remainder: bool = False,
    ):
        stride = context_length if stride is None else stride
        check_numbers(batch_size=batch_size, seed=seed, context_length=context_length)
        check_numbers(stride=stride)
        check_flags(shuffle=shuffle, drop_remainder=drop_remainder)
        if stride > context_length:
            raise UsageError(
                f"stride={stride} would skip ids: it must be at most the context length,"
                f" {context_length}"
            )
        self.file = file
        self.vocabularies = {"text": vocabulary}
        self.context_length = context_length
        self.name = name
        self.split = split
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.stride = stride
        self.drop_remainder = drop_remainder
        self.ids = file.ids()
        if shuffle:
            self._check_length()
            self.num_examples = max(1, (file.tokens + 1 - context_length) // context_length)
        else:
            self.num_examples = count_windows(file.tokens, context_length, stride)
        if not len(self):
            raise UsageError(
                f"{name} {split} has {self.num_examples:,} blocks of {context_length} {self.unit},"
                f" fewer than the batch size of {batch_size}: use a smaller batch size"
            )

    def _check_length(self) -> None:
        if self.file.tokens < self.context_length:
            raise UsageError(
                f"{self.name} {self.split} has {self.file.tokens:,} {self.unit}, fewer than the"
                f" context of {self.context_length}: use a longer text, or a smaller"
                " context_length"
            )

    @property
    def unit(self) -> str:
        """What a token is: "characters", "sub-words", ..."""
        return self.vocabularies["text"].kind

    @property
    def protocol(self) -> str:
        """What an evaluation covers."""
        return (
            f"all {self.file.tokens:,} {self.unit}, context {self.context_length}, stride"
            f" {self.stride}"
        )

    def __len__(self) -> int:
        """Batches in an epoch."""
        full, rest = divmod(self.num_examples, self.batch_size)
        return full + (rest > 0 and not self.drop_remainder)

    def __iter__(self) -> Iterator[dict[str, tf.Tensor]]:
        """The batches of epoch 0."""
        return iter(self(0))

    def __call__(self, epoch: int) -> tf.data.Dataset:
        """The batches of an epoch."""
        return self.batches_from(epoch, 0)

    def batches_from(self, epoch: int, first: int) -> tf.data.Dataset:
        """The batches of an epoch from number `first` on; earlier ones are not read."""
        check_numbers(epoch=epoch)
        spec = self.spec

        def make_batch(number: tf.Tensor) -> dict[str, tf.Tensor]:
            kinds = [each.dtype for each in spec.values()]
            arrays = tf.numpy_function(
                lambda k: tuple(self.batch(epoch, int(k)).values()), [number], kinds
            )
            return {
                name: tf.ensure_shape(array, spec[name].shape)
                for name, array in zip(spec, arrays, strict=True)
            }

        return prefetch(tf.data.Dataset.range(first, len(self)).map(make_batch))

    def batch(self, epoch: int, number: int) -> dict[str, np.ndarray]:
        """One batch of an epoch as arrays."""
        first = number * self.batch_size
        numbers = np.arange(first, min(first + self.batch_size, self.num_examples))
        return self._blocks(epoch, numbers) if self.shuffle else self._windows(numbers)

    def _blocks(self, epoch: int, numbers: np.ndarray) -> dict[str, np.ndarray]:
        keys = np.random.default_rng((self.seed, epoch)).integers(1 << 62, size=ROUNDS + 1)
        spare = self.file.tokens - self.num_examples * self.context_length
        offset = int(keys[-1]) % (spare + 1)
        starts = offset + permuted(numbers, self.num_examples, keys[:-1]) * self.context_length
        return {"text": self.read(starts)}

    def _windows(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        starts, counted = scored_windows(
            self.file.tokens, self.context_length, self.stride, numbers
        )
        weight = self.num_examples / self.file.tokens
        return {"text": self.read(starts), "weight": counted.astype(np.float32) * weight}

    def windows(self, stride: int | None = None) -> "TokenBlocks":
        """The same text in order, in windows every `stride` ids."""
        return TokenBlocks(
            self.file,
            self.vocabularies["text"],
            self.context_length,
            name=self.name,
            split=self.split,
            batch_size=self.batch_size,
            stride=stride,
        )

    def scores_of(self, nats: float) -> dict[str, float]:
        """Perplexity and bits per byte that follow from nats per token of this text."""
        per_byte = nats * self.file.tokens / self.file.text_bytes / math.log(2)
        return {"perplexity": math.exp(min(nats, 700.0)), "bits_per_byte": per_byte}

    def read(self, starts: np.ndarray) -> np.ndarray:
        """The blocks that begin at these positions: int32 [n, context_length + 1]."""
        index = starts[:, None] + np.arange(self.context_length + 1)
        inside = index <= self.file.tokens  # a text that is shorter than the context
        ids = self.ids[np.minimum(index, self.file.tokens)].astype(np.int32)
        return np.where(inside, ids, END).astype(np.int32)

    def take(self, n: int) -> dict[str, np.ndarray]:
        """The first n blocks (all, if there are fewer), in order, as one batch of arrays."""
        check_numbers(n=n)
        starts = np.arange(min(n, self.num_examples)) * self.context_length
        starts = np.minimum(starts, max(self.file.tokens - self.context_length, 0))
        return {"text": self.read(starts)}

    @property
    def spec(self) -> dict[str, tf.TensorSpec]:
        """name -> tf.TensorSpec of a batch; the batch size is None if the last is not full."""
        even = self.drop_remainder or self.num_examples % self.batch_size == 0
        size = self.batch_size if even else None
        spec = {"text": tf.TensorSpec((size, self.context_length + 1), tf.int32)}
        if not self.shuffle:
            spec["weight"] = tf.TensorSpec((size, self.context_length), tf.float32)
        return spec

    def describe(self) -> str:
        """A summary in one line."""
        order = f"shuffled with seed {self.seed}" if self.shuffle else "in order"
        return (
            f"{self.name} {self.split}: {self.file.tokens:,} {self.unit}, blocks of"
            f" {self.context_length}, {order}"
        )

    def __repr__(self) -> str:
        return f"<TokenBlocks {self.describe()}, {len(self)} x {self.batch_size}>"


def count_windows(tokens: int, context_length: int, stride: int) -> int:
    """The number of windows that cover `tokens` targets."""
    return 1 + max(0, -(-(tokens - context_length) // stride))


def scored_windows(
    tokens: int, context_length: int, stride: int, numbers: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(first input of each window [n], targets that count in it, boolean [n, context_length]).

    Windows begin every `stride` ids, and the last one ends with the text. Each of `tokens` targets
    counts in the first window that has it.

    Args:
        numbers: numbers of the windows; None: all.
    """
    if numbers is None:
        numbers = np.arange(count_windows(tokens, context_length, stride))
    ends = np.minimum(context_length + numbers * stride, tokens)
    previous = np.where(numbers > 0, context_length + (numbers - 1) * stride, 0)
    starts = np.maximum(ends - context_length, 0)
    targets = starts[:, None] + np.arange(1, context_length + 1)
    return starts, (targets > previous[:, None]) & (targets <= ends[:, None])


def permuted(numbers: np.ndarray, count: int, keys: np.ndarray) -> np.ndarray:
    """The values of a permutation of 0 ... count - 1 at some of its arguments.

    A Feistel network on the smallest square of a power of two >= `count`, applied until the value
    is below `count`: Black, Rogaway, "Ciphers with Arbitrary Finite Domains" (2002).

    Args:
        numbers: integers [n].
        count: at most 2**60.
        keys: one integer for each round; they choose the permutation.
    """
    bits = np.uint64(max(1, -(-int(count - 1).bit_length() // 2)))
    mask = (np.uint64(1) << bits) - np.uint64(1)
    found = numbers.astype(np.uint64)
    outside = np.ones(len(found), bool)
    while outside.any():
        left = found[outside] >> bits
        right = found[outside] & mask
        for key in keys.astype(np.uint64):
            mixed = (right + key) * np.uint64(0x9E3779B97F4A7C15)  # wraps around
            mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = left ^ ((mixed >> np.uint64(32)) & mask)
            left = right
            right = mixed
        found[outside] = (left << bits) | right
        outside = found >= count
    return found.astype(np.int64)
