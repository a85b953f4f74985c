"""The data sets that have a name. One row is all that a new one needs; needs only Python."""

import fnmatch
from dataclasses import dataclass

from zoo.errors import UnknownName


@dataclass(frozen=True)
class DataSet:
    """What is known of a data set without loading it; `network`: preparing it downloads."""

    name: str
    description: str
    shape: tuple  # of one image: height, width, channels
    splits: dict  # name -> number of examples
    source: str
    licence: str
    network: bool = True
    features: tuple = ("image", "label")  # what a batch holds, by TFDS' names
    image_size: int | None = None  # scaled to this at load; None: left as it is
    by_class: bool = False  # too large to load but class by class
    binary: bool = False  # TFDS stores 0 and 1, not 0 and 255


CATALOG = {
    row.name: row
    for row in (
        DataSet(
            "mnist",
            "MNIST: handwritten digits (LeCun, Cortes, Burges 1998)",
            (28, 28, 1),
            {"train": 60_000, "test": 10_000},
            "http://yann.lecun.com/exdb/mnist",
            "CC BY-SA 3.0",
        ),
        DataSet(
            "fashion_mnist",
            "Fashion-MNIST: ten kinds of clothing (Xiao, Rasul, Vollgraf 2017)",
            (28, 28, 1),
            {"train": 60_000, "test": 10_000},
            "https://github.com/zalandoresearch/fashion-mnist",
            "MIT",
        ),
        DataSet(
            "kmnist",
            "Kuzushiji-MNIST: ten cursive Japanese characters (Clanuwat et al. 2018)",
            (28, 28, 1),
            {"train": 60_000, "test": 10_000},
            "http://codh.rois.ac.jp/kmnist",
            "CC BY-SA 4.0",
        ),
        DataSet(
            "binarized_mnist",
            "MNIST in Larochelle's static binarization (Larochelle, Murray 2011); no labels",
            (28, 28, 1),
            {"train": 50_000, "validation": 10_000, "test": 10_000},
            "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist",
            "as MNIST",
            features=("image",),
            binary=True,
        ),
        DataSet(
            "cifar10",
            "CIFAR-10: ten kinds of animals and vehicles (Krizhevsky 2009)",
            (32, 32, 3),
            {"train": 50_000, "test": 10_000},
            "https://www.cs.toronto.edu/~kriz/cifar.html",
            "none stated",
        ),
        DataSet(
            "celeb_a",
            "CelebA: faces (Liu et al. 2015), the centre square scaled to 64 pixels; no labels",
            (218, 178, 3),
            {"train": 162_770, "validation": 19_867, "test": 19_962},
            "http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
            "non-commercial research only",
            features=("image",),
            image_size=64,
        ),
        DataSet(
            "quickdraw_bitmap",
            "Quick, Draw!: 345 kinds of doodles (Google 2017); load one: quickdraw_bitmap/cat",
            (28, 28, 1),
            {"train": 50_426_266},
            "https://github.com/googlecreativelab/quickdraw-dataset",
            "CC BY 4.0",
            by_class=True,
        ),
        DataSet(
            "snowflakes",
            "Snow crystals grown by Reiter's automaton (2005), and the air they grew in",
            (64, 64, 1),
            {"train": 3_600, "test": 400},
            "zoo.data.snowflakes, grown on first use",
            "Apache-2.0, as this library",
            network=False,
            features=("image", "alpha", "beta", "gamma"),
        ),
    )
}


def names(pattern="*"):
    """The names of all data sets that match a shell pattern, sorted."""
    return sorted(fnmatch.filter(CATALOG, pattern))


def info(name):
    """The `DataSet` of that name (or "name/class"). Raises UnknownName."""
    name = str(name).partition("/")[0]
    if name not in CATALOG:
        raise UnknownName("data set", name, CATALOG)
    return CATALOG[name]
