"""Checks of decoding options: valid values, and combinations that have an effect."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from zoo.checks import MAX_INT32, NUMBERS, check_numbers
from zoo.errors import UsageError

LENGTH_PENALTY = 0.6  # default of beam search
_MAX_TOKENS = 2**16  # per sequence


def check_options(
    num_beams: int,
    length_penalty: float | None,
    seed: Any,
    micro_batches: int | None,
    **sampling: Any,
) -> None:
    """Raises UsageError for an invalid value, or for one that would have no effect.

    With a seed, tokens are sampled; otherwise decoding is greedy with one beam, and a beam search
    with more.

    Args: as in `SequenceGenerator.generate`; None means "not given".
    """
    check_numbers(num_beams=num_beams)
    sampling = {name: value for name, value in sampling.items() if value is not None}
    check_sampling(**sampling)
    if length_penalty is not None:
        check_length_penalty(length_penalty)
    if seed is None and sampling:
        raise UsageError(
            f"{' and '.join(sampling)} would have no effect: tokens are sampled only with a seed;"
            " pass a seed, or leave it out"
        )
    if seed is not None and num_beams != 1:
        raise UsageError(
            f"num_beams={num_beams} is for beam search and seed={seed} for sampling: leave one out"
        )
    if seed is not None and micro_batches is not None:
        raise UsageError(
            f"micro_batches={micro_batches} would have no effect with a seed: leave it out"
        )
    if length_penalty is not None and num_beams == 1:
        raise UsageError(
            f"length_penalty={length_penalty} would have no effect without a beam search; pass"
            " num_beams of 2 or more, or leave it out"
        )


def check_sampling(temperature: Any = 1.0, top_k: Any = None, top_p: Any = None) -> None:
    """Raises UsageError for an argument of `decoding.sample` out of range."""
    if not _in_range("temperature", temperature):
        raise UsageError(
            f"temperature must be above 0 ({NUMBERS['temperature']}), got {temperature!r}; for the"
            " most probable tokens, decode greedily"
        )
    if not (top_k is None or _in_range("top_k", top_k)):
        raise UsageError(f"top_k must be {NUMBERS['top_k']}, got {top_k!r}")
    if not (top_p is None or _in_range("top_p", top_p)):
        raise UsageError(f"top_p must be in (0, 1], got {top_p!r}")


def check_length_penalty(length_penalty: Any) -> None:
    """Raises UsageError for a length penalty out of range."""
    if not _in_range("length_penalty", length_penalty):
        most = NUMBERS["length_penalty"].maximum
        raise UsageError(
            f"length_penalty must be 0 or more, at most {most}, got {length_penalty!r}"
        )


def _in_range(name: str, value: Any) -> bool:
    """Whether an argument is in its interval; True for symbolic tensors."""
    if tf.is_tensor(value):
        return not hasattr(value, "numpy") or NUMBERS[name].accepts(value.numpy())
    return NUMBERS[name].accepts(value)


def reject_search_options(options: Mapping[str, Any], texts: str) -> None:
    """Raises UsageError for options of a search when its results are given, so it is skipped."""
    if options:
        raise UsageError(
            f"{', '.join(options)} would have no effect, since the {texts} are given: leave"
            f" {'them' if len(options) > 1 else 'it'} out"
        )


def check_size(n: int, num_beams: int, max_length: int, vocabulary_size: int) -> None:
    """Raises UsageError for a search whose tokens or logits do not fit into one tensor."""
    if max_length > _MAX_TOKENS:
        raise UsageError(f"max_length must be at most {_MAX_TOKENS:,} tokens, got {max_length:,}")
    if n * num_beams * max(max_length, vocabulary_size) > MAX_INT32:
        raise UsageError(
            f"{n:,} x {num_beams} sequences of {max_length:,} tokens do not fit into one tensor:"
            f" pass a smaller {'num_beams' if num_beams > 1 else 'max_length'}, or fewer sources"
        )
