"""The catalog of named data sets, one row each. Needs only Python.

A plug-in lists modules in the entry-point group `zoo.data`; each has a tuple `DATA_SETS` of
`DatasetInfo`, and needs no TensorFlow:

    [project.entry-points."zoo.data"]
    my_data = "my_package.data"
"""

import fnmatch
import importlib
import importlib.metadata
from dataclasses import replace

from zoo.data.dataset_info import DatasetInfo
from zoo.data.text_catalog import TEXTS
from zoo.errors import UnknownNameError, UsageError, one_line
from zoo.log import log_message

ENTRY_POINT_GROUP = "zoo.data"

CATALOG = {
    dataset.name: dataset
    for dataset in (
        DatasetInfo(
            "mnist",
            "MNIST: handwritten digits (LeCun, Cortes, Burges 1998)",
            (28, 28, 1),
            {"train": 60_000, "test": 10_000},
            "http://yann.lecun.com/exdb/mnist",
            "CC BY-SA 3.0",
        ),
        DatasetInfo(
            "fashion_mnist",
            "Fashion-MNIST: ten kinds of clothing (Xiao, Rasul, Vollgraf 2017)",
            (28, 28, 1),
            {"train": 60_000, "test": 10_000},
            "https://github.com/zalandoresearch/fashion-mnist",
            "MIT",
        ),
        DatasetInfo(
            "kmnist",
            "Kuzushiji-MNIST: ten cursive Japanese characters (Clanuwat et al. 2018)",
            (28, 28, 1),
            {"train": 60_000, "test": 10_000},
            "http://codh.rois.ac.jp/kmnist",
            "CC BY-SA 4.0",
        ),
        DatasetInfo(
            "binarized_mnist",
            "MNIST in Larochelle's static binarization (Larochelle, Murray 2011); no labels",
            (28, 28, 1),
            {"train": 50_000, "validation": 10_000, "test": 10_000},
            "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist",
            "as MNIST",
            features=("image",),
            binary=True,
        ),
        DatasetInfo(
            "cifar10",
            "CIFAR-10: ten kinds of animals and vehicles (Krizhevsky 2009)",
            (32, 32, 3),
            {"train": 50_000, "test": 10_000},
            "https://www.cs.toronto.edu/~kriz/cifar.html",
            "none stated",
        ),
        DatasetInfo(
            "celeb_a",
            "CelebA: faces (Liu et al. 2015), the center square scaled to 64 pixels; no labels",
            (218, 178, 3),
            {"train": 162_770, "validation": 19_867, "test": 19_962},
            "http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
            "non-commercial research only",
            features=("image",),
            image_size=64,
        ),
        DatasetInfo(
            "quickdraw_bitmap",
            "Quick, Draw!: 345 kinds of doodles (Google 2017); load one: quickdraw_bitmap/cat",
            (28, 28, 1),
            {"train": 50_426_266},
            "https://github.com/googlecreativelab/quickdraw-dataset",
            "CC BY 4.0",
            by_class=True,
        ),
        DatasetInfo(
            "snowflakes",
            "Snow crystals grown by Reiter's automaton (2005), and the air they grew in",
            (64, 64, 1),
            {"train": 3_600, "test": 400},
            "zoo.data.builders.snowflakes, generated on first use",
            "Apache-2.0, as this library",
            network=False,
            features=("image", "alpha", "beta", "gamma"),
            module="zoo.data.builders.snowflakes",
        ),
        DatasetInfo(
            "snowflake_maps",
            "Pairs: maps of the ice thickness of snow crystals, and renderings of the crystals",
            (64, 64, 3),
            {"train": 400, "test": 40},
            "zoo.data.builders.snowflake_maps, generated on first use",
            "Apache-2.0, as this library",
            network=False,
            features=("source", "target"),
            module="zoo.data.builders.snowflake_maps",
        ),
        DatasetInfo(
            "pictures",
            "A landscape and brushwork, both generated: a content and a style image",
            (256, 256, 3),
            {"train": 1, "test": 1},
            "zoo.data.builders.style_images, generated on first use",
            "Apache-2.0, as this library",
            network=False,
            features=("content", "style"),
            module="zoo.data.builders.style_images",
        ),
        DatasetInfo(
            "facades",
            "CMP Facades as pairs: label maps and photographs of house fronts (Tylecek, Sara 2013)",
            (256, 256, 3),
            {"train": 400, "val": 100, "test": 106},
            "http://efrosgans.eecs.berkeley.edu/pix2pix/datasets/facades.tar.gz",
            "none stated",
            network=False,
            features=("source", "target"),
            module="zoo.data.builders.facades",
            manual="the folders train, val and test, with a photograph (left) and its label map "
            "(right) in each file of 512x256 pixels, unpacked from "
            "http://efrosgans.eecs.berkeley.edu/pix2pix/datasets/facades.tar.gz",
        ),
        DatasetInfo(
            "dates",
            "Pairs: dates as people write them in nine languages, and their ISO 8601 form",
            (),
            {"train": 30_000, "validation": 1_000, "test": 1_000},
            "zoo.data.builders.dates, generated on first use",
            "Apache-2.0, as this library",
            network=False,
            features=("written", "iso"),
            module="zoo.data.builders.dates",
            kind="pairs",
            tokenizer="characters",
        ),
        DatasetInfo(
            "multi30k",
            "Multi30k, German and English: descriptions of photographs (Elliott et al. 2016)",
            (),
            {"train": 29_000, "validation": 1_014, "test": 1_000},
            "https://github.com/multi30k/dataset",
            "non-commercial research and education",
            features=("de", "en"),
            module="zoo.data.builders.multi30k",
            manual="the files {train,val,test_2016_flickr}.{de,en}, or the same with .gz, from "
            "data/task1/raw of https://github.com/multi30k/dataset",
            kind="pairs",
        ),
        DatasetInfo(
            "multi30k_tokenized",
            "Multi30k, tokenized as in papers: English, German and French, four test sets",
            (),
            {"train": 29_000, "validation": 1_014, "test": 1_000, "test_2017_flickr": 1_000}
            | {"test_2017_mscoco": 461, "test_2018_flickr": 1_071},
            "https://github.com/multi30k/dataset",
            "non-commercial research and education",
            network=False,
            features=("en", "de", "fr"),
            module="zoo.data.builders.multi30k_tokenized",
            manual="the files *.lc.norm.tok.{en,de,fr} from data/task1/tok, or *.{en,de,fr} from"
            " data/task1/raw, with .gz or not, of https://github.com/multi30k/dataset",
            kind="pairs",
        ),
        DatasetInfo(
            "ted_hrlr_translate",
            "TED talks (Qi et al. 2018); ted_hrlr_translate/ru_to_en has another direction",
            (),
            {"train": 51_785, "validation": 1_193, "test": 1_803},
            "https://github.com/neulab/word-embeddings-for-nmt",
            "none stated",
            features=("pt", "en"),
            kind="pairs",
            config="pt_to_en",
        ),
        DatasetInfo(
            "tatoeba",
            "Tatoeba: short sentences of 36 languages and English; tatoeba/tatoeba_fr is French",
            (),
            {"train": 1_000},
            "http://opus.nlpl.eu/Tatoeba.php",
            "CC BY 2.0 FR",
            features=("source_sentence", "target_sentence"),
            kind="pairs",
            config="tatoeba_de",
        ),
        DatasetInfo(
            "shapes",
            "Scenes of one to three colored shapes with a caption each",
            (48, 48, 3),
            {"train": 24_000, "validation": 1_000, "test": 1_000},
            "zoo.data.builders.shapes, generated on first use",
            "Apache-2.0, as this library",
            network=False,
            features=("image", "captions", "centres"),
            module="zoo.data.builders.shapes",
            kind="captions",
            tokenizer="words",
        ),
        DatasetInfo(
            "flickr8k",
            "Flickr8k: photographs with five captions each (Hodosh, Young, Hockenmaier 2013)",
            (160, 160, 3),
            {"train": 6_000, "validation": 1_000, "test": 1_000},
            "https://doi.org/10.1613/jair.3994",
            "non-commercial research and education",
            network=False,
            features=("image", "captions"),
            module="zoo.data.builders.flickr8k",
            manual="the folder Flicker8k_Dataset of images, Flickr8k.token.txt and "
            "Flickr_8k.{train,dev,test}Images.txt, as the archives of Flickr8k hold them,",
            image_size=160,
            kind="captions",
            tokenizer="words",
        ),
        DatasetInfo(
            "coco_captions",
            "COCO 2014 with five captions an image, in the splits of Karpathy and Li (2015)",
            (160, 160, 3),
            {"train": 82_783, "restval": 30_504, "val": 5_000, "test": 5_000},
            "http://cocodataset.org",
            "CC BY 4.0; the photographs by the terms of Flickr",
            features=("image", "captions"),
            image_size=160,
            kind="captions",
            tokenizer="words",
        ),
        *TEXTS,
        DatasetInfo(
            "ratings",
            "Stars that invented users give to invented films, from known factors",
            (),
            {"train": 18_000, "test": 2_000},
            "zoo.data.builders.ratings, generated on first use",
            "Apache-2.0, as this library",
            network=False,
            features=("user", "item", "rating"),
            module="zoo.data.builders.ratings",
            kind="ratings",
            load="zoo.data.builders.ratings:load",
        ),
        DatasetInfo(
            "movielens",
            "MovieLens: stars that users gave to films (Harper, Konstan 2015)",
            (),
            {"train": 100_000},
            "https://grouplens.org/datasets/movielens",
            "research; see the source",
            features=("user_id", "movie_id", "user_rating"),
            kind="ratings",
            load="zoo.data.builders.ratings:load",
            config="100k-ratings",
        ),
    )
}


def names(pattern: str = "*") -> list[str]:
    """The names of all data sets that match a shell pattern, sorted."""
    return sorted(fnmatch.filter(CATALOG, pattern))


def info(name: str) -> DatasetInfo:
    """The row of a name, of "name/class" or of "name/config". Raises UnknownNameError."""
    name, _, part = str(name).partition("/")
    if name not in CATALOG:
        raise UnknownNameError("data set", name, CATALOG)
    dataset = CATALOG[name]
    return replace(dataset, name=f"{name}/{part}") if part and dataset.config else dataset


def register(dataset: DatasetInfo) -> None:
    """Adds a row to the catalog; raises UsageError if the name is taken."""
    if CATALOG.get(dataset.name, dataset) != dataset:
        raise UsageError(f"the name of the data set {dataset.name!r} is taken; choose another")
    CATALOG[dataset.name] = dataset


def register_plugins() -> None:
    """Adds the rows of plug-ins; a broken one is reported, and does not stop the others."""
    for entry in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        try:
            for dataset in importlib.import_module(entry.value).DATA_SETS:
                register(dataset)
        except Exception as error:  # a plug-in may raise any error
            log_message(f"warning: the data sets of {entry.value} are broken: {one_line(error)}")
