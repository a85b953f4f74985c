"""Which examples a run is evaluated on, and the words that say so."""

import re

from zoo.data import source_names
from zoo.log import log_message

PART = re.compile(r"(\w+)(?:\[(-?\d{1,12}%?)?:(-?\d{1,12}%?)?\])?")
ORDER = re.compile(r"\.(stratified|ordered)\b")
NOUNS = {"images": "images", "pairs": "pairs of texts", "captions": "captions"}


def default_test_split(data, split, languages=None):
    """The split to evaluate on: test, else validation; else what is trained on, with a note."""
    if not source_names.is_named(data) and not source_names.path(data).exists():
        return split  # loading it will say what is wrong
    there = source_names.splits(data, languages)
    if (held_out := _held_out(there)) is not None:
        return held_out
    first = there[0] if there else "train"
    log_message(
        f"note: {data} has no test split: evaluating on the training split {split}; `zoo train`"
        f" holds a part out with --split '{first}[:90%]' --test-split '{first}[90%:]'"
    )
    return split


def split_of_other(data, settings):
    """The split of other data on which a run with these settings is evaluated.

    The run's test split, if it has one and the other data have a split of that name; else their
    own; else all of them, with a note.
    """
    own, there = settings.test_split, source_names.splits(data, settings.languages)
    if not source_names.is_named(data) and not source_names.path(data).exists():
        return own  # loading it will say what is wrong
    if _name(own) in there and not overlap(own, settings.split):
        return own
    other = _held_out(there)
    if other is None:
        other = there[0] if there else "train"
        log_message(f"note: {data} has no test split: evaluating on all of {other}")
    elif other != "test":
        log_message(f"note: {data} has no test split: evaluating on {other}")
    return other


def note_training_examples(settings):
    """Says so if a run is evaluated on examples that it was trained on."""
    split, training = settings.test_split, settings.split
    if split == training:
        log_message(f"warning: evaluating on the training split {training}")
    elif overlap(split, training):
        log_message(
            f"warning: evaluating on {split}, a part of which is in the training split {training}"
        )


def overlap(a, b):
    """Whether two splits share examples, as far as can be told without counting them."""
    parts = [PART.fullmatch(ORDER.sub("", split.replace(" ", ""))) for split in (a, b)]
    if a == b or not all(parts) or parts[0][1] != parts[1][1]:
        return a == b
    if ORDER.findall(a) != ORDER.findall(b):
        return True  # parts of two orders
    bounds = [bound for part in parts for bound in part.groups()[1:] if bound]
    if not (parts[0][2] or parts[0][3]) or not (parts[1][2] or parts[1][3]):
        return True  # one of them is all there is
    if len({bound.endswith("%") for bound in bounds}) > 1 or any("-" in bound for bound in bounds):
        return False
    (start, stop), (other, end) = (
        (int((part[2] or "0").rstrip("%")), int((part[3] or "9" * 13).rstrip("%")))
        for part in parts
    )
    return max(start, other) < min(stop, end)


def examples_of(data, kind):
    """The examples in loaded data, for people: "photos train[90%:], 10 images"."""
    noun = (
        "pairs of images" if kind == "images" and "source" in data.spec else NOUNS.get(kind, kind)
    )
    return f"{data.name} {data.split}, {data.num_examples:,} {noun}"


def _held_out(there):
    """The split, of those that there are, that nothing is trained on; None if there is none."""
    return next((name for name in source_names.HELD_OUT if name in there), None)


def _name(split):
    return ORDER.sub("", split.partition("[")[0]).strip()
