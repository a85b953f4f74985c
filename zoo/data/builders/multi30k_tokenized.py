"""Tokenized Multi30k: English, German and French, in lower case, as papers evaluate on it.

The texts of task 1 in lower case, with normalized punctuation, tokenized by Moses
(data/task1/tok of https://github.com/multi30k/dataset); D. Elliott, S. Frank, K. Sima'an, L.
Specia, "Multi30K: Multilingual English-German Image Descriptions" (2016, arXiv 1605.00459), D.
Elliott et al. (2017, arXiv 1710.07177), L. Barrault et al. (2018). The split "test" is
test_2016_flickr; other test sets have their names.

Importing this module registers the TFDS data set "multi30k_tokenized", which is read from the
manual folder. If only the raw text is there, sacremoses tokenizes it by the same three steps.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from zoo.data import corpora, source_names, text_files

LANGUAGES = ("en", "de", "fr")
SPLITS = {
    "train": "train",
    "validation": "val",
    "test": "test_2016_flickr",
    **{name: name for name in ("test_2017_flickr", "test_2017_mscoco", "test_2018_flickr")},
}


class Multi30kTokenized(tfds.core.GeneratorBasedBuilder):
    """TFDS builder with the texts "en", "de" and "fr"."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "train, val and four test sets of task 1."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "multi30k_tokenized/{train,val,test_2016_flickr,test_2017_flickr,test_2017_mscoco,"
        "test_2018_flickr}.lc.norm.tok.{en,de,fr}, or .gz"
    )

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Tokenized descriptions of photographs in three languages.",
            features=tfds.features.Translation(languages=LANGUAGES),
            supervised_keys=LANGUAGES[:2],
            homepage="https://github.com/multi30k/dataset",
            citation="D. Elliott et al., Multi30K, 2016, arXiv 1605.00459",
            disable_shuffling=True,  # line i stays example i
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        folder = Path(dl_manager.manual_dir / self.name)
        return {
            split: self._generate_examples([read_tokens(folder, stem, x) for x in LANGUAGES])
            for split, stem in SPLITS.items()
        }

    def _generate_examples(self, sides: list[list[str]]) -> Iterator[tuple[int, dict[str, Any]]]:
        for i, texts in enumerate(zip(*sides, strict=True)):
            yield i, dict(zip(LANGUAGES, texts, strict=True))


def read_tokens(folder: Path, stem: str, language: str) -> list[str]:
    """The lines of a tokenized text, made from the raw text if necessary.

    Raises UsageError: there is no such file.

    Args:
        folder: the folder with the files.
        stem: "train", "val", ...
        language: "en", "de" or "fr".
    """
    if file := source_names.find_file(folder, f"{stem}.lc.norm.tok.{language}"):
        return text_files.read_lines(file)
    written = corpora.find_file(folder, f"{stem}.{language}")
    return tokenize(text_files.read_lines(written), language)


def tokenize(lines: list[str], language: str) -> list[str]:
    """Texts in lower case, with normalized punctuation, as Moses' (escaped) tokens."""
    from sacremoses import MosesPunctNormalizer, MosesTokenizer

    normalizer = MosesPunctNormalizer(language)
    tokenizer = MosesTokenizer(language)
    normalized = (normalizer.normalize(line.lower()) for line in lines)
    return [tokenizer.tokenize(line, return_str=True) for line in normalized]
