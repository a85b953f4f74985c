"""Scores of captions by the definitions of COCO: BLEU-1 to BLEU-4, ROUGE-L, CIDEr-D.

    for score in metrics.caption_scores(model.caption(images), test.references("caption")).values():
        print(score)

The definitions are those of Chen et al., "Microsoft COCO Captions" (2015, arXiv 1504.00325), and
of its evaluation code. Tokens are those of the Penn Treebank, lower-cased and without punctuation,
by regular expressions in place of Stanford's Java program. Hypotheses must be generated without
access to the references. METEOR and SPICE need Java and are not computed.
"""

import collections
import functools
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.metrics.text_scores import CorpusScore, check_texts, fingerprint_texts

ORDERS = 4
CAPTION_METRICS = (*(f"BLEU-{order}" for order in range(1, ORDERS + 1)), "ROUGE-L", "CIDEr-D")
TINY = 1e-15  # COCO's guards against 0 / 0
SMALL = 1e-9
BETA = 1.2  # of ROUGE-L: weight of recall over precision
SIGMA = 6.0  # of CIDEr-D: width of the length penalty, in words
TOKEN = re.compile(
    r"""\w+?(?=n't\b) | n't\b | '(?:s|re|ve|ll|d|m)\b   # do n't, it 's
    | \d+(?:[.,]\d+)+ | \w+(?:-\w+)*                    # 1,000; tri-colored
    | [^\w\s'"`.,:;!?(){}–—-]+                          # &, but no punctuation""",
    re.VERBOSE,
)


def tokenize(text: str) -> list[str]:
    """The tokens of COCO's scores: "A dog's ball." is ["a", "dog", "'s", "ball"]."""
    return TOKEN.findall(text.lower())


def caption_scores(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]]
) -> dict[str, CorpusScore]:
    """BLEU-1 to BLEU-4, ROUGE-L and CIDEr-D, as a dict by these names.

    Args:
        hypotheses: list of str, one for each image.
        references: list of lists of str; COCO and Flickr8k have five.

    Returns:
        A dict of `CorpusScore`, all in % (papers print CIDEr-D 0.525 as 52.5 or unchanged). CIDEr-D
        weights words by their rarity in these references, so it depends on the test set; for a
        single image it is 0 by definition.

    Raises:
        UsageError: the lists do not match.
    """
    hypotheses, references, count = check_texts(hypotheses, references)
    hypothesis_tokens = [tokenize(text) for text in hypotheses]
    reference_tokens = [[tokenize(text) for text in texts] for texts in references]
    pairs = list(zip(hypothesis_tokens, reference_tokens, strict=True))
    matches = [_matches(*pair) for pair in pairs]
    metrics: dict[str, tuple[list, Any]] = {
        f"BLEU-{order}": (matches, functools.partial(_bleu, order=order))
        for order in range(1, ORDERS + 1)
    }
    mean = functools.partial(_mean, n=len(pairs))
    metrics["ROUGE-L"] = [[_rouge(*pair)] for pair in pairs], mean
    metrics["CIDEr-D"] = [[value] for value in _cider(hypothesis_tokens, reference_tokens)], mean
    return {
        name: CorpusScore.from_statistics(
            statistics,
            combine,
            name=name,
            protocol=f"COCO captions, {count} references, PTB-like tokens v1",
            unit="%",
            higher_is_better=True,
            references=fingerprint_texts(references),
        )
        for name, (statistics, combine) in metrics.items()
    }


def _count_ngrams(words: list[str]) -> collections.Counter[tuple]:
    """The counts of all n-grams of 1 to 4 words."""
    return collections.Counter(
        tuple(words[i : i + n]) for n in range(1, ORDERS + 1) for i in range(len(words) - n + 1)
    )


def _matches(hypothesis: list[str], references: list[list[str]]) -> list[int]:
    """(clipped matches, counts) of n-grams for n = 1 to 4, own length, closest reference length."""
    most = functools.reduce(
        lambda a, b: a | b, map(_count_ngrams, references)
    )  # | takes the larger count
    hits = [0] * ORDERS
    totals = [0] * ORDERS
    for gram, count in _count_ngrams(hypothesis).items():
        hits[len(gram) - 1] += min(count, most[gram])
        totals[len(gram) - 1] += count
    closest = min((abs(len(words) - len(hypothesis)), len(words)) for words in references)[1]
    return [*hits, *totals, len(hypothesis), closest]


def _bleu(sums: np.ndarray, order: int) -> float:
    hits = sums[:ORDERS]
    totals = sums[ORDERS:-2]
    (length, closest) = sums[-2:]
    precisions = (hits[:order] + TINY) / (totals[:order] + SMALL)
    ratio = (length + TINY) / (closest + SMALL)
    return 100 * math.exp(np.log(precisions).mean() + min(0.0, 1 - 1 / ratio))


def _rouge(hypothesis: list[str], references: list[list[str]]) -> float:
    """ROUGE-L, from the best recall and the best precision over the references."""
    common = [_longest_common(hypothesis, words) for words in references]
    precision = max(common) / len(hypothesis) if hypothesis else 0.0
    pairs = zip(common, references, strict=True)
    recall = max(length / len(words) if words else 0.0 for length, words in pairs)
    if not precision or not recall:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def _longest_common(a: list[str], b: list[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(b) + 1)
    for x in a:
        before = 0
        for j, y in enumerate(b):
            above = row[j + 1]
            row[j + 1] = before + 1 if x == y else max(row[j], above)
            before = above
    return row[-1]


def _cider(hypotheses: list[list[str]], references: list[list[list[str]]]) -> Any:
    """CIDEr-D of each image, Vedantam et al. (2015, arXiv 1411.5726): from 0 to 10."""
    counts = [[_count_ngrams(words) for words in texts] for texts in references]
    documents = collections.Counter(gram for texts in counts for gram in set().union(*texts))

    def tf_idf(grams: collections.Counter[tuple]) -> tuple[dict[tuple, float], np.ndarray]:
        """Weight of each n-gram, and the norm for each n."""
        idf = {
            gram: math.log(len(hypotheses)) - math.log(max(1, documents[gram])) for gram in grams
        }
        weights = {gram: count * idf[gram] for gram, count in grams.items()}
        squares = [0.0] * ORDERS
        for gram, weight in weights.items():
            squares[len(gram) - 1] += weight**2
        return weights, np.sqrt(squares)

    for words, texts, grams in zip(hypotheses, references, counts, strict=True):
        own, own_norm = tf_idf(_count_ngrams(words))
        total = 0.0
        for other_words, other_grams in zip(texts, grams, strict=True):
            other, norm = tf_idf(other_grams)
            dot = np.zeros(ORDERS)
            for gram in own.keys() & other.keys():
                dot[len(gram) - 1] += min(own[gram], other[gram]) * other[gram]
            norms = own_norm * norm
            similarity = np.divide(dot, norms, out=np.zeros(ORDERS), where=norms > 0)
            # COCO's code uses the number of bigrams as the length.
            difference = max(len(words) - 1, 0) - max(len(other_words) - 1, 0)
            total += similarity.mean() * math.exp(-(difference**2) / (2 * SIGMA**2))
        yield 10 * total / len(texts)


def _mean(sums: np.ndarray, n: int) -> float:
    return 100 * sums[0] / n
