"""Facts about a named data set. Needs only Python."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DatasetInfo:
    """Facts about a data set that are known without loading it.

    Attributes:
        name: in the catalog.
        description: one line.
        shape: shape of one image: height, width, channels; () for texts and ratings.
        splits: name -> number of examples.
        source: where it comes from.
        license: license of the data.
        network: whether preparing it downloads something.
        features: keys of an example, as TFDS names them.
        module: registers a TFDS builder of this library when it is imported.
        manual: files that must be fetched by hand, and from where.
        kind: what the examples are: "images", "pairs" of texts, "captions" of images, "texts".
        load: for data that are neither images nor texts: the function, "module:name", that
            `zoo.data.load` calls; None: it reads images itself.
        tokenizer: default tokenizer of its texts, if not "bpe"; see `zoo.data.text_config`.
        config: the default TFDS config, if there are several.
        image_size: images are resized to this when loaded; None: unchanged.
        by_class: too large to load except one class at a time.
        binary: TFDS stores 0 and 1, not 0 and 255.
    """

    name: str
    description: str
    shape: tuple[int, ...]
    splits: dict[str, int]
    source: str
    license: str
    network: bool = True
    features: tuple[str, ...] = ("image", "label")
    module: str | None = None
    manual: str | None = None
    kind: str = "images"
    load: str | None = None
    tokenizer: str | None = None
    config: str | None = None
    image_size: int | None = None
    by_class: bool = False
    binary: bool = False

    @property
    def path(self) -> str:
        """Its name in TFDS, with its config."""
        return self.name if "/" in self.name or not self.config else f"{self.name}/{self.config}"

    @property
    def computed(self) -> bool:
        """Whether a function computes it whenever it is loaded, so that no files are needed."""
        return self.load is not None and self.module is None and not self.network

    @property
    def generated(self) -> bool:
        """Whether this library generates it, without any download."""
        return self.module is not None and not self.network and self.manual is None

    @property
    def loader(self) -> str:
        """The public function that loads it."""
        return LOADERS.get(self.kind, "zoo.data.load")


LOADERS = {
    "pairs": "zoo.data.corpora.load_pairs",
    "captions": "zoo.data.corpora.load_captions",
    "texts": "zoo.LanguageModel.load_data",
}
