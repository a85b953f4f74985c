"""Multi30k: German and English descriptions of photographs, 29,000 + 1,014 + 1,000 pairs.

D. Elliott, S. Frank, K. Sima'an, L. Specia, "Multi30K: Multilingual English-German Image
Descriptions" (2016, arXiv 1605.00459); the raw text of task 1. The split "test" is
test_2016_flickr, on which most papers report.

Importing this module registers the TFDS data set "multi30k". Files in the manual folder are used
unchecked; others are downloaded and their SHA-256 is verified.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from zoo.data import corpora

URL = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/"
SPLITS = {"train": "train", "validation": "val", "test": "test_2016_flickr"}
LANGUAGES = ("de", "en")
FILES = {  # name: bytes, SHA-256
    "train.de.gz": (
        637044,
        "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    ),
    "train.en.gz": (
        568929,
        "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    ),
    "val.de.gz": (24681, "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a"),
    "val.en.gz": (21650, "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28"),
    "test_2016_flickr.de.gz": (
        22890,
        "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
    ),
    "test_2016_flickr.en.gz": (
        21077,
        "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
    ),
}


class Multi30k(tfds.core.GeneratorBasedBuilder):
    """TFDS builder with the texts "de" and "en"."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "train, val and test_2016_flickr of task 1."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "multi30k/{train,val,test_2016_flickr}.{de,en}, or .gz"
    url_infos = {
        URL + name: tfds.core.download.checksums.UrlInfo(size, sha256, name)
        for name, (size, sha256) in FILES.items()
    }

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="German and English descriptions of photographs.",
            features=tfds.features.Translation(languages=LANGUAGES),
            supervised_keys=LANGUAGES,
            homepage="https://github.com/multi30k/dataset",
            citation="D. Elliott et al., Multi30K, 2016, arXiv 1605.00459",
            disable_shuffling=True,  # line i stays example i
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        try:
            manual = Path(dl_manager.manual_dir / self.name)
        except AssertionError:  # TFDS: there is no manual folder
            manual = Path()
        if manual.name and manual.is_dir():
            splits = {s: corpora.load_pairs(manual, stem, LANGUAGES) for s, stem in SPLITS.items()}
        else:
            urls = {s: [f"{URL}{stem}.{x}.gz" for x in LANGUAGES] for s, stem in SPLITS.items()}
            paths = dl_manager.download(urls)
            splits = {s: corpora.load_pairs(tuple(map(Path, p))) for s, p in paths.items()}
        return {split: self._generate_examples(corpus) for split, corpus in splits.items()}

    def _generate_examples(self, corpus: corpora.Corpus) -> Iterator[tuple[int, dict[str, Any]]]:
        for i, pair in enumerate(zip(*corpus.texts.values(), strict=True)):
            yield i, dict(zip(LANGUAGES, pair, strict=True))
