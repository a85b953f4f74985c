"""The table of numeric arguments, and the check that every public function calls.

    check_numbers(batch_size=batch_size, seed=seed)     # raises UsageError with the argument's name

`check_optional_numbers` skips None, which means "not given"; 0 is always checked as a number.
"""

import math
import numbers
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zoo.errors import UsageError

MAX_INT32 = 2**31 - 1  # limit of TensorFlow's shapes and loop counters
MAX_SEED = 2**32 - 2  # evaluation uses seed + 1
MIN_NORMAL = 2.0**-126  # smaller float32 numbers become 0 in computations


@dataclass(frozen=True)
class Interval:
    """The accepted values of a numeric argument.

    Models compute in float32: a number must be in the interval after rounding to it, too.

    Attributes:
        minimum, maximum: ends of the interval.
        integer: accept integers only.
        exclusive: exclude `minimum` itself.
        below_maximum: exclude `maximum` itself.
    """

    minimum: float
    maximum: float = MAX_INT32
    integer: bool = True
    exclusive: bool = False
    below_maximum: bool = False

    def accepts(self, value: Any) -> bool:
        """Whether `value` is a finite number (not a bool) in this interval."""
        kind = numbers.Integral if self.integer else numbers.Real
        accepted = isinstance(value, kind) and _is_finite_number(value)
        if not accepted:
            return False
        low = to_float32(self.minimum)
        high = to_float32(self.maximum)
        fits_float32 = self.integer or self._contains(to_float32(value), low, high)
        return self._contains(value, self.minimum, self.maximum) and fits_float32

    def _contains(self, value: float, minimum: float, maximum: float) -> bool:
        above = value > minimum if self.exclusive else value >= minimum
        below = value < maximum if self.below_maximum else value <= maximum
        return bool(above and below and _is_finite(value))

    def __str__(self) -> str:
        noun = "an integer" if self.integer else "a finite number"
        low = f"{'>' if self.exclusive else '>='} {self.minimum:g}"
        bounded = math.isfinite(self.maximum) and self.maximum not in (MAX_INT32, MAX_SEED)
        high = f"{'<' if self.below_maximum else '<='} {self.maximum:g}"
        return f"{noun} {low} and {high}" if bounded else f"{noun} {low}"

    def expected(self, value: Any) -> str:
        """The interval as text for an error message about `value`.

        Mentions the upper end where `value` exceeds it, even if `str(self)` omits it; and float32
        where only rounding to it leaves the interval.
        """
        is_number = _is_finite_number(value)
        too_large = is_number and value > self.maximum
        if is_number and not self.integer and self._contains(value, self.minimum, self.maximum):
            return f"{self} as float32"
        omitted = too_large and f"{self.maximum:g}" not in str(self)
        return f"{self} and <= {self.maximum}" if omitted else str(self)


def _is_finite(value: Any) -> bool:
    """Whether a number is finite, as every integer is; Python's `isfinite` fails for large ones."""
    return isinstance(value, numbers.Integral) or math.isfinite(value)


def _is_finite_number(value: Any) -> bool:
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return is_number and _is_finite(value)


def _show(value: Any) -> str:
    """A value for a message; Python cannot print integers of more than 4,300 digits."""
    try:
        return f"{value!r:.80}"
    except ValueError:
        return f"a {type(value).__name__} of thousands of digits"


def to_float32(value: float) -> float:
    """A number as TensorFlow computes with it: rounded to float32, tiny ones to 0."""
    try:
        rounded = struct.unpack("f", struct.pack("f", value))[0]
    except (OverflowError, struct.error):  # too large for a float
        return math.inf if value > 0 else -math.inf
    return rounded if abs(rounded) >= MIN_NORMAL else 0.0


NON_NEGATIVE_INT = Interval(0)
POSITIVE_INT = Interval(1)
SEED = Interval(0, MAX_SEED)
POSITIVE = Interval(0, math.inf, integer=False, exclusive=True)
NON_NEGATIVE = Interval(0, math.inf, integer=False)
FRACTION = Interval(0, 1, integer=False)
MOMENTUM = Interval(0, 1, integer=False, below_maximum=True)

