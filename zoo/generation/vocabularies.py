"""Vocabularies as constructor arguments of a model: a size, a vocabulary, or its JSON text."""

from typing import Any

from zoo import text
from zoo.errors import UsageError

_LARGEST_VOCABULARY = 2**24  # ids


def vocabulary_config(vocabulary: Any, argument: str) -> int | str:
    """A vocabulary as a model's configuration stores it: a size, or text; raises ValueError."""
    if isinstance(vocabulary, text.Vocabulary):
        return vocabulary.to_json()
    least = text.END + 2  # one word at least
    is_size = type(vocabulary) is int
    if isinstance(vocabulary, str) or (is_size and least <= vocabulary <= _LARGEST_VOCABULARY):
        return vocabulary
    too_large = is_size and vocabulary > _LARGEST_VOCABULARY
    most = f" and at most {_LARGEST_VOCABULARY:,}" if too_large else ""
    raise ValueError(
        f"{argument} must be a vocabulary of zoo.text, its to_json(), or a size of at least {least}"
        f"{most}, got {vocabulary!r}"
    )


def vocabulary_of(config: int | str, argument: str) -> Any:
    """The vocabulary of a stored configuration, or None for a size; raises UsageError."""
    if not isinstance(config, str):
        return None
    try:
        return text.from_json(config)
    except UsageError as error:
        raise UsageError(f"{argument}: {error}") from error
