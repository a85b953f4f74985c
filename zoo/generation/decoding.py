"""From a model that scores the next token to sentences: greedy, by sampling, by beam search.

Nothing here knows a model. All that is needed is one step:

    step(tokens, state) -> (logits, state)              or (logits, state, extras)

tokens int32 [n], the last token of each sentence; logits [n, vocabulary] of the next one; state any
nest of tensors [n, ...] whose shapes stay as they are; extras any nest of tensors [n, ...] to be
looked at afterwards, such as attention weights. The loops run eagerly, so that a step can be
printed word by word, and as one graph, inside a `tf.function` or under XLA. They end as soon as
every sentence has. A token that must not come gets the logit -inf.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from zoo.checks import check_numbers
from zoo.errors import UsageError
from zoo.generation.decoding_checks import LENGTH_PENALTY, check_drawing, check_penalty
from zoo.model import to_seed

NEVER = -float("inf")


class Decoded(NamedTuple):
    """What was found; where it says [n], a beam search has [n, beam], the best first.

    tokens: int32 [n, limit], the END token included, zeros after it.
    lengths: int32 [n], number of tokens, END included.
    log_probs: float32 [n], sum of the tokens' log-probabilities.
    scores: float32 [n], the same divided by the length penalty: what beams are sorted by.
    extras: what the steps returned, [n, limit, ...]: entry t was seen when token t was chosen,
        zeros after END; () if there are none.
    """

    tokens: Any
    lengths: Any
    log_probs: Any
    scores: Any
    extras: Any


def greedy(step, state, start, end, limit):
    """The most probable token at each step; ties go to the lower id.

    Args:
        step: see the module.
        state: of n sentences before their first token.
        start, end: ids.
        limit: tokens at most, END included.

    Returns: a `Decoded`.

    Raises:
        UsageError: `limit` is not an integer >= 1, or the state holds no tensor.
    """

    def choose(logits, time):
        token = tf.argmax(logits, -1, tf.int32)
        # No less than one in the size of the vocabulary, so that no logarithm is lost.
        return token, tf.math.log(_rows(tf.nn.softmax(logits), token))

    return _one_by_one(step, state, start, end, limit, choose)


def sample(step, state, start, end, limit, temperature=1.0, top_k=None, top_p=None, seed=0):
    """Tokens drawn at random from softmax(logits / temperature), or from its likely part.

    Args:
        step, state, start, end, limit: as `greedy`.
        temperature: above 0; the nearer to 0, the nearer to greedy.
        top_k: draw from the k most probable tokens only, Fan et al. (2018, arXiv 1805.04833).
        top_p: draw from the fewest most probable tokens whose probabilities sum to top_p or more,
            the nucleus of Holtzman et al. (2020, arXiv 1904.09751); taken after `top_k`.
        seed: an integer, or an int32[2] tensor. The same seed draws the same, but under XLA, which
            has random numbers of its own.

    Returns: a `Decoded`; its log_probs are those of the model, whatever was drawn from.

    Raises:
        UsageError: as `greedy`, or an argument is out of range.
    """
    check_drawing(temperature, top_k, top_p)
    key = to_seed(seed)

    def choose(logits, time):
        now = tf.random.experimental.stateless_fold_in(key, time)
        drawn_from = likely(logits / temperature, top_k, top_p)
        token = tf.random.stateless_categorical(drawn_from, 1, now, tf.int32)[:, 0]
        return token, _rows(logits, token) - tf.reduce_logsumexp(logits, 1)

    return _one_by_one(step, state, start, end, limit, choose)


def likely(logits, top_k=None, top_p=None):
    """Logits [n, vocabulary] with -inf for what lies outside the top k or the nucleus."""
    if top_k is not None:
        kept = tf.math.top_k(logits, tf.minimum(top_k, tf.shape(logits)[-1])).values
        logits = tf.where(logits < kept[:, -1:], NEVER, logits)
    if top_p is not None:
        ranked = tf.sort(logits, direction="DESCENDING")
        before = tf.cumsum(tf.nn.softmax(ranked), axis=-1, exclusive=True)
        least = tf.reduce_min(tf.where(before < top_p, ranked, -NEVER), -1, keepdims=True)
        logits = tf.where(logits < least, NEVER, logits)
    return logits


def beam_search(step, state, start, end, limit, beam=5, length_penalty=LENGTH_PENALTY):
    """The most probable sentences that a search of `beam` at once finds.

    At each step the `beam` unfinished sentences are continued by every token. Of all these, those
    among the `beam` best that end are put aside, and the `beam` best that do not go on. The search
    of a sentence is over when `beam` have ended; at the limit, unfinished ones fill the places
    behind those that ended. Ties go to the better parent, then to the lower id. A beam of 1 is
    `greedy`.

    Scores are log-probabilities divided by ((5 + length) / 6) ** length_penalty, Wu et al. (2016,
    arXiv 1609.08144), eq. 14.

    Args:
        step, state, start, end, limit: as `greedy`; the step sees n * beam sentences.
        beam: how many sentences to keep.
        length_penalty: from 0 up; the larger, the longer the sentences.

    Returns: a `Decoded`; where there are fewer sentences than `beam`, the rest have log_probs -inf.

    Raises:
        UsageError: as `greedy`, or beam < 1, or length_penalty < 0.
    """
    check_numbers(beam=beam)
    check_penalty(length_penalty)
    n, places = _count(state, limit), tf.range(limit)
    state = tf.nest.map_structure(lambda x: tf.repeat(x, beam, axis=0), state)

    def scored(log_probs, length):
        return log_probs / ((5.0 + tf.cast(length, tf.float32)) / 6.0) ** length_penalty

    def over(ended, alive):
        full = tf.reduce_all(ended["scores"] > NEVER, 1)
        return tf.reduce_all(full | tf.reduce_all(alive["log_probs"] == NEVER, 1))

    def going(time, token, alive, ended, *_):
        return (time < limit) & ~over(ended, alive)

    def advance(time, token, alive, ended, state, arrays):
        logits, state, arrays = _call(step, time, token, state, arrays, limit)
        size = tf.shape(logits)[-1]
        log_probs = tf.reshape(tf.nn.log_softmax(logits), [n, beam, size])
        total = alive["log_probs"][..., None] + log_probs
        best, place = tf.math.top_k(tf.reshape(total, [n, beam * size]), 2 * beam)
        parent, chosen = place // size, place % size
        here = places == time
        found = {
            "log_probs": best,
            "scores": scored(best, time + 1),
            "lengths": tf.fill([n, 2 * beam], time + 1),
            "tokens": tf.where(here, chosen[..., None], _rows(alive["tokens"], parent)),
            "paths": tf.where(here, parent[..., None], _rows(alive["paths"], parent)),
        }
        # Those that end, as far as there is room.
        ends = chosen == end
        new = ends & (best > NEVER) & (tf.range(2 * beam) < beam)
        taken = tf.reduce_sum(tf.cast(ended["scores"] > NEVER, tf.int32), 1, keepdims=True)
        new &= taken + tf.cumsum(tf.cast(new, tf.int32), 1) <= beam
        aside = found | {"scores": tf.where(new, found["scores"], NEVER)}
        ended = {name: tf.concat([ended[name], aside[name]], 1) for name in ended}
        ended = _picked(ended, tf.math.top_k(ended["scores"], beam).indices)
        # Those that go on.
        onward = {name: tf.where(ends, NEVER, found[name]) for name in ("log_probs", "scores")}
        keep = tf.math.top_k(onward["log_probs"], beam).indices
        alive = _picked(found | onward, keep)
        rows = tf.reshape(tf.range(n)[:, None] * beam + _rows(parent, keep), [-1])
        state = tf.nest.map_structure(lambda x: tf.gather(x, rows), state)
        return time + 1, tf.reshape(_rows(chosen, keep), [-1]), alive, ended, state, arrays

    nothing = {
        "log_probs": tf.fill([n, beam], NEVER),
        "scores": tf.fill([n, beam], NEVER),
        "lengths": tf.zeros([n, beam], tf.int32),
        "tokens": tf.zeros([n, beam, limit], tf.int32),
        "paths": tf.zeros([n, beam, limit], tf.int32),
    }
    one = tf.tile(tf.where(tf.range(beam) == 0, 0.0, NEVER)[None], [n, 1])
    alive = nothing | {"log_probs": one}
    first = advance(tf.constant(0), tf.fill([n * beam], start), alive, nothing, state, None)
    _, _, alive, ended, _, arrays = tf.while_loop(going, advance, first)
    rank = 2 * tf.cast(ended["scores"] > NEVER, tf.int32)
    rank = tf.concat([rank, tf.cast(alive["log_probs"] > NEVER, tf.int32)], 1)
    both = {name: tf.concat([ended[name], alive[name]], 1) for name in ended}
    found = _picked(both, tf.math.top_k(rank, beam).indices)

    def along(x):
        """[limit, n * beam, ...] -> [n, beam, limit, ...]: each sentence's own steps."""
        x = tf.reshape(x, tf.concat([[limit, n, beam], tf.shape(x)[2:]], 0))
        x = _swapped(x, 0, 1)
        return _swapped(tf.gather(x, _swapped(found["paths"], 1, 2), axis=2, batch_dims=2), 1, 2)

    extras = tf.nest.map_structure(lambda array: along(array.stack()), arrays)
    return _decoded(found["tokens"], found["lengths"], found["log_probs"], found["scores"], extras)


