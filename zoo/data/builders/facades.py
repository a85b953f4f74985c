"""CMP Facades: photographs of building facades and label maps of their parts.

Radim Tylecek, Radim Sara, "Spatial Pattern Templates for Recognition of Objects with Regular
Structure", GCPR 2013; as pairs side by side, the photograph on the left, of Isola et al. (2017,
arXiv 1611.07004).

Importing this module registers the TFDS data set "facades", which reads a manually filled folder.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from zoo.data import folders, image_pairs
from zoo.errors import UsageError

SIZE = 256  # pixels


class Facades(tfds.core.GeneratorBasedBuilder):
    """TFDS builder with "source" (label map) and "target" (photograph), uint8 (256, 256, 3)."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "The splits of the folder."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "facades/train/*.jpg, facades/val/*.jpg, facades/test/*.jpg"

    def _info(self) -> tfds.core.DatasetInfo:
        image = tfds.features.Image(shape=(SIZE, SIZE, 3), encoding_format="png")
        return tfds.core.DatasetInfo(
            builder=self,
            description="Photographs of facades and their label maps.",
            features=tfds.features.FeaturesDict({"source": image, "target": image}),
            citation="R. Tylecek, R. Sara, Spatial Pattern Templates, GCPR 2013",
            disable_shuffling=True,  # in the order of the files' names
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        folder = Path(dl_manager.manual_dir / self.name)
        paths = folders.split_paths(folder) or {"train": folder}
        return {name: self._generate_examples(path) for name, path in paths.items()}

    def _generate_examples(self, folder: Path) -> Iterator[tuple[int, dict[str, Any]]]:
        pairs = zip(*image_pairs.folder_pairs(folder), strict=True)
        for number, (photograph, labels) in enumerate(pairs):
            if labels.shape != (SIZE, SIZE, 3):
                height, width, channels = labels.shape
                raise UsageError(
                    f"pair {number} of {folder} has images of {width}x{height}x{channels}, not"
                    f" {SIZE}x{SIZE}x3; load other sizes with zoo.data.load('BtoA:{folder.parent}')"
                )
            yield number, {"source": labels, "target": photograph}
