"""Blocks of a stream: every epoch a permutation, every token evaluated once, resumable at once."""

import numpy as np
import pytest
import tensorflow as tf
from cases import same_bits, small_model, small_trainer

from zoo import text
from zoo.data.array_dataset import as_tf_dataset
from zoo.data.token_blocks import TokenBlocks, permuted
from zoo.data.token_files import write_tokens
from zoo.errors import UsageError

LETTERS = text.WordTokenizer(list("abcdefghijklmnopqrstuvwxyz"), "character")


def blocks(length, context_length=4, **options):
    """A stream of END and `length` letters, all neighbors of which differ."""
    letters = "".join(chr(97 + i % 26) for i in range(length))
    file = write_tokens([[letters]], LETTERS, "letters", length=length)
    return TokenBlocks(file, LETTERS, context_length, **options)


@pytest.mark.parametrize("count", [1, 2, 3, 16, 17, 1000, 4097])
def test_the_order_is_a_permutation_that_the_keys_choose(count):
    keys = np.random.default_rng(0).integers(1 << 62, size=(2, 4))
    first, second = (permuted(np.arange(count), count, key) for key in keys)
    np.testing.assert_array_equal(np.sort(first), np.arange(count))
    np.testing.assert_array_equal(first[3:9], permuted(np.arange(3, min(9, count)), count, keys[0]))
    if count > 100:
        moved = np.corrcoef(np.arange(count), first)[0, 1]
        assert abs(moved) < 0.2 and (first != second).mean() > 0.9


def test_an_epoch_covers_the_text_in_blocks_and_the_next_one_in_others():
    data = blocks(26 * 8, shuffle=True, batch_size=10, drop_remainder=False)
    rows = np.concatenate([batch["text"] for batch in data(0)])
    assert rows.shape == (data.num_examples, 5) and data.num_examples == (26 * 8 + 1 - 4) // 4
    inner = rows[:, 0] != text.END
    np.testing.assert_array_equal(np.diff(rows[inner], axis=1) % 26, 1)
    counts = np.bincount(rows[:, 1:].ravel(), minlength=30)[4:]
    assert counts.sum() == 4 * data.num_examples and counts.max() - counts.min() <= 2
    orders = [np.concatenate([batch["text"] for batch in data(epoch)]) for epoch in range(4)]
    assert len({order.tobytes() for order in orders}) == 4
    assert len({int(order[:, 0].min()) for order in orders} | {0}) > 1


@pytest.mark.parametrize("shuffle", [True, False])
def test_any_batch_is_reached_without_the_ones_before_it(shuffle, monkeypatch):
    data = blocks(100, shuffle=shuffle, batch_size=3)
    whole = [batch["text"].numpy() for batch in data(2)]
    read = []
    batch = data.batch
    monkeypatch.setattr(data, "batch", lambda epoch, k: read.append(k) or batch(epoch, k))
    rest = [each["text"].numpy() for each in as_tf_dataset(data, 2, first=5)]
    assert sorted(read) == list(range(5, len(data)))
    for found, expected in zip(rest, whole[5:], strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("length", [3, 4, 5, 21, 26])
@pytest.mark.parametrize("stride", [1, 3, 4])
def test_every_token_counts_once_with_as_much_context_as_the_stride_leaves(length, stride):
    data = blocks(length, stride=stride, batch_size=2)
    targets = []
    weights = []
    for batch in data:
        counted = batch["weight"].numpy() > 0
        targets += batch["text"].numpy()[:, 1:][counted].tolist()
        weights.append(batch["weight"].numpy())
        full = np.flatnonzero(counted[0])
        assert counted[:, full.min() : full.max() + 1][0].all()
    np.testing.assert_array_equal(np.array(targets), 4 + np.arange(length) % 26)
    weights = np.concatenate(weights)
    assert weights.sum() / len(weights) == pytest.approx(1)
    if length > 5:
        assert (np.argmax(weights[1:] > 0, axis=1) >= 4 - stride).all()


def test_a_batch_fits_its_specification_and_ids_stay_on_disk():
    for options in ({"shuffle": True, "drop_remainder": True}, {}):
        data = blocks(50, batch_size=4, **options)
        for name, spec in data.spec.items():
            for batch in data(0):
                assert spec.is_compatible_with(batch[name])
    assert isinstance(data.ids, np.memmap)
    assert data.take(3)["text"].shape == (3, 5)
    assert "50 characters, blocks of 4, in order" in repr(data)
    assert data(0).element_spec == data.spec
    assert isinstance(data(0), tf.data.Dataset)


def test_impossible_blocks_are_refused():
    with pytest.raises(UsageError, match="3 characters, fewer than the context of 4: use a longer"):
        blocks(3, shuffle=True)
    with pytest.raises(UsageError, match="24 blocks of 4 characters, fewer than the batch size"):
        blocks(100, shuffle=True, batch_size=25, drop_remainder=True)
    with pytest.raises(UsageError, match="stride=5 would skip ids"):
        blocks(100, stride=5)
    with pytest.raises(UsageError, match="stride must be an integer >= 1"):
        blocks(100, stride=0)


def test_a_run_over_blocks_resumes_in_mid_epoch_to_the_same_bits(tmp_path):
    options = {"shuffle": True, "batch_size": 4, "drop_remainder": True}
    data = blocks(150, context_length=6, **options)

    def run(steps, workdir=None):
        small = small_model("rnn_language_model", text_vocabulary=LETTERS)
        trainer = small_trainer("rnn_language_model", workdir, small, eager=True)
        trainer.fit(data, steps=steps)
        return trainer.state.arrays()

    assert len(data) == 6
    run(8, tmp_path)
    assert same_bits(run(10, tmp_path), run(10)) == []
