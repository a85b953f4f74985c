"""Recipes of the language models, and their metrics."""

from dataclasses import replace
from typing import TYPE_CHECKING

from zoo.data.stream_config import StreamConfig
from zoo.recipes.metric import Metric
from zoo.recipes.metric_functions import Result, estimate_entry
from zoo.recipes.metric_spec import MetricSpec, register_metric
from zoo.recipes.recipe import Budget, Recipe, Reference

if TYPE_CHECKING:
    from zoo.model import Model
    from zoo.recipes.evaluate import EvaluationData


def _token_nll(model: "Model", data: "EvaluationData", stride: int, texts: None) -> Result:
    from zoo import metrics

    return _with_bits(estimate_entry(metrics.token_nll(model, data.test, stride)), data)


def _random_window_nll(model: "Model", data: "EvaluationData", windows: int, texts: None) -> Result:
    from zoo import metrics

    return _with_bits(
        estimate_entry(metrics.random_window_nll(model, data.test, windows=windows)), data
    )


def _with_bits(result: Result, data: "EvaluationData") -> Result:
    """The entry of a record with perplexity and bits per byte added."""
    entry, values = result
    return entry | data.test.scores_of(entry["value"]), values


register_metric(
    "token_nll",
    Metric(
        "token_nll_stride_{stride}",
        "nats per token, each counted once, windows every {stride} tokens,",
        "nats",
        _token_nll,
        defaults={"stride": 64, "texts": None},
        domain="texts",
    ),
)
register_metric(
    "random_window_nll",
    Metric(
        "random_window_nll_{windows}",
        "nats per token in {windows} random windows (nanoGPT's protocol)",
        "nats",
        _random_window_nll,
        defaults={"windows": 12_800, "texts": None},
        domain="texts",
    ),
)

NANO_GPT = (
    Reference(1.4697, "karpathy/nanoGPT, README", "10.7 M weights, random windows, a GPU"),
    Reference(
        1.88, "karpathy/nanoGPT, README", "0.8 M weights, random windows, 3 minutes of a CPU"
    ),
)

SHAKESPEARE = Recipe(
    name="gpt.tiny_shakespeare",
    title="A small GPT writes Shakespeare, character by character",
    model="gpt",
    config={
        "context_length": 128,
        "num_layers": 6,
        "hidden_dim": 192,
        "num_heads": 6,
        "dropout": 0.1,
    },
    data="tiny_shakespeare",
    train="train",
    valid="validation+test",
    test="validation+test",
    batch_size=16,
    optimizer=None,
    learning_rate=1.5e-3,
    schedule="cosine",
    warmup=200,
    micro_batches=2,
    text_config=StreamConfig(tokenizer="characters"),
    select_best_epoch=True,
    budgets={
        "smoke": Budget(1, train_examples=20_000),
        "cpu-80-minutes": Budget(16),
        "paper": Budget(60),
    },
    metrics=(
        MetricSpec("token_nll", stride=32),
        MetricSpec("token_nll", stride=128),
        MetricSpec("random_window_nll"),
    ),
    references=NANO_GPT,
    limitations="The epoch with the best loss on the last tenth of the text is evaluated on the"
    " same tenth, as in nanoGPT. Published values are means over random windows.",
)

RECIPES = (
    SHAKESPEARE,
    replace(
        SHAKESPEARE,
        name="rnn_language_model.tiny_shakespeare",
        title="A two-layer LSTM generates Shakespeare, character by character",
        model="rnn_language_model",
        config={
            "context_length": 128,
            "num_layers": 2,
            "hidden_dim": 384,
            "dropout": 0.3,
        },
        learning_rate=2e-3,
        budgets={
            "smoke": Budget(1, train_examples=20_000),
            "cpu-70-minutes": Budget(16),
            "paper": Budget(60),
        },
    ),
    Recipe(
        name="gpt.names",
        title="A small GPT generates first names",
        model="gpt",
        config={
            "context_length": 32,
            "num_layers": 4,
            "hidden_dim": 64,
            "num_heads": 4,
            "dropout": 0.1,
        },
        data="names",
        train="train",
        valid="validation",
        test="test",
        batch_size=64,
        optimizer=None,
        learning_rate=1e-3,
        schedule="cosine",
        warmup=100,
        text_config=StreamConfig(tokenizer="characters"),
        budgets={
            "smoke": Budget(1, train_examples=2_000),
            "cpu-hour": Budget(120),
            "paper": Budget(240),
        },
        metrics=(MetricSpec("token_nll", stride=8), MetricSpec("token_nll", stride=32)),
        references=(
            Reference(1.92, "karpathy/makemore, README", "a Transformer of 0.2 M weights"),
        ),
        limitations="makemore holds out 1,000 other names. Here the context of a name may contain"
        " the names before it, which carry no information, since the order is random.",
    ),
    Recipe(
        name="gpt.jsb_chorales",
        title="A small GPT generates chorales in the style of Bach",
        model="gpt",
        config={
            "context_length": 128,
            "num_layers": 4,
            "hidden_dim": 128,
            "num_heads": 4,
            "dropout": 0.3,
        },
        data="jsb_chorales",
        train="train",
        valid="validation",
        test="test",
        batch_size=32,
        optimizer=None,
        learning_rate=1e-3,
        schedule="cosine",
        warmup=100,
        text_config=StreamConfig(tokenizer="words"),
        budgets={
            "smoke": Budget(1, train_examples=20),
            "cpu-hour": Budget(200),
            "paper": Budget(400),
        },
        metrics=(MetricSpec("token_nll", stride=32), MetricSpec("token_nll", stride=128)),
        limitations="The unit is nats per token; a frame has four tokens, one for each voice."
        " Published values, such as 8.10 nats per frame (arXiv 1803.01271), are of models of 88"
        " binary keys and of other frames, so they are not comparable.",
    ),
)
