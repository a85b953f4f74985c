"""Base class of models that translate text to text."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from zoo import figures, text
from zoo.checks import check_numbers
from zoo.errors import UsageError
from zoo.files import write_table
from zoo.generation.decoding_checks import reject_search_options
from zoo.generation.sequence_generator import SequenceGenerator
from zoo.model.kind import Signature

_FEATURES = ("source", "target")

# (source tokens, target tokens, weights [target, source]) of one text.
AttentionMap = tuple[list[str], list[str], np.ndarray]


class Translator(SequenceGenerator):
    """Base of translation models. Batches contain ids, int32, with zeros at the end of a row.

    "source" is [b, s]; "target" is [b, t], between START and END.

    Args:
        source_vocabulary, target_vocabulary: the number of ids; or a `zoo.text` vocabulary, or the
            text of its `to_json`. It is stored as that text, so a saved model contains it.
    """

    input_feature = "source"
    data_kind = "pairs of texts"
    default_dataset = "dates"
    inferred_arguments = ("source_vocabulary", "target_vocabulary")
    fitted_arguments = inferred_arguments
    sample_suffixes = (".tsv",)

    def __init__(
        self,
        source_vocabulary: int | str | text.Vocabulary,
        target_vocabulary: int | str | text.Vocabulary,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.set_vocabularies(source=source_vocabulary, target=target_vocabulary)

    def sample_decoder_inputs(
        self,
        encoded: Any,
        tokens: tf.Tensor,
        probability: float | Callable[[tf.Tensor], tf.Tensor],
    ) -> tf.Tensor:
        """Scheduled sampling: tokens [b, t], some of them replaced by the model's predictions.

        Two passes: Mihaylova, Martins, "Scheduled Sampling for Transformers" (2019, arXiv
        1906.07651).

        Args:
            encoded: from `encode`.
            tokens: int32 [b, t], the decoder inputs of teacher forcing.
            probability: probability of replacing a token; a number, or a callable of the step.
        """
        if not probability:
            return tokens
        logits, _ = self.decode(encoded, tokens, training=True)
        predictions = tf.argmax(logits, -1, tokens.dtype)
        predictions = tf.concat([tokens[:, :1], predictions[:, :-1]], axis=1)
        probability = probability(self.iterations) if callable(probability) else probability
        replace = tf.random.stateless_uniform(tf.shape(tokens), self.next_seed()) < probability
        return tf.where(replace & (tokens != text.PAD), predictions, tokens)

    @property
    def batch_spec(self) -> dict[str, tf.TensorSpec]:
        return {name: tf.TensorSpec((None, None), tf.int32) for name in _FEATURES}

    # Figures and sample files.

    def figures(self, batch: dict[str, Any]) -> dict[str, np.ndarray]:
        """The attention weights of the first four texts."""
        if not all(self.vocabularies.values()):
            return {}
        source, target = (np.asarray(batch[side][:4]) for side in _FEATURES)
        texts = self.vocabulary("source").decode(source)
        max_length = max(source.shape[1], target.shape[1] + 8)
        maps = self.attention_maps(texts, max_length=max_length)
        return {"attention": figures.attention(maps)}

    def write_samples(self, file: Path, data: Any, n: int = 8, seed: int | None = None) -> None:  # type: ignore[override]
        """Writes a table of `n` test texts, their translations and their targets.

        Args:
            file: a table (.tsv).
            data: the test split.
            n: number of texts.
            seed: sample tokens with this seed; None: greedy search.
        """
        source, target = (data.corpus.texts[side][:n] for side in _FEATURES)
        translated = self.translate(source, seed=seed, max_length=data.max_length, truncate=True)
        rows = zip(source, translated, target, strict=True)
        write_table(file, ("source", "translated", "target"), rows)

    def generate_texts(self, data: Any, n: int | None = None, **options: Any) -> list[str]:
        sources = data.corpus.texts["source"][:n]
        return self.translate(sources, max_length=data.max_length, truncate=True, **options)

    def reference_texts(self, data: Any) -> list[str]:
        return data.corpus.texts["target"]

    @classmethod
    def next_commands(cls, run: str) -> list[str]:
        return [f"zoo translate {run} TEXT"]

    def signatures(self, num_beams: int = 1, max_length: int = 100) -> dict[str, Signature]:
        """`translate`, strings [n] to strings [n], with vocabularies of words; else `generate`."""
        if not self.has_word_vocabularies:
            return super().signatures(num_beams, max_length)

        vocabulary: Any = self.vocabulary("source")  # of words

        def translate(texts: tf.Tensor) -> tf.Tensor:
            ids = vocabulary(texts)
            lengths = ids.row_lengths()
            most = tf.constant(max_length, tf.int64)
            message = (
                f"a text has more ids than max_length={max_length}: cut it, or export with more"
            )
            tf.debugging.assert_less_equal(lengths, most, message)
            padded = tf.pad(ids.to_tensor(), ((0, 0), (0, 1)))  # one column at least
            return tf.where(lengths > 0, self.generate_strings(padded, num_beams, max_length), "")

        return {"translate": (translate, [tf.TensorSpec((None,), tf.string)])}

    # Translation.

    def translate(
        self,
        texts: Iterable[str | bytes],
        num_beams: int = 1,
        max_length: int = 100,
        truncate: bool = False,
        batch_size: int = 64,
        **options: Any,
    ) -> list[str]:
        """Translations of texts: a list of str; "" stays "".

        Args:
            texts: str, or UTF-8 bytes.
            num_beams, max_length, **options: as in `generate`.
            truncate: cut texts of more than `max_length` ids instead of raising an error.
            batch_size: number of texts translated at a time.
        """
        options |= {"num_beams": num_beams, "max_length": max_length}
        options |= {"truncate": truncate, "batch_size": batch_size}
        return self.translate_with_attention(texts, 0, **options)[0]

    def translate_with_attention(
        self,
        texts: Iterable[str | bytes],
        num_maps: int = 8,
        num_beams: int = 1,
        max_length: int = 100,
        truncate: bool = False,
        batch_size: int = 64,
        **options: Any,
    ) -> tuple[list[str], list[AttentionMap]]:
        """Translations and their attention maps, from one search.

        Args:
            texts, num_beams, max_length, truncate, batch_size, **options: as in `translate`.
            num_maps: number of attention maps, those of the first texts that are not empty.

        Returns (translations, maps): as `translate` and `attention_maps` return them.
        """
        check_numbers(batch_size=batch_size, num_maps=num_maps, max_length=max_length)
        source_vocabulary, target_vocabulary = map(self.vocabulary, _FEATURES)
        lines = [line if line.strip() else "" for line in text.to_str_list(texts)]
        ids = source_vocabulary.encode_batch(lines, max_length=max_length, truncate=truncate)
        lengths = (ids != text.PAD).sum(axis=1)
        order = [i for i in np.argsort(lengths, kind="stable") if lengths[i]]
        maps: dict[int, Any] = dict.fromkeys(np.flatnonzero(lengths)[:num_maps])
        translations = [""] * len(ids)
        for k in range(0, len(order), batch_size):
            rows = order[k : k + batch_size]
            batch = ids[rows, : lengths[rows[-1]]]
            result = self.generate(batch, num_beams, max_length, **options)
            tokens, weights = self.best_sequences(result)
            for i, sentence in zip(rows, target_vocabulary.decode(tokens), strict=True):
                translations[i] = sentence
            for i, row_tokens, row_weights in zip(rows, tokens, weights, strict=True):
                if i in maps:
                    maps[i] = self._attention_map(ids[i], row_tokens, row_weights)
        return translations, [*maps.values()]

    def _attention_map(
        self, source: np.ndarray, target: np.ndarray, weights: np.ndarray
    ) -> AttentionMap:
        """(source tokens, target tokens, weights [t, s]) of one text, without its padding."""
        s = (source != text.PAD).sum()
        t = (target != text.PAD).sum()
        source_vocabulary, target_vocabulary = map(self.vocabulary, _FEATURES)
        source_tokens = source_vocabulary.tokens(source[:s])
        return source_tokens, target_vocabulary.tokens(target[:t]), weights[:t, :s]

    def attention_maps(
        self,
        texts: Iterable[str | bytes],
        translations: Iterable[str | bytes] | None = None,
        max_length: int = 100,
        truncate: bool = False,
        **options: Any,
    ) -> list[AttentionMap]:
        """Attention weights of each target token over the source tokens.

        Args:
            texts: str, or UTF-8 bytes.
            translations: the target texts; None: the model's own translations.
            max_length: maximum number of ids, on both sides.
            truncate: cut longer texts instead of raising an error.
            **options: options of the search if `translations` is None, as in `generate`.

        Returns, for each text, (source tokens, target tokens, weights [t, s]). Weights sum to 1
        over s. The last target token is END, if it came within `max_length`.
        """
        check_numbers(max_length=max_length)
        source_vocabulary, target_vocabulary = map(self.vocabulary, _FEATURES)
        texts = text.to_str_list(texts)
        source = source_vocabulary.encode_batch(texts, max_length=max_length, truncate=truncate)
        if translations is None:
            result = self.generate(source, max_length=max_length, **options)
            target, weights = self.best_sequences(result)
        else:
            reject_search_options(options, "translations")
            target = target_vocabulary.encode_batch(translations, True, max_length, truncate)[:, 1:]
            if len(target) != len(source):
                raise UsageError(
                    f"{len(source)} texts need {len(source)} translations, got {len(target)}"
                )
            weights = self.attention_weights(source, target).numpy()
        rows = zip(source, target, weights, strict=True)
        return [self._attention_map(*row) for row in rows]
