"""What a text says of where data are: a name, a path, or "AtoB:PATH" for a folder of pairs.

Needs only Python.
"""

import hashlib
import os
import re
from pathlib import Path

from zoo.data import folders
from zoo.data.catalog import CATALOG
from zoo.errors import UsageError, short_repr
from zoo.files import user_path

DIRECTIONS = ("AtoB", "BtoA")
HELD_OUT = ("test", "validation", "valid", "val", "dev")  # the first is what one evaluates on
STEMS = {  # how files of texts are called: train.de, valid.de, test_2016_flickr.de (Multi30k)
    "train": ("train",),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "test_2016_flickr"),
}


def is_named(source):
    """Whether it is a name of the catalog, or a name and a class."""
    return isinstance(source, str) and source.partition("/")[0] in CATALOG


def parse_pairs(source):
    """("AtoB" or "BtoA", path) of a folder of pairs; None for anything else."""
    direction, colon, path = source.partition(":") if isinstance(source, str) else ("", "", "")
    return (direction, user_path(path)) if colon and direction in DIRECTIONS else None


def source_path(source):
    """The path of data that have no name."""
    return (parse_pairs(source) or ("", user_path(source)))[1]


def absolute_source(source):
    """A name as it is; a path so that it holds from everywhere."""
    if is_named(source) or not source_path(source).exists():
        return source
    direction = f"{parse_pairs(source)[0]}:" if parse_pairs(source) else ""
    return f"{direction}{source_path(source).resolve()}"


def splits(source, languages=None):
    """The names of the splits there are; arrays and files have only "train".

    So have folders of images and of pairs, unless the folders in them are named as splits.
    languages: of a folder of texts: (from, into), the endings of its files.
    """
    if is_named(source):
        return [*CATALOG[source.partition("/")[0]].splits]
    if not isinstance(source, (str, os.PathLike)):
        return ["train"]
    if languages and not parse_pairs(source) and source_path(source).is_dir():
        folder = source_path(source)
        return [
            s for s in STEMS if all(find_file(folder, *text_file_names(s, x)) for x in languages)
        ]
    return [*folders.split_paths(source_path(source))] or ["train"]


def text_file_names(split, language):
    """What the file of a split in a language may be called."""
    return [f"{stem}.{language}" for stem in STEMS.get(split, (split,))]


def find_file(folder, *names):
    """The first file of these names in a folder, or the same with .gz; None if there is none."""
    paths = (folder / f"{name}{gz}" for name in names for gz in ("", ".gz"))
    return next(filter(Path.is_file, paths), None)


def check_languages(languages):
    """Two different names of languages, or columns, as a tuple. Raises UsageError."""
    two = not isinstance(languages, str) and len(languages) == 2
    if not two or len({*languages}) != 2 or not all(x and isinstance(x, str) for x in languages):
        raise UsageError(
            "languages are two different names, as in de,en (of a table, its columns: 1,0); got"
            f" {short_repr(languages)}"
        )
    return tuple(languages)


def parse_columns(languages):
    """The columns of a table that languages written as numbers stand for: ("1", "0") -> (1, 0)."""
    if not all(re.fullmatch(r"[0-9]{1,9}", text) for text in languages):
        raise UsageError(
            f"a table has columns, counted from 0, in place of languages, as in 1,0; got"
            f" {short_repr(','.join(languages))}"
        )
    return tuple(map(int, languages))


def fingerprint(source, languages=None):
    """What identifies data wherever they lie: of a file its bytes, of a folder its files' sizes.

    None for a name of the catalog and for what is not there. Files whose names begin with a dot,
    and the folders of runs, belong to nobody's data; of texts in a folder, only the languages.
    """
    if is_named(source) or not source_path(source).exists():
        return None
    root = source_path(source)
    if root.is_file():
        with root.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    found = hashlib.sha256((parse_pairs(source) or ("",))[0].encode())
    for name, size in sorted(_sizes(root)):
        if not languages or {*name.split(".")[1:]} & {*languages}:
            found.update(f"{name}\0{size}\n".encode(errors="surrogateescape"))
    return found.hexdigest()


def _sizes(root):
    """(name below a folder, bytes) of its files."""
    for place, below, files in os.walk(root):
        folder = Path(place)
        runs = {name for name in below if (folder / name / "checkpoints").is_dir()}
        below[:] = [name for name in below if name[0] != "." and name not in runs]
        for file in (folder / name for name in files if name[0] != "."):
            yield file.relative_to(root).as_posix(), file.stat().st_size
