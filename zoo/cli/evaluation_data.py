"""Which examples a run is evaluated on, and how they are described."""

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from zoo import registry
from zoo.data import source_names
from zoo.log import log_message

if TYPE_CHECKING:
    from zoo.model import Model
    from zoo.training.run_config import RunConfig

SLICE = re.compile(r"(\w+)(?:\[(-?\d{1,12}%?)?:(-?\d{1,12}%?)?\])?")
ORDER = re.compile(r"\.(stratified|ordered|original)\b")


def default_test_split(
    data: str, split: str, model_class: "type[Model]", options: Mapping[str, Any]
) -> str:
    """The split to evaluate on: test, else validation, else the training split, with a note.

    Args:
        data: as in `--data`.
        split: the training split.
        model_class: has the method `splits`.
        options: options of the data.
    """
    if not source_names.is_named(data) and not source_names.source_path(data).exists():
        return split  # loading it raises the error
    available = model_class.splits(data, options)
    if (held_out := _held_out(available)) is not None:
        return held_out
    first = available[0] if available else "train"
    log_message(
        f"note: {data} has no test split: evaluating on the training split {split}; to hold out a"
        f" part, use zoo train with --split '{first}[:90%]' --test-split '{first}[90%:]'"
    )
    return split


def split_for_other_data(data: str, config: "RunConfig") -> str:
    """The split of other data on which a run is evaluated.

    It is the run's test split, if the run was not trained on it and the other data have a split of
    that name; else the test split of the other data; else all of them, with a note.
    """
    test_split = config.test or "test"
    cls = registry.get_class(config.model)
    available = cls.splits(data, config.data_options(cls.data_options))
    if not source_names.is_named(data) and not source_names.source_path(data).exists():
        return test_split  # loading it raises the error
    if _name(test_split) in available and not splits_overlap(test_split, config.train):
        return test_split
    other = _held_out(available)
    if other is None:
        other = available[0] if available else "train"
        log_message(f"note: {data} has no test split: evaluating on all of {other}")
    elif other != "test":
        log_message(f"note: {data} has no test split: evaluating on {other}")
    return other


def warn_training_examples(config: "RunConfig") -> None:
    """Prints a warning if a run is evaluated on examples that it was trained on."""
    split = config.test or ""
    training = config.train
    if split == training:
        log_message(f"warning: evaluating on the training split {training}")
    elif splits_overlap(split, training):
        log_message(f"warning: evaluating on {split}, which overlaps the training split {training}")


def splits_overlap(a: str, b: str) -> bool:
    """Whether two splits share examples, as far as their names show."""
    first, second = (SLICE.fullmatch(ORDER.sub("", split.replace(" ", ""))) for split in (a, b))
    if a == b or not first or not second or first[1] != second[1]:
        return a == b
    parts = [first, second]
    if ORDER.findall(a) != ORDER.findall(b):
        return True  # the slices are of two different orders
    bounds = [bound for part in parts for bound in part.groups()[1:] if bound]
    if not (first[2] or first[3]) or not (second[2] or second[3]):
        return True  # one of them is the whole split
    if len({bound.endswith("%") for bound in bounds}) > 1 or any("-" in bound for bound in bounds):
        return False
    (start, stop), (other_start, other_stop) = (
        (int((part[2] or "0").rstrip("%")), int((part[3] or "9" * 13).rstrip("%")))
        for part in parts
    )
    return max(start, other_start) < min(stop, other_stop)


def describe_examples(data: Any, data_kind: str) -> str:
    """The examples in loaded data, for people: "photos train[90%:], 10 images"."""
    protocol = getattr(data, "protocol", "")
    count = f"{data.num_examples:,} {data_kind}"
    return f"{data.name} {data.split}, {count}" + (f": {protocol}" if protocol else "")


def _held_out(available: Collection[str]) -> str | None:
    """The first of the available splits that is not for training; None if there is none."""
    return next((name for name in source_names.HELD_OUT if name in available), None)


def _name(split: str) -> str:
    return ORDER.sub("", split.partition("[")[0]).strip()
