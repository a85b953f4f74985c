"""How good translations are: BLEU by named protocols, chrF, exact match, perplexity.

    hypotheses = model.translate(test.texts["source"])
    for protocol in metrics.BLEU_PROTOCOLS:
        print(metrics.bleu(hypotheses, test.texts["target"], protocol))

Papers mean different numbers by BLEU, 1 to 3 points apart, so it is asked for by its protocol:

    13a           cased, tokenized by sacrebleu as at WMT: the one to report
    13a-lower     the same in lower case
    moses-lower   lower case, in Moses' normalized tokens, as the papers on multimodal translation
    words-lower   lower case, in words and punctuation marks, close to spaCy's tokens in notebooks

Hypotheses are what a model says by itself, from the source alone. The score of predictions made
with the right words before them (teacher forcing) is no BLEU.
"""

import functools
import importlib.metadata
import itertools
import math
import re

import numpy as np

from zoo.errors import UnknownNameError, UsageError
from zoo.metrics.estimate import check_finite_numbers
from zoo.metrics.text_scores import CorpusScore, check_texts, fingerprint_texts

ROUNDING, LARGEST = 1e-3, 700  # nats a token; e^700 is near the largest float
BLEU_PROTOCOLS = ("13a", "13a-lower", "moses-lower", "words-lower")


def bleu(hypotheses, references, protocol="13a", language="en"):
    """BLEU-4 of Papineni et al. (2002), by sacrebleu (Post 2018, arXiv 1804.08771), in %.

    Args:
        hypotheses: list of str, one for each sentence.
        references: list of str, or of lists of str.
        protocol: see the module.
        language: of the texts, for Moses' rules; the other protocols do not ask.

    Returns: a `CorpusScore`; its protocol ends in sacrebleu's signature.

    Raises:
        UsageError: the lists do not fit together. UnknownNameError: the protocol.
    """
    from sacrebleu.metrics import BLEU

    if protocol not in BLEU_PROTOCOLS:
        raise UnknownNameError("BLEU protocol", protocol, BLEU_PROTOCOLS)
    if protocol in ("13a", "13a-lower"):
        measure = BLEU(lowercase=protocol == "13a-lower", force=True)
        return _score("BLEU", measure, hypotheses, references, protocol)
    split, name = _moses(language) if protocol == "moses-lower" else (_words, protocol)
    measure = BLEU(tokenize="none", force=True)
    return _score("BLEU", measure, hypotheses, references, name, split)


def chrf(hypotheses, references):
    """chrF2 of Popovic (2015): F-score of character 6-grams, by sacrebleu, in %.

    Args:
        as `bleu`.
    """
    from sacrebleu.metrics import CHRF

    return _score("chrF", CHRF(), hypotheses, references, "chrF2, cased")


def _score(name, measure, hypotheses, references, protocol, split=str):
    """The score by one of sacrebleu's metrics, of texts that `split` prepares."""
    hypotheses, references, _ = check_texts(hypotheses, references)
    prepared = [[split(text) for text in right] for right in references]
    streams = [*itertools.zip_longest(*prepared)]  # the first of each, the second of each, ...
    rows = measure._extract_corpus_statistics([split(text) for text in hypotheses], streams)
    return CorpusScore.of(
        rows,
        lambda sums: measure._aggregate_and_compute([np.rint(sums).astype(int).tolist()]).score,
        name=name,
        protocol=f"{protocol}, sacrebleu {measure.get_signature().format()}",
        unit="%",
        higher_is_better=True,
        references=fingerprint_texts(references),
    )


def _words(text):
    return " ".join(re.findall(r"\w+|[^\w\s]", text.lower()))


def _moses(language):
    """(lower case, normalized punctuation, Moses' tokens; the protocol's name)."""
    from sacremoses import MosesPunctNormalizer, MosesTokenizer

    normalizer, tokenizer = MosesPunctNormalizer(language), MosesTokenizer(language)

    def split(text):
        return tokenizer.tokenize(normalizer.normalize(text.lower()), return_str=True, escape=False)

    version = importlib.metadata.version("sacremoses")
    return split, f"moses-lower ({language}, sacremoses {version})"


def exact_match(hypotheses, references):
    """Share of hypotheses that are one of their references, character by character, in %.

    Args:
        as `bleu`.
    """
    hypotheses, references, count = check_texts(hypotheses, references)
    hits = [[text in right] for text, right in zip(hypotheses, references, strict=True)]
    return CorpusScore.of(
        hits,
        functools.partial(_share, n=len(hits)),
        name="exact match",
        protocol=f"whole texts, {count} references",
        unit="%",
        higher_is_better=True,
        references=fingerprint_texts(references),
    )


def _share(sums, n):
    return 100 * sums[0] / n


def perplexity(nll, tokens, references, vocabulary):
    """exp of the mean negative log-likelihood of a token, END included.

    It is the one number here for which a model is given the right words. It depends on what a
    token is, so models with different vocabularies cannot be compared by it.

    Args:
        nll: of each text, in nats, summed over its tokens: [n].
        tokens: number of tokens of each text, END included: [n].
        references: the texts.
        vocabulary: the `zoo.text.Vocabulary` they were cut by.

    Returns: a `CorpusScore`.

    Raises:
        UsageError: the lists do not fit together, a text has no token, or a number is not finite,
            negative, or so large that the perplexity would be infinite.
    """
    nll, tokens = np.asarray(nll, np.float64), np.asarray(tokens, np.float64)
    if not nll.shape == tokens.shape == (len(references),) or not (tokens > 0).all():
        raise UsageError(
            f"perplexity needs a sum and a number of tokens from 1 up for each of the"
            f" {len(references):,} texts, got {nll.shape} and {tokens.shape}"
        )
    check_finite_numbers(nll, "negative log-likelihoods")
    each = nll / tokens
    if not (each.min() > -ROUNDING and each.max() < LARGEST):
        raise UsageError(
            f"perplexity needs 0 to {LARGEST} nats a token, got {each.min():.4g} to"
            f" {each.max():.4g}; give sums of negative log-likelihoods, in nats"
        )
    return CorpusScore.of(
        np.stack([nll, tokens], 1),
        lambda sums: math.exp(sums[0] / sums[1]),
        name="perplexity",
        protocol=f"per token of {vocabulary.kind} {vocabulary.fingerprint[:12]}",
        unit="per token",
        higher_is_better=False,
        references=fingerprint_texts([[text] for text in references]),
    )
