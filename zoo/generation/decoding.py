"""Decoding: from a model of the next token to sequences, by greedy search, sampling, beam search.

The functions are independent of any model. They need only one decoding step:

    step(tokens, state) -> (logits, state)              or (logits, state, aux)

tokens is int32 [n], the last token of each sequence; logits [n, vocabulary] are those of the next
token; state is any nest of tensors [n, ...] of constant shape; aux is any nest of tensors [n, ...]
to return with the tokens, such as attention weights. The loops run eagerly, so that each step can
be printed, inside a `tf.function`, and under XLA. They end as soon as every sequence has ended. A
forbidden token has the logit -inf.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from zoo.checks import check_numbers
from zoo.errors import UsageError
from zoo.generation.decoding_checks import LENGTH_PENALTY, check_length_penalty, check_sampling
from zoo.generation.decoding_result import DecodingResult, masked_result
from zoo.generation.token_sampling import NEG_INF, filter_top_k_top_p, sample_token
from zoo.model import to_seed

__all__ = [
    "NEG_INF",
    "DecodingResult",
    "Step",
    "beam_search",
    "filter_top_k_top_p",
    "greedy",
    "sample",
]

Step = Callable[[tf.Tensor, Any], tuple]
Choose = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
Beams = dict[str, tf.Tensor]


def greedy(
    step: Step, state: Any, start_id: int, end_id: int, max_length: int | tf.Tensor
) -> DecodingResult:
    """The most probable token at each step; ties go to the lower id.

    Args:
        step: see the module's docstring.
        state: the state of n sequences before their first token.
        start_id, end_id: ids of the START and END tokens.
        max_length: maximum number of tokens, END included.

    Raises UsageError: `max_length` is not an integer >= 1, or the state contains no tensor.
    """

    def choose(logits: tf.Tensor, time: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        token = tf.argmax(logits, -1, tf.int32)
        # The largest probability is at least 1 / vocabulary, so its logarithm loses no precision.
        return token, tf.math.log(_gather_rows(tf.nn.softmax(logits), token))

    return _decode_step_by_step(step, state, start_id, end_id, max_length, choose)


def sample(
    step: Step,
    state: Any,
    start_id: int,
    end_id: int,
    max_length: int | tf.Tensor,
    temperature: float | tf.Tensor = 1.0,
    top_k: int | tf.Tensor | None = None,
    top_p: float | tf.Tensor | None = None,
    seed: Any = 0,
) -> DecodingResult:
    """Samples tokens from softmax(logits / temperature), or from its most probable part.

    Args:
        step, state, start_id, end_id, max_length: as in `greedy`.
        temperature: above 0; small values approach greedy search.
        top_k: sample from the k most probable tokens only, Fan et al. (2018, arXiv 1805.04833).
        top_p: sample from the fewest most probable tokens whose probabilities sum to top_p or more,
            the nucleus of Holtzman et al. (2020, arXiv 1904.09751); applied after `top_k`.
        seed: an integer, or an int32[2] tensor. The same seed gives the same samples, except under
            XLA, which has its own random numbers.

    Returns: a `DecodingResult`; its log_probs are those of the unmodified model.

    Raises UsageError: as `greedy`, or an argument is out of range.
    """
    check_sampling(temperature, top_k, top_p)
    key = to_seed(seed)

    def choose(logits: tf.Tensor, time: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        token = sample_token(logits, key, time, temperature, top_k, top_p)
        return token, _gather_rows(logits, token) - tf.reduce_logsumexp(logits, 1)

    return _decode_step_by_step(step, state, start_id, end_id, max_length, choose)


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

    Raises UsageError: as `greedy`, or num_beams < 1, or length_penalty < 0.
    """
    check_numbers(num_beams=num_beams)
    check_length_penalty(length_penalty)
    n = _batch_size(state, max_length)
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
        logits, state, arrays = _call_step(step, time, token, state, arrays, max_length)
        size = tf.shape(logits)[-1]
        log_probs = tf.reshape(tf.nn.log_softmax(logits), [n, num_beams, size])
        totals = alive["log_probs"][..., None] + log_probs
        best, index = tf.math.top_k(tf.reshape(totals, [n, num_beams * size]), 2 * num_beams)
        parent = index // size
        chosen = index % size
        current = positions == time
        candidates = {
            "log_probs": best,
            "scores": penalized(best, time + 1),
            "lengths": tf.fill([n, 2 * num_beams], time + 1),
            "tokens": tf.where(current, chosen[..., None], _gather_rows(alive["tokens"], parent)),
            "paths": tf.where(current, parent[..., None], _gather_rows(alive["paths"], parent)),
        }
        # Candidates that end, as far as there is room.
        ends = chosen == end_id
        new = ends & (best > NEG_INF) & (tf.range(2 * num_beams) < num_beams)
        count = tf.reduce_sum(tf.cast(finished["scores"] > NEG_INF, tf.int32), 1, keepdims=True)
        new &= count + tf.cumsum(tf.cast(new, tf.int32), 1) <= num_beams
        ending = candidates | {"scores": tf.where(new, candidates["scores"], NEG_INF)}
        finished = {name: tf.concat([finished[name], ending[name]], 1) for name in finished}
        finished = _select(finished, tf.math.top_k(finished["scores"], num_beams).indices)
        # Candidates that continue.
        masked = {k: tf.where(ends, NEG_INF, candidates[k]) for k in ("log_probs", "scores")}
        keep = tf.math.top_k(masked["log_probs"], num_beams).indices
        alive = _select(candidates | masked, keep)
        rows = tf.reshape(tf.range(n)[:, None] * num_beams + _gather_rows(parent, keep), [-1])
        state = tf.nest.map_structure(lambda x: tf.gather(x, rows), state)
        token = tf.reshape(_gather_rows(chosen, keep), [-1])
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
        x = _transpose(x, 0, 1)
        paths = _transpose(result["paths"], 1, 2)
        return _transpose(tf.gather(x, paths, axis=2, batch_dims=2), 1, 2)

    aux = tf.nest.map_structure(lambda array: follow_paths(array.stack()), arrays)
    return masked_result(
        result["tokens"], result["lengths"], result["log_probs"], result["scores"], aux
    )


