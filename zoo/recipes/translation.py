"""Recipes of the translation models."""

from typing import Any

from zoo.data.text_config import TextConfig
from zoo.recipes.metric_spec import MetricSpec
from zoo.recipes.recipe import Budget, Recipe, Reference

# Dates, character by character: the attention weights show what was learned.

DATES = Recipe(
    name="seq2seq.dates",
    title="Written dates, in nine languages, to ISO 8601",
    model="seq2seq",
    config={"embedding_dim": 64, "units": 128, "tie_embeddings": "output", "dropout": 0.1},
    data="dates",
    train="train",
    valid="validation",
    test="test",
    batch_size=64,
    learning_rate=2e-3,
    schedule="cosine",
    ema_momentum=0.99,
    clip_norm=1.0,
    text_config=TextConfig(tokenizer="characters", max_length=64),
    budgets={
        "smoke": Budget(1, train_examples=640, samples=50),
        "cpu-hour": Budget(3),
        "paper": Budget(20),
    },
    metrics=(MetricSpec("exact_match"), MetricSpec("chrf")),
    limitations="No test date is in the training data; the words of test dates are.",
)

# Multi30k from German to English. The record has four variants of BLEU, each by greedy search and
# by a beam of 5; the first is the one to report.

PROTOCOLS = ("13a", "13a-lower", "moses-lower", "words-lower")
BLEU = tuple(
    MetricSpec("bleu", protocol=protocol, num_beams=n) for protocol in PROTOCOLS for n in (5, 1)
)
LUONG = {
    "embedding_dim": 256,
    "units": 512,
    "cell": "lstm",
    "attention": "general",
    "attention_order": "luong",
    "tie_embeddings": "all",
    "dropout": 0.4,
    "label_smoothing": 0.1,
}
BAHDANAU = LUONG | {"attention": "additive", "attention_order": "bahdanau"}


def multi30k_recipe(
    model: str,
    title: str,
    config: dict[str, Any],
    epochs: tuple[int, int],
    tag: str = "multi30k_de_en",
    references: tuple[Reference, ...] = (),
    **overrides: Any,
) -> Recipe:
    """A recipe of a translation model on Multi30k, from German to English.

    Args:
        model, title, config, references: as in `Recipe`.
        epochs: of the budgets "cpu-hour" and "paper".
        tag: of its name.
        **overrides: other fields of the `Recipe`.
    """
    settings = {
        "batch_size": 64,
        "learning_rate": 1e-3,
        "schedule": "cosine",
        "ema_momentum": 0.999,
        "clip_norm": 1.0,
        **overrides,
    }
    return Recipe(
        name=f"{model}.{tag}",
        title=title,
        model=model,
        config=config,
        data="multi30k",
        train="train",
        valid="validation",
        test="test",
        text_config=TextConfig(("de", "en"), tokenizer="bpe", vocabulary_size=8000),
        select_best_epoch=False,
        budgets={
            "smoke": Budget(1, train_examples=640, samples=20),
            "cpu-hour": Budget(epochs[0]),
            "paper": Budget(epochs[1]),
        },
        metrics=(*BLEU, MetricSpec("chrf", num_beams=5), MetricSpec("chrf")),
        references=references,
        limitations="The test split is test_2016_flickr. Published results use other tokenizations,"
        " other splits or the other direction; their notes name the closest protocols.",
        **settings,
    )


TUTORIAL = "bentrevett/pytorch-seq2seq@b3cd54c"
NOTE = "greedy, lowercase spaCy tokens: words-lower is the closest protocol"
ATTENTION = (
    Reference(28.3, TUTORIAL, f"Bahdanau's model, words; {NOTE}"),
    Reference(
        38.45,
        "maximus-21/Neural-Machine-Translation@07b184d",
        "multiplicative attention, 8,000 joint subwords; 13a, greedy, on the validation split",
    ),
)
SMALL = (
    Reference(36.52, TUTORIAL, f"a Transformer of 9.0 M weights, legacy notebook 6; {NOTE}"),
    Reference(
        41.02,
        "LividWo/Revisit-MMT@dc368d0",
        "the Transformer of this size, from English to German; lowercase Moses tokens, beam of 5",
    ),
)

RECIPES = (
    DATES,
    multi30k_recipe(
        "seq2seq",
        "German to English, Luong's attention",
        LUONG,
        (16, 45),
        references=ATTENTION,
    ),
    multi30k_recipe(
        "seq2seq",
        "German to English, Bahdanau's attention",
        BAHDANAU,
        (16, 45),
        tag="multi30k_de_en_additive",
        references=ATTENTION,
    ),
    multi30k_recipe(
        "transformer",
        "German to English, a small Transformer",
        {"tie_embeddings": "all"},
        (40, 120),
        references=SMALL,
        batch_size=128,
        optimizer=None,
        learning_rate=None,
        schedule="constant",
        ema_momentum=None,
        clip_norm=None,
    ),
)
