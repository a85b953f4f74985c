"""Checks and settings before TensorFlow is imported: its log level, Keras' backend and folder.

This module needs only Python.
"""

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path

from zoo.errors import UsageError

LEVEL = "TF_CPP_MIN_LOG_LEVEL"  # has an effect only if set before TensorFlow is imported


def check_backend() -> None:
    """Raises UsageError unless the backend of Keras is, or will be, TensorFlow."""
    variable = os.environ.get("KERAS_BACKEND")
    name = variable or configured_backend() or "tensorflow"
    if "keras" in sys.modules:
        name = sys.modules["keras"].config.backend()
    if name != "tensorflow":
        remedy = "unset KERAS_BACKEND" if variable else f"change it in {_keras_config()}"
        raise UsageError(f"Keras uses the backend {name!r}; the zoo needs tensorflow: {remedy}")


def configured_backend() -> str | None:
    """The backend in Keras' configuration file, keras.json; None if it has none."""
    try:
        return json.loads(_keras_config().read_text()).get("backend")
    except Exception:  # no file, or one that Keras cannot read either
        return None


def _keras_config() -> Path:
    home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")  # noqa: PTH111
    return Path(home) / "keras.json"


def set_keras_home() -> None:
    """Sets KERAS_HOME in a process without a home folder.

    Otherwise Keras would make a folder named ~ in the current folder.
    """
    if "KERAS_HOME" not in os.environ and os.path.expanduser("~") == "~":  # noqa: PTH111
        os.environ["KERAS_HOME"] = str(Path(tempfile.gettempdir()) / f"keras-{os.getuid()}")


def import_tensorflow() -> None:
    """Imports TensorFlow, for the first time, without its startup messages on stderr.

    The log level does not suppress messages from before logging is set up (TensorFlow issue
    100442), so stderr is closed meanwhile, unless the user has set a log level below 3. Raises
    UsageError if Keras has another backend.
    """
    check_backend()
    if "tensorflow" in sys.modules:
        return
    with _closed_stderr() if os.environ.setdefault(LEVEL, "3") == "3" else contextlib.nullcontext():
        import tensorflow  # noqa: F401


@contextlib.contextmanager
def _closed_stderr():
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        stderr = os.dup(2)
    except OSError:  # stderr is closed
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
