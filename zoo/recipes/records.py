"""Records of results: JSON files that hold a number with everything it depends on.

A record is one file, with its per-image values in an `.npz` beside it. It holds the checksum of the
values and, as `digest`, its own: a record that was edited or damaged is not read. Importing this
module needs no TensorFlow.
"""

import contextlib
import glob
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.environment import import_tensorflow
from zoo.errors import UnknownNameError, UsageError, ZooError, one_line
from zoo.files import digest, nan_to_null, sha256, write_atomically, write_json

if TYPE_CHECKING:
    import numpy as np

    from zoo.metrics import Comparison

RESULTS = Path("benchmarks/results")
ADVICE = "Restore the file, or write it again with the command that wrote it (`zoo reproduce`)"
KINDS = ("reproduction", "speed", "style_transfer", "finetuning", "metric_sensitivity")


class RecordError(ZooError):
    """A record that is damaged, incomplete or was edited after it was written."""


class Record(dict):
    """The content of a record's file.

    Attributes:
        path: the file.
    """

    def __init__(self, content: dict[str, Any], path: str | Path) -> None:
        super().__init__(content)
        self.path = Path(path)

    @property
    def num_seeds(self) -> int:
        """Number of runs in the record, which differ in their seeds."""
        return len(self.get("seeds", ())) or 1

    def run(self, seed: int) -> "Record":
        """The record of the run with this seed; without per-example values if there are several.

        Raises UsageError if there is none.
        """
        runs = {run["seed"]: run for run in self.get("seeds", ())}
        if not runs and seed == self["recipe"]["seed"]:
            return self
        if seed not in runs:
            known = [*runs] or [self["recipe"]["seed"]]
            raise UsageError(f"{self.path} has runs with the seeds {known}, got {seed}")
        shared = {key: value for key, value in self.items() if key not in ("seeds", "values")}
        return Record(shared | runs[seed], self.path)

    @property
    def smoke(self) -> bool:
        """Whether it only shows that the recipe runs."""
        return self.get("budget") == "smoke"

    @property
    def dirty(self) -> bool:
        """Whether the code that it was made with is unknown."""
        return not self.get("commit") or self["commit"].endswith("-dirty")


def write(
    path: str | Path, record: dict[str, Any], values: "dict[str, np.ndarray] | None" = None
) -> Record:
    """Writes a record, all or nothing, and returns it as `read` does.

    Args:
        path: NAME.json.
        record: its content, as JSON values; `kind` is one of `KINDS`.
        values: metric -> one number per image, stored as float32 in NAME.npz.

    Raises UsageError for another kind, WriteError if the disk is full.
    """
    path = Path(path)
    record = json.loads(json.dumps(nan_to_null(record)))
    if record.get("kind") not in KINDS:
        raise UsageError(f"the kind of a record must be one of {KINDS}, got {record.get('kind')!r}")
    if values:
        import numpy as np

        raw = io.BytesIO()
        file = path.with_suffix(".npz")
        arrays: dict[str, Any] = {k: np.asarray(v, np.float32) for k, v in values.items()}
        np.savez_compressed(raw, **arrays)
        record["values"] = {"file": file.name, "sha256": sha256(raw.getvalue())}
    record["digest"] = digest(record)
    if values:
        _write_pair(path, record, raw.getvalue())
    else:
        write_json(path, record)
    return Record(record, path)


def _write_pair(path: Path, record: dict[str, Any], raw: bytes) -> None:
    """Writes a record and its values; a process that is killed leaves the old or the new pair.

    New values have a name with their checksum until their record exists; `_values` reads both.
    """
    pending = path.with_name(_pending_name(record["values"]))
    write_atomically(pending, lambda out: out.write(raw))
    write_json(path, record)
    pending.replace(path.with_suffix(".npz"))
    for other in path.parent.glob(f"{glob.escape(path.stem)}.{'[0-9a-f]' * 12}.npz"):
        other.unlink(missing_ok=True)  # of a write that was killed


def _pending_name(values: dict[str, str]) -> str:
    return f"{Path(values['file']).stem}.{values['sha256'][:12]}.npz"


def read(path: str | Path) -> Record:
    """The `Record` in a file; raises RecordError if it or its values were changed."""
    record = _read(path)
    try:
        _values(record)
    except RecordError:
        if _read(path) == record:
            raise
        return read(path)  # another process has just replaced both
    return record


