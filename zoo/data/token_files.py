"""Texts as files of ids, which are mapped into memory: of any size, written once, in a cache.

The folder is ZOO_DATA_DIR/tokens. A file is named after a checksum of everything that determines
its ids: the text, the part of it, the vocabulary.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from zoo.data import source_names, storage, text_pieces
from zoo.data.catalog import info
from zoo.data.text_sources import Document
from zoo.errors import UsageError
from zoo.files import write_atomically, write_json
from zoo.log import log_message
from zoo.text.vocabulary import END, UNKNOWN, Vocabulary, normalize

FORMAT = 1  # incremented when the same text gets other ids
FOLDER = "tokens"
_END_ARRAY = np.array([END], np.int32)


@dataclass(frozen=True)
class TokenFile:
    """The ids of a text: END, then its documents with END between them.

    Attributes:
        path: path of the file.
        dtype: dtype of its ids.
        tokens: number of ids after the first.
        text_bytes: UTF-8 bytes of all documents.
        unknown: number of tokens that are not in the vocabulary.
    """

    path: str
    dtype: str
    tokens: int
    text_bytes: int
    unknown: int

    def ids(self) -> np.ndarray:
        """The ids, [tokens + 1], mapped into memory."""
        return np.memmap(self.path, self.dtype, "r", shape=(self.tokens + 1,))


def checksum(source: Any) -> str:
    """Identifies the content of a source by all its files; of a named one, by what TFDS records."""
    digest = hashlib.sha256()
    if source_names.is_named(source):
        folder = storage.find_prepared(source)
        root = (folder or Path()) / info(source).path
        paths = sorted(root.rglob("dataset_info.json")) if folder else []
    else:
        root = source_names.source_path(source)
        paths = text_pieces.text_files(root)
    for path in paths:
        with path.open("rb") as file:
            name = path.relative_to(root).as_posix()
            digest.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def write_tokens(
    documents: Iterable[Document], vocabulary: Vocabulary, name: str, **identity: Any
) -> TokenFile:
    """The `TokenFile` of documents, from the cache if it is there; takes constant memory.

    Args:
        documents: read only if the file is missing.
        vocabulary: turns them into ids.
        name: name of the text, for messages.
        **identity: what decides the documents, as JSON values.

    Raises UsageError: there is no text.
    """
    key = hashlib.sha256(
        json.dumps([FORMAT, vocabulary.fingerprint, identity], sort_keys=True).encode()
    ).hexdigest()[:32]
    folder = storage.writable_directory(FOLDER) / FOLDER
    record = folder / f"{key}.json"
    if stored := _read_record(record):
        return stored
    dtype = "<u2" if len(vocabulary) <= 1 << 16 else "<u4"
    path = folder / f"{key}.ids"
    log_message(f"tokenizing {name} into {vocabulary.kind}: {path}")
    writer = _Writer(documents, vocabulary, dtype)
    write_atomically(path, writer.write)
    if writer.text_bytes == 0:
        path.unlink()
        raise UsageError(f"{name} is empty: it has no text")
    facts = TokenFile(str(path), dtype, writer.tokens - 1, writer.text_bytes, writer.unknown)
    write_json(record, asdict(facts) | {"path": path.name})
    return facts


def _read_record(path: Path) -> TokenFile | None:
    """The JSON record of a file of ids; None unless both files exist and agree."""
    try:
        record = json.loads(path.read_text())
        stored = TokenFile(**record | {"path": str(path.with_name(record["path"]))})
        size = (stored.tokens + 1) * np.dtype(stored.dtype).itemsize
        return stored if os.stat(stored.path).st_size == size else None  # noqa: PTH116
    except (OSError, ValueError, TypeError, KeyError):
        return None


class _Writer:
    """Writes the ids of documents to a file and counts them."""

    def __init__(self, documents: Iterable[Document], vocabulary: Vocabulary, dtype: str):
        self.documents = documents
        self.vocabulary = vocabulary
        self.dtype = dtype
        self.tokens = 0
        self.text_bytes = 0
        self.unknown = 0

    def write(self, file: BinaryIO) -> None:
        pending: list[tuple[str, bool]] = []  # (text, whether a document begins with it)
        characters = 0
        for document in self.documents:
            begins = True
            for text in text_pieces.whole_lines(document):
                pending.append((text, begins))
                begins = False
                characters += len(text)
                if characters > text_pieces.PIECE:
                    self._append(file, pending)
                    pending = []
                    characters = 0
        self._append(file, pending)

    def _append(self, file: BinaryIO, pending: list[tuple[str, bool]]) -> None:
        """Writes texts, many at once: a document may be a single word."""
        texts = [text for text, _ in pending]
        arrays = [np.zeros(0, np.int32)]
        for (_, begins), ids in zip(pending, self.vocabulary.encode_arrays(texts), strict=True):
            arrays += [_END_ARRAY, ids] if begins else [ids]
        stream = np.concatenate(arrays)
        file.write(stream.astype(self.dtype).tobytes())
        self.tokens += len(stream)
        self.text_bytes += sum(len(text.encode()) for text in texts)
        self.unknown += int(np.count_nonzero(stream == UNKNOWN))


def training_lines(documents: Iterable[Document], limit: int) -> Iterator[str]:
    """The lines of documents, of the first `limit` characters or a little more."""
    characters = 0
    for document in documents:
        for text in text_pieces.whole_lines(document):
            yield from text.splitlines()
            characters += len(text)
            if characters > limit:
                return


def character_set(documents: Iterable[Document], lowercase: bool = False) -> list[str]:
    """All characters of documents, sorted, as a vocabulary normalizes them."""
    found: set[str] = set()
    for document in documents:
        for text in text_pieces.whole_lines(document):
            found.update(*normalize([text], lowercase))
    return sorted(found)
