"""Vocabularies of a preset: separate files beside config.json, which refers to them by name.

A model's argument `source_vocabulary` is the text that `zoo.text.Vocabulary.to_json` gives. In
config.json the long part of it, the SentencePiece model or the list of words, is replaced by the
name of a file:

    "source_vocabulary": {"kind": "sub-words", "lowercase": false, "model": "vocabulary.model"}

`.model` is a SentencePiece model as that library writes it, `.json` a list of words. Importing
this module needs no TensorFlow.
"""

import base64
import json
import re
from typing import Any

from zoo.presets.configuration import parse_json

ENDING = "vocabulary"  # of the names of arguments that are vocabularies
SUFFIXES = {"model": ".model", "words": ".json"}  # long part of a vocabulary -> ending of its file
FILE_NAME = re.compile(r"([a-z][a-z0-9_]{0,60}_)?vocabulary\.(model|json)")
MAX_BYTES = 2**23  # of a file


def split(config: dict[str, Any]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Takes the vocabularies out of a model's arguments; the inverse of `join`.

    Args:
        config: constructor arguments as JSON values.

    Returns (arguments that refer to files, file name -> its bytes). Arguments with the same
    vocabulary share a file; it is `vocabulary.model` or `vocabulary.json` if there is only one.
    """
    vocabularies = {key: json.loads(value) for key, value in config.items() if _is_text(key, value)}
    long_parts = {key: _long_part(vocabulary) for key, vocabulary in vocabularies.items()}
    contents = {
        key: _encode(part, vocabularies[key][part]) for key, part in long_parts.items() if part
    }
    shared = len(set(contents.values())) == 1
    names: dict[bytes, str] = {}
    files = {}
    for key, raw in contents.items():
        stem = ENDING if shared else key
        name = names.setdefault(raw, stem + SUFFIXES[long_parts[key]])
        files[name] = raw
    references = {
        key: vocabularies[key] | {long_parts[key]: names[raw]} for key, raw in contents.items()
    }
    return config | references, files


def join(config: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """The arguments of a model, each vocabulary as the text that its constructor takes.

    Raises ValueError or RecursionError if a file is not of the format that its name implies.
    """
    texts = {}
    for key, value in config.items():
        if _is_reference(key, value):
            part = _long_part(value)
            texts[key] = json.dumps(value | {part: _decode(part, files[value[part]])})
    return config | texts


def file_names(config: dict[str, Any]) -> set[str]:
    """The files that arguments refer to; raises ValueError for a name that may not be used."""
    names = set()
    for key, value in config.items():
        if not _is_reference(key, value):
            continue
        part = _long_part(value)
        name = value.get(part)
        matches = type(name) is str and FILE_NAME.fullmatch(name)
        if not matches or not name.endswith(SUFFIXES[part]):
            raise ValueError(
                f"{key} must name a file such as vocabulary.model or vocabulary.json, got"
                f" {str(value)[:80]}"
            )
        names.add(name)
    return names


def _is_text(key: str, value: Any) -> bool:
    """Whether an argument is a vocabulary as the model holds it."""
    return key.endswith(ENDING) and isinstance(value, str) and value.startswith("{")


def _is_reference(key: str, value: Any) -> bool:
    """Whether an argument is a vocabulary as config.json holds it."""
    return key.endswith(ENDING) and isinstance(value, dict)


def _long_part(vocabulary: dict[str, Any]) -> Any:
    """The key of a vocabulary whose value is stored in a file."""
    return next((part for part in SUFFIXES if part in vocabulary), None)


def _encode(part: str, value: Any) -> bytes:
    if part == "model":
        return base64.b64decode(value, validate=True)
    # Half of a surrogate pair is not UTF-8: it becomes the escape that JSON has for it.
    text = json.dumps(value, ensure_ascii=False, indent=0) + "\n"
    return text.encode("utf-8", "backslashreplace")


def _decode(part: str, raw: bytes) -> Any:
    return base64.b64encode(raw).decode() if part == "model" else parse_json(raw.decode())
