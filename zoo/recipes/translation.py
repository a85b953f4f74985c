"""Recipes of the models that translate."""

from zoo.data.text_config import TextConfig
from zoo.recipes.metric_spec import Measure
from zoo.recipes.recipe import Budget, Recipe, Reference

# Dates, letter by letter: whether attention has been learned can be read off the answers.

DATES = Recipe(
    name="seq2seq.dates",
    title="Dates as people write them, in nine languages, to ISO 8601",
    model="seq2seq",
    config={"embedding_dim": 64, "units": 128, "tie_embeddings": "output", "dropout": 0.1},
    data="dates",
    train="train",
    valid="validation",
    test="test",
    batch_size=64,
    learning_rate=2e-3,
    schedule="cosine",
    ema=0.99,
    clip=1.0,
    texts=TextConfig(tokenizer="characters", max_length=64),
    budgets={
        "smoke": Budget(1, train_examples=640, samples=50),
        "cpu-hour": Budget(3),
        "paper": Budget(20),
    },
    metrics=(Measure("exact_match"), Measure("chrf")),
    limits="No date of the test is in the training data; its words are.",
)

# Multi30k from German to English. All four meanings of BLEU stand side by side, greedy and by a
# beam of 5; the first is the one to report.

PROTOCOLS = ("13a", "13a-lower", "moses-lower", "words-lower")
BLEU = tuple(
    Measure("bleu", protocol=protocol, num_beams=num_beams)
    for protocol in PROTOCOLS
    for num_beams in (5, 1)
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


def multi30k(model, title, config, epochs, tag="multi30k_de_en", references=(), **settings):
    told = {
        "batch_size": 64,
        "learning_rate": 1e-3,
        "schedule": "cosine",
        "ema": 0.999,
        "clip": 1.0,
        **settings,
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
        texts=TextConfig(("de", "en"), tokenizer="bpe", vocabulary_size=8000),
        best=False,
        budgets={
            "smoke": Budget(1, train_examples=640, samples=20),
            "cpu-hour": Budget(epochs[0]),
            "paper": Budget(epochs[1]),
        },
        metrics=(*BLEU, Measure("chrf", num_beams=5), Measure("chrf")),
        references=references,
        limits="The test split is test_2016_flickr. Published numbers are about other tokens, other"
        " splits or the other direction: the protocols closest to them are listed.",
        **told,
    )


TUTORIAL = "bentrevett/pytorch-seq2seq@b3cd54c"
NOTE = "greedy, lower-cased spaCy tokens: words-lower comes closest"
ATTENTION = (
    Reference(28.3, TUTORIAL, f"Bahdanau's model, words; {NOTE}"),
    Reference(
        38.45,
        "maximus-21/Neural-Machine-Translation@07b184d",
        "multiplicative attention, 8,000 joint sub-words; 13a, greedy, on the validation split",
    ),
)
SMALL = (
    Reference(36.52, TUTORIAL, f"a Transformer of 9.0 M weights, legacy notebook 6; {NOTE}"),
    Reference(
        41.02,
        "LividWo/Revisit-MMT@dc368d0",
        "the Transformer of this size, from English to German; lower-cased Moses tokens, beam of 5",
    ),
)

RECIPES = (
    DATES,
    multi30k(
        "seq2seq",
        "German to English, Luong's attention",
        LUONG,
        (16, 45),
        references=ATTENTION,
    ),
    multi30k(
        "seq2seq",
        "German to English, Bahdanau's attention",
        BAHDANAU,
        (16, 45),
        tag="multi30k_de_en_additive",
        references=ATTENTION,
    ),
    multi30k(
        "transformer",
        "German to English, a small Transformer",
        {"tie_embeddings": "all"},
        (40, 120),
        references=SMALL,
        batch_size=128,
        learning_rate=None,
        schedule="constant",
        ema=None,
        clip=None,
    ),
)
