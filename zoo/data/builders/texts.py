"""Texts for language models: tiny-shakespeare, first names, chorales by Bach.

A. Karpathy, "The Unreasonable Effectiveness of Recurrent Neural Networks" (2015), and "makemore"
(2022). N. Boulanger-Lewandowski, Y. Bengio, P. Vincent, "Modeling Temporal Dependencies in
High-Dimensional Sequences" (2012, arXiv 1206.6392): the split of the 382 chorales.

Importing this module registers the TFDS data sets. Files in the manual folder are used unchecked;
others are downloaded and their SHA-256 is verified.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from zoo import music
from zoo.errors import UsageError

RAW = "https://raw.githubusercontent.com/karpathy"
SPLITS = ("train", "validation", "test")
HELD_OUT = 1000  # names in each of validation and test
FRAMES = {"quarter": 4, "eighth": 2, "sixteenth": 1}  # sixteenth notes of a frame


class TextBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """Base of the builders: one file, whose content is divided into splits of texts.

    Attributes:
        file_name: in the manual folder.
        url: URL of the file, if it may be downloaded.
    """

    VERSION = tfds.core.Version("1.0.0")
    file_name: str
    url: str | None = None
    homepage: str

    def split_texts(self, content: str) -> dict[str, list[str]]:
        """The texts of each split."""
        raise NotImplementedError

    def _info(self) -> Any:
        return tfds.core.DatasetInfo(
            builder=self,
            description=(type(self).__doc__ or "").partition("\n")[0],
            features=tfds.features.FeaturesDict({"text": tfds.features.Text()}),
            homepage=self.homepage,
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        texts = self.split_texts(_read(self._path(dl_manager)))
        return {split: self._generate_examples(texts[split]) for split in SPLITS}

    def _generate_examples(self, texts: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
        for number, text in enumerate(texts):
            yield number, {"text": text}

    def _path(self, dl_manager: Any) -> Path:
        try:
            folder = Path(dl_manager.manual_dir / self.name)
        except AssertionError:  # TFDS: there is no manual folder
            folder = Path()
        for path in (folder / self.file_name, folder / f"{self.file_name}.gz"):
            if folder.name and path.is_file():
                return path
        if self.url is None:
            raise UsageError(f"there is no {self.file_name} in {folder}")
        return Path(dl_manager.download(self.url))


class TinyShakespeare(TextBuilder):
    """The plays in tiny-shakespeare, one text, cut by position: the splits of TFDS."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = "tiny_shakespeare/tinyshakespeare.txt, or .txt.gz"
    file_name = "tinyshakespeare.txt"
    url = f"{RAW}/char-rnn/master/data/tinyshakespeare/input.txt"
    homepage = "https://github.com/karpathy/char-rnn"
    url_infos = {
        url: tfds.core.download.checksums.UrlInfo(
            1_115_394,
            "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            "input.txt",
        )
    }

    def split_texts(self, content: str) -> dict[str, list[str]]:
        edge = int(len(content) * 0.9)
        middle = edge + int((len(content) - edge) * 0.5)
        parts = content[:edge], content[edge:middle], content[middle:]
        return {split: [part] for split, part in zip(SPLITS, parts, strict=True)}


class Names(TextBuilder):
    """32,033 first names in lower case, shuffled once: they come in the order of frequency."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = "names/names.txt, or .txt.gz"
    file_name = "names.txt"
    url = f"{RAW}/makemore/master/names.txt"
    homepage = "https://github.com/karpathy/makemore"
    url_infos = {
        url: tfds.core.download.checksums.UrlInfo(
            228_145,
            "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d",
            "names.txt",
        )
    }

    def split_texts(self, content: str) -> dict[str, list[str]]:
        names = np.random.default_rng(0).permutation(content.split()).tolist()
        edges = len(names) - 2 * HELD_OUT, len(names) - HELD_OUT
        parts = names[: edges[0]], names[edges[0] : edges[1]], names[edges[1] :]
        return dict(zip(SPLITS, parts, strict=True))


class ChoraleConfig(tfds.core.BuilderConfig):
    """How long a frame is: a key of `FRAMES`."""


class JsbChorales(TextBuilder):
    """Four-part chorales by J. S. Bach as text, see `zoo.music`."""

    BUILDER_CONFIGS = [ChoraleConfig(name=name, description=f"{name} notes") for name in FRAMES]
    MANUAL_DOWNLOAD_INSTRUCTIONS = "jsb_chorales/jsb-chorales-16th.json, or .json.gz"
    file_name = "jsb-chorales-16th.json"
    homepage = "https://github.com/czhuang/JSB-Chorales-dataset"

    def split_texts(self, content: str) -> dict[str, list[str]]:
        chorales = json.loads(content)
        names = dict(zip(SPLITS, ("train", "valid", "test"), strict=True))
        step = FRAMES[self.builder_config.name]
        return {
            split: [
                music.format_frames(map(_voices, chorale[::step])) for chorale in chorales[name]
            ]
            for split, name in names.items()
        }


def _voices(notes: list[float]) -> list[int]:
    """The notes of the four voices of a frame, from soprano to bass; missing ones are rests."""
    return ([int(note) for note in notes] + [music.REST] * len(music.VOICES))[: len(music.VOICES)]


def _read(path: Path) -> str:
    raw = path.read_bytes()
    return (gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw).decode()
