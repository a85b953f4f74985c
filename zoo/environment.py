"""The process before TensorFlow is imported: log level, Keras backend, Keras home, cores.

Uses only the Python standard library.
"""

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from zoo.errors import UsageError

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"  # TensorFlow reads it once, at import


def check_backend() -> None:
    """Checks that Keras uses, or is going to use, the TensorFlow backend.

    Raises:
        UsageError: another backend is loaded or configured.
    """
    variable = os.environ.get("KERAS_BACKEND")
    name = variable or _backend_in_file() or "tensorflow"
    if "keras" in sys.modules:
        name = sys.modules["keras"].config.backend()
    if name != "tensorflow":
        remedy = "unset KERAS_BACKEND" if variable else f"change it in {_keras_config_file()}"
        raise UsageError(f"Keras uses the backend {name!r}; the zoo needs tensorflow: {remedy}")


def _backend_in_file() -> str | None:
    """The backend set in keras.json, or None."""
    try:
        return json.loads(_keras_config_file().read_text()).get("backend")
    except Exception:  # missing, or damaged: then Keras ignores it too
        return None


def _keras_config_file() -> Path:
    home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")  # noqa: PTH111
    return Path(home) / "keras.json"


def ensure_keras_home() -> None:
    """Sets KERAS_HOME for a process without a home folder.

    Otherwise Keras would create a folder named ~ in the current directory.
    """
    if "KERAS_HOME" not in os.environ and os.path.expanduser("~") == "~":  # noqa: PTH111
        os.environ["KERAS_HOME"] = str(Path(tempfile.gettempdir()) / f"keras-{os.getuid()}")


def count_cores() -> int:
    """Number of cores that this process may use."""
    affinity = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if affinity else os.cpu_count() or 1


def import_tensorflow() -> None:
    """Imports TensorFlow without its startup messages on stderr.

    The log level does not silence messages that are printed before logging is set up (TensorFlow
    issue 100442), so stderr is closed during the import. With a log level below 3 in the
    environment, the messages are printed.

    Raises:
        UsageError: Keras uses another backend.
    """
    check_backend()
    if "tensorflow" in sys.modules:
        return
    quiet = os.environ.setdefault(LOG_LEVEL, "3") == "3"
    with _closed_stderr() if quiet else contextlib.nullcontext():
        import tensorflow  # noqa: F401


@contextlib.contextmanager
def _closed_stderr() -> Iterator[None]:
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        stderr = os.dup(2)
    except OSError:  # it is closed already
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)
