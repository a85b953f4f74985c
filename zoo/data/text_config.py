"""How pairs of texts become ids: which two languages, cut into what, by which vocabulary.

Needs only Python until something is loaded.
"""

from dataclasses import dataclass

from zoo.checks import check_numbers
from zoo.data import source_names
from zoo.data.catalog import info
from zoo.errors import UnknownNameError, UsageError, shorten

TOKENS = ("bpe", "unigram", "words", "characters")


@dataclass(frozen=True)
class Texts:
    """What decides the ids of a corpus; both sides have one vocabulary.

    Attributes:
        languages: (from, into); of a table, its columns, ("1", "0"); None: as the data have it.
        tokens: "bpe" and "unigram" are sub-words, "words", "characters".
        vocabulary_size: of sub-words and words, special ids counted; characters are all taken.
        lowercase: lower-case all texts.
        max_length: maximum number of ids per sentence, including START and END.
        truncate: cut longer ones; else they are an error that names the first.
    """

    languages: tuple | None = None
    tokens: str = "bpe"
    vocabulary_size: int = 8000
    lowercase: bool = False
    max_length: int = 100
    truncate: bool = False

    def __post_init__(self):
        if self.tokens not in TOKENS:
            raise UnknownNameError("kind of tokens", self.tokens, TOKENS)
        if self.languages is not None:
            languages = source_names.check_languages(self.languages)
            object.__setattr__(self, "languages", languages)  # lists, in JSON
        check_numbers(vocabulary_size=self.vocabulary_size, max_length=self.max_length)

    @property
    def seen(self):
        """How the data are shown, as a protocol tells it."""
        return " to ".join(self.languages or ("source", "target"))

    def corpus(self, data, split):
        """The texts of a split as a `corpora.Corpus`; raises what `load_pairs` raises."""
        from zoo.data import corpora

        table = not source_names.is_named(data) and source_names.path(data).is_file()
        if table and self.languages is not None:
            return corpora.load_pairs(data, split, columns=source_names.columns(self.languages))
        return corpora.load_pairs(data, split, self.languages)

    def shown(self, corpus, training=False):
        """What of a corpus a model is shown, to learn from it or to be looked at: here, all."""
        return corpus

    def learn(self, corpus):
        """The `zoo.text` vocabulary of all texts of a corpus."""
        from zoo import text

        texts = [line for side in corpus.texts.values() for line in side]
        if self.tokens in ("bpe", "unigram"):
            return text.SentencePieceTokenizer.train(
                texts, self.vocabulary_size, self.tokens, self.lowercase
            )
        size = None if self.tokens == "characters" else self.vocabulary_size
        return text.WordTokenizer.train(texts, size, self.tokens.removesuffix("s"), self.lowercase)

    def load(self, data, split, vocabulary=None, **how):
        """A split as `Sentences`, by a vocabulary, or by the one that its texts make.

        Args:
            vocabulary: one of `zoo.text`, or one for each side.
            how: as `Sentences` takes it; shuffled, the split is there to learn from.
        """
        from zoo.data.text_dataset import Sentences

        corpus = self.corpus(data, split)
        vocabulary = self.learn(corpus) if vocabulary is None else vocabulary
        shown = self.shown(corpus, training=how.get("shuffle", False))
        return Sentences(
            shown, vocabulary, max_length=self.max_length, truncate=self.truncate, **how
        )

    def said(self, model, corpus, count=None, **search):
        """What a model makes of the first `count` examples of a corpus, of all if None."""
        sources = corpus.texts["source"][:count]
        return model.translate(sources, max_length=self.max_length, truncate=True, **search)

    def right(self, corpus):
        """What it should have said of each: texts, or lists of texts."""
        return corpus.texts["target"]


def tokens_of(data):
    """What a data set is best cut into."""
    return (source_names.is_named(data) and info(data).tokens) or "bpe"


def vocabulary_arguments(config, data):
    """The vocabularies of `data` as arguments of a model."""
    found = {f"{side}_vocabulary": one.to_json() for side, one in data.vocabularies.items()}
    for key, value in found.items():
        if config.get(key, value) != value:
            raise UsageError(
                f"{key} follows from {data.name}, got {shorten(config[key])}: leave it out;"
                " how large it is says --vocabulary-size of `zoo train`"
            )
    return found
