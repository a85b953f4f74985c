"""Decoding: from a model of the next token to sequences, by greedy search, sampling, beam search.

The functions are independent of any model. They need only one decoding step:

    step(tokens, state) -> (logits, state)              or (logits, state, aux)

tokens is int32 [n], the last token of each sequence; logits [n, vocabulary] are those of the next
token; state is any nest of tensors [n, ...], whose shape is constant except where the first step
leaves an axis unknown, as the growing one of a cache; aux is any nest of tensors [n, ...] to return
with the tokens, such as attention weights. The loops run eagerly, so that each step can be printed,
inside a `tf.function`, and under XLA if all shapes are constant. They end as soon as every sequence
has ended. A forbidden token has the logit -inf.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from zoo.generation.beam_search import beam_search
from zoo.generation.decoding_checks import check_sampling
from zoo.generation.decoding_result import DecodingResult, masked_result
from zoo.generation.decoding_steps import (
    Step,
    call_step,
    count_sequences,
    exchange_axes,
    gather_rows,
)
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

Choose = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


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
        return token, tf.math.log(gather_rows(tf.nn.softmax(logits), token))

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

    Raises UsageError: as in `greedy`, or an argument is out of range.
    """
    check_sampling(temperature, top_k, top_p)
    key = to_seed(seed)

    def choose(logits: tf.Tensor, time: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        token = sample_token(logits, key, time, temperature, top_k, top_p)
        return token, gather_rows(logits, token) - tf.reduce_logsumexp(logits, 1)

    return _decode_step_by_step(step, state, start_id, end_id, max_length, choose)


def _decode_step_by_step(
    step: Step, state: Any, start_id: int, end_id: int, max_length: int | tf.Tensor, choose: Choose
) -> DecodingResult:
    """One token per step and sequence; choose(logits, time) -> (tokens, log-probabilities)."""
    n = count_sequences(state, max_length)

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
        logits, state, arrays = call_step(step, time, token, state, arrays, max_length)
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
    aux = tf.nest.map_structure(lambda array: exchange_axes(array.stack(), 0, 1), arrays)
    return masked_result(exchange_axes(tokens.stack(), 0, 1), length, total, total, aux)
