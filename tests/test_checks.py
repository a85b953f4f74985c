"""Checks of arguments: the table of numbers, the checks of blocks, and their messages."""

import math

import keras
import numpy as np
import pytest

import blocks
from blocks.checks import fraction, non_negative_float, weight_or_schedule
from blocks.style import Canvas
from zoo.checks import (
    NUMBERS,
    check_flags,
    check_numbers,
    check_optional_flags,
    check_optional_numbers,
)
from zoo.errors import UsageError

NEVER = (True, "1", math.nan, math.inf, -math.inf, None, [1], 1j)


@pytest.mark.parametrize("name", NUMBERS)
def test_only_finite_numbers_in_the_interval_are_accepted(name):
    interval = NUMBERS[name]
    below = interval.minimum if interval.exclusive else interval.minimum - 1
    for wrong in (*NEVER, below, *((1.5,) if interval.integer else ())):
        with pytest.raises(UsageError, match=rf"^{name} must be "):
            check_numbers(**{name: wrong})
    right = interval.minimum + (0.5 if interval.exclusive else 0)
    check_numbers(**{name: right})
    check_numbers(**{name: np.int32(0 if interval.below_maximum else 1)})


@pytest.mark.parametrize(
    ("name", "accepted", "rejected"),
    (
        ("epochs", (0, 1), (-1, 0.5)),
        ("batch_size", (1, 2**31 - 1), (0, 2**31, 1.5)),
        ("seed", (0, 2**32 - 2), (-1, 2**32 - 1, 0.5, 10**400, 10**5000)),
        ("image_size", (1, 2**15), (0, 2**15 + 1)),
        ("size", (1, 2**15), (0, 2**15 + 1)),
        ("learning_rate", (1e-9, 3.4e38), (0, 3.5e38)),
        ("ema_momentum", (0, 0.5, 0.99999), (-0.1, 1, 0.999999999, 1.1)),
        ("kl_warmup_epochs", (0, 0.5), (-0.5,)),
        ("clip_norm", (0.5, 1e9), (0, -1, 1e-50, 10**400)),
        ("top_p", (0.1, 1), (0, 1.1, 1e-50)),
        ("temperature", (1e-6, 1.0), (0, 1e-50, 1e39)),
        ("repetition_penalty", (0.5, 2), (0, 1e-50, 1e39)),
        ("guidance", (0, 1000), (-1, 1e39)),
        ("sampling_steps", (1, 1000), (0, 2**31 - 1)),
        ("weight_decay", (0, 0.1, 1e-50), (-1, 1e39)),
    ),
)
def test_the_bounds_of_a_number_are_these(name, accepted, rejected):
    for value in accepted:
        check_numbers(**{name: value})
    for value in rejected:
        with pytest.raises(UsageError, match=f"^{name} must be "):
            check_numbers(**{name: value})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (True, "clip_norm must be a finite number > 0, got True"),
        (1e-50, "clip_norm must be a finite number > 0 as float32, got 1e-50"),
    ],
)
def test_the_message_names_float32_only_where_rounding_matters(value, message):
    with pytest.raises(UsageError, match=f"^{message}$"):
        check_numbers(clip_norm=value)


def test_none_means_absent_and_zero_is_a_number():
    check_optional_numbers(top_k=None, seed=0)
    with pytest.raises(UsageError, match="top_k must be an integer >= 1, got 0"):
        check_optional_numbers(top_k=0)


@pytest.mark.parametrize("wrong", ["no", 0, 1, None, np.True_])
def test_flags_are_true_or_false(wrong):
    check_flags(shuffle=True, truncate=False)
    check_optional_flags(shuffle=None)
    with pytest.raises(UsageError, match="^shuffle must be True or False, got "):
        check_flags(shuffle=wrong)


def test_messages_name_both_bounds():
    with pytest.raises(UsageError, match="clip_norm must be a finite number > 0 as float32, got 1"):
        check_numbers(clip_norm=1e-46)
    with pytest.raises(UsageError, match=r"top_p must be a finite number > 0 and <= 1, got 1.5"):
        check_numbers(top_p=1.5)
    with pytest.raises(
        UsageError, match="seed must be an integer >= 0 and <= 4294967294, got 4294967295"
    ):
        check_numbers(seed=2**32 - 1)


CELL = keras.layers.GRUCell(4)
REFUSED = {
    "nan": (lambda: non_negative_float(math.nan, "peak"), "peak must be a number >= 0, got nan"),
    "inf": (
        lambda: non_negative_float(math.inf, "peak"),
        "peak must be a finite number >= 0, got inf",
    ),
    "truth": (lambda: non_negative_float(True, "peak"), "peak must be a number >= 0, got True"),
    "weight nan": (lambda: weight_or_schedule(math.nan, "kl_weight"), "kl_weight must be a number"),
    "weight inf": (
        lambda: weight_or_schedule(math.inf, "kl_weight"),
        "kl_weight must be a finite number",
    ),
    "fraction": (lambda: fraction(False, "dropout"), "dropout must be a fraction"),
    "list": (lambda: blocks.Downsample(4, norm=["batch"]), "norm must be one of"),
    "no size": (lambda: blocks.Upsample(4, output_size=()), "output_size must be 2 integers"),
    "zero size": (lambda: blocks.Upsample(4, output_size=0), "output_size must be 2 integers"),
    "cell": (lambda: blocks.AttentionCell(5, blocks.AdditiveAttention(4)), "cell must be a Keras"),
    "attention": (lambda: blocks.AttentionCell(CELL, 6), "attention must be a layer of blocks"),
    "decoder": (lambda: blocks.AttentionDecoder(CELL), "cell must be a cell with attention"),
    "encoder": (lambda: blocks.VampPrior(2, 5, (4, 4, 1)), "encoder must be a stack"),
    "layers": (lambda: blocks.Stack([5]), "every item of layers must be a Keras layer, got 5"),
    "directions": (lambda: blocks.SequenceEncoder(4, bidirectional=3), "must be True or False"),
    "scaled": (lambda: blocks.MultiplicativeAttention(scaled=0.5), "must be True or False"),
    "words": (lambda: blocks.TokenEmbedding(0, 4), "input_dim must be an integer >= 1"),
    "nats": (lambda: blocks.FreeBits(math.nan), "nats must be a number >= 0"),
    "kl": (lambda: blocks.FreeBits(1.0, ["analytic"]), "kl_estimator must be one of"),
    "canvas": (lambda: Canvas(5), "image_shape must be 3 integers"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_blocks_reject_invalid_arguments(case):
    make, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        make()
