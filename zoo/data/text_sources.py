"""Plain text of files, folders, table columns and named data sets, read piece by piece.

    source = open_text("books/")                 # or "book.txt", "reviews.csv" and column="text"
    for document in source.documents("train"):
        for piece in document:                   # str of at most a few megabytes

A text without splits has three: "train" is its first 90 %, "validation" the rest, "all" the whole.
Slices, such as "train[:1000000]", count bytes in files and folders, examples in tables and in named
data sets. A named data set of a single text for each split is cut in bytes, too.
"""

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.data import folders, image_sources, source_names, text_pieces, tfds_store
from zoo.data.catalog import info, names
from zoo.errors import UnknownNameError, UsageError, one_line
from zoo.log import log_message_once
from zoo.text.vocabulary import to_str_list

TRAIN_PERCENT = 90  # of a text without splits
TABLES = (".csv", ".tsv")
TABS = {"delimiter": "\t", "quoting": csv.QUOTE_NONE}
LARGEST_CELL = 2**30  # characters; the limit of the csv module is 131,072
Document = Iterable[str]  # pieces of one text


class TextSource:
    """A source of documents: `TextFiles`, `TextTable` or `NamedText`.

    Attributes:
        name: for messages.
        splits: names of its splits.
    """

    name: str
    splits: Sequence[str]

    def documents(self, split: str) -> Iterator[Document]:
        """The documents of a split, in order; the pieces of one must be read before the next."""
        raise NotImplementedError


def open_text(source: Any, column: str | None = None) -> TextSource:
    """The `TextSource` of a name, a file, a folder or a table.

    Args:
        source: a name of the catalog; a text file, gzipped or not; a folder of them; or a table,
            .csv or .tsv, whose rows are documents.
        column: for a table, the name of the column in the first line or its number from 0; for a
            data set of pairs, the language.

    Raises UsageError.
    """
    if source_names.is_named(source):
        return NamedText(source, column)
    path = source_names.source_path(source)
    if not path.exists():
        if path.name == str(source) and not path.suffix:
            raise UnknownNameError("data set", source, names())
        raise UsageError(
            f"there is no file or folder {str(source)!r}, and no data set of that name"
        )
    is_table = path.is_file() and {*path.suffixes} & {*TABLES}
    if column is not None and not is_table:
        raise UsageError(f"{source} is not a table (.csv or .tsv): leave --column out")
    if column is None and is_table:
        raise UsageError(f"{source} is a table: choose the text, as in --column 1")
    return TextTable(path, str(column)) if is_table else TextFiles(path)


@dataclass(frozen=True)
class Bounds:
    """A part of the examples or bytes of a split: [start, stop) of those numbered from 0."""

    start: int
    stop: int


def text_bounds(split: str, splits: Sequence[str], total: int, whole: bool = False) -> Bounds:
    """The part of a text of `total` bytes or rows that a split names.

    Args:
        split: in the syntax of TFDS.
        splits: names that exist.
        total: number of bytes or rows.
        whole: whether the text is that of the named split; else it is that of all splits.

    Raises UsageError.
    """
    parts = image_sources.parse_split(split, splits)
    if parts["order"]:
        raise UsageError(f"a text keeps its order: leave .{parts['order']} out of {split!r}")
    edge = total * TRAIN_PERCENT // 100
    first, last = {"train": (0, edge), "validation": (edge, total)}.get(parts["name"], (0, total))
    if whole:
        first = 0
        last = total
    if first == last:
        return Bounds(first, last)
    rows = image_sources.split_slice(split, parts, last - first)
    return Bounds(first + rows.start, first + rows.stop)


class TextFiles(TextSource):
    """One text file, or the files of a folder, each a document.

    A folder may have files or subfolders named after splits: train.txt, valid.txt, test/...
    """

    def __init__(self, path: Path):
        self.name = path.name
        self.path = path
        self.files = self._files_by_split(path)
        self.splits = [*self.files] or ["train", "validation", "all"]

    def documents(self, split: str) -> Iterator[Document]:
        name = split.partition("[")[0].strip()
        files = self.files.get(name) or [self.path]
        paths = [file for path in files for file in text_pieces.text_files(path)]
        sizes = [text_pieces.count_bytes(path) for path in paths]
        if not sum(sizes):
            raise UsageError(f"{self.name} is empty: it has no text")
        bounds = text_bounds(split, self.splits, sum(sizes), whole=bool(self.files))
        for path, size, end in zip(paths, sizes, itertools.accumulate(sizes), strict=True):
            start = max(bounds.start - (end - size), 0)
            stop = min(bounds.stop - (end - size), size)
            if start < stop:
                yield text_pieces.read_pieces(path, start, stop)

    def _files_by_split(self, path: Path) -> dict[str, list[Path]]:
        """The files and folders of each split that a folder names; {} if it names none."""
        if not path.is_dir():
            return {}
        entries = [entry for entry in sorted(path.iterdir()) if folders.is_visible(entry.name)]
        found: dict[str, list[Path]] = {}
        for split, stems in source_names.STEMS.items():
            if paths := [e for e in entries if e.name.lower().partition(".")[0] in stems]:
                found[split] = paths
        if "train" not in found:
            return {}
        used = {path for paths in found.values() for path in paths}
        if others := [entry.name for entry in entries if entry not in used]:
            log_message_once(
                f"note: {path}: {folders.listed(others)} do not belong to a split and are skipped"
            )
        return found


