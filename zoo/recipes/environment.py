"""The environment of a run, for records: versions, device, commit, memory.

Needs only Python.
"""

import contextlib
import datetime
import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from zoo.environment import count_cores
from zoo.version import __version__

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("tensorflow", "keras", "tensorflow-probability", "numpy")


def environment() -> dict[str, Any]:
    """Versions, device, date and commit, on which a number depends."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "versions": versions | {"zoo": __version__, "python": platform.python_version()},
        "device": {"cpu": _cpu_name(), "cores": count_cores(), "system": platform.platform()},
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
    }


def _commit() -> str | None:
    """The commit of this library, "-dirty" if files differ from it; None without git."""
    if not (REPOSITORY / ".git").exists():
        return None
    git = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(git, cwd=REPOSITORY, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() or None


def _cpu_name() -> str:
    """The processor's name."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def peak_mb() -> float | None:
    """The largest memory this process has used, in MB; None where the system does not report it."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
