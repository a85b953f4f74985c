"""Values of a long evaluation in a file, so that it resumes where it was interrupted."""

import hashlib
import io
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from zoo.files import user_path, write_atomically
from zoo.log import log_message

SAVE_SECONDS = 30  # between two writes


class PartialValues:
    """An array [..., n] that is filled example after example, and its finished part in a file.

    Args:
        path: an .npz file; None: nothing is read or written.
        shape: shape of the array.
        identity: text of all that the values depend on. A file with another text is replaced.

    Attributes:
        values: float64 array; finished examples have their values.
        done: number of finished examples.
    """

    def __init__(
        self, path: str | os.PathLike | None, shape: tuple[int, ...], identity: str
    ) -> None:
        self.path = None if path is None else user_path(path)
        self.values = np.empty(shape)
        self.done = 0
        self._identity = identity
        self._saved = time.monotonic()
        if self.path is not None:
            self._read(self.path)

    def fill(self, stop: int) -> None:
        """Records that all examples before `stop` have values; writes them from time to time."""
        self.done = min(stop, self.values.shape[-1])
        if time.monotonic() - self._saved >= SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        """Writes the finished part. Raises WriteError."""
        self._saved = time.monotonic()
        if self.path is None or not self.done:
            return
        raw = io.BytesIO()
        np.savez(raw, values=self.values[..., : self.done], identity=self._identity)
        write_atomically(self.path, lambda file: file.write(raw.getvalue()))

    def _read(self, path: Path) -> None:
        """Takes over the values in the file, unless they are of another evaluation or damaged."""
        try:
            with np.load(path) as file:
                values = file["values"]
                same = str(file["identity"]) == self._identity
        except FileNotFoundError:
            return
        except Exception:  # a damaged file may raise anything
            same = False
        if not same or values.shape[:-1] != self.values.shape[:-1]:
            log_message(
                f"note: {path} is of another evaluation or damaged, so the evaluation starts again"
            )
            return
        self.done = values.shape[-1]
        self.values[..., : self.done] = values
        log_message(f"{path}: resuming from example {self.done:,} of {self.values.shape[-1]:,}")


def weights_digest(weights: Iterable[Any]) -> str:
    """SHA-256 of the values of weights, in order."""
    digest = hashlib.sha256()
    for weight in weights:
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()
