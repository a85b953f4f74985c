"""One table of the numbers that people pass, and the check that every public entry calls.

    check_numbers(batch_size=batch_size, seed=seed)     # raises UsageError and names the argument

`check_optional_numbers` takes None for "not given"; 0 is always a number.
"""

import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zoo.errors import UsageError

LARGEST = 2**31 - 1  # what TensorFlow's shapes and loops count with
LARGEST_SEED = 2**32 - 2  # evaluation takes the next one


@dataclass(frozen=True)
class Interval:
    """The values that an argument can have.

    Attributes:
        least, most: the ends of the interval.
        whole: only integers.
        above: `least` itself is left out.
    """

    least: float
    most: float = LARGEST
    whole: bool = True
    above: bool = False

    def accepts(self, value):
        """Whether `value` is a finite number, not a truth value, in this interval."""
        kind = numbers.Integral if self.whole else numbers.Real
        if isinstance(value, bool) or not isinstance(value, kind) or not math.isfinite(value):
            return False
        return self.least <= value <= self.most and not (self.above and value == self.least)

    def __str__(self):
        noun = "an integer" if self.whole else "a finite number"
        low = f"{'>' if self.above else '>='} {self.least:g}"
        bounded = math.isfinite(self.most) and self.most not in (LARGEST, LARGEST_SEED)
        return f"{noun} {low} and <= {self.most:g}" if bounded else f"{noun} {low}"

    def expected(self, value):
        """What is accepted in place of `value`; of one that is too large also the upper end."""
        too_large = isinstance(value, numbers.Real) and math.isfinite(value) and value > self.most
        hidden = too_large and f"{self.most:g}" not in str(self)
        return f"{self} and <= {self.most}" if hidden else str(self)


COUNT = Interval(0)
SIZE = Interval(1)
SEED = Interval(0, LARGEST_SEED)
POSITIVE = Interval(0, math.inf, whole=False, above=True)
NON_NEGATIVE = Interval(0, math.inf, whole=False)
FRACTION = Interval(0, 1, whole=False)

NUMBERS = {
    # training
    "epochs": COUNT,
    "steps": COUNT,
    "epoch": COUNT,
    "save_every": SIZE,
    "max_to_keep": SIZE,
    "figures_every": COUNT,
    "micro_batches": SIZE,
    "learning_rate": Interval(0, 3.4e38, whole=False, above=True),  # finite as float32
    "betas": FRACTION,
    "ema_momentum": FRACTION,
    "clip_norm": POSITIVE,
    "kl_warmup_epochs": NON_NEGATIVE,
    "patience": COUNT,
    "train_examples": SIZE,
    "seed": SEED,
    # data
    "batch_size": SIZE,
    "binarize_seed": SEED,
    "image_size": Interval(1, 2**15),
    "size": Interval(1, 2**15),
    "vocabulary_size": SIZE,
    "min_count": SIZE,
    "multiple": SIZE,
    "batch_tokens": SIZE,
    # sampling and decoding
    "n": SIZE,
    "label": COUNT,
    "first": COUNT,
    "samples": SIZE,
    "max_length": Interval(1, 100_000),  # so does a cache of keys and values with this
    "limit": Interval(1, 100_000),  # so does a cache of keys and values with this
    "num_beams": Interval(1, 1000),  # memory grows with it
    "beam": Interval(1, 1000),  # memory grows with it
    "pieces": SIZE,
    "num_maps": COUNT,
    "top_k": SIZE,
    "temperature": POSITIVE,
    "top_p": Interval(0, 1, whole=False, above=True),
    "length_penalty": NON_NEGATIVE,
    # metrics
    "k": SIZE,
    "chunk": SIZE,
    "blocks": SIZE,
    "classes": SIZE,
    "components": SIZE,
    "images": SIZE,
    "importance_sampling_images": SIZE,
    "texts": SIZE,
    "threshold": NON_NEGATIVE,
    "permutations": SIZE,
    # fine-tuning and figures
    "rank": SIZE,
    "dpi": Interval(1, 2400, whole=False),
    "columns": SIZE,
    "rows": SIZE,
    "scale": SIZE,
    "padding": COUNT,
}


def check_numbers(**values):
    """Raises UsageError unless each value is in the interval that `NUMBERS` has for its name."""
    for name, value in values.items():
        interval = NUMBERS[name]
        if not interval.accepts(value):
            raise UsageError(f"{name} must be {interval.expected(value)}, got {value!r:.80}")


def check_optional_numbers(**values):
    """`check_numbers` of the values that are not None."""
    check_numbers(**{name: value for name, value in values.items() if value is not None})


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
