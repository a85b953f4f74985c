"""Records of results: JSON files that hold a number with everything it means nothing without.

A record lies in one file, its per-image values in an `.npz` beside it. The record holds the
checksum of the values and, as `digest`, one of itself: what was edited by hand or damaged is not
read. Importing this module needs no TensorFlow.
"""

import contextlib
import datetime
import glob
import importlib.metadata
import io
import json
import os
import platform
import subprocess
from pathlib import Path

from zoo.environment import import_tensorflow
from zoo.errors import UnknownNameError, UsageError, ZooError, one_line
from zoo.files import digest, nan_to_null, sha256, write_atomically, write_json
from zoo.version import __version__

HOME = Path(__file__).parents[2]
RESULTS = Path("benchmarks/results")
AGAIN = "Restore the file, or make it anew with the command that made it (`zoo reproduce`)"
PACKAGES = ("tensorflow", "keras", "tensorflow-probability", "numpy")
KINDS = ("reproduction", "speed", "style", "finetuning", "yardstick")


class RecordError(ZooError):
    """A record that is damaged, incomplete or was edited after it was written."""


class Record(dict):
    """What a record's file holds.

    Attributes:
        path: the file.
    """

    def __init__(self, content, path):
        super().__init__(content)
        self.path = Path(path)

    @property
    def smoke(self):
        """Whether it only shows that the recipe runs."""
        return self.get("budget") == "smoke"

    @property
    def dirty(self):
        """Whether nobody can tell which code it was made with."""
        return not self.get("commit") or self["commit"].endswith("-dirty")


def write(path, record, values=None):
    """Writes a record, all or nothing, and returns it as `read` does.

    Args:
        path: NAME.json.
        record: what is known, as JSON has it; `kind` is one of `KINDS`.
        values: metric -> one number an image, kept as float32 in NAME.npz.

    Raises UsageError: another kind, and WriteError: the disk would not take it.
    """
    path, record = Path(path), json.loads(json.dumps(nan_to_null(record)))
    if record.get("kind") not in KINDS:
        raise UsageError(f"a record's kind is one of {KINDS}, got {record.get('kind')!r}")
    if values:
        import numpy as np

        raw, file = io.BytesIO(), path.with_suffix(".npz")
        np.savez_compressed(raw, **{k: np.asarray(v, np.float32) for k, v in values.items()})
        record["values"] = {"file": file.name, "sha256": sha256(raw.getvalue())}
    record["digest"] = digest(record)
    if values:
        _write_pair(path, record, raw.getvalue())
    else:
        write_json(path, record)
    return Record(record, path)


def _write_pair(path, record, raw):
    """Writes a record and its values; a process that is killed leaves the old or the new pair.

    New values have a name with their checksum until their record is there; `_values` reads both.
    """
    waiting = path.with_name(_waiting(record["values"]))
    write_atomically(waiting, lambda out: out.write(raw))
    write_json(path, record)
    waiting.replace(path.with_suffix(".npz"))
    for other in path.parent.glob(f"{glob.escape(path.stem)}.{'[0-9a-f]' * 12}.npz"):
        other.unlink(missing_ok=True)  # of a write that was killed


def _waiting(values):
    return f"{Path(values['file']).stem}.{values['sha256'][:12]}.npz"


def read(path):
    """The `Record` in a file; raises RecordError unless it and its values are as written."""
    record = _read(path)
    try:
        _values(record)
    except RecordError:
        if _read(path) == record:
            raise
        return read(path)  # another process has just replaced both
    return record


def _read(path):
    """The `Record` in a file, without a look at its values."""
    try:
        record = Record(json.loads(Path(path).read_text(encoding="utf-8")), path)
        intact = record["kind"] in KINDS and record["digest"] == digest(record)
        if record.get("values"):  # both are texts, and the file is beside the record
            record.path.with_name(record["values"]["file"] + record["values"]["sha256"])
    except Exception as error:  # what damaged JSON raises cannot be listed
        raise RecordError(
            f"{path} is damaged or no record ({type(error).__name__}: {one_line(error)}). {AGAIN}"
        ) from error
    if not intact:
        raise RecordError(
            f"{path} was changed after it was written: its digest is not that of its content."
            f" {AGAIN}"
        )
    return record


def _values(record):
    """The bytes of a record's values; none if it has none. Raises RecordError."""
    values = record.get("values")
    if not values:
        return b""
    fault = f"No such file, or it cannot be read: {values['file']}"
    for name in (_waiting(values), values["file"]):
        with contextlib.suppress(OSError):
            raw = record.path.with_name(name).read_bytes()
            if sha256(raw) == values["sha256"]:
                return raw
            fault = f"{name} is damaged: its checksum is not the one in {record.path.name}"
    raise RecordError(f"{record.path.parent}: {fault}. {AGAIN}")


