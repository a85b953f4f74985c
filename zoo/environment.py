"""What other libraries read from the environment: the backend of Keras, and a folder to write in.

Needs only Python.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from zoo.errors import UsageError


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
