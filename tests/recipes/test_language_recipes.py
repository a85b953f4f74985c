"""A recipe of a language model: from a text file to a record."""

import math

import pytest

from zoo.data.stream_config import StreamConfig
from zoo.recipes import Budget, MetricSpec, Recipe
from zoo.recipes.run import reproduce

pytestmark = pytest.mark.usefixtures("eager_steps")


def test_a_recipe_of_a_text_records_nats_over_all_tokens_and_what_follows(tmp_path):
    (tmp_path / "book.txt").write_text("the cat sat on the mat. " * 30)
    recipe = Recipe(
        name="gpt.tiny",
        title="A cat",
        model="gpt",
        config={"context_length": 16, "num_layers": 1, "hidden_dim": 16, "num_heads": 2},
        data=str(tmp_path / "book.txt"),
        train="train",
        valid=None,
        test="validation",
        batch_size=8,
        optimizer=None,
        learning_rate=1e-3,
        schedule="cosine",
        warmup=2,
        text_config=StreamConfig(),
        select_best_epoch=False,
        budgets={"smoke": Budget(1, train_examples=400)},
        metrics=(
            MetricSpec("token_nll", stride=4),
            MetricSpec("token_nll", stride=16),
            MetricSpec("random_window_nll", windows=64),
        ),
    )
    record = reproduce(recipe, "smoke", tmp_path / "results", tmp_path / "run")
    metrics = record["metrics"]
    entry = metrics["token_nll_stride_4"]
    assert entry["protocol"].endswith(
        "train[0:400] / validation, original text; nats per token, each counted once, windows every"
        " 4 tokens, on all test texts, nats"
    )
    assert entry["n"] == 1 + math.ceil((72 - 16) / 4)
    assert entry["perplexity"] == pytest.approx(math.exp(entry["value"]))
    assert entry["bits_per_byte"] == pytest.approx(entry["value"] / math.log(2))
    assert metrics["random_window_nll_64"]["n"] == 64
    assert metrics["token_nll_stride_16"]["value"] > 0
