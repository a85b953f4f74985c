"""Corpora of texts from named data sets, tables, parallel files, or folders with captions.

load_pairs("multi30k", "train", languages=("de", "en"))
load_pairs("deu.tsv", columns=(1, 0))                # a tab-separated table; .gz too
load_pairs(("news.de.gz", "news.en.gz"))             # line n belongs to line n
load_pairs("folder", "val", languages=("de", "en"))  # folder/val.de and folder/val.en
load_captions("flickr8k", "test", image_size=160)
load_captions("photos", captions="photos.txt")       # photos/NAME and lines NAME, tab, caption
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from zoo.checks import check_optional_numbers
from zoo.data import image_files, image_sources, source_names, text_files, tfds_store
from zoo.data.catalog import info
from zoo.errors import UsageError, short_repr
from zoo.files import user_path
from zoo.log import log_message_once
from zoo.text.vocabulary import normalize, to_str_list

SHOWN = 5  # names that an error lists


@dataclass(frozen=True, eq=False)
class Corpus:
    """Parallel texts, and arrays that belong to them.

    Args:
        texts: name -> list of str [n]: "source" and "target", or "caption".
        name: name of the data set.
        split: which part of it this is.
        arrays: name -> array [m, ...], such as "image".
        rows: int [n], the row of the arrays that each text belongs to; None: row i to text i.
    """

    texts: dict[str, list[str]] = field(repr=False)
    name: str
    split: str
    arrays: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    rows: np.ndarray | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(next(iter(self.texts.values())))

    def references(self, name: str) -> list[list[str]]:
        """The texts of a name that belong to one row of the arrays: a list of str for each row."""
        if self.rows is None:
            return [[text] for text in self.texts[name]]
        references: list[list[str]] = [[] for _ in range(max(self.rows, default=-1) + 1)]
        for row, text in zip(self.rows, self.texts[name], strict=True):
            references[row].append(text)
        return references


def load_pairs(
    source: str | os.PathLike | tuple | list,
    split: str = "train",
    languages: Sequence[str] | None = None,
    *,
    columns: Sequence[int] | None = None,
    data_dir: str | os.PathLike | None = None,
) -> Corpus:
    """Pairs of texts as a `Corpus` with "source" and "target".

    Args:
        source: a name of the catalog ("multi30k", "tatoeba/tatoeba_fr"); a tab-separated table; two
            files; a folder of files named SPLIT.LANGUAGE; any of these files may end in .gz. The
            split "validation" may be called valid, val or dev, and "test" test_2016_flickr.
        split: in the syntax of TFDS; a table and two files have only "train" and its slices.
        languages: (source, target), of a folder or a name; default for a name: its own.
        columns: (source, target), of a table, counted from 0; default: (0, 1).
        data_dir: as in `zoo.data.load`.

    Raises:
        UsageError: a file cannot be read; the message names the file and the line.
        Others: as in `zoo.data.load`.
    """
    _check_text(split=split)
    named = source_names.is_named(source)
    files = isinstance(source, tuple | list)
    folder = not named and not isinstance(source, tuple | list) and user_path(source).is_dir()
    if columns is not None and (named or files or folder):
        raise UsageError(f"columns are for a table; leave them out for {short_repr(str(source))}")
    if languages is not None and not named and not folder:
        raise UsageError(
            "languages are for a folder or a named data set (a table has columns=); leave them out"
            f" for {short_repr(str(source))}"
        )
    if languages is not None:
        languages = source_names.check_languages(languages)
    if named and isinstance(source, str):
        return _named_pairs(source, split, languages, data_dir)
    splits = ("train",)
    if isinstance(source, tuple | list):
        sides = _parallel(*source)
        name = Path(source[0]).name
    elif folder:
        path = user_path(source)
        splits = (split.partition("[")[0].strip(),)
        if languages is None:
            raise UsageError(f"choose the files of {path} to read, as in languages=('de', 'en')")
        name = path.name
        sides = _parallel(
            *(find_file(path, *source_names.text_file_names(splits[0], x)) for x in languages)
        )
    else:
        name = Path(source).name
        sides = text_files.read_table(source, (0, 1) if columns is None else columns)
    _check_not_empty(sides, name)
    part = image_sources.slice_split({"line": np.arange(len(sides[0]))}, split, splits)["line"]
    pairs = zip(("source", "target"), sides, strict=True)
    return Corpus({key: [side[i] for i in part] for key, side in pairs}, name, split)


def _check_not_empty(sides: Sequence[Sequence[str]], name: str) -> None:
    """Raises UsageError if there is no text; logs a message about pairs with an empty side."""
    empty = [
        i for i, pair in enumerate(zip(*sides, strict=True), 1) if not all(map(str.strip, pair))
    ]
    if len(empty) == len(sides[0]):
        raise UsageError(f"{name} is empty: it has no pair of texts")
    if empty:
        log_message_once(
            f"note: {name}: {len(empty):,} of {len(sides[0]):,} pairs have an empty side, the first"
            f" is pair {empty[0]:,}; they are used for training like the others"
        )


def _check_text(**values: Any) -> None:
    for name, value in values.items():
        if not isinstance(value, str):
            raise UsageError(f"{name} must be text, got {short_repr(value)}")


def _named_pairs(
    name: str, split: str, languages: Sequence[str] | None, data_dir: str | os.PathLike | None
) -> Corpus:
    dataset = info(name)
    if dataset.kind != "pairs":
        raise UsageError(
            f"{name} holds {dataset.kind}, not pairs of texts; load it with {dataset.loader}"
        )
    builder, data = tfds_store.open_split(name, split, data_dir)
    available = [*builder.info.features]
    languages = tuple(languages or builder.info.supervised_keys or dataset.features)
    if not {*languages} <= {*available}:
        raise UsageError(f"{name} has the languages {', '.join(available)}; got {languages}")
    sides: dict[str, list[str]] = {key: [] for key in languages}
    with tfds_store.read_errors(name, builder.data_dir):
        data = data.map(lambda example: {key: example[key] for key in languages})
        for batch in data.batch(1024).as_numpy_iterator():
            for key in languages:
                sides[key] += to_str_list(batch[key], f"{name} {split}, {key}:")
    return Corpus(dict(zip(("source", "target"), sides.values(), strict=True)), name, split)


def _parallel(*paths: str | os.PathLike) -> list[list[str]]:
    if len(paths) != 2:
        raise UsageError(f"pairs come from two files, got {len(paths)}")
    sides = [text_files.read_lines(path) for path in paths]
    if len(sides[0]) != len(sides[1]):
        raise UsageError(
            f"{paths[0]} has {len(sides[0]):,} lines and {paths[1]} {len(sides[1]):,}; line n of"
            " one must go with line n of the other"
        )
    return sides


def find_file(folder: Path, *names: str) -> Path:
    """The first file of these names in a folder, or the same with .gz. Raises UsageError."""
    if path := source_names.find_file(folder, *names):
        return path
    contents = ", ".join(sorted(path.name for path in folder.glob("*"))[:SHOWN])
    raise UsageError(
        f"{folder} has no {names[0]} and no {names[0]}.gz; it has {contents or 'nothing'}"
    )


def load_captions(
    source: str | os.PathLike,
    split: str = "train",
    *,
    captions: str | os.PathLike | None = None,
    names: str | os.PathLike | None = None,
    image_size: int | None = None,
    data_dir: str | os.PathLike | None = None,
) -> Corpus:
    """Images with captions as a `Corpus`: "caption", and the array "image", uint8 [m, h, w, c].

    Args:
        source: a name of the catalog ("flickr8k", "shapes"), or a folder of images.
        split: in the syntax of TFDS.
        captions: for a folder: a file of lines NAME, tab, caption (as in Flickr8k.token.txt, with
            NAME#0), or NAME, comma, caption.
        names: for a folder: a file that lists the images to use, one per line; default: all with
            captions.
        image_size: crop the center square and resize it to this many pixels.
        data_dir: as in `zoo.data.load`.

    Raises:
        UsageError: images are missing; the message lists them.
        Others: as in `zoo.data.load`.
    """
    _check_text(split=split)
    check_optional_numbers(image_size=image_size)
    if source_names.is_named(source):
        if captions is not None or names is not None:
            raise UsageError(f"captions= and names= are for a folder; leave them out for {source}")
        return _named_captions(source, split, image_size, data_dir)
    folder = user_path(source)
    if captions is None or not folder.is_dir():
        raise UsageError(
            f"{folder} must be a folder of images, and captions= a file, got {captions}"
        )
    texts = text_files.read_captions(captions)
    used = [*texts]
    if names is not None:
        lines = [line.strip() for line in text_files.read_lines(names) if line.strip()]
        used = [*dict.fromkeys(normalize(lines))]
        if not used:
            raise UsageError(f"{names} lists no images: it needs one name per line")
    check_images(used, folder, texts)
    selected = image_sources.slice_split({"name": np.array(used)}, split)["name"]
    files = [image_files.named_file(folder, name) for name in selected]
    arrays = {"image": image_files.read_images(files, folder, size=image_size)}
    return _caption_corpus([texts[name] for name in selected], folder.name, split, arrays)


def with_mirror_images(corpus: Corpus) -> Corpus:
    """A corpus with the mirror image of each image added, with the same captions.

    A caption with "left" or "right" is wrong for the mirror image; few have these words.
    """
    mirrored = corpus.arrays | {"image": corpus.arrays["image"][:, :, ::-1]}
    arrays = {name: np.concatenate([x, mirrored[name]]) for name, x in corpus.arrays.items()}
    texts = {name: 2 * text for name, text in corpus.texts.items()}
    rows = corpus.rows
    if rows is not None:
        rows = np.concatenate([rows, rows + len(mirrored["image"])])
    return replace(corpus, texts=texts, arrays=arrays, rows=rows)


def check_images(names: list[str], folder: Path, captions: Mapping[str, list[str]]) -> None:
    """Raises UsageError, which lists the images that have no file in a folder or no caption."""
    missing = [
        name
        for name in names
        if name not in captions or not image_files.named_file(folder, name).is_file()
    ]
    if missing:
        listed = ", ".join(missing[:SHOWN]) + (", ..." if len(missing) > SHOWN else "")
        raise UsageError(
            f"{len(missing):,} of {len(names):,} images have no file in {folder}, or no caption:"
            f" {listed}"
        )


def _named_captions(
    name: str, split: str, image_size: int | None, data_dir: str | os.PathLike | None
) -> Corpus:
    dataset = info(name)
    if dataset.kind != "captions":
        raise UsageError(
            f"{name} holds {dataset.kind}, not captions of images; load it with {dataset.loader}"
        )
    builder, data = tfds_store.open_split(name, split, data_dir)
    size = image_size or dataset.image_size
    decode = builder.info.features["image"].decode_example
    captions: list[list[str]] = []
    lists: dict[str, list[np.ndarray]] = {
        name: [] for name in dataset.features if name != "captions"
    }
    with tfds_store.read_errors(name, builder.data_dir):
        for example in data.as_numpy_iterator():
            image = decode(example["image"]).numpy()
            example["image"] = image if size is None else image_files.center_square(image, size)
            texts = example["captions"]
            texts = texts["text"] if isinstance(texts, dict) else texts
            label = f"{name} {split}, image {len(captions) + 1:,}: caption"
            captions.append(to_str_list(texts, label))
            for feature, values in lists.items():
                values.append(example[feature])
    arrays = {key: np.stack(values) for key, values in lists.items()}
    return _caption_corpus(captions, name, split, arrays)


def _caption_corpus(
    captions: list[list[str]], name: str, split: str, arrays: dict[str, np.ndarray]
) -> Corpus:
    """The corpus of one list of captions per row of the arrays."""
    rows = np.repeat(np.arange(len(captions)), [len(texts) for texts in captions])
    texts = {"caption": [text for texts in captions for text in texts]}
    return Corpus(texts, name, split, arrays, rows)
