"""Corpora from files and data sets, and batches of them that depend on seed and epoch alone."""

import numpy as np
import pytest
import tensorflow as tf

from zoo import text
from zoo.data import corpora
from zoo.data.text_dataset import TextDataset
from zoo.errors import UsageError
from zoo.text import END, PAD, START

DIGITS = text.WordTokenizer("0123456789-", unit="character")


def numbers(n, longest=30, seed=0):
    """A corpus in which text i begins with i, with lengths of 1 to `longest`."""
    random = np.random.default_rng(seed)
    source = [f"{i}-" + "7" * random.integers(longest - len(f"{i}-")) for i in range(n)]
    return corpora.Corpus(
        {"source": source, "target": [s[:12] for s in source]}, "numbers", "train"
    )


def texts_of(batch, name="source"):
    return DIGITS.decode(batch[name].numpy())


def epoch_of(data, epoch):
    return [texts_of(batch) for batch in data(epoch)]


@pytest.fixture(scope="module")
def data():
    return TextDataset(numbers(203), DIGITS, batch_size=16, shuffle=True, seed=3)


def test_every_sentence_occurs_once_in_an_epoch(data):
    for epoch in (0, 5):
        texts = [one for batch in epoch_of(data, epoch) for one in batch]
        assert sorted(texts) == sorted(data.corpus.texts["source"])
    assert len(data) == len(epoch_of(data, 0)) == 13
    assert data.num_examples == 203


def test_sources_and_targets_stay_together_and_targets_are_marked(data):
    for batch in data(1):
        assert batch["source"].dtype == batch["target"].dtype == tf.int32
        for source, target in zip(texts_of(batch), texts_of(batch, "target"), strict=True):
            assert target == source[:12]
        assert (batch["target"][:, 0] == START).numpy().all()
        assert (np.sum(batch["target"] == END, 1) == 1).all()
        for ids in batch.values():  # zeros behind, and only there
            inside = (ids != PAD).numpy()
            assert (np.diff(inside.astype(int), axis=1) <= 0).all()


def test_order_is_a_function_of_seed_and_epoch(data):
    same = TextDataset(numbers(203), DIGITS, batch_size=16, shuffle=True, seed=3)
    assert epoch_of(data, 2) == epoch_of(same, 2) == epoch_of(data, 2)
    assert epoch_of(data, 2) != epoch_of(data, 3)
    other = TextDataset(numbers(203), DIGITS, batch_size=16, shuffle=True, seed=4)
    assert epoch_of(data, 2) != epoch_of(other, 2)


def test_skipping_resumes_at_that_batch(data):
    whole = epoch_of(data, 4)
    for k in (1, 7, 12):
        assert [texts_of(batch) for batch in data(4).skip(k)] == whole[k:]


def test_batches_hold_sentences_of_one_length_and_their_order_is_shuffled(data):
    widths = [batch["source"].shape[1] for batch in data(0)]
    assert widths != sorted(widths)
    ids = sum(len(one) for batch in epoch_of(data, 0) for one in batch)
    room = sum(np.size(batch["source"]) for batch in data(0))
    in_order = TextDataset(numbers(203), DIGITS, batch_size=16)
    wasteful = sum(np.size(batch["source"]) for batch in in_order(0))
    assert room < 1.4 * ids < wasteful


def test_every_epoch_has_the_same_few_shapes(data):
    shapes_of = lambda epoch: {  # noqa: E731
        (*batch["source"].shape, batch["target"].shape[1]) for batch in data(epoch)
    }
    assert shapes_of(0) == shapes_of(1) == shapes_of(9) == set(data.shapes)
    assert all(s % 8 == t % 8 == 0 for _, s, t in data.shapes)
    traces = []

    @tf.function(reduce_retracing=True)
    def step(batch):
        traces.append(batch["source"].shape)
        return tf.reduce_sum(batch["source"])

    for batch in data(0):
        step(batch)
    once = len(traces)
    for batch in data(1):
        step(batch)
    assert len(traces) == once < 6


