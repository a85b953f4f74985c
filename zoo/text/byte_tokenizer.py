"""Bytes as tokens: a vocabulary of 260 ids that encodes any text and needs no corpus."""

from collections.abc import Iterable
from typing import Any, Self

import numpy as np

from zoo.checks import check_flags
from zoo.text.vocabulary import SPECIAL, Vocabulary, normalize, strip_special


class ByteTokenizer(Vocabulary):
    """Byte b of the UTF-8 form of a text has the id b + 4.

    Args:
        lowercase: whether to lower-case texts before encoding.
    """

    def __init__(self, lowercase: bool = False):
        check_flags(lowercase=lowercase)
        self.lowercase = lowercase

    @property
    def kind(self) -> str:
        return "bytes"

    def encode(self, texts: Iterable[str | bytes]) -> list[list[int]]:
        return [ids.tolist() for ids in self.encode_arrays(texts)]

    def encode_arrays(self, texts: Iterable[str | bytes]) -> list[np.ndarray]:
        raw = [text.encode() for text in normalize(texts, self.lowercase)]
        return [np.frombuffer(row, np.uint8).astype(np.int32) + len(SPECIAL) for row in raw]

    def decode(self, ids: Any) -> list[str]:
        offset = len(SPECIAL)
        rows = strip_special(ids)
        raw = [bytes(i - offset for i in row if offset <= i < len(self)) for row in rows]
        return [text.decode(errors="replace") for text in raw]

    def tokens(self, ids: Iterable[int]) -> list[str]:
        offset = len(SPECIAL)
        return [f"<0x{i - offset:02X}>" if i >= offset else SPECIAL[i] for i in map(int, ids)]

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "lowercase": self.lowercase}

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> Self:
        return cls(config["lowercase"])

    def __len__(self) -> int:
        return len(SPECIAL) + 256