def _decode_step_by_step(
    step: Step, state: Any, start_id: int, end_id: int, max_length: int | tf.Tensor, choose: Choose
) -> DecodingResult:
    """One token per step and sequence; choose(logits, time) -> (tokens, log-probabilities)."""
    n = _batch_size(state, max_length)

    def should_continue(
        time: tf.Tensor, token: tf.Tensor, finished: tf.Tensor, *_: Any
    ) -> tf.Tensor:
        return (time < max_length) & ~tf.reduce_all(finished)

    def advance(
        time: tf.Tensor,
        token: tf.Tensor,
        finished: tf.Tensor,
        total: tf.Tensor,
        length: tf.Tensor,
        tokens: tf.TensorArray,
        state: Any,
        arrays: Any,
    ) -> tuple:
        logits, state, arrays = _call_step(step, time, token, state, arrays, max_length)
        token, log_prob = choose(logits, time)
        total += tf.where(finished, 0.0, log_prob)
        length += tf.cast(~finished, tf.int32)
        tokens = tokens.write(time, tf.where(finished, 0, token))
        finished = finished | (token == end_id)
        return time + 1, token, finished, total, length, tokens, state, arrays

    tokens = tf.TensorArray(tf.int32, max_length)
    zeros = tf.zeros([n], tf.bool), tf.zeros([n]), tf.zeros([n], tf.int32)
    first = advance(tf.constant(0), tf.fill([n], start_id), *zeros, tokens, state, None)
    _, _, _, total, length, tokens, _, arrays = tf.while_loop(should_continue, advance, first)
    aux = tf.nest.map_structure(lambda array: _transpose(array.stack(), 0, 1), arrays)
    return masked_result(_transpose(tokens.stack(), 0, 1), length, total, total, aux)


def _call_step(
    step: Step,
    time: tf.Tensor,
    token: tf.Tensor,
    state: Any,
    arrays: Any,
    max_length: int | tf.Tensor,
) -> tuple[tf.Tensor, Any, Any]:
    """(float32 logits, new state, arrays with aux written) of one step."""
    logits, new, *rest = step(token, state)
    aux = rest[0] if rest else ()
    if arrays is None:  # the first step defines the structure of aux
        arrays = tf.nest.map_structure(lambda x: tf.TensorArray(x.dtype, max_length), aux)
    arrays = tf.nest.map_structure(lambda array, x: array.write(time, x), arrays, aux)
    new = tf.nest.map_structure(lambda x, old: tf.ensure_shape(x, old.shape), new, state)
    return tf.cast(logits, tf.float32), new, arrays


def _batch_size(state: Any, max_length: int | tf.Tensor) -> int | tf.Tensor:
    """Number of sequences, an int if it is static."""
    if not tf.is_tensor(max_length):
        check_numbers(max_length=max_length)
    tensors = tf.nest.flatten(state)
    if not tensors:
        raise UsageError("the state must contain a tensor [n, ...] for n sequences, got none")
    return tf.shape(tensors[0])[0] if tensors[0].shape[0] is None else tensors[0].shape[0]


def _gather_rows(x: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
    """x [n, k, ...] at indices [n, j] -> [n, j, ...], or at [n] -> [n, ...]."""
    return tf.gather(x, indices, axis=1, batch_dims=1)


def _select(tensors: Beams, indices: tf.Tensor) -> Beams:
    return {name: _gather_rows(value, indices) for name, value in tensors.items()}


def _transpose(x: tf.Tensor, a: int, b: int) -> tf.Tensor:
    """x with the axes a and b exchanged."""
    axes = list(range(len(x.shape)))
    axes[a], axes[b] = axes[b], axes[a]
    return tf.transpose(x, axes)
