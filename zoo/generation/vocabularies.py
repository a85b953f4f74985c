"""Vocabularies as constructor arguments of a model: a size, a vocabulary, or its JSON text."""

from typing import Any

import tensorflow as tf

from zoo import text
from zoo.errors import UsageError
from zoo.model.batch_checks import BatchChecks

_LARGEST_VOCABULARY = 2**24  # ids


class Vocabularies(BatchChecks):
    """Methods of models with features that are ids: their vocabularies and checks."""

    vocabularies: dict[str, Any]
    vocabulary_sizes: dict[str, int]

    def set_vocabularies(self, **vocabularies: Any) -> None:
        """Stores what the constructor of a subclass got for each feature that is text.

        Args:
            **vocabularies: feature -> the number of ids, a `zoo.text` vocabulary, or the text of
                its `to_json`.

        Sets the attributes FEATURE_vocabulary, the number or the text as it is saved; the dict
        `vocabularies`, None for a number; and the dict `vocabulary_sizes`.
        """
        configs = {
            name: vocabulary_config(value, f"{name}_vocabulary")
            for name, value in vocabularies.items()
        }
        for name, config in configs.items():
            setattr(self, f"{name}_vocabulary", config)
        self.vocabularies = {
            name: vocabulary_of(config, f"{name}_vocabulary") for name, config in configs.items()
        }
        self.vocabulary_sizes = {
            name: config if isinstance(config, int) else len(self.vocabularies[name])
            for name, config in configs.items()
        }

    def check_feature(self, name: str, value: Any, spec: tf.TensorSpec) -> None:
        super().check_feature(name, value, spec)
        if name in self.vocabulary_sizes:
            advice = f"{name}_vocabulary=N for ids below N, or the vocabulary itself"
            self.check_ids(f"{name!r} ids", value, self.vocabulary_sizes[name], advice)

    def vocabulary(self, feature: str) -> text.Vocabulary:
        """The `zoo.text` vocabulary of a feature; raises UsageError if there is none."""
        if self.vocabularies[feature] is None:
            raise UsageError(
                f"{self.name} has only the size of its {feature} vocabulary, so it cannot read or"
                f" write text: pass {feature}_vocabulary=tokenizer, or call generate with ids"
            )
        return self.vocabularies[feature]


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
