"""Scores of texts equal those of other packages, and different protocols are not compared."""

import collections
import math

import numpy as np
import pytest
import sacrebleu
from sacremoses import MosesTokenizer

from zoo import metrics, text
from zoo.errors import UnknownNameError, UsageError
from zoo.metrics import caption_metrics

# Sentences of the kind of Multi30k, and translations of medium quality.
RIGHT = [
    "A man in an orange hat starring at something.",
    "A Boston Terrier is running on lush green grass in front of a white fence.",
    "A girl in karate uniform breaking a stick with a front kick.",
    "Five people wearing winter jackets and helmets stand in the snow, with snowmobiles.",
    "People are fixing the roof of a house; it's hot.",
]
SAID = [
    "A man with an orange hat staring at something.",
    "a Boston Terrier runs across lush green grass in front of a white fence.",
    "A girl in a karate uniform breaks a board with a kick.",
    "Five people in winter coats and helmets stand in the snow with snowmobiles in the background.",
    "People fix the roof of a house, it's hot.",
]
# Captions by five people, and two of a machine's.
IMAGES = [
    [
        "A black dog is running .",
        "A dog runs on the grass .",
        "The dog 's ball is red .",
        "A dog",
        "Dog runs",
    ],
    [
        "Two girls don't smile .",
        "Girls in a park .",
        "Two sad girls in the park",
        "Two girls",
        "A girl",
    ],
    [
        "A man climbs a well-lit wall .",
        "A man on a wall",
        "A climber",
        "Man , climbing",
        "A rock wall",
    ],
    [
        "A red car .",
        "The red car is parked by the park .",
        "A car",
        "Parked car on the street",
        "Car",
    ],
]
CAPTIONS = [
    "A black dog runs on grass .",
    "Two girls in the park .",
    "A man climbs a rock wall",
    "A blue car .",
]


@pytest.mark.parametrize("lower", [False, True])
def test_bleu_and_chrf_are_those_of_sacrebleu(lower):
    score = metrics.bleu(SAID, RIGHT, "13a-lower" if lower else "13a")
    expected = sacrebleu.corpus_bleu(SAID, [RIGHT], lowercase=lower)
    assert score.value == pytest.approx(expected.score, abs=1e-9)
    case = "lc" if lower else "mixed"
    assert (
        f"nrefs:1|case:{case}|eff:no|tok:13a|smooth:exp|version:{sacrebleu.__version__}"
        in score.protocol
    )
    chrf = metrics.chrf(SAID, RIGHT)
    assert chrf.value == pytest.approx(sacrebleu.corpus_chrf(SAID, [RIGHT]).score, abs=1e-9)
    assert "nc:6|nw:0" in chrf.protocol


def test_several_references_are_those_of_sacrebleu():
    others = [line.replace("A ", "The ") for line in RIGHT]
    score = metrics.bleu(SAID, [*map(list, zip(RIGHT, others, strict=True))])
    assert score.value == pytest.approx(
        sacrebleu.corpus_bleu(SAID, [RIGHT, others]).score, abs=1e-9
    )
    assert "nrefs:2" in score.protocol
    ragged = metrics.bleu(SAID, [[RIGHT[0], others[0]], *RIGHT[1:]])
    assert "nrefs:var" in ragged.protocol


def plain_bleu(hypotheses, right):
    """BLEU-4 of lists of tokens with one reference each, without smoothing, in %."""
    hits, totals = np.zeros(4), np.zeros(4)
    for a, b in zip(hypotheses, right, strict=True):
        for n in range(1, 5):
            grams = [
                collections.Counter(tuple(x[i : i + n]) for i in range(len(x) - n + 1))
                for x in (a, b)
            ]
            hits[n - 1] += (grams[0] & grams[1]).total()
            totals[n - 1] += grams[0].total()
    long, short = sum(map(len, right)), sum(map(len, hypotheses))
    return 100 * math.exp(np.log(hits / totals).mean() + min(0, 1 - long / short))