def _one_by_one(step, state, start, end, limit, choose):
    """A token a step for each sentence; choose(logits, time) -> (tokens, log-probabilities)."""
    n = _count(state, limit)

    def going(time, token, ended, *_):
        return (time < limit) & ~tf.reduce_all(ended)

    def advance(time, token, ended, total, length, tokens, state, arrays):
        logits, state, arrays = _call(step, time, token, state, arrays, limit)
        token, log_prob = choose(logits, time)
        total += tf.where(ended, 0.0, log_prob)
        length += tf.cast(~ended, tf.int32)
        tokens = tokens.write(time, tf.where(ended, 0, token))
        return time + 1, token, ended | (token == end), total, length, tokens, state, arrays

    tokens = tf.TensorArray(tf.int32, limit)
    zeros = tf.zeros([n], tf.bool), tf.zeros([n]), tf.zeros([n], tf.int32)
    first = advance(tf.constant(0), tf.fill([n], start), *zeros, tokens, state, None)
    _, _, _, total, length, tokens, _, arrays = tf.while_loop(going, advance, first)
    extras = tf.nest.map_structure(lambda array: _swapped(array.stack(), 0, 1), arrays)
    return _decoded(_swapped(tokens.stack(), 0, 1), length, total, total, extras)


def _call(step, time, token, state, arrays, limit):
    """(float32 logits, new state, arrays with the extras written) of one step."""
    logits, new, *extras = step(token, state)
    extras = extras[0] if extras else ()
    if arrays is None:  # the first step says what extras there are
        arrays = tf.nest.map_structure(lambda x: tf.TensorArray(x.dtype, limit), extras)
    arrays = tf.nest.map_structure(lambda array, x: array.write(time, x), arrays, extras)
    new = tf.nest.map_structure(lambda x, old: tf.ensure_shape(x, old.shape), new, state)
    return tf.cast(logits, tf.float32), new, arrays


