"""How images with captions become batches: image size, features and vocabulary.

Needs only Python until something is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.checks import check_numbers, check_optional_numbers
from zoo.data.text_config import TextConfig

if TYPE_CHECKING:
    from zoo.data.corpora import Corpus


@dataclass(frozen=True)
class CaptionConfig(TextConfig):
    """The preprocessing of a corpus of images with captions.

    It also has the attributes of `TextConfig`; `languages` has no effect here.

    Attributes:
        min_count: words that occur less often become the unknown token.
        image_size: pixels that images are resized to; None: unchanged.
        network: a name of `keras.applications` whose feature maps replace the images; None: the
            model receives the images.
        weights: weights of the network, as in `image_features.PretrainedNetwork`.
        folder: where the feature maps are cached.
        mirrored: train on the mirror image of each image too, with the same captions.
    """

    tokenizer: str = "words"
    max_length: int = 50
    min_count: int = 1
    image_size: int | None = None
    network: str | None = None
    weights: str = "imagenet"
    folder: str = "runs/features"
    mirrored: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_numbers(min_count=self.min_count)
        check_optional_numbers(image_size=self.image_size)

    @property
    def description(self) -> str:
        size = f"{self.image_size} pixels wide" if self.image_size else "as they are"
        return f"{size}, seen by {self.network}" if self.network else size

    def load_corpus(self, data: Any, split: str) -> Corpus:
        """The images and captions of a split. Raises the errors of `load_captions`."""
        from zoo.data import corpora

        return corpora.load_captions(data, split, image_size=self.image_size)

    def prepare(self, corpus: Corpus, training: bool = False) -> Corpus:
        """Adds mirror images for training, and replaces images by the network's features."""
        from zoo.data import corpora

        if self.mirrored and training:
            corpus = corpora.with_mirror_images(corpus)
        if self.network is None:
            return corpus
        from zoo.data import image_features

        size = self.image_size
        if size is None:
            size = corpus.arrays["image"].shape[1]
        network = image_features.PretrainedNetwork(self.network, self.weights, size)
        return image_features.with_feature_maps(corpus, network, self.folder)

    def build_vocabulary(self, corpus: Corpus) -> Any:
        if self.tokenizer != "words":
            return super().build_vocabulary(corpus)
        from zoo import text

        options: dict[str, Any] = {"lowercase": self.lowercase, "min_count": self.min_count}
        return text.WordTokenizer.train(corpus.texts["caption"], self.vocabulary_size, **options)
