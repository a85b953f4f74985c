"""Negative log-likelihood of a text under a language model."""

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from zoo.checks import check_numbers
from zoo.metrics.compiled_methods import compile_method
from zoo.metrics.estimate import Estimate

if TYPE_CHECKING:
    from zoo.data.token_blocks import TokenBlocks

BATCH = 64  # windows


def token_nll(model: Any, data: "TokenBlocks", stride: int | None = None) -> Estimate:
    """Nats per token over every token of a text, each counted once.

    The text is read in windows of the model's context. A window after the first counts its last
    `stride` tokens, so each of them has at least context - stride tokens before it.

    Args:
        model: a `zoo.LanguageModel`.
        data: a `zoo.data.token_blocks.TokenBlocks`.
        stride: tokens from one window to the next; a smaller stride is slower and gives lower
            values. None: the context.

    Returns:
        An `Estimate` with one value per window. Neighboring windows are not independent, so its
        interval is slightly too narrow.
    """
    data = data.windows(stride)
    values = _window_values(model, (batch.values() for batch in data))
    name = f"nats per token, context {data.context_length}, stride {data.stride}"
    return Estimate(values, name, "nats", higher_is_better=False, images=_fingerprint(data))


def random_window_nll(
    model: Any, data: "TokenBlocks", windows: int = 12_800, seed: int = 0
) -> Estimate:
    """An estimate of nats per token from windows at random positions: the protocol of nanoGPT.

    Some tokens count several times, others not at all; the first tokens of a window have little
    context.

    Args:
        model, data: as in `token_nll`.
        windows: number of windows.
        seed: seed of the positions.
    """
    check_numbers(windows=windows, seed=seed)
    last = max(data.file.tokens - data.context_length, 0)
    starts = np.random.default_rng(seed).integers(0, last + 1, windows)
    weight = np.full((BATCH, data.context_length), 1 / data.context_length, np.float32)

    def batches() -> Iterator[tuple]:
        for first in range(0, windows, BATCH):
            rows = data.read(starts[first : first + BATCH])
            yield rows, weight[: len(rows)]

    name = f"nats per token, {windows:,} random windows of {data.context_length}, seed {seed}"
    values = _window_values(model, batches())
    return Estimate(values, name, "nats", higher_is_better=False, images=_fingerprint(data))


def _window_values(model: Any, batches: Any) -> np.ndarray:
    """The weighted sum of nats in each window of batches (ids, weight), float64."""

    def window_sums(model: Any, ids: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        return model.eval_step({"text": ids, "weight": weight})["loss"]

    graph = compile_method(model, "window_sums", window_sums)
    parts = [graph(tf.constant(ids), tf.constant(weight)).numpy() for ids, weight in batches]
    return np.concatenate(parts).astype(np.float64)


def _fingerprint(data: "TokenBlocks") -> str:
    """Identifies a text: SHA-256 of its ids."""
    return hashlib.sha256(data.ids.tobytes()).hexdigest()
