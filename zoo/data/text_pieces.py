"""Text files in pieces: UTF-8, gzipped or not, of any size."""

import codecs
import contextlib
import gzip
import io
import itertools
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from zoo.data import folders
from zoo.errors import UsageError, one_line

PIECE = 1 << 20  # bytes
GZIP = b"\x1f\x8b"
BYTE_ORDER_MARK = "\ufeff"


def text_files(path: Path) -> list[Path]:
    """The file itself, or the visible files of a folder and its subfolders, sorted by name."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UsageError(f"{path} must be a regular file, got a pipe or a device")
    files = [file for file in folders.visible_files(path) if file.is_file()]
    if not files:
        raise UsageError(f"{path} is empty: it has no text files")
    return files


def count_bytes(path: Path) -> int:
    """The size of a text, unpacked."""
    with _reading(path), _open(path) as file:
        return file.seek(0, io.SEEK_END) if not isinstance(file, gzip.GzipFile) else _drain(file)


def read_pieces(path: Path, start: int = 0, stop: int | None = None) -> Iterator[str]:
    """The bytes [start, stop) of a text as str, in pieces; ends are moved to whole characters.

    Line ends become "\\n"; a byte order mark is left out.

    Raises UsageError, which names the file and the position: it is not UTF-8 text.
    """
    decode = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")(), translate=True)
    position = start
    mark = "" if start else BYTE_ORDER_MARK
    with _reading(path), _open(path) as file:
        file.seek(start)
        first = file.read(PIECE if stop is None else min(PIECE, stop - start))
        skipped = len(first) - len(_from_character(first)) if start else 0
        for raw in itertools.chain([first[skipped:]], _rest(file, stop)):
            try:
                text = decode.decode(raw)
            except UnicodeDecodeError as error:
                raise _not_text(path, f"byte {position:,} or later: {error.reason}") from error
            if "\0" in text:
                raise _not_text(path, f"it holds NUL bytes after byte {position:,}")
            position += len(raw)
            yield text.removeprefix(mark)
            mark = ""
        try:
            yield decode.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise _not_text(path, "it ends inside a character") from error


def whole_lines(pieces: Iterable[str]) -> Iterator[str]:
    """The same text in pieces that end with a line, as far as there are line ends."""
    rest = ""
    for piece in pieces:
        text, newline, last = piece.rpartition("\n")
        if newline:
            yield rest + text + newline
            rest = last
        else:
            rest += piece
        if len(rest) > PIECE:
            yield rest
            rest = ""
    if rest:
        yield rest


def _rest(file: BinaryIO, stop: int | None) -> Iterator[bytes]:
    """The bytes up to `stop`, and further ones of the character that it cuts."""
    while raw := file.read(PIECE if stop is None else min(PIECE, max(stop - file.tell(), 0))):
        yield raw
    if stop is not None:
        raw = file.read(3)
        yield raw[: len(raw) - len(_from_character(raw))]


def _from_character(raw: bytes) -> bytes:
    """The bytes without the leading ones of a character that began before."""
    begin = next((i for i, byte in enumerate(raw[:4]) if byte & 0xC0 != 0x80), min(len(raw), 4))
    return raw[begin:]


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        packed = file.read(len(GZIP)) == GZIP
    return gzip.GzipFile(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


def _drain(file: BinaryIO) -> int:
    """The number of bytes that a packed file holds."""
    return sum(len(raw) for raw in iter(lambda: file.read(PIECE), b""))


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Context that turns errors of the system and of gzip into UsageError."""
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path} cannot be read: {one_line(error)}") from error


def _not_text(path: Path, reason: str) -> UsageError:
    return UsageError(
        f"{path} is not UTF-8 text ({reason}): save it as UTF-8, or leave the file out"
    )
