"""Sub-words, trained on a corpus by SentencePiece."""

import base64
import io
import re
from collections.abc import Iterable
from typing import Any, Self

from zoo.checks import check_flags, check_numbers
from zoo.errors import UnknownNameError, UsageError, one_line
from zoo.text.vocabulary import (
    END,
    PAD,
    START,
    UNKNOWN,
    UNKNOWN_TEXT,
    Vocabulary,
    normalize,
    strip_special,
)


class SentencePieceTokenizer(Vocabulary):
    """Sub-words, trained and stored by SentencePiece; any text survives the round trip.

    A character that is not in the corpus is encoded as its UTF-8 bytes, one id per byte. Two things
    are not restored: upper case, if `lowercase`, and U+2581, SentencePiece's sign for a space,
    which becomes a space. Works on Python strings, so not inside a TensorFlow graph.

    Args:
        model: bytes of a SentencePiece model, with the ids 0 to 3 as in `zoo.text`.
        lowercase: whether to lower-case texts before encoding.

    Raises:
        UsageError: the bytes are not such a model.
    """

    def __init__(self, model: bytes, lowercase: bool = False):
        import sentencepiece

        check_flags(lowercase=lowercase)
        try:
            self.processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        except Exception as error:  # the bytes come from outside
            raise UsageError(f"this is not a SentencePiece model: {one_line(error)}") from error
        processor = self.processor
        ids = [processor.pad_id(), processor.unk_id(), processor.bos_id(), processor.eos_id()]
        if ids != [PAD, UNKNOWN, START, END]:
            raise UsageError(
                f"the ids of padding, unknown, start and end must be 0, 1, 2 and 3, got {ids};"
                " train with pad_id=0, unk_id=1, bos_id=2, eos_id=3"
            )
        self.model = model
        self.lowercase = lowercase

    @property
    def kind(self) -> str:
        return "sub-words"

    @classmethod
    def train(
        cls,
        sentences: Iterable[str | bytes],
        vocabulary_size: int = 8000,
        model_type: str = "bpe",
        lowercase: bool = False,
        add_dummy_prefix: bool = True,
    ) -> Self:
        """Trains a tokenizer; the same sentences in the same order give the same sub-words.

        Args:
            sentences: str or UTF-8 bytes; for a joint vocabulary, those of both languages.
            vocabulary_size: number of ids; fewer, if the corpus is too small for that many.
            model_type: "bpe", Sennrich et al. (2016, arXiv 1508.07909), or "unigram", Kudo (2018,
                arXiv 1804.10959).
            lowercase: as in the constructor.
            add_dummy_prefix: whether a text begins with a space that is removed again, so that its
                first word has the sub-words that it has elsewhere. Pass False for texts that are
                encoded in pieces.

        Raises:
            UsageError: the corpus is empty, or `vocabulary_size` has no room for the 256 bytes, the
                special ids and the alphabet.
        """
        import sentencepiece

        check_numbers(vocabulary_size=vocabulary_size)
        check_flags(lowercase=lowercase, add_dummy_prefix=add_dummy_prefix)
        if model_type not in ("bpe", "unigram"):
            raise UnknownNameError("model_type", model_type, ("bpe", "unigram"))
        texts = [text for text in normalize(sentences, lowercase) if text.strip()]
        if not texts:
            raise UsageError("a vocabulary needs a corpus, got no sentence that contains text")
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(texts),
                model_writer=model,
                model_type=model_type,
                vocab_size=vocabulary_size,
                hard_vocab_limit=False,
                character_coverage=0.9999,
                byte_fallback=True,
                normalization_rule_name="identity",
                remove_extra_whitespaces=False,
                add_dummy_prefix=add_dummy_prefix,
                max_sentence_length=1 << 20,  # bytes; longer sentences are skipped in training
                pad_id=PAD,
                unk_id=UNKNOWN,
                bos_id=START,
                eos_id=END,
                unk_surface=UNKNOWN_TEXT,
                num_threads=1,  # a fixed order of summation
                minloglevel=2,
            )
        except (RuntimeError, ValueError) as error:
            least = re.search(r"required_chars\. \d+ vs (\d+)", str(error))
            reason = (
                f"bytes, special ids and alphabet alone need {least[1]}"
                if least
                else one_line(error)
            )
            raise UsageError(
                f"cannot train vocabulary_size={vocabulary_size!r} sub-words on"
                f" {len(texts):,} sentences: {reason}"
            ) from error
        return cls(model.getvalue(), lowercase)

    def encode(self, texts: Iterable[str | bytes]) -> list[list[int]]:
        return self.processor.encode(normalize(texts, self.lowercase), out_type=int, num_threads=1)

    def decode(self, ids: Any) -> list[str]:
        size = len(self)
        return self.processor.decode(
            [[i if 0 <= i < size else UNKNOWN for i in row] for row in strip_special(ids)]
        )

    def tokens(self, ids: Iterable[int]) -> list[str]:
        size = len(self)
        id_to_piece = self.processor.id_to_piece
        return [id_to_piece(int(i)) if 0 <= i < size else UNKNOWN_TEXT for i in ids]

    def to_dict(self) -> dict[str, Any]:
        model = base64.b64encode(self.model).decode()
        return {"kind": self.kind, "lowercase": self.lowercase, "model": model}

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> Self:
        return cls(base64.b64decode(config["model"], validate=True), config["lowercase"])

    def __len__(self) -> int:
        return self.processor.get_piece_size()
