"""The table of numbers: what each argument accepts, and what its message says."""

import math

import numpy as np
import pytest

from zoo.checks import NUMBERS, check_numbers, check_optional_numbers
from zoo.errors import UsageError

NEVER = (True, "1", math.nan, math.inf, -math.inf, None, [1], 1j)


@pytest.mark.parametrize("name", NUMBERS)
def test_only_finite_numbers_in_the_interval_are_accepted(name):
    interval = NUMBERS[name]
    below = interval.least if interval.above else interval.least - 1
    for wrong in (*NEVER, below, *((1.5,) if interval.whole else ())):
        with pytest.raises(UsageError, match=rf"^{name} must be "):
            check_numbers(**{name: wrong})
    right = interval.least + (0.5 if interval.above else 0)
    check_numbers(**{name: right})
    check_numbers(**{name: np.int32(1)})


def test_none_is_not_given_and_zero_is_a_number():
    check_optional_numbers(top_k=None, seed=0)
    with pytest.raises(UsageError, match="top_k must be an integer >= 1, got 0"):
        check_optional_numbers(top_k=0)


def test_messages_say_both_ends():
    with pytest.raises(UsageError, match=r"top_p must be a finite number > 0 and <= 1, got 1.5"):
        check_numbers(top_p=1.5)
    with pytest.raises(
        UsageError, match="seed must be an integer >= 0 and <= 4294967294, got 4294967295"
    ):
        check_numbers(seed=2**32 - 1)
