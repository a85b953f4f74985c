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
    minutes: int,
    tag: str = "multi30k_de_en",
    references: tuple[Reference, ...] = (),
    **overrides: Any,
) -> Recipe:
    """A recipe of a translation model on Multi30k, from German to English.

    Args:
        model, title, config, references: as in `Recipe`.
        epochs: epochs of the default budget and of "paper".
        minutes: minutes of training in the default budget.
        tag: the part of its name after the dot.
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
            f"cpu-{minutes}-minutes": Budget(epochs[0]),
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

# From English, in the protocol of papers: texts in lower case and in Moses' tokens, BLEU of these
# tokens, a beam of 5. The Transformer is that of the reference, with a vocabulary of about 10,000
# merges. Averaged weights take the place of the mean of the last ten checkpoints.

PAPER_SPLITS = (None, "test_2017_flickr", "test_2017_mscoco")


def paper_recipe(
    language: str, title: str, minutes: int, references: tuple[Reference, ...] = ()
) -> Recipe:
    """A small Transformer that translates from English, on tokenized Multi30k.

    Args:
        language: language of the target.
        title: as in `Recipe`.
        minutes: minutes of training in its default budget.
        references: as in `Recipe`.
    """
    splits = [{"split": split} if split else {} for split in PAPER_SPLITS]
    return Recipe(
        name=f"transformer.multi30k_en_{language}",
        title=title,
        model="transformer",
        config={"tie_embeddings": "all", "dropout": 0.3, "label_smoothing": 0.1},
        data="multi30k_tokenized",
        train="train",
        valid="validation",
        test="test",
        text_config=TextConfig(("en", language), tokenizer="bpe", vocabulary_size=10_000),
        batch_size=128,
        learning_rate=3e-3,
        betas=(0.9, 0.98),
        schedule="cosine",
        warmup=1000,
        ema_momentum=0.999,
        clip_norm=1.0,
        select_best_epoch=False,
        budgets={
            "smoke": Budget(1, train_examples=640, samples=20),
            f"cpu-{minutes}-minutes": Budget(40),
            "paper": Budget(140),
        },
        metrics=(
            *(MetricSpec("bleu", protocol="tokenized", num_beams=5, **where) for where in splits),
            MetricSpec("bleu", protocol="tokenized"),
            MetricSpec("chrf", num_beams=5),
        ),
        references=references,
        limitations="The test split is test_2016_flickr. BLEU of tokens in lower case is higher"
        " than that of texts as they are written.",
    )


EN_DE_PROTOCOL = (
    "multi30k_tokenized train / validation / test, en to de; BLEU tokenized, beam of 5, length"
    " penalty 0.6 on all {texts}, %"
)
EN_DE = (
    Reference(
        41.02,
        "LividWo/Revisit-MMT@dc368d0",
        "the Transformer of this size, 10,000 merges",
        EN_DE_PROTOCOL.format(texts="test texts"),
    ),
    *(
        Reference(
            value,
            "the same Transformer with image-free multimodal consistency, as later papers quote it",
            "a better objective: a ceiling",
            EN_DE_PROTOCOL.format(texts=texts),
        )
        for value, texts in (
            (42.50, "test texts"),
            (36.04, "texts of test_2017_flickr"),
            (31.95, "texts of test_2017_mscoco"),
        )
    ),
)

RECIPES = (
    DATES,
    paper_recipe("de", "English to German in tokens, a small Transformer", 150, EN_DE),
    paper_recipe("fr", "English to French in tokens, a small Transformer", 150),
    multi30k_recipe(
        "seq2seq",
        "German to English, Luong's attention",
        LUONG,
        (16, 45),
        minutes=110,
        references=ATTENTION,
    ),
    multi30k_recipe(
        "seq2seq",
        "German to English, Bahdanau's attention",
        BAHDANAU,
        (16, 45),
        minutes=90,
        tag="multi30k_de_en_additive",
        references=ATTENTION,
    ),
    multi30k_recipe(
        "transformer",
        "German to English, a small Transformer",
        {"tie_embeddings": "all"},
        (40, 120),
        minutes=215,
        references=SMALL,
        batch_size=128,
        optimizer=None,
        learning_rate=None,
        schedule="constant",
        ema_momentum=None,
        clip_norm=None,
    ),
)