class TextTable(TextSource):
    """A column of a table with commas (.csv) or tabs (.tsv); each row is a document."""

    splits = ("train", "validation", "all")

    def __init__(self, path: Path, column: str):
        self.name = path.name
        self.path = path
        self.column = column

    def documents(self, split: str) -> Iterator[Document]:
        bounds = text_bounds(split, self.splits, sum(1 for _ in self._cells()))
        for cell in itertools.islice(self._cells(), bounds.start, bounds.stop):
            yield [cell]

    def _cells(self) -> Iterator[str]:
        pieces = text_pieces.read_pieces(self.path, 0, None)
        lines = itertools.chain.from_iterable(
            io.StringIO(p) for p in text_pieces.whole_lines(pieces)
        )
        rows = _read_rows(lines, ".csv" in self.path.suffixes, self.name)
        header = next(rows, [])
        if self.column in header:
            index = header.index(self.column)
        elif self.column.isdecimal() and int(self.column) < len(header):
            index = int(self.column)
            rows = itertools.chain([header], rows)
        else:
            raise UsageError(
                f"{self.name} has no column {self.column!r}; its first line is {header[:20]}, and"
                f" columns are numbered from 0 to {len(header) - 1}"
            )
        for number, row in enumerate(rows, 1):
            if row and len(row) <= index:
                raise UsageError(f"{self.name}: row {number:,} has {len(row)} columns: {row}")
            if row and row[index].strip():
                yield row[index]


def _read_rows(lines: Iterable[str], has_commas: bool, name: str) -> Iterator[list[str]]:
    """The rows of a table; with commas cells may be quoted, with tabs quotes are characters.

    Raises UsageError: a quote has no end, so that the rows after it would be one cell.
    """
    csv.field_size_limit(LARGEST_CELL)
    dialect: dict[str, Any] = {"delimiter": ","} if has_commas else TABS
    rows = csv.reader(lines, strict=True, **dialect)
    try:
        yield from rows
    except csv.Error as error:
        raise UsageError(
            f"{name}: line {rows.line_num:,} is not CSV: {one_line(error)}; a cell that begins with"
            ' a quote must end with one, with "" for a quote inside'
        ) from error


class NamedText(TextSource):
    """The texts of a named data set: one language of pairs, or the feature "text"."""

    def __init__(self, name: str, column: str | None):
        dataset = info(name)
        if dataset.kind not in ("texts", "pairs"):
            raise UsageError(
                f"{name} holds {dataset.kind}, not texts; load it with {dataset.loader}"
            )
        self.name = name
        self.splits = [*dataset.splits]
        self.feature = column or dataset.features[0]
        if dataset.kind == "pairs" and column is None:
            texts = ", ".join(dataset.features)
            log_message_once(
                f"note: {name} has the texts {texts}: reading {self.feature}; choose another one"
                " with --column"
            )

    def documents(self, split: str) -> Iterator[Document]:
        parts = [part.strip() for part in split.split("+")]
        whole = [part.partition("[")[0] for part in parts]
        builder, _ = tfds_store.open_split(self.name, "+".join(whole))
        if self.feature not in builder.info.features:
            features = ", ".join(builder.info.features)
            raise UsageError(
                f"--column must be one of {features} for {self.name}, got {self.feature}"
            )
        if all(builder.info.splits[name].num_examples == 1 for name in whole):
            yield itertools.chain.from_iterable(map(self._part_of_text, parts, whole))
            return
        _, data = tfds_store.open_split(self.name, split)
        with tfds_store.read_errors(self.name, builder.data_dir):
            for batch in data.map(lambda example: example[self.feature]).batch(1024):
                for text in to_str_list(batch.numpy(), f"{self.name} {split}: example"):
                    yield [text]

    def _part_of_text(self, split: str, name: str) -> list[str]:
        """The part of a split that holds a single text."""
        _, data = tfds_store.open_split(self.name, name)
        raw = next(iter(data.as_numpy_iterator()))[self.feature]
        bounds = text_bounds(split, [name], len(raw), whole=True)
        return [raw[bounds.start : bounds.stop].decode(errors="ignore")]
