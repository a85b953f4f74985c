"""Simple dot: trained ratings, and errors for unknown ids."""

import numpy as np
import pytest
import tensorflow as tf
from cases import small_model

import zoo
from zoo.data.builders import ratings
from zoo.errors import BatchError, UsageError


def test_the_error_reaches_the_noise_of_the_ratings():
    arrays = ratings.generate(20_000)
    train, test = (
        {k: v[part] for k, v in arrays.items()} for part in (slice(18_000), slice(18_000, None))
    )
    model = zoo.get("simple_dot")
    data = tf.data.Dataset.from_tensor_slices(train).shuffle(18_000, seed=0).batch(256)
    zoo.Trainer(model, verbose=False, figures_every=0).fit(data, epochs=20)
    wrong = model.predict_ratings(test["user"], test["item"]) - test["rating"]
    guess = np.std(test["rating"])  # error of predicting the mean
    assert np.sqrt(np.mean(wrong**2)) < min(guess / 2, 1.7 * ratings.NOISE)


def test_a_rating_is_a_dot_product_clipped_to_the_range():
    model = small_model("simple_dot", num_users=3, num_items=2, rating_range=(1.0, 5.0))
    p, q = (layer.embeddings.numpy() for layer in (model.user_embedding, model.item_embedding))
    users, items = np.array([0, 2, 1]), np.array([1, 1, 0])
    model.item_embedding.embeddings.assign(1000 * q)
    expected = 1000 * (p[users] * q[items]).sum(1)
    np.testing.assert_allclose(model({"user": users, "item": items}), expected, rtol=1e-4)
    np.testing.assert_allclose(model.predict_ratings(users, items), expected.clip(1, 5), rtol=1e-4)


def test_samples_are_a_table_of_predicted_and_true_ratings(tmp_path):
    model = small_model("simple_dot", num_users=3, num_items=2)
    arrays = {"user": [0, 1, 2], "item": [1, 1, 0], "rating": np.float32([4, 2, 3])}
    model.write_samples(tmp_path / "ratings.tsv", zoo.data.ArrayDataset(arrays, batch_size=3), n=2)
    header, *rows = (tmp_path / "ratings.tsv").read_text().splitlines()
    assert header.split("\t") == ["user", "item", "predicted", "rating"]
    predicted = model.predict_ratings([0, 1], [1, 1]).numpy()
    assert [row.split("\t")[::3] for row in rows] == [["0", "4.0"], ["1", "2.0"]]
    assert [float(row.split("\t")[2]) for row in rows] == pytest.approx(predicted, abs=0.01)


def test_unknown_ids_are_errors():
    model = small_model("simple_dot", num_users=3, num_items=2)
    with pytest.raises(BatchError, match="'user' ids in 0 ... 2, got 0 to 3; .*num_users=N"):
        model.predict_ratings([0, 3], [0, 1])
    with pytest.raises(BatchError, match="'item' ids in 0 ... 1, got -1 to 1"):
        model.predict_ratings([0, 1], [-1, 1])
    with pytest.raises(UsageError, match="rating_range must be"):
        zoo.get("simple_dot", rating_range=(5.0, 1.0))
