"""Beam search, for `zoo.generation.decoding`."""

from typing import Any

import tensorflow as tf

from zoo.checks import check_numbers
from zoo.generation.decoding_checks import LENGTH_PENALTY, check_length_penalty
from zoo.generation.decoding_result import DecodingResult, masked_result
from zoo.generation.decoding_steps import (
    Step,
    call_step,
    count_sequences,
    exchange_axes,
    gather_rows,
)
from zoo.generation.token_sampling import NEG_INF

LARGE_VOCABULARY = 2000  # from which `top_k` divides the ids into groups
GROUP = 64  # ids in a group

Beams = dict[str, tf.Tensor]


def beam_search(
    step: Step,
    state: Any,
    start_id: int,
    end_id: int,
    max_length: int | tf.Tensor,
    num_beams: int = 5,
    length_penalty: float | tf.Tensor = LENGTH_PENALTY,
) -> DecodingResult:
    """Beam search: the most probable sequences found with `num_beams` hypotheses at a time.

    Each step extends the `num_beams` unfinished hypotheses by every token. Of all candidates, those
    among the `num_beams` best that end are set aside as finished, and the `num_beams` best that do
    not end are continued. The search for a source is complete when `num_beams` have finished; at
    `max_length`, unfinished hypotheses fill the ranks after the finished ones. Ties go to the
    better parent, then to the lower id. With `num_beams=1` this is `greedy`.

    Scores are log-probabilities divided by ((5 + length) / 6) ** length_penalty, Wu et al. (2016,
    arXiv 1609.08144), eq. 14.

    Args:
        step, state, start_id, end_id, max_length: as in `greedy`; `step` gets n * num_beams rows.
        num_beams: number of hypotheses.
        length_penalty: 0 or more; larger values favor longer sequences.

    Returns: a `DecodingResult`; beams beyond the number of possible sequences have log_probs -inf.

    Raises UsageError: as in `greedy`, or num_beams < 1, or length_penalty < 0.
    """
    check_numbers(num_beams=num_beams)
    check_length_penalty(length_penalty)
    n = count_sequences(state, max_length)
    positions = tf.range(max_length)
    state = tf.nest.map_structure(lambda x: tf.repeat(x, num_beams, axis=0), state)

    def penalized(log_probs: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
        return log_probs / ((5.0 + tf.cast(length, tf.float32)) / 6.0) ** length_penalty

    def is_complete(finished: Beams, alive: Beams) -> tf.Tensor:
        full = tf.reduce_all(finished["scores"] > NEG_INF, 1)
        return tf.reduce_all(full | tf.reduce_all(alive["log_probs"] == NEG_INF, 1))

    def should_continue(
        time: tf.Tensor, token: tf.Tensor, alive: Beams, finished: Beams, *_: Any
    ) -> tf.Tensor:
        return (time < max_length) & ~is_complete(finished, alive)

    def advance(
        time: tf.Tensor, token: tf.Tensor, alive: Beams, finished: Beams, state: Any, arrays: Any
    ) -> tuple:
        logits, new_state, arrays = call_step(step, time, token, state, arrays, max_length)
        # The best of all candidates are among the best of each hypothesis.
        count = tf.minimum(2 * num_beams, tf.shape(logits)[-1])
        log_probs, ids = _best_tokens(logits, count)
        totals = alive["log_probs"][..., None] + tf.reshape(log_probs, [n, num_beams, count])
        best, index = tf.math.top_k(tf.reshape(totals, [n, num_beams * count]), 2 * num_beams)
        parent = index // count
        chosen = gather_rows(tf.reshape(ids, [n, num_beams * count]), index)
        current = positions == time
        candidates = {
            "log_probs": best,
            "scores": penalized(best, time + 1),
            "lengths": tf.fill([n, 2 * num_beams], time + 1),
            "tokens": tf.where(current, chosen[..., None], gather_rows(alive["tokens"], parent)),
            "paths": tf.where(current, parent[..., None], gather_rows(alive["paths"], parent)),
        }
        # Candidates that end, as far as there is room.
        ends = chosen == end_id
        new = ends & (best > NEG_INF) & (tf.range(2 * num_beams) < num_beams)
        ended = tf.reduce_sum(tf.cast(finished["scores"] > NEG_INF, tf.int32), 1, keepdims=True)
        new &= ended + tf.cumsum(tf.cast(new, tf.int32), 1) <= num_beams
        ending = candidates | {"scores": tf.where(new, candidates["scores"], NEG_INF)}
        finished = {name: tf.concat([finished[name], ending[name]], 1) for name in finished}
        finished = _select(finished, tf.math.top_k(finished["scores"], num_beams).indices)
        # Candidates that continue.
        masked = {k: tf.where(ends, NEG_INF, candidates[k]) for k in ("log_probs", "scores")}
        keep = tf.math.top_k(masked["log_probs"], num_beams).indices
        alive = _select(candidates | masked, keep)
        rows = tf.reshape(tf.range(n)[:, None] * num_beams + gather_rows(parent, keep), [-1])
        # What a step returns as it is, is the same for all hypotheses of a source.
        state = tf.nest.map_structure(
            lambda x, old: x if x is old else tf.gather(x, rows), new_state, state
        )
        token = tf.reshape(gather_rows(chosen, keep), [-1])
        return time + 1, token, alive, finished, state, arrays

    empty = {
        "log_probs": tf.fill([n, num_beams], NEG_INF),
        "scores": tf.fill([n, num_beams], NEG_INF),
        "lengths": tf.zeros([n, num_beams], tf.int32),
        "tokens": tf.zeros([n, num_beams, max_length], tf.int32),
        "paths": tf.zeros([n, num_beams, max_length], tf.int32),
    }
    first_only = tf.tile(tf.where(tf.range(num_beams) == 0, 0.0, NEG_INF)[None], [n, 1])
    alive = empty | {"log_probs": first_only}
    token = tf.fill([n * num_beams], start_id)
    first = advance(tf.constant(0), token, alive, empty, state, None)
    _, _, alive, finished, _, arrays = tf.while_loop(should_continue, advance, first)
    rank = 2 * tf.cast(finished["scores"] > NEG_INF, tf.int32)
    rank = tf.concat([rank, tf.cast(alive["log_probs"] > NEG_INF, tf.int32)], 1)
    both = {name: tf.concat([finished[name], alive[name]], 1) for name in finished}
    result = _select(both, tf.math.top_k(rank, num_beams).indices)

    def follow_paths(x: tf.Tensor) -> tf.Tensor:
        """[max_length, n * num_beams, ...] -> [n, num_beams, max_length, ...], along the beams."""
        x = tf.reshape(x, tf.concat([[max_length, n, num_beams], tf.shape(x)[2:]], 0))
        x = exchange_axes(x, 0, 1)
        paths = exchange_axes(result["paths"], 1, 2)
        return exchange_axes(tf.gather(x, paths, axis=2, batch_dims=2), 1, 2)

    aux = tf.nest.map_structure(lambda array: follow_paths(array.stack()), arrays)
    return masked_result(
        result["tokens"], result["lengths"], result["log_probs"], result["scores"], aux
    )


def _best_tokens(logits: tf.Tensor, count: int | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The most probable tokens of logits [n, vocabulary]: (log-probabilities, ids) [n, count]."""
    best, ids = top_k(logits, count)
    # The largest probability is at least 1 / vocabulary, so its logarithm loses no precision.
    log_prob = tf.math.log(gather_rows(tf.nn.softmax(logits), ids[:, 0]))
    return best - best[:, :1] + log_prob[:, None], ids


def top_k(x: tf.Tensor, k: int | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """`tf.math.top_k` of x [n, m]: (values, indices) [n, k], faster if m is large.

    The k largest values are in the k groups of columns with the largest maxima.
    """
    m = x.shape[-1]
    if m is None or m < LARGE_VOCABULARY:
        return tf.math.top_k(x, k)
    padded = tf.pad(x, ((0, 0), (0, -m % GROUP)), constant_values=NEG_INF)
    count = padded.shape[-1] // GROUP
    groups = tf.reshape(padded, (-1, count, GROUP))
    kept = tf.minimum(k, count)
    best = tf.math.top_k(tf.reduce_max(groups, -1), kept).indices
    best = tf.sort(best)  # ties go to the lower index
    candidates = tf.reshape(gather_rows(groups, best), (-1, kept * GROUP))
    values, columns = tf.math.top_k(candidates, k)
    return values, gather_rows(best, columns // GROUP) * GROUP + columns % GROUP


def _select(tensors: Beams, indices: tf.Tensor) -> Beams:
    return {name: gather_rows(value, indices) for name, value in tensors.items()}
