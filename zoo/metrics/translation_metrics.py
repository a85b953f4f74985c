"""Scores of translations: BLEU by named protocols, chrF, exact match, perplexity.

    hypotheses = model.translate(test.texts["source"])
    for protocol in metrics.BLEU_PROTOCOLS:
        print(metrics.bleu(hypotheses, test.texts["target"], protocol))

Papers report different numbers as BLEU, 1 to 3 points apart, so a protocol is required:

    13a           cased, tokenized by sacrebleu as at WMT: the one to report
    13a-lower     the same in lower case
    moses-lower   lower case, in Moses' normalized tokens, as in papers on multimodal translation
    words-lower   lower case, in words and punctuation marks, close to spaCy's tokens in notebooks
    tokenized     the texts as they are, for tokenized corpora (sacrebleu's tokenizer `none`)

Hypotheses must be generated from the source alone. A score of predictions with teacher forcing is
not a BLEU.
"""

import functools
import importlib.metadata
import itertools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from zoo.errors import UnknownNameError, UsageError
from zoo.metrics.estimate import check_finite_numbers
from zoo.metrics.text_scores import CorpusScore, check_texts, fingerprint_texts

ROUNDING = 1e-3  # nats per token
LARGEST = 700  # nats per token; e^700 is near the largest float
BLEU_PROTOCOLS = ("13a", "13a-lower", "moses-lower", "words-lower", "tokenized")


def bleu(
    hypotheses: Sequence[str],
    references: Sequence[str | Sequence[str]],
    protocol: str = "13a",
    language: str = "en",
) -> CorpusScore:
    """BLEU-4 of Papineni et al. (2002), by sacrebleu (Post 2018, arXiv 1804.08771), in %.

    Args:
        hypotheses: list of str, one for each sentence.
        references: list of str, or of lists of str.
        protocol: see the module.
        language: language of the texts, for Moses' rules; not used by the other protocols.

    Returns:
        A `CorpusScore`; its protocol ends in sacrebleu's signature.

    Raises:
        UsageError: the lists do not match.
        UnknownNameError: the protocol.
    """
    from sacrebleu.metrics import BLEU

    if protocol not in BLEU_PROTOCOLS:
        raise UnknownNameError("BLEU protocol", protocol, BLEU_PROTOCOLS)
    if protocol in ("13a", "13a-lower"):
        metric = BLEU(lowercase=protocol == "13a-lower", force=True)
        return _score("BLEU", metric, hypotheses, references, protocol)
    split: Callable[[str], str] = _words if protocol == "words-lower" else str
    name = protocol
    if protocol == "moses-lower":
        split, name = _moses(language)
    metric = BLEU(tokenize="none", force=True)
    return _score("BLEU", metric, hypotheses, references, name, split)


def chrf(hypotheses: Sequence[str], references: Sequence[str | Sequence[str]]) -> CorpusScore:
    """chrF2 of Popovic (2015): F-score of character 6-grams, by sacrebleu, in %.

    Args:
        hypotheses, references: as in `bleu`.
    """
    from sacrebleu.metrics import CHRF

    return _score("chrF", CHRF(), hypotheses, references, "chrF2, cased")


def _score(
    name: str,
    metric: Any,
    hypotheses: Sequence[str],
    references: Any,
    protocol: str,
    split: Callable[[str], str] = str,
) -> CorpusScore:
    """The score by one of sacrebleu's metrics, of texts prepared by `split`."""
    hypotheses, references, _ = check_texts(hypotheses, references)
    prepared = [[split(text) for text in texts] for texts in references]
    streams = [*itertools.zip_longest(*prepared)]  # the first of each, the second of each, ...
    rows = metric._extract_corpus_statistics([split(text) for text in hypotheses], streams)
    return CorpusScore.from_statistics(
        rows,
        lambda sums: metric._aggregate_and_compute([np.rint(sums).astype(int).tolist()]).score,
        name=name,
        protocol=f"{protocol}, sacrebleu {metric.get_signature().format()}",
        unit="%",
        higher_is_better=True,
        references=fingerprint_texts(references),
    )


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+|[^\w\s]", text.lower()))


def _moses(language: str) -> tuple[Callable[[str], str], str]:
    """(lower case, normalized punctuation, Moses' tokens; the protocol's name)."""
    from sacremoses import MosesPunctNormalizer, MosesTokenizer

    normalizer = MosesPunctNormalizer(language)
    tokenizer = MosesTokenizer(language)

    def split(text: str) -> str:
        return tokenizer.tokenize(normalizer.normalize(text.lower()), return_str=True, escape=False)

    version = importlib.metadata.version("sacremoses")
    return split, f"moses-lower ({language}, sacremoses {version})"


def exact_match(
    hypotheses: Sequence[str], references: Sequence[str | Sequence[str]]
) -> CorpusScore:
    """Fraction of hypotheses that equal one of their references, in %.

    Args:
        hypotheses, references: as in `bleu`.
    """
    hypotheses, references, count = check_texts(hypotheses, references)
    hits = [[text in texts] for text, texts in zip(hypotheses, references, strict=True)]
    return CorpusScore.from_statistics(
        hits,
        functools.partial(_percentage, n=len(hits)),
        name="exact match",
        protocol=f"whole texts, {count} references",
        unit="%",
        higher_is_better=True,
        references=fingerprint_texts(references),
    )


def _percentage(sums: np.ndarray, n: int) -> float:
    return 100 * sums[0] / n


def perplexity(nll: Any, tokens: Any, references: Sequence[str], vocabulary: Any) -> CorpusScore:
    """exp of the mean negative log-likelihood of a token, END included.

    The only metric here that uses teacher forcing. It depends on the tokens, so models with
    different vocabularies are not comparable.

    Args:
        nll: negative log-likelihood of each text, in nats, summed over its tokens: [n].
        tokens: number of tokens of each text, END included: [n].
        references: the texts.
        vocabulary: the `zoo.text.Vocabulary` of the tokens.

    Returns:
        A `CorpusScore`.

    Raises:
        UsageError: the lists do not match, a text has no token, or a number is not finite,
            negative, or so large that the perplexity would be infinite.
    """
    nll = np.asarray(nll, np.float64)
    tokens = np.asarray(tokens, np.float64)
    if not nll.shape == tokens.shape == (len(references),) or not (tokens > 0).all():
        raise UsageError(
            f"perplexity needs a sum and a number of tokens from 1 up for each of the"
            f" {len(references):,} texts, got {nll.shape} and {tokens.shape}"
        )
    check_finite_numbers(nll, "negative log-likelihoods")
    per_token = nll / tokens
    if not (per_token.min() > -ROUNDING and per_token.max() < LARGEST):
        raise UsageError(
            f"perplexity needs 0 to {LARGEST} nats a token, got {per_token.min():.4g} to"
            f" {per_token.max():.4g}; give sums of negative log-likelihoods, in nats"
        )
    return CorpusScore.from_statistics(
        np.stack([nll, tokens], 1),
        lambda sums: math.exp(sums[0] / sums[1]),
        name="perplexity",
        protocol=f"per token of {vocabulary.kind} {vocabulary.fingerprint[:12]}",
        unit="per token",
        higher_is_better=False,
        references=fingerprint_texts([[text] for text in references]),
    )