def _read(path: str | Path) -> Record:
    """The `Record` in a file, its values not checked."""
    try:
        record = Record(json.loads(Path(path).read_text(encoding="utf-8")), path)
        intact = record["kind"] in KINDS and record["digest"] == digest(record)
        if record.get("values"):  # both are texts, and the file is beside the record
            record.path.with_name(record["values"]["file"] + record["values"]["sha256"])
    except Exception as error:  # damaged JSON may raise anything
        raise RecordError(
            f"{path} is damaged or not a record ({type(error).__name__}: {one_line(error)})."
            f" {ADVICE}"
        ) from error
    if not intact:
        raise RecordError(
            f"{path} was changed after it was written: its digest does not match its content."
            f" {ADVICE}"
        )
    return record


def _values(record: Record) -> bytes:
    """The bytes of a record's values; none if it has none. Raises RecordError."""
    values = record.get("values")
    if not values:
        return b""
    fault = f"{values['file']} is missing or cannot be read"
    for name in (_pending_name(values), values["file"]):
        with contextlib.suppress(OSError):
            raw = record.path.with_name(name).read_bytes()
            if sha256(raw) == values["sha256"]:
                return raw
            fault = f"{name} is damaged: its checksum is not the one in {record.path.name}"
    raise RecordError(f"{record.path.parent}: {fault}. {ADVICE}")


def read_all(folder: str | Path = RESULTS) -> list[Record]:
    """All records of a folder, sorted by file name; raises RecordError if one is damaged."""
    return [read(path) for path in sorted(Path(folder).glob("*.json"))]


def rank(records: list[Record], metric: str) -> list[Record]:
    """Records from best to worst in a metric; raises UsageError if they are not comparable."""
    entries = {record.path.stem: record.get("metrics", {}).get(metric, {}) for record in records}
    protocols = {name: (e.get("protocol"), e.get("extractor")) for name, e in entries.items()}
    if len(set(protocols.values())) > 1 or (None, None) in protocols.values():
        listed = "; ".join(
            f"{name}: {protocol}" + (f" ({extractor})" if extractor else "")
            for name, (protocol, extractor) in protocols.items()
        )
        raise UsageError(
            f"only numbers of one protocol can be ranked, got for {metric}: {listed}. Group the"
            " records by protocol first"
        )

    def loss(record: Record) -> float:
        entry = record["metrics"][metric]
        return entry["value"] if entry["lower_is_better"] else -entry["value"]

    return sorted(records, key=loss)


def compare(a: Record | list[Record], b: Record | list[Record], metric: str) -> "Comparison":
    """The difference a - b of two records in a metric, paired by image.

    Args:
        a, b: records; or lists of the records of several runs that differ in their seeds, two or
            more on either side, so that the interval covers training seeds too. A record of several
            seeds is such a list; compared with a record of one, only its first run counts.
        metric: a key of their metrics.

    Raises UsageError unless protocol and test images are the same, RecordError without values.
    """
    import_tensorflow()
    from zoo import metrics

    def estimates(record: Record) -> list[metrics.Estimate]:
        entries = record.get("metrics", {})
        if metric not in entries:
            raise UnknownNameError(f"metric of {record.path.stem}", metric, entries)
        entry = entries[metric]
        runs = values(record, metric).reshape(record.num_seeds, -1)
        facts = entry["protocol"], entry["unit"], not entry["lower_is_better"], entry["images"]
        return [metrics.Estimate(run, *facts) for run in runs]

    sides = [[side] if isinstance(side, Record) else side for side in (a, b)]
    runs = [[run for record in side for run in estimates(record)] for side in sides]
    if {1} < {len(side) for side in runs}:
        is_one = isinstance(a, Record) and isinstance(b, Record)
        runs = [side[:1] for side in runs] if is_one else runs
    return metrics.compare(*(side[0] if len(side) == 1 else side for side in runs))


def values(record: Record, metric: str) -> "np.ndarray":
    """The values of single images, whose mean is the metric: float32 [n].

    A record of several seeds has [seeds, n]. Raises RecordError if there are none.
    """
    file = record.path.with_suffix(".npz")
    try:
        return all_values(record)[metric]
    except Exception as error:  # a damaged archive may raise anything
        raise RecordError(
            f"{file} has no values of {metric} ({one_line(error)}); write the record again with"
            " `zoo reproduce`"
        ) from error


def all_values(record: Record) -> "dict[str, np.ndarray]":
    """Metric -> its `values`, of the metrics that have them."""
    import numpy as np

    raw = _values(record)
    if not raw:
        return {}
    with np.load(io.BytesIO(raw)) as arrays:
        return {**arrays}
