"""Sub-words, learned from a corpus by SentencePiece."""

import base64
import io
import re

from zoo.checks import check_numbers
from zoo.errors import UnknownNameError, UsageError, one_line
from zoo.text.vocabulary import (
    END,
    PAD,
    START,
    STRANGE,
    UNKNOWN,
    Vocabulary,
    check_flags,
    normal,
    sentences_of,
)


class Tokenizer(Vocabulary):
    """Sub-words, learned from a corpus and kept by SentencePiece; any text survives the round trip.

    A character that the corpus did not have is written in its UTF-8 bytes, each an id of its own.
    Two things do not come back: upper case, if `lowercase`, and U+2581, SentencePiece's sign for a
    space, which becomes one. Works on Python strings, so not inside a TensorFlow graph.

    Args:
        model: bytes of a SentencePiece model; the ids 0 to 3 as in this module.
        lowercase: lower-case all that is encoded.
    """

    def __init__(self, model, lowercase=False):
        import sentencepiece

        check_flags(lowercase=lowercase)
        try:
            self.processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        except Exception as error:  # of a decoder of outside data
            raise UsageError(f"this is no SentencePiece model: {one_line(error)}") from error
        pieces = self.processor
        special = [pieces.pad_id(), pieces.unk_id(), pieces.bos_id(), pieces.eos_id()]
        if special != [PAD, UNKNOWN, START, END]:
            raise UsageError(
                f"the ids of padding, unknown, start and end must be 0, 1, 2 and 3, got {special};"
                " train with pad_id=0, unk_id=1, bos_id=2, eos_id=3"
            )
        self.model, self.lowercase = model, lowercase

    kind = "sub-words"

    @classmethod
    def train(cls, sentences, vocabulary_size=8000, kind="bpe", lowercase=False):
        """Learn `vocabulary_size` pieces; fewer, if the corpus does not have as many.

        sentences: list of str or UTF-8 bytes; for a joint vocabulary, those of both languages.
        kind: "bpe", Sennrich et al. (2016, arXiv 1508.07909), or "unigram", Kudo (2018,
          arXiv 1804.10959).

        The same sentences in the same order give the same pieces. Raises UsageError for a size
        that has no room for the 256 bytes, the special ids and the alphabet.
        """
        import sentencepiece

        check_numbers(vocabulary_size=vocabulary_size)
        check_flags(lowercase=lowercase)
        if kind not in ("bpe", "unigram"):
            raise UnknownNameError("kind of sub-words", kind, ("bpe", "unigram"))
        texts = [text for text in normal(sentences, lowercase) if text.strip()]
        if not texts:
            raise UsageError("a vocabulary needs a corpus, got no sentence that holds text")
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(texts),
                model_writer=model,
                model_type=kind,
                vocab_size=vocabulary_size,
                hard_vocab_limit=False,
                character_coverage=0.9999,
                byte_fallback=True,
                normalization_rule_name="identity",
                remove_extra_whitespaces=False,
                max_sentence_length=1 << 20,  # bytes; longer ones are not learned from
                pad_id=PAD,
                unk_id=UNKNOWN,
                bos_id=START,
                eos_id=END,
                unk_surface=STRANGE,
                num_threads=1,  # sums of floats in one order
                minloglevel=2,
            )
        except (RuntimeError, ValueError) as error:
            least = re.search(r"required_chars\. \d+ vs (\d+)", str(error))
            why = f"bytes, marks and letters alone need {least[1]}" if least else one_line(error)
            raise UsageError(
                f"{len(texts):,} sentences cannot be cut into vocabulary_size={vocabulary_size!r}"
                f" pieces: {why}"
            ) from error
        return cls(model.getvalue(), lowercase)

    def encode(self, texts):
        return self.processor.encode(normal(texts, self.lowercase), out_type=int, num_threads=1)

    def decode(self, ids):
        size = len(self)
        return self.processor.decode(
            [[i if 0 <= i < size else UNKNOWN for i in row] for row in sentences_of(ids)]
        )

    def pieces(self, ids):
        size, name = len(self), self.processor.id_to_piece
        return [name(int(i)) if 0 <= i < size else STRANGE for i in ids]

    def to_dict(self):
        model = base64.b64encode(self.model).decode()
        return {"kind": self.kind, "lowercase": self.lowercase, "model": model}

    @classmethod
    def from_dict(cls, found):
        return cls(base64.b64decode(found["model"], validate=True), found["lowercase"])

    def __len__(self):
        return self.processor.get_piece_size()
