"""Flickr8k: 8,000 photographs with five captions each, in the split of its authors.

M. Hodosh, P. Young, J. Hockenmaier, "Framing Image Description as a Ranking Task", Journal of
Artificial Intelligence Research 47 (2013) 853-899; for non-commercial research and education.

Importing this module registers the TFDS data set "flickr8k", which reads a manually filled folder
with the contents of the archives Flickr8k_Dataset.zip and Flickr8k_text.zip.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from zoo.data import corpora, text_files

SPLITS = {"train": "train", "validation": "dev", "test": "test"}
IMAGES = "Flicker8k_Dataset"  # the archive's own spelling
CAPTIONS = "Flickr8k.token.txt"


class Flickr8k(tfds.core.GeneratorBasedBuilder):
    """TFDS builder with "image" (JPEG of any size), "captions" (five texts) and "filename"."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "6,000 + 1,000 + 1,000 photographs."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"flickr8k/{IMAGES}/*.jpg, flickr8k/{CAPTIONS}, flickr8k/Flickr_8k.trainImages.txt,"
        " devImages, testImages"
    )

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Photographs with five captions each.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
                    "captions": tfds.features.Sequence(tfds.features.Text()),
                    "filename": tfds.features.Text(),
                }
            ),
            citation="M. Hodosh, P. Young, J. Hockenmaier, JAIR 47 (2013) 853-899",
            disable_shuffling=True,  # in the order of the split lists
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        folder = Path(dl_manager.manual_dir / self.name)
        captions = text_files.read_captions(corpora.find_file(folder, CAPTIONS))
        lists = {
            split: text_files.read_lines(corpora.find_file(folder, f"Flickr_8k.{part}Images.txt"))
            for split, part in SPLITS.items()
        }
        corpora.check_images(sum(lists.values(), []), folder / IMAGES, captions)
        return {
            split: self._generate_examples(folder / IMAGES, names, captions)
            for split, names in lists.items()
        }

    def _generate_examples(
        self, folder: Path, names: list[str], captions: dict[str, list[str]]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        for i, name in enumerate(names):
            yield i, {"image": folder / name, "captions": captions[name], "filename": name}
