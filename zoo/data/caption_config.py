"""How images with captions become batches: of which size, seen by what, said in which words.

Needs only Python until something is loaded.
"""

from dataclasses import dataclass

from zoo.checks import check_numbers, check_optional_numbers
from zoo.data.text_config import TextConfig


@dataclass(frozen=True)
class CaptionConfig(TextConfig):
    """What decides the batches of a corpus of images with captions.

    Attributes, besides those of `Texts`, whose languages say nothing here:
        min_count: a word seen less often is unknown.
        image_size: pixels that images are scaled to; None: as the data have them.
        network: a name of `keras.applications`: what it sees stands in the place of the images;
            None: the model sees for itself.
        weights: of the network, as `image_features.PretrainedNetwork` takes them.
        folder: where what it sees is kept.
        mirrored: learn from the mirror image of each image, too, with the same captions.
    """

    tokenizer: str = "words"
    limit: int = 50
    min_count: int = 1
    image_size: int | None = None
    network: str | None = None
    weights: str = "imagenet"
    folder: str = "runs/features"
    mirrored: bool = False

    def __post_init__(self):
        super().__post_init__()
        check_numbers(min_count=self.min_count)
        check_optional_numbers(image_size=self.image_size)

    @property
    def description(self):
        size = f"{self.image_size} pixels wide" if self.image_size else "as they are"
        return f"{size}, seen by {self.network}" if self.network else size

    def load_corpus(self, data, split):
        """The images and captions of a split as a `corpora.Corpus`."""
        from zoo.data import corpora

        return corpora.load_captions(data, split, image_size=self.image_size)

    def prepare(self, corpus, training=False):
        """With mirror images to learn from, and with "features" where a network looks first."""
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

    def build_vocabulary(self, corpus):
        if self.tokenizer != "words":
            return super().build_vocabulary(corpus)
        from zoo import text

        how = {"lowercase": self.lowercase, "min_count": self.min_count}
        return text.Words.train(corpus.texts["caption"], self.vocabulary_size, **how)

    def generate(self, model, corpus, count=None, **search):
        images = corpus.arrays[model.input_feature][:count]
        return model.caption(images, limit=self.limit, **search)

    def references(self, corpus):
        return corpus.references("caption")