def _decoded(tokens, lengths, log_probs, scores, extras):
    inside = tf.range(tf.shape(tokens)[-1]) < lengths[..., None]

    def cut(x):
        more = tf.ones(tf.rank(x) - tf.rank(inside), tf.int32)
        return tf.where(
            tf.reshape(inside, tf.concat([tf.shape(inside), more], 0)), x, tf.zeros_like(x)
        )

    return Decoded(tokens, lengths, log_probs, scores, tf.nest.map_structure(cut, extras))


def _count(state, limit):
    """Number of sentences, an int where it is known."""
    if not tf.is_tensor(limit):
        check_numbers(limit=limit)
    tensors = tf.nest.flatten(state)
    if not tensors:
        raise UsageError(
            "the state must hold a tensor [n, ...], to say how many sentences there are"
        )
    known = tensors[0].shape[0]
    return tf.shape(tensors[0])[0] if known is None else known


def _rows(x, places):
    """x [n, k, ...] at places [n, j] -> [n, j, ...], or at [n] -> [n, ...]."""
    return tf.gather(x, places, axis=1, batch_dims=1)


def _picked(found, places):
    return {name: _rows(value, places) for name, value in found.items()}


def _swapped(x, a, b):
    axes = list(range(len(x.shape)))
    axes[a], axes[b] = b, a
    return tf.transpose(x, axes)
