"""Argument checks for constructors: each returns the checked value or raises ValueError."""

import math
from collections.abc import Callable, Collection
from typing import Any, TypeVar

Value = TypeVar("Value")
MAX_WIDTH = 2**20  # of a layer; a wider one would exhaust memory before any useful error
MAX_INT = 2**31 - 1  # of counters, such as steps


def positive_int(value: Any, argument: str, maximum: int = MAX_WIDTH) -> int:
    """Returns `value` if it is an integer from 1 to `maximum`; else raises ValueError."""
    return _bounded_int(value, argument, 1, maximum)


def non_negative_int(value: Any, argument: str, maximum: int = MAX_WIDTH) -> int:
    """Returns `value` if it is an integer from 0 to `maximum`; else raises ValueError."""
    return _bounded_int(value, argument, 0, maximum)


def _bounded_int(value: Any, argument: str, minimum: int, maximum: int) -> int:
    if type(value) is not int or value < minimum:
        raise ValueError(f"{argument} must be an integer >= {minimum}, got {value!r}")
    if value > maximum:
        raise ValueError(f"{argument} must be at most {maximum:,}, got {value:,}")
    return value


def int_tuple(
    value: Any, argument: str, length: int | None = None, min_length: int = 1
) -> tuple[int, ...]:
    """Returns a list or tuple of integers >= 1 as a tuple; else raises ValueError.

    Args:
        value: the argument's value.
        argument: the argument's name, for the error message.
        length: the number of integers; None allows any from `min_length` up.
        min_length: the smallest number of integers where `length` is None.
    """
    expected = f"{length} integers" if length else f"{min_length} or more integers"
    if not isinstance(value, list | tuple) or len(value) != (length or max(len(value), min_length)):
        raise ValueError(f"{argument} must be {expected} >= 1, got {value!r}")
    return tuple(positive_int(item, f"every item of {argument}") for item in value)


def _is_number(value: Any) -> bool:
    """Whether a value is a finite number; booleans are not."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)


def fraction(value: Any, argument: str) -> float:
    """Returns `value` if it is a number in [0, 1); else raises ValueError."""
    if not _is_number(value) or not 0 <= value < 1:
        raise ValueError(f"{argument} must be a fraction in [0, 1), got {value!r}")
    return value


def positive_fraction(value: Any, argument: str) -> float:
    """Returns `value` if it is a number in (0, 1); else raises ValueError."""
    if not _is_number(value) or not 0 < value < 1:
        raise ValueError(f"{argument} must be a fraction in (0, 1), got {value!r}")
    return value


def unit_interval(value: Any, argument: str) -> float:
    """Returns `value` if it is a number in [0, 1]; else raises ValueError."""
    if not _is_number(value) or not 0 <= value <= 1:
        raise ValueError(f"{argument} must be a number in [0, 1], got {value!r}")
    return value


def non_negative_float(value: Any, argument: str) -> float:
    """Returns `value` if it is a finite number >= 0; else raises ValueError."""
    if not _is_number(value) or value < 0:
        finite = "finite " if isinstance(value, float) and math.isinf(value) else ""
        raise ValueError(f"{argument} must be a {finite}number >= 0, got {value!r}")
    return value


def positive_float(value: Any, argument: str) -> float:
    """Returns `value` if it is a finite number > 0; else raises ValueError."""
    if not _is_number(value) or value <= 0:
        raise ValueError(f"{argument} must be a finite number > 0, got {value!r}")
    return value


def weight_or_schedule(value: Any, argument: str) -> float | Callable:
    """Returns `value` if it is a finite number >= 0 or a callable of the step."""
    if not callable(value) and (not _is_number(value) or value < 0):
        finite = "finite " if isinstance(value, float) and math.isinf(value) else ""
        raise ValueError(f"{argument} must be a {finite}number >= 0 or a callable, got {value!r}")
    return value


def fraction_or_schedule(value: Any, argument: str) -> float | Callable:
    """Returns `value` if it is a number in [0, 1] or a callable of the step."""
    if not callable(value) and (not _is_number(value) or not 0 <= value <= 1):
        raise ValueError(f"{argument} must be a number in [0, 1] or a callable, got {value!r}")
    return value


def require_attribute(value: Any, attribute: str, argument: str, expected: str) -> Any:
    """Returns `value` if it has `attribute`; else raises ValueError with what was `expected`."""
    if not hasattr(value, attribute):
        raise ValueError(f"{argument} must be {expected}, got {value!r:.80}")
    return value


def interval(value: Any, argument: str) -> tuple[float, float]:
    """Returns two numbers, the lower one first, as a tuple; else raises ValueError."""
    pair = isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_number, value))
    if not pair or not value[0] < value[1]:
        raise ValueError(f"{argument} must be two numbers (lowest, highest), got {value!r}")
    return tuple(value)


def boolean(value: Any, argument: str) -> bool:
    """Returns `value` if it is True or False; else raises ValueError."""
    if not isinstance(value, bool):
        raise ValueError(f"{argument} must be True or False, got {value!r}")
    return value


def one_of(value: Value, choices: Collection, argument: str) -> Value:
    """Returns `value` if it is one of `choices`, which may include None; else raises ValueError."""
    if not (value is None or isinstance(value, str)) or value not in choices:
        raise ValueError(f"{argument} must be one of {[*choices]}, got {value!r}")
    return value


def str_tuple(value: Any, argument: str) -> tuple[str, ...]:
    """Returns a list or tuple of one or more strings as a tuple; else raises ValueError."""
    strings = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    if not strings or not value:
        raise ValueError(f"{argument} must be one or more names, such as ('a', 'b'), got {value!r}")
    return tuple(value)