def test_each_protocol_is_another_number():
    scores = {protocol: metrics.bleu(SAID, RIGHT, protocol) for protocol in metrics.BLEU_PROTOCOLS}
    moses = MosesTokenizer("en")
    cut = [[moses.tokenize(line.lower(), escape=False) for line in side] for side in (SAID, RIGHT)]
    tokens = [[" ".join(line) for line in side] for side in cut]
    assert metrics.bleu(*tokens, "tokenized").value == scores["moses-lower"].value
    assert scores["moses-lower"].value == pytest.approx(plain_bleu(*cut))
    assert "sacremoses" in scores["moses-lower"].protocol
    apart = str.maketrans({mark: f" {mark} " for mark in "'.,;"})
    words = [[line.lower().translate(apart).split() for line in side] for side in (SAID, RIGHT)]
    assert scores["words-lower"].value == pytest.approx(plain_bleu(*words))
    assert scores["13a-lower"].value > scores["13a"].value
    assert len({score.protocol for score in scores.values()}) == 5
    for one in scores.values():
        assert one.protocol.startswith(tuple(scores))


def test_perfect_and_empty_translations_have_the_ends_of_the_scale():
    assert metrics.bleu(RIGHT, RIGHT).value == pytest.approx(100)
    assert metrics.bleu([""] * 5, RIGHT).value == 0
    assert metrics.exact_match([*RIGHT[:2], "x", "y", ""], RIGHT).value == 40
    best = metrics.caption_scores([texts[0] for texts in IMAGES], IMAGES)
    assert best["BLEU-4"].value == pytest.approx(100, abs=1e-4)
    assert best["ROUGE-L"].value == pytest.approx(100)
    worst = metrics.caption_scores([""] * 4, IMAGES)
    assert {round(score.value, 6) for score in worst.values()} == {0}


def test_caption_scores_are_those_of_coco():
    """The numbers are what pycocoevalcap 1.2 gives for these tokens."""
    found = {name: s.value for name, s in metrics.caption_scores(CAPTIONS, IMAGES).items()}
    expected = {
        "BLEU-1": 94.9999999905,
        "BLEU-2": 87.85641694469315,
        "BLEU-3": 76.64572258348782,
        "BLEU-4": 57.922986288878185,
        "ROUGE-L": 91.9604205318491,
        "CIDEr-D": 219.27968166024203,
    }
    assert found == pytest.approx(expected, abs=1e-8)


def test_caption_scores_by_hand():
    score = metrics.caption_scores(["the cat sat"], [["the cat ran", "a cat sat down"]])
    assert score["BLEU-1"].value == pytest.approx(100)  # every word is in one of them
    assert score["BLEU-2"].value == pytest.approx(100)  # "the cat" and "cat sat" too
    assert score["BLEU-3"].value < 1e-2  # not the three
    # Two of three words in order, of the best reference: recall 2/3, precision 2/3.
    assert score["ROUGE-L"].value == pytest.approx(100 * 2 / 3)
    assert score["CIDEr-D"].value == 0  # with one image no word is rare
    short = metrics.caption_scores(["cat"], [["cat sat down", "a cat"]])
    assert short["BLEU-1"].value == pytest.approx(100 * math.exp(1 - 2), abs=1e-4)  # 2 is closest


def plain_cider(hypotheses, right):
    """CIDEr-D by the formulas of the paper, eqs. 1-2 and 5-6, with dense vectors."""
    grams = lambda words, n: [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]  # noqa: E731
    total = np.zeros(len(hypotheses))
    for n in range(1, 5):
        known = sorted(
            {g for texts in [hypotheses, *right] for words in texts for g in grams(words, n)}
        )
        holds = [{g for words in texts for g in grams(words, n)} for texts in right]
        idf = np.array([math.log(len(right) / max(1, sum(g in h for h in holds))) for g in known])
        vector = lambda words: np.array([grams(words, n).count(g) for g in known]) * idf  # noqa: B023, E731
        for i, (words, texts) in enumerate(zip(hypotheses, right, strict=True)):
            for other in texts:
                a, b = vector(words), vector(other)
                norm = np.linalg.norm(a) * np.linalg.norm(b)
                gap = math.exp(-((len(words) - len(other)) ** 2) / (2 * 6**2))
                total[i] += gap * (np.minimum(a, b) @ b / norm if norm else 0) / len(texts) / 4
    return 100 * 10 * total.mean()


def test_matches_are_clipped_by_the_reference_that_has_most_of_them():
    """Papineni et al.: by the largest count in one reference, and not by the sum over all."""
    found = metrics.caption_scores(["the the the the"], [["the cat the", "a the dog", "the the a"]])
    assert found["BLEU-1"].value == pytest.approx(100 * 2 / 4)


