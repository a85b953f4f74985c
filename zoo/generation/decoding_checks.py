"""The arguments of decoding: possible values, and which of them go together."""

import tensorflow as tf

from zoo.checks import MAX_INT32, NUMBERS, check_numbers
from zoo.errors import UsageError

LENGTH_PENALTY = 0.6  # of a beam search
LONGEST = 2**16  # tokens of a sentence


def check_options(beam, length_penalty, seed, pieces, **drawing):
    """Raises UsageError for a value that is not possible, or that its way of decoding never uses.

    With a seed tokens are drawn at random, otherwise a beam of 1 is greedy and more is a search.

    Args: as `Speaker.generate` takes them, None for "not given".
    """
    check_numbers(beam=beam)
    drawing = {name: value for name, value in drawing.items() if value is not None}
    check_drawing(**drawing)
    if length_penalty is not None:
        check_penalty(length_penalty)
    if seed is None and drawing:
        raise UsageError(
            f"{' and '.join(drawing)} would change nothing: tokens are drawn at random with a seed"
            " only; give a seed, or leave it out"
        )
    if seed is not None and beam != 1:
        raise UsageError(f"beam={beam} searches, and seed={seed} draws at random: leave one out")
    if seed is not None and pieces is not None:
        raise UsageError(f"pieces={pieces} would change nothing where a seed draws: leave it out")
    if length_penalty is not None and beam == 1:
        raise UsageError(
            f"length_penalty={length_penalty} would change nothing: it is of a beam search; give a"
            " beam of 2 or more, or leave it out"
        )


def check_drawing(temperature=1.0, top_k=None, top_p=None):
    """Raises UsageError for an argument of `decoding.sample` out of range."""
    if not in_range("temperature", temperature):
        raise UsageError(
            f"temperature must be above 0 and finite, got {temperature!r}; or decode greedily"
        )
    if not (top_k is None or in_range("top_k", top_k)):
        raise UsageError(f"top_k must be {NUMBERS['top_k']}, got {top_k!r}")
    if not (top_p is None or in_range("top_p", top_p)):
        raise UsageError(f"top_p must be in (0, 1], got {top_p!r}")


def check_penalty(length_penalty):
    """Raises UsageError for a length penalty out of range."""
    if not in_range("length_penalty", length_penalty):
        raise UsageError(f"length_penalty must be 0 or more, got {length_penalty!r}")


def in_range(name, value):
    """Whether an argument is in its interval, as far as its value is known."""
    if tf.is_tensor(value):
        return not hasattr(value, "numpy") or NUMBERS[name].accepts(value.numpy())
    return NUMBERS[name].accepts(value)


def check_size(n, beam, limit, vocabulary):
    """Raises UsageError for a search whose tokens or logits do not fit into one tensor."""
    if limit > LONGEST:
        raise UsageError(f"limit must be at most {LONGEST:,} tokens, got {limit:,}")
    if n * beam * max(limit, vocabulary) > MAX_INT32:
        raise UsageError(
            f"{n:,} x {beam} sentences of {limit:,} tokens do not fit into one tensor: give a"
            f" smaller {'beam' if beam > 1 else 'limit'}, or fewer at a time"
        )