def test_the_number_of_tokens_in_a_batch_is_limited():
    data = TextDataset(numbers(203), DIGITS, batch_tokens=256, shuffle=True)
    sizes = [max(np.size(ids) for ids in batch.values()) for batch in data(1)]
    assert max(sizes) <= 256
    assert np.mean(sizes) > 200
    assert len(sizes) == len(data)
    assert len({batch["source"].shape[0] for batch in data(1)}) > 2
    assert TextDataset(numbers(3), DIGITS, batch_tokens=1, multiple=1).shapes[0][0] == 1


def test_without_shuffling_the_order_is_that_of_the_corpus():
    data = TextDataset(numbers(20), DIGITS, batch_size=6)
    texts = [one for batch in data for one in texts_of(batch)]
    assert texts == data.corpus.texts["source"]
    assert [batch["source"].shape[0] for batch in data] == [6, 6, 6, 2]
    first = data.take(4)
    assert DIGITS.decode(first["source"]) == texts[:4]
    assert data.spec["source"].shape.as_list() == [None, None]


def test_a_dropped_remainder_is_another_one_in_each_epoch():
    data = TextDataset(numbers(21), DIGITS, batch_size=4, shuffle=True, drop_remainder=True)
    assert len(data) == 5
    assert data.spec["target"].shape.as_list() == [4, None]
    left_out = [
        {*data.corpus.texts["source"]} - {s for b in epoch_of(data, e) for s in b} for e in range(9)
    ]
    assert {len(one) for one in left_out} == {1}
    assert len(set.union(*left_out)) > 3


def test_a_sentence_that_is_too_long_is_named_or_cut():
    corpus = corpora.Corpus({"source": ["1", "2" * 50], "target": ["1", "2"]}, "mine", "train")
    with pytest.raises(
        UsageError, match="mine train: source 2 has 50 ids, more than max_length=40"
    ):
        TextDataset(corpus, DIGITS, max_length=40)
    cut = TextDataset(corpus, DIGITS, max_length=40, truncate=True).take(2)
    assert cut["source"].shape == (2, 40)
    assert (cut["source"][1] == DIGITS.encode(["2"])[0][0]).all()


def test_empty_texts_are_rows_of_padding():
    corpus = corpora.Corpus({"source": ["", ""], "target": ["", "1"]}, "mine", "train")
    batch = TextDataset(corpus, DIGITS).take(2)
    assert batch["source"].tolist() == [[PAD] * 8] * 2
    assert batch["target"][0].tolist() == [START, END] + [PAD] * 6


def test_each_text_may_have_its_own_vocabulary_and_arrays_are_batched_too():
    letters = text.WordTokenizer("ab", unit="character")
    corpus = corpora.Corpus(
        {"caption": ["a", "b", "ab"]},
        "mine",
        "train",
        {"image": np.array([[[[0]]], [[[255]]]], np.uint8), "centre": np.float32([[1], [2]])},
        np.array([1, 0, 1]),
    )
    data = TextDataset(corpus, {"caption": letters}, batch_size=3)
    batch = next(iter(data))
    assert batch["image"].dtype == tf.float32
    assert batch["image"].numpy().ravel().tolist() == [1, 0, 1]
    assert batch["centre"].numpy().ravel().tolist() == [2, 1, 2]
    assert corpus.references("caption") == [["b"], ["a", "ab"]]


def test_impossible_batches_are_rejected():
    with pytest.raises(UsageError, match="3 sentences, not enough for one batch of 4"):
        TextDataset(numbers(3), DIGITS, batch_size=4, drop_remainder=True)
    with pytest.raises(UsageError, match="0 sentences"):
        TextDataset(corpora.Corpus({"source": []}, "none", "train"), DIGITS)
    with pytest.raises(UsageError, match="batch_size must be an integer >= 1, got 0"):
        TextDataset(numbers(3), DIGITS, batch_size=0)
    with pytest.raises(UsageError, match="drop_remainder needs batch_size"):
        TextDataset(numbers(3), DIGITS, batch_tokens=9, drop_remainder=True)


# Named data sets.
