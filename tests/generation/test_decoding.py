"""Decoding gives the results of a slow search in plain Python, eagerly and as a graph."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from zoo.errors import UsageError
from zoo.generation import decoding
from zoo.generation.beam_search import LARGE_VOCABULARY, top_k

START, END, SIZE, MAX_LENGTH = 2, 3, 7, 6


def tables(count, seed=0, sharp=1.5):
    """One Markov model for each sentence: log-probabilities [count, time, last, next].

    It changes in time, so that no two sentences tie.
    """
    logits = np.random.default_rng(seed).normal(0, sharp, (count, MAX_LENGTH, SIZE, SIZE))
    return tf.nn.log_softmax(logits.astype(np.float32)).numpy()


def step(tokens, state):
    """The next token's logits from the table of the sequence; counts the steps."""
    now = tf.gather(state["table"], state["steps"], axis=1, batch_dims=1)
    logits = tf.gather(now, tokens, axis=1, batch_dims=1)
    aux = {"token": tokens, "weights": tf.nn.softmax(logits)}
    return logits, {"table": state["table"], "steps": state["steps"] + 1}, aux


def state_of(table):
    return {"table": tf.constant(table), "steps": tf.zeros(len(table), tf.int32)}


def penalty(length, alpha):
    return ((5 + length) / 6) ** alpha


def plain_beam_search(table, num_beams, alpha, max_length=MAX_LENGTH):
    """The rules of `beam_search`, one sentence, lists only: [(score, log-probability, tokens)]."""
    alive, ended = [(0.0, [])], []
    for time in range(1, max_length + 1):
        found = [
            (total + float(table[time - 1, [START, *tokens][-1], token]), [*tokens, token])
            for total, tokens in alive
            for token in range(SIZE)
        ]
        ranked = sorted(found, key=lambda one: -one[0])[
            : 2 * num_beams
        ]  # stable: ties as they came
        for total, tokens in ranked[:num_beams]:
            if tokens[-1] == END and len(ended) < num_beams:
                ended.append((total / penalty(time, alpha), total, tokens))
        alive = [one for one in ranked if one[1][-1] != END][:num_beams]
        if len(ended) == num_beams:
            break
    rest = [(total / penalty(len(tokens), alpha), total, tokens) for total, tokens in alive]
    return (sorted(ended, key=lambda one: -one[0]) + rest)[:num_beams]


def assert_same(found, table, num_beams, alpha):
    for row, one in enumerate(table):
        for place, (score, total, tokens) in enumerate(plain_beam_search(one, num_beams, alpha)):
            length = int(found.lengths[row, place])
            assert found.tokens[row, place, :length].numpy().tolist() == tokens
            assert not found.tokens[row, place, length:].numpy().any()
            assert float(found.log_probs[row, place]) == pytest.approx(total, abs=1e-4)
            assert float(found.scores[row, place]) == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize("num_beams", [1, 2, 5])
@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
def test_beam_search_equals_plain_python(num_beams, alpha):
    table = tables(40, seed=num_beams)
    found = decoding.beam_search(step, state_of(table), START, END, MAX_LENGTH, num_beams, alpha)
    assert found.tokens.shape == (40, num_beams, MAX_LENGTH)
    assert_same(found, table, num_beams, alpha)


def test_a_wide_beam_finds_the_most_probable_sequence():
    table, max_length = tables(5, sharp=1.0), 4
    found = decoding.beam_search(step, state_of(table), START, END, max_length, SIZE**3, 0.0)
    others = [token for token in range(SIZE) if token != END]
    for row, one in enumerate(table):
        sentences = {(): 0.0}
        best = -math.inf
        for time in range(max_length):
            ends = [total + one[time, (START, *s)[-1], END] for s, total in sentences.items()]
            best = max(best, *ends)
            sentences = {
                (*s, token): total + one[time, (START, *s)[-1], token]
                for s, total in sentences.items()
                for token in others
            }
        assert float(found.log_probs[row, 0]) == pytest.approx(best, abs=1e-4)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_beam_of_one_is_greedy(alpha):
    state = state_of(tables(60, seed=3))
    one = decoding.beam_search(step, state, START, END, MAX_LENGTH, 1, alpha)
    greedy = decoding.greedy(step, state, START, END, MAX_LENGTH)
    assert np.array_equal(one.tokens[:, 0], greedy.tokens)
    assert np.array_equal(one.lengths[:, 0], greedy.lengths)
    assert np.allclose(one.log_probs[:, 0], greedy.log_probs, atol=1e-5)
    assert 1 < np.mean(greedy.lengths) < MAX_LENGTH  # some end, some do not


