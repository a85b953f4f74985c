"""Continues rows of ids by a language model, one token at a time, in windows of its context.

Rows of different lengths are aligned at their first token: all rows are at the same position, and
a row whose prompt is longer takes its tokens from the prompt for some more steps. So each row is
continued as if it were alone, and needs no padding.

A window is the part of a row that a prediction depends on. It grows to the model's `max_context`,
then its first half is dropped, and the state is recomputed from the rest. The window is a
function of the position alone; so are the random numbers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from zoo import text
from zoo.checks import check_numbers
from zoo.errors import UsageError
from zoo.generation.decoding_checks import check_sampling
from zoo.generation.token_sampling import NEG_INF, penalize_repetition, sample_token

if TYPE_CHECKING:
    from zoo.generation.language_model import LanguageModel

FREE = -1  # a token that is not yet known


@dataclass(frozen=True)
class SamplingOptions:
    """How tokens are chosen; see `zoo.LanguageModel.generate`. Raises UsageError."""

    max_length: int
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():  # scalars of NumPy and TensorFlow as Python numbers
            if np.ndim(value) == 0 and hasattr(value, "dtype"):
                object.__setattr__(self, name, np.asarray(value).item())
        check_numbers(max_length=self.max_length, repetition_penalty=self.repetition_penalty)
        greedy = type(self.temperature) in (int, float) and self.temperature == 0
        check_sampling(1.0 if greedy else self.temperature, self.top_k, self.top_p)
        if greedy and (self.top_k is not None or self.top_p is not None):
            raise UsageError(
                "temperature=0 takes the most probable token, so top_k and top_p would have no"
                " effect: leave them out, or use a temperature above 0"
            )

    def tensors(self) -> dict[str, Any]:
        """The numbers as tensors, so that other numbers cause no retracing; None stays None."""
        return {
            "temperature": tf.constant(self.temperature, tf.float32) if self.temperature else None,
            "top_k": None if self.top_k is None else tf.constant(self.top_k),
            "top_p": None if self.top_p is None else tf.constant(self.top_p, tf.float32),
            "repetition_penalty": tf.constant(self.repetition_penalty, tf.float32),
        }


def window_start(time: int, max_context: int | None) -> int:
    """The first position that the prediction of position `time` depends on."""
    if max_context is None or time <= max_context:
        return 0
    slide = max_context - max_context // 2
    return -(-(time - max_context) // slide) * slide


class Continuation:
    """The loops of a language model; compiled once for a model.

    Args:
        model: the model, whose weights may change.
        eager: run as plain Python, so that `decode_step` can be debugged.
    """

    def __init__(self, model: "LanguageModel", eager: bool = False):
        self.model = model
        self.is_compiled = not eager
        options: dict[str, Any] = {"autograph": False, "reduce_retracing": True}
        self._prefill = model.prefill if eager else tf.function(model.prefill, **options)
        self._decode: Any = self._steps if eager else tf.function(self._steps, **options)

    def run(
        self,
        prompts: Sequence[Sequence[int]],
        options: SamplingOptions,
        key: tf.Tensor,
        stop_ids: Sequence[int] = (),
    ) -> list[list[int]]:
        """The new tokens of each prompt, the END or stop token that ended it included.

        Args:
            prompts: ids, without the END that they begin after.
            options: how tokens are chosen.
            key: seed, int32[2].
            stop_ids: tokens besides END that end a row.
        """
        if not prompts:
            return []
        rows = self._begin(prompts, options)
        time = min(map(len, prompts)) + 1
        while time < rows["tokens"].shape[1] and not tf.reduce_all(rows["finished"]):
            start, state = self._open_window(rows["tokens"], time)
            stop = rows["tokens"].shape[1]
            if self.model.max_context is not None:
                stop = min(stop, start + self.model.max_context + 1)
            rows, _ = self._advance(rows, state, time, stop, options, key, stop_ids)
            time = stop
        tokens = rows["tokens"].numpy()
        return [
            [int(i) for i in row[len(prompt) + 1 :] if i not in (FREE, text.PAD)]
            for row, prompt in zip(tokens, prompts, strict=True)
        ]

    def steps(
        self,
        prompt: Sequence[int],
        options: SamplingOptions,
        key: tf.Tensor,
        stop_ids: Sequence[int] = (),
    ) -> Iterator[int]:
        """The tokens of `run` for one prompt, one after the other, without the END."""
        rows = self._begin([prompt], options)
        start = None
        for time in range(len(prompt) + 1, rows["tokens"].shape[1]):
            if start != window_start(time, self.model.max_context):
                start, state = self._open_window(rows["tokens"], time)
            rows, state = self._advance(rows, state, time, time + 1, options, key, stop_ids)
            token = int(rows["tokens"][0, time])
            if token != text.END:
                yield token
            if rows["finished"][0]:
                return

    def _begin(
        self, prompts: Sequence[Sequence[int]], options: SamplingOptions
    ) -> dict[str, tf.Tensor]:
        """The rows before the first step: END, prompt, free positions."""
        ends = np.array([len(prompt) + options.max_length for prompt in prompts], np.int32)
        tokens = np.full((len(prompts), ends.max() + 1), FREE, np.int32)
        size = self.model.vocabulary_sizes["text"]
        used = np.zeros((len(prompts), size), bool)
        for row, prompt, seen in zip(tokens, prompts, used, strict=True):
            row[: len(prompt) + 1] = [text.END, *prompt]
            seen[list(prompt)] = True
        finished = np.zeros(len(prompts), bool)
        arrays = {"tokens": tokens, "ends": ends, "used": used, "finished": finished}
        return {name: tf.constant(array) for name, array in arrays.items()}

    def _open_window(self, tokens: tf.Tensor, time: int) -> tuple[int, Any]:
        """(first position of the window, state before its last token) for a position."""
        start = window_start(time, self.model.max_context)
        if time - 1 == start:
            return start, self.model.initial_state(tokens.shape[0])
        return start, self._prefill(tokens[:, start : time - 1])

    def _advance(
        self,
        rows: dict[str, tf.Tensor],
        state: Any,
        time: int,
        stop: int,
        options: SamplingOptions,
        key: tf.Tensor,
        stop_ids: Sequence[int],
    ) -> tuple[dict[str, tf.Tensor], Any]:
        """The rows and the state after the positions from `time` up to `stop`."""
        bounds = tf.constant(time), tf.constant(stop)
        ends = tf.constant([text.END, *stop_ids], tf.int32)
        arguments = *bounds, key, ends
        if self.is_compiled:  # once for all lengths of a cache
            shapes = self.model.state_shapes(state)
            specs = tf.nest.map_structure(lambda x, s: tf.TensorSpec(s, x.dtype), state, shapes)
            self._decode.get_concrete_function(rows, specs, *arguments, **options.tensors())
        return self._decode(rows, state, *arguments, **options.tensors())

    def _steps(
        self,
        rows: dict[str, tf.Tensor],
        state: Any,
        time: tf.Tensor,
        stop: tf.Tensor,
        key: tf.Tensor,
        end_ids: tf.Tensor,
        temperature: tf.Tensor | None,
        top_k: tf.Tensor | None,
        top_p: tf.Tensor | None,
        repetition_penalty: tf.Tensor,
    ) -> tuple[dict[str, tf.Tensor], Any]:
        size = self.model.vocabulary_sizes["text"]
        ids = tf.range(size)
        forbidden = tf.where(
            (ids == text.PAD) | (ids == text.UNKNOWN) | (ids == text.START), NEG_INF, 0.0
        )

        def choose(logits: tf.Tensor, used: tf.Tensor, time: tf.Tensor) -> tf.Tensor:
            logits = penalize_repetition(tf.cast(logits, tf.float32), used, repetition_penalty)
            logits += forbidden
            if temperature is None:
                return tf.argmax(logits, -1, tf.int32)
            return sample_token(logits, key, time, temperature, top_k, top_p)

        def should_continue(time: tf.Tensor, rows: dict[str, tf.Tensor], _: Any) -> tf.Tensor:
            return (time < stop) & ~tf.reduce_all(rows["finished"])

        def advance(time: tf.Tensor, rows: dict[str, tf.Tensor], state: Any) -> tuple:
            tokens = rows["tokens"]
            # A finished row continues with padding, which has no effect.
            logits, state = self.model.decode_step(tokens[:, time - 1], state)
            state = tf.nest.map_structure(tf.ensure_shape, state, state_shapes)
            new = choose(logits, rows["used"], time)
            fixed = tokens[:, time]
            free = (fixed == FREE) & ~rows["finished"]
            token = tf.where(free, new, tf.where(fixed == FREE, text.PAD, fixed))
            ended = tf.reduce_any(token[:, None] == end_ids, -1)
            here = tf.range(tf.shape(tokens)[1]) == time
            changed = {
                "tokens": tf.where(here, token[:, None], tokens),
                "used": rows["used"] | tf.one_hot(token, size, True, False, dtype=tf.bool),
                "finished": rows["finished"] | (free & ended) | (time >= rows["ends"]),
            }
            return time + 1, rows | changed, state

        state_shapes = self.model.state_shapes(state)
        row_shapes = tf.nest.map_structure(lambda x: x.shape, rows)
        _, rows, state = tf.while_loop(
            should_continue,
            advance,
            (time, rows, state),
            shape_invariants=(time.shape, row_shapes, state_shapes),
        )
        return rows, state
