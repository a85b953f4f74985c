"""Log-probabilities of texts under a language model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from zoo import text
from zoo.checks import check_optional_numbers
from zoo.data.token_blocks import scored_windows
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.generation.language_model import LanguageModel

BATCH = 64  # windows


@dataclass(frozen=True)
class TextScores:
    """Scores of texts.

    Attributes:
        log_probs: log p of each text in nats, float64 [n].
        tokens: number of tokens of all texts.
        text_bytes: number of UTF-8 bytes of all texts.
    """

    log_probs: np.ndarray
    tokens: int
    text_bytes: int

    @property
    def nats(self) -> float:
        """-log p of all texts."""
        return float(-self.log_probs.sum())

    def check_not_empty(self) -> "TextScores":
        """The same scores; raises UsageError if the texts have no token, so that no mean exists."""
        if not self.tokens:
            raise UsageError(
                "the texts have no tokens, so there is no mean: score at least one non-empty text"
            )
        return self


def score_texts(
    model: "LanguageModel",
    texts: Sequence[str],
    ids: Sequence[Sequence[int]],
    stride: int | None = None,
) -> TextScores:
    """The scores of texts with these ids; see `zoo.LanguageModel.score`."""
    check_optional_numbers(stride=stride)
    context = model.context_length
    stride = max(context // 2, 1) if stride is None else stride
    if stride > context:
        raise UsageError(
            f"stride={stride} would skip tokens: it must be at most the context length, {context}"
        )
    windows = []
    for number, row in enumerate(ids):
        stream = np.array([text.END, *row], np.int32)
        starts, counted = scored_windows(len(row), context, stride)
        for start, mask in zip(starts, counted, strict=True):
            window = stream[start : start + context + 1]
            windows.append((number, window, mask[: len(window) - 1]))
    windows = [window for window in windows if len(window[1]) > 1]
    windows.sort(key=lambda window: len(window[1]))
    log_probs = np.zeros(len(ids))
    for first in range(0, len(windows), BATCH):
        part = windows[first : first + BATCH]
        width = len(part[-1][1])
        tokens = np.zeros((len(part), width), np.int32)
        weight = np.zeros((len(part), width - 1))
        for i, (_, window, mask) in enumerate(part):
            tokens[i, : len(window)] = window
            weight[i, : len(mask)] = mask
        values = model.token_values(model(tf.constant(tokens[:, :-1])), tf.constant(tokens[:, 1:]))
        sums = (weight * values["loss"].numpy()).sum(1)
        np.subtract.at(log_probs, [number for number, *_ in part], sums)
    return TextScores(log_probs, sum(map(len, ids)), sum(len(line.encode()) for line in texts))