def test_greedy_takes_the_largest_and_stops_at_end():
    table = tables(20, seed=5)
    found = decoding.greedy(step, state_of(table), START, END, MAX_LENGTH)
    for row, one in enumerate(table):
        tokens, total = [], 0.0
        while len(tokens) < MAX_LENGTH and END not in tokens:
            row_of_table = one[len(tokens), [START, *tokens][-1]]
            tokens.append(int(row_of_table.argmax()))
            total += row_of_table.max()
        assert found.tokens[row].numpy().tolist() == tokens + [0] * (MAX_LENGTH - len(tokens))
        assert found.lengths[row] == len(tokens)
        assert float(found.log_probs[row]) == pytest.approx(total, abs=1e-4)


def test_ties_go_to_the_lower_id():
    table = np.full((1, MAX_LENGTH, SIZE, SIZE), -math.log(8), np.float32)
    assert decoding.greedy(step, state_of(table), START, END, 3).tokens.numpy().tolist() == [
        [0] * 3
    ]
    found = decoding.beam_search(step, state_of(table), START, END, 2, 4, 0.0)
    expected = plain_beam_search(tf.nn.log_softmax(table)[0].numpy(), 4, 0.0, 2)
    assert found.lengths.numpy().tolist() == [[len(tokens) for *_, tokens in expected]]
    for place, (*_, tokens) in enumerate(expected):
        assert found.tokens[0, place, : len(tokens)].numpy().tolist() == tokens


