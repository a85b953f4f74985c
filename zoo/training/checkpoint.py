"""Checkpoint files: one `.npz` of arrays and a JSON record, written atomically.

A file is written under a temporary name, flushed to disk and renamed, so that a crash, a `kill -9`
or a full disk leaves the previous one intact. The checksums of the zip format detect later damage.
"""

import contextlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import CheckpointError, one_line
from zoo.files import write_atomically

if TYPE_CHECKING:
    import numpy as np

Arrays = Mapping[str, "np.ndarray"]

_FILE_NAME = "step-{:09d}.npz"
CALLBACK_PREFIX = "callback/"  # of the keys of callbacks' arrays
_RETRIES = 100  # of a reader while another process writes


def _signature(arrays: Arrays) -> dict[str, list[Any]]:
    """Key -> [shape, dtype]."""
    return {key: [list(value.shape), str(value.dtype)] for key, value in arrays.items()}


def save(path: Path, arrays: Arrays, record: dict[str, Any]) -> None:
    """Writes arrays and a JSON record to a file.

    Raises:
        WriteError: the file could not be written.
    """
    import numpy as np  # here, since commands that need no NumPy import this module

    header = json.dumps({"record": record, "signature": _signature(arrays)}).encode()
    # Raw bytes, since NumPy's format does not support bfloat16.
    raw: dict[str, Any] = {
        key: np.frombuffer(value.tobytes(), np.uint8) for key, value in arrays.items()
    }
    raw["header"] = np.frombuffer(header, np.uint8)
    write_atomically(path, lambda file: np.savez(file, **raw))


def read(path: Path) -> tuple[dict[str, "np.ndarray"], dict[str, Any]]:
    """The (arrays, record) of a file.

    Raises:
        CheckpointError: it is damaged.
        FileNotFoundError: it was removed.
    """
    import numpy as np

    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as raw:
            header = json.loads(raw["header"].tobytes())
            arrays = {
                key: np.frombuffer(raw[key].tobytes(), np.dtype(dtype)).reshape(shape)
                for key, (shape, dtype) in header["signature"].items()
            }
            return arrays, header["record"]
    except FileNotFoundError:
        raise  # removed by the trainer that owns the folder
    except Exception as error:  # a damaged zip raises many types
        raise CheckpointError(
            f"{path} is damaged or not a checkpoint ({type(error).__name__}: {one_line(error)})"
        ) from error


def check_compatible(path: Path, arrays: Arrays, expected: Arrays) -> None:
    """Checks that `arrays` have the keys, shapes and dtypes of `expected`.

    Arrays of callbacks are not compared.

    Raises:
        CheckpointError: they differ.
    """
    saved = _signature({k: v for k, v in arrays.items() if not k.startswith(CALLBACK_PREFIX)})
    wanted = _signature(expected)
    if saved == wanted:
        return
    differences = [
        f"{key}: the file has {saved.get(key, 'nothing')}, the model {wanted.get(key, 'nothing')}"
        for key in sorted({*saved, *wanted})
        if saved.get(key) != wanted.get(key)
    ]
    raise CheckpointError(
        f"{path} belongs to another model, optimizer or configuration"
        f" ({len(differences)} differences, first {differences[0]});"
        " nothing was changed. Use another workdir, or the settings of that run"
    )


class Checkpoints:
    """The numbered checkpoints of a folder; the newest `max_to_keep` are kept.

    Args:
        folder: the folder.
        max_to_keep: how many to keep.
    """

    def __init__(self, folder: Path, max_to_keep: int = 3):
        self.folder = Path(folder)
        self.max_to_keep = max_to_keep

    def paths(self) -> list[Path]:
        """The files, oldest first."""
        paths = self.folder.glob("step-*.npz")
        return sorted(path for path in paths if re.fullmatch(r"step-\d+\.npz", path.name))

    def save(self, step: int, arrays: Arrays, record: dict[str, Any]) -> None:
        """Writes the checkpoint of a step and removes the oldest ones.

        Raises:
            WriteError: the file could not be written.
        """
        save(self.folder / _FILE_NAME.format(step), arrays, record)
        for old in self.paths()[: -self.max_to_keep]:
            old.unlink()

    def newest(self) -> tuple[str, int, int] | None:
        """(name, time, size) of the newest file, which identify its contents; None without any."""
        for _ in range(_RETRIES):
            paths = self.paths()
            if not paths:
                return None
            with contextlib.suppress(FileNotFoundError):
                stat = paths[-1].stat()
                return paths[-1].name, stat.st_mtime_ns, stat.st_size
        return None

    def load_latest(
        self, expected: Arrays, set_aside: bool = False
    ) -> tuple[Path, dict[str, "np.ndarray"], dict[str, Any], list[str]] | None:
        """Loads the newest undamaged checkpoint.

        Retries if a trainer in another process removes files meanwhile.

        Args:
            expected: arrays with the keys, shapes and dtypes of the model.
            set_aside: rename newer, damaged files to `*.damaged`; only for the trainer that owns
                the workdir.

        Returns:
            (path, arrays, record, reasons), where `reasons` are the errors of newer, damaged files;
            None if there is no checkpoint.

        Raises:
            CheckpointError: a checkpoint of another model, or all are damaged.
        """
        for _ in range(_RETRIES):
            with contextlib.suppress(FileNotFoundError):
                return self._load_latest(expected, set_aside)
        raise CheckpointError(f"the checkpoints in {self.folder} change too quickly to be read")

    def _load_latest(
        self, expected: Arrays, set_aside: bool
    ) -> tuple[Path, dict[str, "np.ndarray"], dict[str, Any], list[str]] | None:
        damaged: list[tuple[Path, CheckpointError]] = []
        for path in reversed(self.paths()):
            try:
                arrays, record = read(path)
            except CheckpointError as error:
                damaged.append((path, error))
                continue
            check_compatible(path, arrays, expected)
            for bad, _ in damaged if set_aside else ():
                bad.rename(bad.with_suffix(".npz.damaged"))
            return path, arrays, record, [str(error) for _, error in damaged]
        if damaged:
            raise CheckpointError(
                "no undamaged checkpoint is left: "
                + "; ".join(str(error) for _, error in damaged)
                + f". Nothing was changed; to start again, move {self.folder} away"
            )
        return None
