"""Text to numbers and back: sub-words learned from a corpus, or plain words and characters.

    tokenizer = text.Tokenizer.train(sentences, vocabulary_size=8000)
    ids = tokenizer.encode(["Ein Mann schläft."])       # [[512, 334, 2071, 298]]
    tokenizer.decode(ids)                               # ["Ein Mann schläft."]
    tokenizer.save("runs/mine")                         # a JSON file, checked when loaded

Every vocabulary begins with the same four ids: 0 fills up (PAD), 1 is what it cannot write
(UNKNOWN), 2 and 3 mark the START and the END of a sentence. `to_json` is all there is to know of
a vocabulary, so a model that keeps this text in its configuration needs no corpus.
"""

import json

from zoo.errors import UsageError, one_line
from zoo.files import user_path
from zoo.text.sentencepiece_tokenizer import Tokenizer
from zoo.text.vocabulary import END, FILE, PAD, START, UNKNOWN, Vocabulary, fit, readable
from zoo.text.word_tokenizer import Words

__all__ = [
    "END",
    "PAD",
    "START",
    "UNKNOWN",
    "Tokenizer",
    "Vocabulary",
    "Words",
    "fit",
    "from_json",
    "load",
    "readable",
]

KINDS = {"sub-words": Tokenizer, "words": Words, "characters": Words}


def from_json(text):
    """The vocabulary that `to_json` wrote. Raises UsageError if this is none."""
    try:
        found = json.loads(text)
        return KINDS[found["kind"]].from_dict(found)
    except Exception as error:  # what is not ours may fail in any way, as by 10,000 brackets
        raise UsageError(f"this is no vocabulary: {named_line(error)}") from error


def load(folder):
    """The vocabulary saved in a folder. Raises UsageError: there is none, or it is damaged."""
    path = user_path(folder) / FILE
    if not path.is_file():
        raise UsageError(f"there is no vocabulary at {path}")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        sha256 = found.pop("sha256")
        vocabulary = from_json(json.dumps(found))
        if vocabulary.fingerprint != sha256:
            raise UsageError(f"its SHA-256 is not {sha256[:8]}...")
    except Exception as error:
        why = named_line(error)
        raise UsageError(f"{path} is damaged, restore it or train again: {why}") from error
    return vocabulary


def named_line(error):
    """What went wrong in a line; of errors that are not ours with their type."""
    kind = "" if isinstance(error, UsageError) else f"{type(error).__name__} "
    return kind + one_line(error)
