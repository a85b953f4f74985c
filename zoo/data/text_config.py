"""How pairs of texts become ids: which two languages, cut into what, by which vocabulary.

Needs only Python until something is loaded.
"""

from dataclasses import dataclass

from zoo.checks import check_numbers
from zoo.data import source_names
from zoo.data.catalog import info
from zoo.errors import UnknownNameError, UsageError, shorten

TOKENIZERS = ("bpe", "unigram", "words", "characters")


@dataclass(frozen=True)
class TextConfig:
    """What decides the ids of a corpus; both sides have one vocabulary.

    Attributes:
        languages: (from, into); of a table, its columns, ("1", "0"); None: as the data have it.
        tokenizer: "bpe" and "unigram" are sub-words, "words", "characters".
        vocabulary_size: of sub-words and words, special ids counted; characters are all taken.
        lowercase: lower-case all texts.
        limit: ids of a sentence, its marks counted.
        truncate: cut longer ones; else they are an error that names the first.
    """

    languages: tuple | None = None
    tokenizer: str = "bpe"
    vocabulary_size: int = 8000
    lowercase: bool = False
    limit: int = 100
    truncate: bool = False

    def __post_init__(self):
        if self.tokenizer not in TOKENIZERS:
            raise UnknownNameError("tokenizer", self.tokenizer, TOKENIZERS)
        if self.languages is not None:
            languages = source_names.check_languages(self.languages)
            object.__setattr__(self, "languages", languages)  # lists, in JSON
        check_numbers(vocabulary_size=self.vocabulary_size, limit=self.limit)

    @property
    def description(self):
        """How the data are shown, as a protocol tells it."""
        return " to ".join(self.languages or ("source", "target"))

    def load_corpus(self, data, split):
        """The texts of a split as a `corpora.Corpus`; raises what `load_pairs` raises."""
        from zoo.data import corpora

        table = not source_names.is_named(data) and source_names.source_path(data).is_file()
        if table and self.languages is not None:
            return corpora.load_pairs(
                data, split, columns=source_names.parse_columns(self.languages)
            )
        return corpora.load_pairs(data, split, self.languages)

    def prepare(self, corpus, training=False):
        """What of a corpus a model is shown, to learn from it or to be looked at: here, all."""
        return corpus

    def build_vocabulary(self, corpus):
        """The `zoo.text` vocabulary of all texts of a corpus."""
        from zoo import text

        texts = [line for side in corpus.texts.values() for line in side]
        if self.tokenizer in ("bpe", "unigram"):
            return text.Tokenizer.train(texts, self.vocabulary_size, self.tokenizer, self.lowercase)
        size = None if self.tokenizer == "characters" else self.vocabulary_size
        return text.Words.train(texts, size, self.tokenizer.removesuffix("s"), self.lowercase)

    def load(self, data, split, vocabulary=None, **how):
        """A split as `Sentences`, by a vocabulary, or by the one that its texts make.

        Args:
            vocabulary: one of `zoo.text`, or one for each side.
            how: as `Sentences` takes it; shuffled, the split is there to learn from.
        """
        from zoo.data.text_dataset import TextDataset

        corpus = self.load_corpus(data, split)
        vocabulary = self.build_vocabulary(corpus) if vocabulary is None else vocabulary
        shown = self.prepare(corpus, training=how.get("shuffle", False))
        return TextDataset(shown, vocabulary, limit=self.limit, truncate=self.truncate, **how)

    def generate(self, model, corpus, count=None, **search):
        """What a model makes of the first `count` examples of a corpus, of all if None."""
        sources = corpus.texts["source"][:count]
        return model.translate(sources, limit=self.limit, truncate=True, **search)

    def references(self, corpus):
        """What it should have said of each: texts, or lists of texts."""
        return corpus.texts["target"]


def default_tokenizer(data):
    """What a data set is best cut into."""
    return (source_names.is_named(data) and info(data).tokenizer) or "bpe"


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
