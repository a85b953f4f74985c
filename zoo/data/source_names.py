"""Parsing of data sources: a name of the catalog, a path, or "AtoB:PATH" for a folder of pairs.

Needs only Python.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from zoo.data import folders
from zoo.data.catalog import CATALOG
from zoo.errors import UsageError, short_repr
from zoo.files import user_path

DIRECTIONS = ("AtoB", "BtoA")
HELD_OUT = ("test", "validation", "valid", "val", "dev", "eval")  # the first is evaluated on
STEMS = {  # names of text files by split: train.de, valid.de, test_2016_flickr.de (Multi30k)
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "eval", "evaluation"),
    "test": ("test", "test_2016_flickr", "testing"),
}


def is_named(source: Any) -> TypeGuard[str]:
    """Whether the source is a name of the catalog, or a name and a class."""
    return isinstance(source, str) and source.partition("/")[0] in CATALOG


def parse_pairs(source: Any) -> tuple[str, Path] | None:
    """("AtoB" or "BtoA", path) of a folder of pairs; None for any other source."""
    direction, colon, path = source.partition(":") if isinstance(source, str) else ("", "", "")
    return (direction, user_path(path)) if colon and direction in DIRECTIONS else None


def source_path(source: Any) -> Path:
    """The path of a source that is not in the catalog."""
    return (parse_pairs(source) or ("", user_path(source)))[1]


def absolute_source(source: Any) -> Any:
    """The source with an absolute path; a name is unchanged."""
    if is_named(source) or not source_path(source).exists():
        return source
    pairs = parse_pairs(source)
    direction = f"{pairs[0]}:" if pairs else ""
    return f"{direction}{source_path(source).resolve()}"


def splits(source: Any, languages: Sequence[str] | None = None) -> list[str]:
    """The names of the splits of a source; arrays and files have only "train".

    Folders of images and of pairs have only "train", unless their subfolders are named like
    splits.

    Args:
        source: as in `zoo.data.load`.
        languages: for a folder of texts: (source, target), the suffixes of its files.
    """
    if is_named(source):
        return [*CATALOG[source.partition("/")[0]].splits]
    if not isinstance(source, (str, os.PathLike)):
        return ["train"]
    if languages and not parse_pairs(source) and source_path(source).is_dir():
        folder = source_path(source)
        names = {split: [text_file_names(split, x) for x in languages] for split in STEMS}
        return [split for split in STEMS if all(find_file(folder, *n) for n in names[split])]
    return [*folders.split_paths(source_path(source))] or ["train"]


def text_file_names(split: str, language: str) -> list[str]:
    """The possible names of the text file of a split in a language."""
    return [f"{stem}.{language}" for stem in STEMS.get(split, (split,))]


def find_file(folder: Path, *names: str) -> Path | None:
    """The first file of these names in a folder, or the same with .gz; None if there is none.

    Case is ignored, unless there are files in both cases.
    """
    wanted = [f"{name}{gz}" for name in names for gz in ("", ".gz")]
    files = {path.name.lower(): path for path in sorted(folder.glob("*"), reverse=True)}
    found = (files.get(name.lower()) for name in wanted)
    exact = (folder / name for name in wanted)
    return next(filter(Path.is_file, [*exact, *filter(None, found)]), None)


def check_languages(languages: Any) -> tuple[str, str]:
    """Two different names of languages, or columns, as a tuple. Raises UsageError."""
    two = not isinstance(languages, str) and len(languages) == 2
    if not two or len({*languages}) != 2 or not all(x and isinstance(x, str) for x in languages):
        raise UsageError(
            "languages must be two different names, as in de,en, or two columns of a table, as in"
            f" 1,0; got {short_repr(languages)}"
        )
    return tuple(languages)


def parse_columns(languages: Sequence[str]) -> tuple[int, ...]:
    """Columns of a table, written in place of languages: ("1", "0") -> (1, 0).

    Raises UsageError.
    """
    if not all(re.fullmatch(r"[0-9]{1,9}", text) for text in languages):
        raise UsageError(
            f"a table needs two columns, counted from 0, instead of languages, as in 1,0; got"
            f" {short_repr(','.join(languages))}"
        )
    return tuple(map(int, languages))


def fingerprint(source: Any, languages: Sequence[str] | None = None) -> str | None:
    """Identifies data wherever they are: SHA-256 of a file, or of a folder's file names and sizes.

    None for a name of the catalog and for a path that does not exist. Files whose names begin with
    a dot and the folders of runs are ignored; of a folder of texts, only `languages` count.
    """
    if is_named(source) or not source_path(source).exists():
        return None
    root = source_path(source)
    if root.is_file():
        with root.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256((parse_pairs(source) or ("",))[0].encode())
    for name, size in sorted(_file_sizes(root)):
        if not languages or {*name.split(".")[1:]} & {*languages}:
            digest.update(f"{name}\0{size}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _file_sizes(root: Path) -> Iterator[tuple[str, int]]:
    """(path relative to the folder, bytes) of its files."""
    for parent, subfolders, files in os.walk(root):
        folder = Path(parent)
        runs = {name for name in subfolders if (folder / name / "checkpoints").is_dir()}
        subfolders[:] = [name for name in subfolders if name[0] != "." and name not in runs]
        for file in (folder / name for name in files if name[0] != "."):
            yield file.relative_to(root).as_posix(), file.stat().st_size