NUMBERS = {
    # training
    "epochs": NON_NEGATIVE_INT,
    "steps": NON_NEGATIVE_INT,
    "initial_epoch": NON_NEGATIVE_INT,
    "steps_per_epoch": POSITIVE_INT,
    "validation_steps": POSITIVE_INT,
    "validation_batch_size": POSITIVE_INT,
    "validation_freq": POSITIVE_INT,
    "validation_split": FRACTION,
    "epoch": NON_NEGATIVE_INT,
    "save_every": POSITIVE_INT,
    "max_to_keep": POSITIVE_INT,
    "figures_every": NON_NEGATIVE_INT,
    "micro_batches": POSITIVE_INT,
    "learning_rate": Interval(0, 3.4e38, integer=False, exclusive=True),  # finite as float32
    "betas": MOMENTUM,
    "warmup": NON_NEGATIVE_INT,
    "weight_decay": NON_NEGATIVE,
    "accumulate": POSITIVE_INT,
    "ema_momentum": MOMENTUM,
    "clip_norm": POSITIVE,
    "kl_warmup_epochs": NON_NEGATIVE,
    "patience": NON_NEGATIVE_INT,
    "train_examples": POSITIVE_INT,
    "seed": SEED,
    "num_seeds": POSITIVE_INT,
    # data
    "batch_size": POSITIVE_INT,
    "binarize_seed": SEED,
    "image_size": Interval(1, 2**15),
    "size": Interval(1, 2**15),
    "vocabulary_size": POSITIVE_INT,
    "min_count": POSITIVE_INT,
    "multiple": POSITIVE_INT,
    "batch_tokens": POSITIVE_INT,
    "context_length": Interval(1, 2**20),
    "stride": POSITIVE_INT,
    # sampling and decoding
    "n": POSITIVE_INT,
    "label": NON_NEGATIVE_INT,
    "first": NON_NEGATIVE_INT,
    "samples": POSITIVE_INT,
    "max_length": Interval(1, 100_000),  # the key and value caches grow with it
    "num_beams": Interval(1, 1000),  # memory grows with it
    "num_maps": NON_NEGATIVE_INT,
    "guidance": Interval(0, 1000, integer=False),  # larger ones overflow
    "sampling_steps": Interval(1, 100_000),
    "top_k": POSITIVE_INT,
    "temperature": Interval(1e-6, 1e6, integer=False),  # logits / temperature stays finite
    "top_p": Interval(0, 1, integer=False, exclusive=True),
    "length_penalty": Interval(0, 100, integer=False),  # larger powers overflow
    "generation_temperature": Interval(0, 1e6, integer=False),  # 0: greedy
    "num_samples": POSITIVE_INT,
    "repetition_penalty": Interval(1e-6, 1e6, integer=False),
    # metrics
    "k": POSITIVE_INT,
    "chunk": POSITIVE_INT,
    "blocks": POSITIVE_INT,
    "num_classes": POSITIVE_INT,
    "num_components": POSITIVE_INT,
    "images": POSITIVE_INT,
    "importance_sampling_images": POSITIVE_INT,
    "texts": POSITIVE_INT,
    "windows": POSITIVE_INT,
    "threshold": NON_NEGATIVE,
    "permutations": POSITIVE_INT,
    # fine-tuning and figures
    "rank": POSITIVE_INT,
    "dpi": Interval(1, 2400, integer=False),
    "columns": POSITIVE_INT,
    "rows": POSITIVE_INT,
    "scale": POSITIVE_INT,
    "padding": NON_NEGATIVE_INT,
    "frames": POSITIVE_INT,
    "milliseconds": POSITIVE_INT,
}


def check_numbers(**values: Any) -> None:
    """Checks each argument against its interval in `NUMBERS`.

    Raises:
        UsageError: a value outside its interval.
    """
    for name, value in values.items():
        interval = NUMBERS[name]
        if not interval.accepts(value):
            raise UsageError(f"{name} must be {interval.expected(value)}, got {_show(value)}")


def check_optional_numbers(**values: Any) -> None:
    """`check_numbers` for the values that are not None."""
    check_numbers(**{name: value for name, value in values.items() if value is not None})


def check_flags(**values: Any) -> None:
    """Raises UsageError for an argument that is neither True nor False; "no" would be true."""
    for name, value in values.items():
        if not isinstance(value, bool):
            raise UsageError(f"{name} must be True or False, got {_show(value)}")


def check_optional_flags(**values: Any) -> None:
    """`check_flags` for the values that are not None."""
    check_flags(**{name: value for name, value in values.items() if value is not None})


def require_method(model: Any, name: str) -> Callable:
    """The model's method of that name. Raises UsageError if the model does not have it."""
    method = getattr(model, name, None)
    label = getattr(model, "name", type(model).__name__)
    if not callable(method):
        raise UsageError(
            f"{label} has no method {name!r}, which is needed here; use a model that has it, or"
            " write it as zoo/models/vae.py does"
        )
    return method