def test_cider_is_the_papers():
    hypotheses = [caption_metrics.tokenize(line) for line in CAPTIONS]
    right = [[caption_metrics.tokenize(line) for line in texts] for texts in IMAGES]
    found = metrics.caption_scores(CAPTIONS, IMAGES)["CIDEr-D"]
    assert found.value == pytest.approx(plain_cider(hypotheses, right), rel=1e-9)
    assert found.value > 50


def test_tokens_are_those_of_the_treebank():
    assert caption_metrics.tokenize("A tri-colored dog's \"ball\" isn't red .") == (
        ["a", "tri-colored", "dog", "'s", "ball", "is", "n't", "red"]
    )
    assert caption_metrics.tokenize("Man , 3.5 m (11 ft) up -- it 's # 2 & can't!") == (
        ["man", "3.5", "m", "11", "ft", "up", "it", "'s", "#", "2", "&", "ca", "n't"]
    )
    assert caption_metrics.tokenize(" ... ") == []


def test_perplexity_is_per_token_of_its_vocabulary():
    nll, tokens = np.array([2.0, 6.0, 1.0, 1.0, 2.0]), np.array([4, 6, 2, 2, 2])
    letters, words = (text.WordTokenizer.train(RIGHT, unit=unit) for unit in ("character", "word"))
    score = metrics.perplexity(nll, tokens, RIGHT, letters)
    assert score.value == pytest.approx(math.exp(12 / 16))
    assert not score.higher_is_better
    with pytest.raises(UsageError, match="per token of characters"):
        metrics.compare_texts(score, metrics.perplexity(nll, tokens, RIGHT, words))
    with pytest.raises(UsageError, match="a number of tokens from 1 up"):
        metrics.perplexity(nll, tokens - 2, RIGHT, letters)


def test_scores_of_two_protocols_are_not_compared():
    one, other = metrics.bleu(SAID, RIGHT), metrics.bleu(SAID, RIGHT, "13a-lower")
    for mixed in (other, metrics.chrf(SAID, RIGHT)):
        with pytest.raises(UsageError, match="different metrics"):
            metrics.compare_texts(one, mixed)
        with pytest.raises(UsageError, match="different protocols"):
            metrics.rank_texts({"one": one, "mixed": mixed})
    with pytest.raises(UsageError, match="different references"):
        metrics.compare_texts(one, metrics.bleu(SAID[::-1], RIGHT[::-1]))
    best = metrics.bleu(RIGHT, RIGHT)
    assert [*metrics.rank_texts({"one": one, "best": best})] == ["best", "one"]


def test_the_interval_covers_and_a_paired_difference_is_surer():
    random = np.random.default_rng(0)
    right = [" ".join(random.choice([*"abcdefgh"], 12)) for _ in range(150)]

    def worse(share, seed):
        random = np.random.default_rng(seed)
        return [
            " ".join(w if random.random() > share else "x" for w in line.split()) for line in right
        ]

    good, bad = (metrics.bleu(worse(share, 1), right) for share in (0.15, 0.2))
    low, high = good.interval
    assert low < good.value < high
    found = metrics.compare_texts(good, bad)
    assert found.excludes_zero
    assert found.difference == pytest.approx(good.value - bad.value)
    assert found.p < 0.01
    paired = found.interval[1] - found.interval[0]
    assert paired < high - low
    same = metrics.compare_texts(good, good)
    assert (same.difference, same.p) == (0, 1)
    assert "150 texts" in str(good)
    assert "p = " in str(found)


def test_lists_that_do_not_fit_are_rejected():
    with pytest.raises(UsageError, match="4 hypotheses and 5 references"):
        metrics.bleu(SAID[:4], RIGHT)
    with pytest.raises(UsageError, match="0 hypotheses"):
        metrics.exact_match([], [])
    with pytest.raises(UsageError, match=r"write \[text\]"):
        metrics.chrf("a", ["a"])
    with pytest.raises(UsageError, match="text 2 must be a str"):
        metrics.bleu(["a", None], ["a", "b"])
    with pytest.raises(UsageError, match="text 1 must be a str with one or more"):
        metrics.caption_scores(["a"], [[]])
    with pytest.raises(UnknownNameError, match="BLEU protocol '13A'.*'13a'"):
        metrics.bleu(SAID, RIGHT, "13A")