def all(folder=RESULTS):
    """All records of a folder, sorted by file name; raises RecordError if one is damaged."""
    return [read(path) for path in sorted(Path(folder).glob("*.json"))]


def rank(records, metric):
    """Records from best to worst in a metric; raises UsageError unless they may be compared."""
    found = {record.path.stem: record.get("metrics", {}).get(metric, {}) for record in records}
    kinds = {name: (one.get("protocol"), one.get("extractor")) for name, one in found.items()}
    if len(set(kinds.values())) > 1 or (None, None) in kinds.values():
        told = "; ".join(
            f"{name}: {protocol}" + (f" ({extractor})" if extractor else "")
            for name, (protocol, extractor) in kinds.items()
        )
        raise UsageError(
            f"only numbers of one protocol have a rank, got for {metric}: {told}. Group the"
            " records by protocol first"
        )

    def worse(record):
        one = record["metrics"][metric]
        return one["value"] if one["lower_is_better"] else -one["value"]

    return sorted(records, key=worse)


def paired(a, b, metric):
    """Difference a - b of two records in a metric, image by image: a `zoo.metrics.Comparison`.

    Args:
        a, b: records; or lists of the records of several runs that differ in their seeds, two or
            more on either side, so that the interval covers training seeds too.
        metric: a key of their metrics.

    Raises UsageError unless protocol and test images are the same, RecordError without values.
    """
    import_tensorflow()
    from zoo.metrics import Estimate, compare

    def estimate(record):
        numbers = record.get("metrics", {})
        if metric not in numbers:
            raise UnknownNameError(f"metric of {record.path.stem}", metric, numbers)
        each, one = values(record, metric), numbers[metric]
        told = one["protocol"], one["unit"], not one["lower_is_better"], one["images"]
        return Estimate(each, *told)

    def estimates(side):
        return estimate(side) if isinstance(side, Record) else [estimate(one) for one in side]

    return compare(estimates(a), estimates(b))


def standing(record, reference):
    """How a record stands to a published number (a dict as the recipe's), in capitals.

    "WITHIN INTERVAL", "BETTER" or "NOT YET" only where the record has a metric of the very protocol
    of the published number; else "OTHER PROTOCOL".
    """
    for one in record["metrics"].values():
        if one["protocol"] == reference["protocol"] and one.get("interval"):
            low, high = one["interval"]
            if low <= reference["value"] <= high:
                return "WITHIN INTERVAL"
            return "BETTER" if (low > reference["value"]) ^ one["lower_is_better"] else "NOT YET"
    return "OTHER PROTOCOL"


def beside(record, reference):
    """A published number and how the record stands to it, as one line."""
    if reference is None:
        return "NO REFERENCE: none published"
    value = f"{reference['value']:g}"
    if reference["plus_minus"]:
        value += f" ± {reference['plus_minus']:g}"
    how = f" ({reference['note']})" if reference["note"] else ""
    return f"{standing(record, reference)}: published {value}{how}, {reference['source']}"


def written(number):
    """A number of a record, beside it the floor that real images have, and what it lacks."""
    notes = [f"floor {number['floor']:.4g}"] if "floor" in number else []
    if number.get("dropped"):
        notes.append(f"never {', '.join(map(str, number['dropped']))}")
    return f"{number['value']:.5g}" + (f" ({'; '.join(notes)})" if notes else "")


def certainty(number):
    """How sure a number of a record is: its interval, its error, its p, or nothing."""
    if number.get("interval"):
        return "{:.5g} to {:.5g}".format(*number["interval"])
    if "error" in number:
        return f"± {1.96 * number['error']:.2g}"
    return f"p = {number['p']:.2g}" if "p" in number else ""


def values(record, metric):
    """The numbers of single images behind a mean, float32 [n]; raises RecordError."""
    import numpy as np

    file = record.path.with_suffix(".npz")
    try:
        with np.load(io.BytesIO(_values(record))) as arrays:
            return arrays[metric]
    except Exception as error:  # what NumPy raises for a damaged archive cannot be listed
        raise RecordError(
            f"{file} has no values of {metric} ({one_line(error)}); make the record anew with"
            " `zoo reproduce`"
        ) from error


def circumstances():
    """Versions, machine, date and commit: what a number means nothing without."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "versions": versions | {"zoo": __version__, "python": platform.python_version()},
        "device": {"cpu": cpu(), "cores": os.cpu_count(), "system": platform.platform()},
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
    }


def commit():
    """The commit this library is at, "-dirty" if files differ from it; None without git."""
    if not (HOME / ".git").exists():
        return None
    git = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(git, cwd=HOME, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() or None


def cpu():
    """The processor's name."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
