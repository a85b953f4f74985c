"""How images with captions become batches: of which size, seen by what, said in which words.

Needs only Python until something is loaded.
"""

from dataclasses import dataclass

from zoo.checks import check_numbers, check_optional_numbers
from zoo.data.text_config import Texts


@dataclass(frozen=True)
class Captions(Texts):
    """What decides the batches of a corpus of images with captions.

    Attributes, besides those of `Texts`, whose languages say nothing here:
        min_count: a word seen less often is unknown.
        image_size: pixels that images are scaled to; None: as the data have them.
        network: a name of `keras.applications`: what it sees stands in the place of the images;
            None: the model sees for itself.
        weights: of the network, as `vision.Network` takes them.
        folder: where what it sees is kept.
        mirrored: learn from the mirror image of each image, too, with the same captions.
    """

    tokens: str = "words"
    max_length: int = 50
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
    def seen(self):
        size = f"{self.image_size} pixels wide" if self.image_size else "as they are"
        return f"{size}, seen by {self.network}" if self.network else size

    def corpus(self, data, split):
        """The images and captions of a split as a `corpora.Corpus`."""
        from zoo.data import corpora

        return corpora.load_captions(data, split, image_size=self.image_size)

    def shown(self, corpus, training=False):
        """With mirror images to learn from, and with "features" where a network looks first."""
        from zoo.data import corpora

        if self.mirrored and training:
            corpus = corpora.mirrored(corpus)
        if self.network is None:
            return corpus
        from zoo.data import image_features

        size = self.image_size
        if size is None:
            size = corpus.arrays["image"].shape[1]
        network = image_features.Network(self.network, self.weights, size)
        return image_features.seen(corpus, network, self.folder)

    def learn(self, corpus):
        if self.tokens != "words":
            return super().learn(corpus)
        from zoo import text

        how = {"lowercase": self.lowercase, "min_count": self.min_count}
        return text.WordTokenizer.train(corpus.texts["caption"], self.vocabulary_size, **how)

    def said(self, model, corpus, count=None, **search):
        images = corpus.arrays[model.call_feature][:count]
        return model.caption(images, max_length=self.max_length, **search)

    def right(self, corpus):
        return corpus.references("caption")
