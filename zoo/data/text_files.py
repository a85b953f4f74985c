"""Files of texts: lines, tables, captions of images; UTF-8, gzipped or not, with limits on size.

Raises UsageError, which names the file and the line, if a file cannot be read.
"""

import csv
import gzip
import io
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from zoo.errors import UsageError, one_line, short_repr
from zoo.files import user_path
from zoo.text.vocabulary import normalize, to_str_list

LARGEST = 4 << 30  # bytes of an unpacked text
SMALL = 64 << 20  # bytes that any gzipped text may have when unpacked
RATIO = 200  # largest compression of longer gzipped texts; prose has 3 to 10
GZIP = b"\x1f\x8b"
NUMBER = re.compile(r"(\.\w+)#\d+$")  # photo.jpg#0: caption 0 of photo.jpg
NAME_AND_COMMA = re.compile(r'"|[^,\t]*\.[A-Za-z]\w{1,4}(#\d+)?,')
HEADER = ("image", "caption")


def read_lines(path: str | os.PathLike) -> list[str]:
    """The lines of a file."""
    path = user_path(path)
    if not path.exists():
        raise UsageError(f"there is no file {path}, and no data set of that name")
    if not path.is_file():
        raise UsageError(f"{path} must be a regular file, got a folder, a pipe or a device")
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(f"it has more than {LARGEST:,} bytes; split it")
        raw = path.read_bytes()
        raw = _unpacked(raw) if raw.startswith(GZIP) else raw
    except Exception as error:  # decoders raise many kinds
        raise UsageError(f"{path} cannot be read: {one_line(error)}") from error
    return decode_lines(raw, path)


def _unpacked(raw: bytes) -> bytes:
    limit = min(LARGEST, max(SMALL, RATIO * len(raw)))
    with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
        text = file.read(limit + 1)
    if len(text) > limit:
        raise UsageError(
            f"its {len(raw):,} bytes unpack to more than {limit:,}; unpack the file first"
        )
    return text


def decode_lines(raw: bytes, name: Any) -> list[str]:
    """The lines of a text's bytes. Raises UsageError, which names the text and the line."""
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in raw:
        number = raw[: raw.index(b"\0")].count(b"\n") + 1
        raise UsageError(f"{name}: line {number:,} holds NUL bytes; save it as UTF-8 text")
    if b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")
    lines = raw.split(b"\n")
    if not lines[-1]:
        del lines[-1]
    return to_str_list([line.removesuffix(b"\r") for line in lines], f"{name}: line")


def read_table(path: str | os.PathLike, columns: Sequence[int]) -> list[list[str]]:
    """Columns of a tab-separated table, a list of texts each; empty lines are skipped.

    Args:
        path: path of the file.
        columns: two different integers, counted from 0.
    """
    _check_columns(columns)
    sides: list[list[str]] = [[] for _ in columns]
    width = None
    for number, line in enumerate(read_lines(path), 1):
        cells = line.split("\t")
        if cells == [line] and not line.strip():
            continue
        width = len(cells) if width is None else width
        if len(cells) <= max(columns):
            raise UsageError(
                f"{path}: line {number:,} has {len(cells)} columns, but column {max(columns)}"
                f" (from 0) is needed, in {line[:60]!r}; separate columns by tabs"
            )
        if len(cells) != width:
            raise UsageError(
                f"{path}: line {number:,} has {len(cells)} columns, previous lines have {width}, in"
                f" {line[:60]!r}; texts in a table must not contain tabs"
            )
        for side, column in zip(sides, columns, strict=True):
            side.append(cells[column])
    return sides


def _check_columns(columns: Sequence[int]) -> None:
    pair = isinstance(columns, tuple | list) and len(columns) == 2
    if not pair or not all(type(x) is int and x >= 0 for x in columns) or len({*columns}) != 2:
        raise UsageError(
            "columns must be two different integers, counted from 0, as in (1, 0); got"
            f" {short_repr(columns)}"
        )


def read_captions(path: str | os.PathLike) -> dict[str, list[str]]:
    """Image name -> its captions, of a file with lines NAME, tab or comma, caption.

    All lines have the same separator; with commas, names and captions may be quoted. NAME.jpg#2 is
    caption 2 of NAME.jpg. Empty lines and the header "image", "caption" are skipped.
    Names are given in Unicode NFC.
    """
    captions: dict[str, list[str]] = {}
    texts = read_lines(path)
    rows = (_tab_rows if _has_tabs(texts) else _comma_rows)(texts, path)
    for index, (number, name, caption) in enumerate(rows):
        name = name.strip()
        caption = caption.strip()
        if not index and (name.lower(), caption.lower()) == HEADER:
            continue
        if not name or not caption:
            raise UsageError(
                f"{path}: line {number:,} must be an image's name, a tab or comma, and a caption;"
                f" got {texts[number - 1][:60]!r}"
            )
        image = normalize([NUMBER.sub(r"\1", name)])[0]
        captions.setdefault(image, []).append(caption)
    if not captions:
        raise UsageError(f"{path} holds no captions: it needs lines NAME, tab or comma, caption")
    return captions


def _has_tabs(texts: Sequence[str]) -> bool:
    """Whether names end with a tab: in most lines, or in half of them and in the first."""
    votes = ["\t" in line and not NAME_AND_COMMA.match(line) for line in texts if line.strip()]
    return bool(votes) and 2 * sum(votes) + votes[0] > len(votes)


def _tab_rows(texts: Sequence[str], path: str | os.PathLike) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(texts, 1):
        if line.strip():
            name, *rest = line.split("\t")
            if len(rest) > 1:
                raise UsageError(
                    f"{path}: line {number:,} has {len(rest) + 1} columns, in {line[:60]!r}; write"
                    " NAME, tab, caption, without tabs in the caption"
                )
            yield number, name, "".join(rest)


def _comma_rows(texts: Sequence[str], path: str | os.PathLike) -> Iterator[tuple[int, str, str]]:
    """(line number, name, caption); a quoted caption may contain a line break."""
    reader = csv.reader((line.replace("\r", " ") + "\n" for line in texts), strict=True)
    while True:
        number = reader.line_num + 1
        try:
            name, *rest = next(reader, None) or [""]
        except csv.Error as error:
            raise UsageError(
                f"{path}: line {number:,} is not CSV: {one_line(error)}, in"
                f" {texts[number - 1][:60]!r}; a caption that begins with a quote must end"
                ' with one, with "" for a quote inside'
            ) from error
        if reader.line_num < number:
            return
        if name.strip() or rest:
            yield number, name, ",".join(rest).replace("\n", " ")
