"""Language models: generation with a cache equals that without, in batches too; scores of texts."""

import math

import numpy as np
import pytest
import tensorflow as tf
from cases import small_model

import zoo
from blocks import key_value_cache
from zoo import text
from zoo.errors import UsageError
from zoo.generation.continuation import window_start
from zoo.generation.stop_strings import stream_pieces
from zoo.generation.token_sampling import penalize_repetition, sample_token
from zoo.metrics import random_window_nll, token_nll
from zoo.metrics.compiled_methods import compile_method

LETTERS = text.WordTokenizer(list("abcdefghij"), "character")
PROMPTS = ["abc", "", "jihgfedcb"]
LENGTH = 9  # with a context of 6, all windows slide
NAMES = ("gpt", "rnn_language_model")


@pytest.fixture(scope="module", autouse=True)
def short_chunks():
    """Caches grow every second step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_value_cache, "CHUNK", 2)
        yield


@pytest.fixture(scope="module", params=NAMES)
def model(request):
    """A small model with a context of 6 and weights that make its predictions definite."""
    model = small_model(request.param, text_vocabulary=LETTERS)
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(variable + 0.5 * random.standard_normal(variable.shape))
    return model


def without_cache(model, prompt, length, choose):
    """The continuation by the whole window at each step."""
    ids = [text.END, *model.encode_prompt(prompt)]
    end = len(ids) + length
    compute = compile_method(model, "logits", lambda model, ids: model(ids))
    while len(ids) < end:
        window = ids[window_start(len(ids), model.max_context) :]
        logits = compute(tf.constant([window]))[:, -1].numpy()
        logits[:, [text.PAD, text.UNKNOWN, text.START]] = -np.inf
        ids.append(int(choose(logits, len(ids))[0]))
        if ids[-1] == text.END:
            break
    return LETTERS.decode([ids[1:]])[0][len(prompt) :]


def test_prompts_of_any_lengths_are_continued_as_without_cache_and_alone(model):
    expected = [
        without_cache(model, prompt, LENGTH, lambda x, _: x.argmax(-1)) for prompt in PROMPTS
    ]
    options = {"max_length": LENGTH, "temperature": 0}
    assert model.generate(PROMPTS, **options) == expected
    assert [model.generate([p], **options)[0] for p in PROMPTS] == expected
    assert len(set(expected)) > 1 and max(map(len, expected)) == LENGTH
    assert model.generate(PROMPTS, repetition_penalty=1e3, **options) != expected


def test_samples_are_those_without_cache_and_depend_on_the_seed(model):
    options = {"temperature": 0.8, "top_k": 6, "top_p": 0.9}
    key = tf.random.experimental.stateless_fold_in(tf.constant([5, 0]), 0)
    expected = without_cache(
        model, "abc", LENGTH, lambda x, time: sample_token(tf.constant(x), key, time, **options)
    )
    assert model.generate(["abc"], max_length=LENGTH, seed=5, **options) == [expected]
    assert "".join(model.stream("abc", max_length=LENGTH, seed=5, **options)) == expected
    samples = model.generate(["abc"], max_length=LENGTH, num_samples=5, seed=5)
    assert len(samples[0]) == 5 and len(set(samples[0])) > 3
    assert samples == model.generate(["abc"], max_length=LENGTH, num_samples=5, seed=5)
    assert samples != model.generate(["abc"], max_length=LENGTH, num_samples=5, seed=6)
    assert model.generate(["abc"]) != model.generate(["abc"])
    assert model.generate([]) == []


def test_a_stream_is_traced_once_for_all_lengths_of_its_cache():
    model = small_model("gpt", text_vocabulary=LETTERS)
    assert [*model.stream("ab", max_length=4, seed=1)]
    assert model.continuation._decode.experimental_get_tracing_count() == 1


def test_windows_slide_by_half_of_the_context():
    assert [window_start(t, 6) for t in range(1, 15)] == [0] * 6 + [3] * 3 + [6] * 3 + [9] * 2
    assert window_start(10**6, None) == 0
    for context in (1, 2, 5):
        lengths = [t - window_start(t, context) for t in range(1, 30)]
        assert min(lengths) >= 1 and max(lengths) == context


def test_a_text_ends_before_a_stop_string_also_in_a_stream(model):
    whole = model.generate(["abc"], max_length=LENGTH, temperature=0)[0]
    for stop in (whole[4], whole[4:7], [whole[8], whole[4:6]]):
        found = model.generate(["abc"], max_length=LENGTH, temperature=0, stop=stop)[0]
        stops = [stop] if isinstance(stop, str) else stop
        assert found == whole[: min(whole.find(s) for s in stops)]
    streamed = "".join(model.stream("abc", LENGTH, temperature=0, stop=[whole[8], whole[4:6]]))
    assert streamed == found


def test_a_stream_holds_back_what_may_become_a_stop_string_or_a_character():
    raw = "aé-->b--c".encode()
    decode = lambda ids: bytes(ids).decode(errors="replace")  # noqa: E731
    assert [*stream_pieces(raw, decode, ["-->b--d"])] == ["a", "é", "-->b--c"]
    assert [*stream_pieces(raw, decode, ["-->"])] == ["a", "é"]
    assert [*stream_pieces([], decode, ["x"])] == []


def test_a_repetition_penalty_lowers_the_logits_of_used_tokens():
    used = tf.constant([[True, True, False]])
    found = penalize_repetition(tf.constant([[2.0, -2.0, 1.0]]), used, 2.0)
    np.testing.assert_array_equal(found, [[1.0, -4.0, 1.0]])


def test_scores_of_texts_are_the_log_probabilities_of_their_tokens(model):
    log_probs = model.log_prob(["abc", "", "jihgfed"])
    for found, line in zip(log_probs, ["abc", "", "jihgf"], strict=True):
        ids = [text.END, *model.encode_prompt(line)]
        if line == "jihgf":  # with a context of 6, the first window ends with the sixth token
            ids = [text.END, *model.encode_prompt("jihgfed")]
            expected = window_log_prob(model, ids[:7], 1) + window_log_prob(model, ids[1:], 6)
        else:
            expected = window_log_prob(model, ids, 1)
        assert found == pytest.approx(expected, abs=1e-4)
    nats = -log_probs.sum()
    assert model.perplexity(["abc", "", "jihgfed"]) == pytest.approx(math.exp(nats / 10))
    assert model.bits_per_byte(["abc", "jihgfed"]) == pytest.approx(nats / 10 / math.log(2))


def window_log_prob(model, ids, first):
    """log p of the tokens of a window from number `first` on."""
    if len(ids) < 2:
        return 0.0
    log_probs = tf.nn.log_softmax(model(tf.constant([ids[:-1]])))[0].numpy()
    return sum(log_probs[i - 1, ids[i]] for i in range(first, len(ids)))


def test_every_token_of_a_split_has_the_same_weight(model, tmp_path):
    (tmp_path / "a.txt").write_text("abcdefghij" * 5)
    arguments = {"text_vocabulary": LETTERS.to_json(), "context_length": 6}
    data = type(model).load_data(
        tmp_path / "a.txt", "all", arguments=arguments, batch_size=4, stride=2
    )
    estimate = token_nll(model, data, stride=2)
    expected = -model.log_prob(["abcdefghij" * 5], stride=2)[0] / 50
    assert estimate.mean == pytest.approx(expected, rel=1e-5)
    assert estimate.name == "nats per token, context 6, stride 2"
    assert random_window_nll(model, data, windows=500).mean == pytest.approx(expected, rel=0.2)
    summary = type(model).summarize({"loss": expected}, data)
    assert summary["bits_per_byte"] == pytest.approx(expected / math.log(2))
    assert data.protocol == "all 50 characters, context 6, stride 2"


def test_random_windows_begin_at_every_position(model, tmp_path):
    (tmp_path / "a.txt").write_text("abcdefg")
    arguments = {"text_vocabulary": LETTERS.to_json(), "context_length": 6}
    data = type(model).load_data(tmp_path / "a.txt", "all", arguments=arguments, batch_size=4)
    values = random_window_nll(model, data, windows=20).values
    assert len({*values.round(4)}) == 2  # of the windows abcdef and bcdefg


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 0}, "max_length must be an integer >= 1"),
        ({"top_p": 0}, r"top_p must be in \(0, 1\], got 0"),
        ({"top_k": 0}, "top_k must be an integer >= 1"),
        ({"temperature": -1}, "temperature must be above 0"),
        ({"temperature": math.nan}, "temperature must be above 0"),
        ({"temperature": 0, "top_k": 3}, "no effect: leave them out"),
        ({"repetition_penalty": 0}, "repetition_penalty must be"),
        ({"num_samples": 0}, "num_samples must be an integer >= 1"),
        ({"stop": [""]}, "stop must be non-empty text"),
        ({"stop": 3}, "stop must be text, or a list of texts, got 3"),
        ({"temperature": 1e-50}, "temperature must be above 0"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_impossible_options_are_refused(options, message):
    model = small_model("rnn_language_model", text_vocabulary=LETTERS)
    with pytest.raises(UsageError, match=message):
        model.generate(["a"], **options)


def test_scalars_of_numpy_and_tensorflow_are_numbers():
    model = small_model("rnn_language_model", text_vocabulary=LETTERS)
    plain = {"max_length": 3, "top_k": 2, "temperature": 0.5, "seed": 1}
    scalars = {"max_length": np.int64(3), "top_k": np.int64(2), "temperature": tf.constant(0.5)}
    assert model.generate(["a"], **plain) == model.generate(["a"], **{**plain, **scalars})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.test_on_batch({"text": IDS[:, :1]}), "takes windows of 2 ids or more"),
        (lambda m: m.test_on_batch({"text": IDS[:, :0]}), r"got 'text' of shape \(2, 0\)"),
        (lambda m: m.test_on_batch({"text": IDS}), r"at most 7, got 'text' of shape \(2, 8\)"),
        (lambda m: m.predict(IDS[:, :7]), "1 ids or more and at most 6, got 'text'"),
        (lambda m: m.test_on_batch(with_weight(np.nan)), "'weight' of 0 or more, got nan"),
        (lambda m: m.test_on_batch(with_weight(-1)), "'weight' of 0 or more, got -1"),
        (lambda m: m.test_on_batch(with_weight(1, 3)), r"shape \(None, 6\), one .* \(2, 3\)"),
        (lambda m: m.log_prob(["abcabcabc"], stride=7), "stride=7 would skip tokens.* 6"),
        (lambda m: m.perplexity(["", ""]), "the texts have no tokens"),
        (lambda m: m.bits_per_byte([]), "the texts have no tokens"),
    ],
)
def test_windows_and_texts_without_a_score_are_refused(call, message):
    with pytest.raises(UsageError, match=message):
        call(small_model("gpt", text_vocabulary=LETTERS))


IDS = np.full((2, 8), 5)


def with_weight(value, width=6):
    return {"text": IDS[:, :7], "weight": np.full((2, width), value, np.float32)}


def test_prompts_that_cannot_be_read_are_refused_and_long_ones_are_noted(capfd):
    model = small_model("gpt", text_vocabulary=LETTERS)
    with pytest.raises(UsageError, match="lacks characters of the prompt: 'x', 'ä'; leave them"):
        model.generate(["abxä"])
    with pytest.raises(UsageError, match="expected a list of sentences"):
        model.generate("ab")
    with pytest.raises(UsageError, match="prompt 1 is not UTF-8"):
        model.generate([b"\xff"])
    model.generate(["abcdefghij"], max_length=1)
    assert "the prompt has 10 characters, the context 6: only the end" in capfd.readouterr().err
    with pytest.raises(UsageError, match="only the size of its text vocabulary"):
        small_model("gpt").generate(["a"])


def test_weights_transfer_to_another_alphabet_by_character():
    other = text.WordTokenizer(list("cxd"), "character")
    source = small_model("gpt", text_vocabulary=LETTERS)
    target = small_model("gpt", seed=1, text_vocabulary=other)
    zoo.transfer_weights(target, source)
    rows, found = source.embedding.embeddings.numpy(), target.embedding.embeddings.numpy()
    for letter in "cd":
        old, new = (vocabulary.encode([letter])[0][0] for vocabulary in (LETTERS, other))
        np.testing.assert_array_equal(found[new], rows[old])
    np.testing.assert_array_equal(target.positions.table, source.positions.table)