@pytest.mark.parametrize("k", [10, 300])  # less and more than there are groups
@pytest.mark.parametrize("size", [LARGE_VOCABULARY, 4 * LARGE_VOCABULARY + 3])
def test_the_best_tokens_of_a_large_vocabulary_are_those_of_tensorflow(size, k):
    logits = np.random.default_rng(size).integers(0, size // 2, (30, size)).astype("float32")
    logits[0] = -math.inf
    found, expected = top_k(tf.constant(logits), k), tf.math.top_k(logits, k)
    np.testing.assert_array_equal(found[0], expected.values)
    np.testing.assert_array_equal(found[1], expected.indices)  # there are ties


DECODERS = {
    "greedy": lambda state: decoding.greedy(step, state, START, END, MAX_LENGTH),
    "beam search": lambda state: decoding.beam_search(step, state, START, END, MAX_LENGTH, 3),
    "sample": lambda state: decoding.sample(
        step, state, START, END, MAX_LENGTH, 0.9, 4, 0.9, seed=1
    ),
}


@pytest.mark.parametrize(
    ("name", "jit"),
    [("greedy", False), ("beam search", False), ("sample", False), ("beam search", True)],
)
def test_graph_and_eager_agree(name, jit):
    state, decode = state_of(tables(8, seed=7)), DECODERS[name]
    eager, graph = decode(state), tf.function(decode, jit_compile=jit)(state)
    for a, b in zip(tf.nest.flatten(eager), tf.nest.flatten(graph), strict=True):
        assert a.shape == b.shape
        assert np.allclose(a, b, atol=1e-5)


def test_a_graph_accepts_any_number_of_sequences():
    table = tables(9, seed=8)
    spec = {
        "table": tf.TensorSpec([None, MAX_LENGTH, SIZE, SIZE]),
        "steps": tf.TensorSpec([None], tf.int32),
    }
    decode = tf.function(
        lambda state: decoding.beam_search(step, state, START, END, MAX_LENGTH, 2)[:4],
        input_signature=[spec],
    )
    for n in (1, 9):
        some = decode(state_of(table[:n]))
        assert np.array_equal(some[0], decode(state_of(table))[0][:n])


def test_decoding_stops_when_all_sequences_have_ended():
    calls = []

    def counted(tokens, state):
        calls.append(len(tokens))
        return step(tokens, state)

    table = np.full((3, MAX_LENGTH, SIZE, SIZE), -30, np.float32)
    table[..., END] = 0  # all end at once
    decoding.greedy(counted, state_of(table), START, END, 50)
    assert calls == [3]
    found = decoding.beam_search(counted, state_of(table), START, END, 50, 2, 0.0)
    assert calls == [3, 6, 6]
    assert found.lengths.numpy().tolist() == [[1, 2]] * 3


def test_auxiliary_outputs_belong_to_their_sequence():
    state = state_of(tables(30, seed=9))
    beams = decoding.beam_search(step, state, START, END, MAX_LENGTH, 4)
    for found, shape in (
        (decoding.greedy(step, state, START, END, MAX_LENGTH), (30,)),
        (decoding.sample(step, state, START, END, MAX_LENGTH), (30,)),
        (beams, (30, 4)),
    ):
        tokens, lengths = found.tokens.numpy(), found.lengths.numpy()
        before = np.concatenate([np.full((*shape, 1), START), tokens[..., :-1]], -1)
        inside = np.arange(MAX_LENGTH) < lengths[..., None]
        assert np.array_equal(found.aux["token"], np.where(inside, before, 0))
        assert found.aux["weights"].shape == (*shape, MAX_LENGTH, SIZE)
        assert np.allclose(found.aux["weights"].numpy().sum(-1), inside, atol=1e-5)


def test_log_probabilities_are_those_of_the_tokens():
    table = tables(30, seed=10)
    for found in (
        decoding.sample(step, state_of(table), START, END, MAX_LENGTH, 0.5, 3, 0.8),
        decoding.beam_search(step, state_of(table), START, END, MAX_LENGTH, 3),
    ):
        for index in np.ndindex(*found.lengths.shape):
            tokens = [START, *found.tokens[index].numpy()[: found.lengths[index]]]
            total = sum(
                table[index[0], time, a, b]
                for time, (a, b) in enumerate(zip(tokens, tokens[1:], strict=False))
            )
            assert float(found.log_probs[index]) == pytest.approx(total, abs=1e-4)


def test_samples_have_the_probabilities_of_the_model():
    one = np.tile(tables(1, seed=11), (4000, 1, 1, 1))
    for temperature in (1.0, 2.0):
        samples = decoding.sample(step, state_of(one), START, END, 1, temperature, seed=4)
        share = np.bincount(samples.tokens[:, 0], minlength=SIZE) / 4000
        assert np.allclose(share, tf.nn.softmax(one[0, 0, START] / temperature), atol=0.03)


def test_top_k_and_the_nucleus_leave_out_the_unlikely():
    logits = tf.math.log([[0.5, 0.05, 0.3, 0.15]])
    kept = lambda **how: np.isfinite(decoding.filter_top_k_top_p(logits, **how))[0].tolist()  # noqa: E731
    assert kept(top_k=2) == [True, False, True, False]
    assert kept(top_k=9) == [True] * 4
    assert kept(top_p=0.5) == [True, False, False, False]
    assert kept(top_p=0.79) == [True, False, True, False]
    assert kept(top_p=0.81) == [True, False, True, True]
    # Of a token whose predecessors sum to exactly top_p there is no need.
    assert np.isfinite(decoding.filter_top_k_top_p([[0.0, -200.0]], top_p=1.0)).tolist() == [
        [True, False]
    ]
    state = state_of(tables(50, seed=12))
    nearly = decoding.sample(step, state, START, END, MAX_LENGTH, top_k=1)
    assert np.array_equal(
        nearly.tokens, decoding.greedy(step, state, START, END, MAX_LENGTH).tokens
    )


def test_a_seed_gives_the_same_samples_and_another_seed_others():
    state = state_of(tables(50, seed=13))
    draw = lambda seed: decoding.sample(step, state, START, END, MAX_LENGTH, seed=seed).tokens  # noqa: E731
    assert np.array_equal(draw(1), draw(1))
    assert np.array_equal(draw(1), draw(tf.constant([1, 0])))
    assert not np.array_equal(draw(1), draw(2))


def test_samples_of_different_steps_are_independent():
    n, max_length = 400, 6
    table = np.full((n, max_length, SIZE, SIZE), -np.inf, np.float32)
    table[..., [4, 5]] = 0  # two tokens, none of them END, with 1/2 each
    samples = (
        decoding.sample(step, state_of(table), START, END, max_length, seed=3).tokens.numpy() == 4
    )
    for a, b in itertools.combinations(range(max_length), 2):
        assert abs(np.mean(samples[:, a] == samples[:, b]) - 0.5) < 0.12  # 5 deviations


def test_beams_without_a_possible_sequence_are_empty():
    table = np.full((2, MAX_LENGTH, SIZE, SIZE), -np.inf, np.float32)
    table[:, :, START, END] = 0  # the only possible sequence
    found = decoding.beam_search(step, state_of(table), START, END, MAX_LENGTH, 3, 0.0)
    assert found.log_probs.numpy().tolist() == [[0.0, -np.inf, -np.inf]] * 2
    assert found.tokens[:, 0].numpy().tolist() == [[END, 0, 0, 0, 0, 0]] * 2


def test_impossible_arguments_are_rejected():
    state = state_of(tables(1))
    with pytest.raises(UsageError, match="num_beams must be an integer >= 1.*, got 0"):
        decoding.beam_search(step, state, START, END, MAX_LENGTH, num_beams=0)
    with pytest.raises(UsageError, match="length_penalty must be 0 or more, .*got -1"):
        decoding.beam_search(step, state, START, END, MAX_LENGTH, length_penalty=-1)
    with pytest.raises(UsageError, match="max_length must be an integer >= 1 and <= 100000, got 0"):
        decoding.greedy(step, state, START, END, 0)
    with pytest.raises(UsageError, match="the state must contain a tensor"):
        decoding.greedy(step, (), START, END, MAX_LENGTH)
    for bad, match in (
        ({"temperature": 0}, "temperature must be above 0"),
        ({"top_k": 0}, "top_k must be"),
        ({"top_p": 1.5}, "top_p must be in"),
        ({"seed": "x"}, "seed must be"),
    ):
        with pytest.raises(UsageError, match=match):
            decoding.sample(step, state, START, END, MAX_LENGTH, **bad)
