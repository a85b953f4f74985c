"""What must be right before TensorFlow is imported: its log level, the backend and folder of Keras.

Needs only Python.
"""

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path

from zoo.errors import UsageError

LEVEL = "TF_CPP_MIN_LOG_LEVEL"  # heeded only if set before TensorFlow is imported


def check_backend():
    """Raises UsageError unless Keras has, or will have, the backend of TensorFlow."""
    variable = os.environ.get("KERAS_BACKEND")
    name = variable or backend_in_file() or "tensorflow"
    if "keras" in sys.modules:
        name = sys.modules["keras"].config.backend()
    if name != "tensorflow":
        cure = "unset KERAS_BACKEND" if variable else f"change it in {keras_file()}"
        raise UsageError(f"Keras uses the backend {name!r}; the zoo needs tensorflow: {cure}")


def backend_in_file():
    """The backend that Keras' own file of settings asks for; None if it asks for none."""
    try:
        return json.loads(keras_file().read_text()).get("backend")
    except Exception:  # no file, or one that Keras does not read either
        return None


def keras_file():
    home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")  # noqa: PTH111
    return Path(home) / "keras.json"


def give_keras_a_home():
    """Where a process has no home folder, Keras would make a folder named ~ in the current one."""
    if "KERAS_HOME" not in os.environ and os.path.expanduser("~") == "~":  # noqa: PTH111
        os.environ["KERAS_HOME"] = str(Path(tempfile.gettempdir()) / f"keras-{os.getuid()}")


def import_tensorflow():
    """Imports TensorFlow, for the first time, without its greetings on stderr.

    The log level does not silence those that come before logging is set up (TensorFlow issue
    100442), so the file they go to is closed meanwhile. Who has set a level below 3 wants to hear
    them. Raises UsageError if Keras has another backend.
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
    except OSError:  # it is closed
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)
