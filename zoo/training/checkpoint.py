"""Checkpoint files: one `.npz` of explicit arrays and a JSON record, written all or not at all.

A file is first written under a temporary name, flushed to the disk and renamed, so that a crash,
a `kill -9` or a full disk leaves the previous one intact; the zip's checksums find damage later.
"""

import contextlib
import json
import re
from pathlib import Path

from zoo.errors import CheckpointError, one_line
from zoo.files import write_atomically

PATTERN = "step-{:09d}.npz"
CALLBACKS = "callback/"  # begins the keys of what callbacks remember
RETRIES = 100  # of a reader beside a writer


def signature(arrays):
    """Key -> [shape, dtype]: what must agree for arrays to fit a model."""
    return {key: [list(value.shape), str(value.dtype)] for key, value in arrays.items()}


def save(path, arrays, record):
    """Writes arrays and a JSON-able record to `path`; raises WriteError if it cannot."""
    import numpy as np  # here, since commands that compute nothing import this module too

    header = json.dumps({"record": record, "signature": signature(arrays)}).encode()
    # Raw bytes: NumPy's own format knows no bfloat16.
    raw = {key: np.frombuffer(value.tobytes(), np.uint8) for key, value in arrays.items()}
    raw["header"] = np.frombuffer(header, np.uint8)
    write_atomically(path, lambda file: np.savez(file, **raw))


def read(path):
    """(arrays, record) of a file; raises CheckpointError if it is damaged."""
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
        raise  # taken away by its owner at this moment
    except Exception as error:  # what a damaged zip may raise cannot be listed
        raise CheckpointError(
            f"{path} is damaged or not a checkpoint ({type(error).__name__}: {one_line(error)})"
        ) from error


def check_fits(path, arrays, expected):
    """Raises CheckpointError unless `arrays` have the keys, shapes and dtypes of `expected`.

    What callbacks remember is not the model's and is not compared.
    """
    own = {key: value for key, value in arrays.items() if not key.startswith(CALLBACKS)}
    have, want = signature(own), signature(expected)
    if have == want:
        return
    differences = [
        f"{key}: the file has {have.get(key, 'nothing')}, the model {want.get(key, 'nothing')}"
        for key in sorted({*have, *want})
        if have.get(key) != want.get(key)
    ]
    raise CheckpointError(
        f"{path} belongs to another model, optimizer or configuration"
        f" ({len(differences)} differences, first {differences[0]});"
        " nothing was changed. Use another workdir, or the settings it was made with"
    )


class Checkpoints:
    """The numbered checkpoints of one folder, of which the newest `max_to_keep` stay.

    Args:
        folder: where they live.
        max_to_keep: how many to keep.
    """

    def __init__(self, folder, max_to_keep=3):
        self.folder = Path(folder)
        self.max_to_keep = max_to_keep

    def paths(self):
        """Oldest first."""
        found = self.folder.glob("step-*.npz")
        return sorted(path for path in found if re.fullmatch(r"step-\d+\.npz", path.name))

    def save(self, step, arrays, record):
        save(self.folder / PATTERN.format(step), arrays, record)
        for old in self.paths()[: -self.max_to_keep]:
            old.unlink()

    def newest(self):
        """(name, time, size) of the newest file, which tells whether it was written since; None."""
        for _ in range(RETRIES):
            paths = self.paths()
            if not paths:
                return None
            with contextlib.suppress(FileNotFoundError):
                facts = paths[-1].stat()
                return paths[-1].name, facts.st_mtime_ns, facts.st_size
        return None

    def latest(self, expected, set_aside=False):
        """(path, arrays, record, reasons) of the newest sound checkpoint, or None without any.

        A trainer may be writing meanwhile: files that it takes away are looked for again.

        Args:
            expected: arrays as the model has them.
            set_aside: rename newer ones that are damaged to `*.damaged`; only for who holds the
                workdir.

        `reasons` tells what was wrong with the newer ones.

        Raises:
            CheckpointError: a checkpoint of another model, or none of them sound.
        """
        for _ in range(RETRIES):
            with contextlib.suppress(FileNotFoundError):
                return self._latest(expected, set_aside)
        raise CheckpointError(f"the checkpoints in {self.folder} change too quickly to be read")

    def _latest(self, expected, set_aside):
        damaged = []
        for path in reversed(self.paths()):
            try:
                arrays, record = read(path)
            except CheckpointError as error:
                damaged.append((path, error))
                continue
            check_fits(path, arrays, expected)
            for bad, _ in damaged if set_aside else ():
                bad.rename(bad.with_suffix(".npz.damaged"))
            return path, arrays, record, [str(error) for _, error in damaged]
        if damaged:
            raise CheckpointError(
                "no sound checkpoint is left: "
                + "; ".join(str(error) for _, error in damaged)
                + f". Nothing was changed; to start again, move {self.folder} away"
            )
        return None
