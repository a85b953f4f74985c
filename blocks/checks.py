"""Checks of arguments, made once, at the boundary; each returns the value or raises ValueError."""

import math

LARGEST = 2**20  # width of a layer: with more, memory ends before an error says why
MANY = 2**31 - 1  # what only counts


def at_least_one(value, argument, most=LARGEST):
    """An integer from 1 to `most`."""
    return integer(value, argument, 1, most)


def count(value, argument, most=LARGEST):
    """An integer from 0 to `most`."""
    return integer(value, argument, 0, most)


def integer(value, argument, least, most):
    if type(value) is not int or value < least:
        raise ValueError(f"{argument} must be an integer >= {least}, got {value!r}")
    if value > most:
        raise ValueError(f"{argument} must be at most {most:,}, got {value:,}")
    return value


def sizes(value, argument, length=None, least=1):
    """A sequence of integers >= 1, of `length` if given, else of `least` or more; as a tuple."""
    expected = f"{length} integers" if length else f"{least} or more integers"
    if not isinstance(value, list | tuple) or len(value) != (length or max(len(value), least)):
        raise ValueError(f"{argument} must be {expected} >= 1, got {value!r}")
    return tuple(at_least_one(item, f"every one of {argument}") for item in value)


def is_number(value):
    """Whether a value is a finite number and no truth value."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)


def share(value, argument):
    """A number in [0, 1)."""
    if not is_number(value) or not 0 <= value < 1:
        raise ValueError(f"{argument} must be a share in [0, 1), got {value!r}")
    return value


def fraction(value, argument):
    """A number in [0, 1]."""
    if not is_number(value) or not 0 <= value <= 1:
        raise ValueError(f"{argument} must be a number in [0, 1], got {value!r}")
    return value


def at_least_zero(value, argument):
    """A finite number >= 0."""
    if not is_number(value) or value < 0:
        finite = "finite " if value == math.inf else ""
        raise ValueError(f"{argument} must be a {finite}number >= 0, got {value!r}")
    return value


def weight(value, argument):
    """A finite number >= 0, or a callable of the step."""
    if not callable(value) and (not is_number(value) or value < 0):
        finite = "finite " if value == math.inf else ""
        raise ValueError(f"{argument} must be a {finite}number >= 0 or a callable, got {value!r}")
    return value


def has(value, attribute, argument, wanted):
    """A thing that has an attribute, which tells what it is; `wanted` says what that is."""
    if not hasattr(value, attribute):
        raise ValueError(f"{argument} must be {wanted}, got {value!r:.80}")
    return value


def interval(value, argument):
    """Two numbers, the lower one first; as a tuple."""
    pair = isinstance(value, list | tuple) and len(value) == 2 and all(map(is_number, value))
    if not pair or not value[0] < value[1]:
        raise ValueError(f"{argument} must be two numbers (lowest, highest), got {value!r}")
    return tuple(value)


def boolean(value, argument):
    """True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"{argument} must be True or False, got {value!r}")
    return value


def one_of(value, known, argument):
    """A key of `known`, or None if that is among them."""
    if not (value is None or isinstance(value, str)) or value not in known:
        raise ValueError(f"{argument} must be one of {[*known]}, got {value!r}")
    return value


def names(value, argument):
    """A sequence of one or more texts; as a tuple."""
    texts = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    if not texts or not value:
        raise ValueError(f"{argument} must be one or more names, as ('a', 'b'), got {value!r}")
    return tuple(value)
